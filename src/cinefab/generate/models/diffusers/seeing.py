"""What a pipeline gave, as pictures and sound: its last word, and a look at it half-way."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cinefab.core.brief import Size
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.generate.backend import AUDIO_HZ, Samples
from cinefab.media.frames import Rgb

_PREVIEW_SIDE: Final = 512
_BLOCK: Final = 1 << 16

Pictures = NDArray[np.uint8]
"""Shape (of a batch, frames, height, width, 3)."""


def pictures_from(output: Any) -> Pictures:
    """Return all frames that a call gave, one for each still; raise `ContractMismatch` for none."""
    _require_shown(output)
    first = output[0]
    if isinstance(first, list):
        first = np.stack([np.asarray(each) for each in first])
    given: NDArray[Any] = np.asarray(first)
    if given.ndim == 4:
        given = given[:, None]
    if given.ndim != 5 or given.shape[-1] != 3:
        raise _unfit(f"an array of shape {given.shape}")
    if given.dtype == np.uint8:
        return given
    if not np.isfinite(given).all():
        raise _unfit("numbers that are none: what it computed in was too small for it")
    shown: Pictures = np.rint(np.clip(given, 0, 1) * np.float32(255)).astype(np.uint8)
    return shown


def sound_from(output: Any, rate_hz: int, samples: int) -> Samples:
    """Return exactly so many samples at 48 kHz of what a call gave; silence, where it was shorter."""
    given = output[0]
    if hasattr(given, "detach"):
        given = given.detach().to("cpu").float().numpy()
    heard = np.asarray(given, np.float32)
    heard = heard[0] if heard.ndim > 1 else heard
    heard = heard.T if heard.ndim == 2 and heard.shape[0] <= 2 else heard
    heard = heard[:, None] if heard.ndim == 1 else heard
    if not np.isfinite(heard).all():
        raise _unfit("samples that are no numbers")
    pair = np.repeat(heard, 2, axis=1) if heard.shape[1] == 1 else heard[:, :2]
    at_rate = pair if rate_hz == AUDIO_HZ else _resampled(pair, rate_hz)
    out = np.zeros((samples, 2), np.float32)
    taken = min(samples, len(at_rate))
    out[:taken] = np.clip(at_rate[:taken], -1, 1)
    return out


def rate_of(pipeline: Any) -> int:
    """Return how many samples a second a pipeline makes."""
    for component, named in (("vae", "sampling_rate"), ("vocoder", "sampling_rate")):
        config = getattr(getattr(pipeline, component, None), "config", None)
        found = getattr(config, named, None)
        if found:
            return int(found)
    return AUDIO_HZ


def look(pipeline: Any, latents: Any, size: Size) -> Rgb | None:
    """Return a picture of latents half-way: one frame, decoded as the last ones will be.

    None where this pipeline's latents are laid out in a way that is not known here; a preview is
    not worth an error.
    """
    import torch

    with contextlib.suppress(Exception), torch.no_grad(), torch.random.fork_rng(devices=[]):
        return _decoded(pipeline, latents, size)
    return None


def _decoded(pipeline: Any, latents: Any, size: Size) -> Rgb | None:
    import torch

    vae = pipeline.vae
    one = _unpacked(pipeline, latents[:1], size)
    config = vae.config
    if one.ndim == 5:
        frames = 2 if type(pipeline).__name__.startswith("CogVideoX") is False else 1
        one = one.select(frames, one.shape[frames] // 2).unsqueeze(2)
    one = one.to(next(vae.parameters()).device, next(vae.parameters()).dtype)
    mean, deviation = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
    if mean is not None and deviation is not None:
        sides = (1, -1, *([1] * (one.ndim - 2)))
        shape = {"dtype": one.dtype, "device": one.device}
        one = one * torch.tensor(deviation, **shape).view(sides)
        one = one + torch.tensor(mean, **shape).view(sides)
    else:
        one = one / float(getattr(config, "scaling_factor", None) or 1.0)
        one = one + float(getattr(config, "shift_factor", None) or 0.0)
    seen = vae.decode(one, return_dict=False)[0]
    seen = seen[:, :, seen.shape[2] // 2] if seen.ndim == 5 else seen
    picture = ((seen[0].float() / 2 + 0.5).clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    return _small(np.ascontiguousarray(picture.permute(1, 2, 0).numpy()))


def _unpacked(pipeline: Any, latents: Any, size: Size) -> Any:
    """Return latents as a grid, where a pipeline keeps them as a row of patches."""
    unpack = getattr(pipeline, "_unpack_latents", None)
    if latents.ndim != 3 or unpack is None:
        return latents
    takes = list(inspect.signature(unpack).parameters)
    if "num_frames" in takes:  # LTX: by the grid of the latents themselves
        spatial = pipeline.vae_spatial_compression_ratio
        high, wide = size.height // spatial, size.width // spatial
        return unpack(latents, latents.shape[1] // (high * wide), high, wide, 1, 1)
    return unpack(latents, size.height, size.width, pipeline.vae_scale_factor)


def _small(picture: Rgb) -> Rgb:
    import cv2

    height, width = picture.shape[:2]
    scale = _PREVIEW_SIDE / max(height, width)
    if scale >= 1:
        return picture
    sides = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, sides, interpolation=cv2.INTER_AREA), np.uint8)


def _resampled(pair: Samples, rate_hz: int) -> Samples:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

    resampler = AudioResampler(format="fltp", layout="stereo", rate=AUDIO_HZ)
    parts = []
    for at in range(0, len(pair), _BLOCK):
        block = np.ascontiguousarray(pair[at : at + _BLOCK].T)
        frame = AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = rate_hz, at
        parts += [each.to_ndarray() for each in resampler.resample(frame)]
    parts += [each.to_ndarray() for each in resampler.resample(None)]
    return np.concatenate(parts, axis=1).T.astype(np.float32)


def _require_shown(output: Any) -> None:
    flagged = getattr(output, "nsfw_content_detected", None)
    if flagged and any(flagged):
        raise BriefInvalid(
            attempted="make a picture",
            field="prompt",
            found="the model's own filter withheld what it made of this",
            remedy="Ask for something else.",
        )


def _unfit(found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted="take what the model made",
        found=f"it gave {found}",
        remedy="Compute in bfloat16 or float32, or choose another model; nothing of this was kept.",
    )
