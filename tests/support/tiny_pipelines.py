"""Pipelines of the classes that real checkpoints are of, small and drawn from a seed.

Each is built once a process, saved as a folder and read back as any other model is: nothing of
what is tested knows that it is small. Nothing is downloaded, and no weights are kept here.
"""

from __future__ import annotations

import importlib.util
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from cinefab.core.brief import Size
from cinefab.generate.backend import TakeRequest

SEED: Final = 7
_EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "tiny_wan.py"


def build_pipeline(name: str, folder: Path) -> Path:
    """Write the pipeline `name` into `folder` (and its LoRA beside it); return the folder."""
    with quietly():
        BUILDERS[name](folder)
    return folder


def with_scheduler(built: Path, folder: Path, scheduler: Any) -> Path:
    """Write the pipeline that lies in `built` into `folder`, with another scheduler; return it."""
    shutil.copytree(built, folder)
    with quietly():
        _put_scheduler(folder, scheduler)
    return folder


@contextmanager
def quietly() -> Iterator[None]:
    """Let the libraries warn of themselves: what they deprecate in each other is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def tiny_wan() -> ModuleType:
    """Return the example that builds a Wan, as a module."""
    spec = importlib.util.spec_from_file_location("tiny_wan", _EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_lora(folder: Path, path: Path, *, seed: int, component: str = "transformer") -> Path:
    """Write a LoRA for the pipeline in `folder`, drawn from `seed`."""
    with quietly():
        from diffusers import DiffusionPipeline

        pipeline = DiffusionPipeline.from_pretrained(folder, use_safetensors=True)
        tiny_wan().write_lora(getattr(pipeline, component), path, seed)
    return path


def _wan(folder: Path) -> None:
    tiny_wan().build(folder, SEED)


def _wan_image_to_video(folder: Path) -> None:
    import torch
    from diffusers import (
        AutoencoderKLWan,
        FlowMatchEulerDiscreteScheduler,
        WanImageToVideoPipeline,
        WanTransformer3DModel,
    )
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        CLIPVisionModel,
        UMT5Config,
        UMT5EncoderModel,
    )

    torch.manual_seed(SEED)
    WanImageToVideoPipeline(
        tokenizer=tiny_wan().bytes_as_words(),
        text_encoder=UMT5EncoderModel(
            UMT5Config(vocab_size=260, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
        ).eval(),
        vae=AutoencoderKLWan(
            base_dim=3,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
        ).eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        transformer=WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=36,
            out_channels=16,
            text_dim=32,
            freq_dim=256,
            ffn_dim=32,
            num_layers=2,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
            image_dim=4,
        ).eval(),
        image_encoder=CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=4,
                projection_dim=4,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=32,
                intermediate_size=16,
                patch_size=1,
            )
        ).eval(),
        image_processor=CLIPImageProcessor(crop_size=32, size=32),
    ).save_pretrained(folder, safe_serialization=True)


def _t5(size: int = 32) -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(vocab_size=260, d_model=size, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    ).eval()


def _clip_text(*, projection: int = 32) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=0,
            hidden_size=32,
            projection_dim=projection,
            intermediate_size=37,
            num_attention_heads=4,
            num_hidden_layers=2,
            vocab_size=260,
            max_position_embeddings=77,
        )
    ).eval()


def _ltx(folder: Path) -> None:
    import torch
    from diffusers import (
        AutoencoderKLLTXVideo,
        FlowMatchEulerDiscreteScheduler,
        LTXPipeline,
        LTXVideoTransformer3DModel,
    )

    torch.manual_seed(SEED)
    vae = AutoencoderKLLTXVideo(
        in_channels=3,
        out_channels=3,
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False, False, False, False, False),
        upsample_residual=(False, False, False, False),
        upsample_factor=(1, 1, 1, 1),
        timestep_conditioning=False,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    ).eval()
    LTXPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=_t5(),
        tokenizer=tiny_wan().bytes_as_words(),
        transformer=LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=1,
            caption_channels=32,
        ).eval(),
    ).save_pretrained(folder, safe_serialization=True)


def _cogvideox(folder: Path) -> None:
    import torch
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )

    torch.manual_seed(SEED)
    CogVideoXPipeline(
        tokenizer=tiny_wan().bytes_as_words(),
        text_encoder=_t5(),
        vae=AutoencoderKLCogVideoX(
            in_channels=3,
            out_channels=3,
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ).eval(),
        transformer=CogVideoXTransformer3DModel(
            num_attention_heads=4,
            attention_head_dim=8,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_width=4,
            sample_height=4,
            sample_frames=9,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=226,
        ).eval(),
        scheduler=CogVideoXDDIMScheduler(),
    ).save_pretrained(folder, safe_serialization=True)


def _kl(channels: int, *, shift: float | None = None) -> Any:
    from diffusers import AutoencoderKL

    more: dict[str, Any] = {}
    if shift is not None:
        more = {
            "shift_factor": shift,
            "scaling_factor": 1.5,
            "use_quant_conv": False,
            "use_post_quant_conv": False,
        }
    return AutoencoderKL(
        block_out_channels=[8, 16],
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D", "DownEncoderBlock2D"],
        up_block_types=["UpDecoderBlock2D", "UpDecoderBlock2D"],
        latent_channels=channels,
        norm_num_groups=4,
        **more,
    ).eval()


def _stable_diffusion(folder: Path) -> None:
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    torch.manual_seed(SEED)
    StableDiffusionPipeline(
        vae=_kl(4),
        text_encoder=_clip_text(),
        tokenizer=tiny_wan().bytes_as_words(),
        unet=UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            sample_size=32,
            in_channels=4,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32,
            norm_num_groups=4,
            attention_head_dim=2,
        ).eval(),
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder, safe_serialization=True)


def _flux(folder: Path) -> None:
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    torch.manual_seed(SEED)
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=_kl(1, shift=0.0),
        text_encoder=_clip_text(),
        tokenizer=tiny_wan().bytes_as_words(),
        text_encoder_2=_t5(),
        tokenizer_2=tiny_wan().bytes_as_words(),
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=4,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=[4, 4, 8],
        ).eval(),
    ).save_pretrained(folder, safe_serialization=True)


def _stable_audio(folder: Path) -> None:
    import torch
    from diffusers import (
        AutoencoderOobleck,
        EDMDPMSolverMultistepScheduler,
        StableAudioDiTModel,
        StableAudioPipeline,
        StableAudioProjectionModel,
    )

    torch.manual_seed(SEED)
    StableAudioPipeline(
        vae=AutoencoderOobleck(
            encoder_hidden_size=6,
            downsampling_ratios=[4, 8, 16],
            decoder_channels=3,
            decoder_input_channels=3,
            audio_channels=2,
            channel_multiples=[1, 2, 4],
            sampling_rate=8_000,
        ).eval(),
        text_encoder=_t5(),
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=32, conditioning_dim=4, min_value=0, max_value=32
        ).eval(),
        tokenizer=tiny_wan().bytes_as_words(),
        transformer=StableAudioDiTModel(
            sample_size=64,
            in_channels=3,
            num_layers=2,
            attention_head_dim=4,
            num_key_value_attention_heads=2,
            out_channels=3,
            cross_attention_dim=4,
            time_proj_dim=8,
            global_states_input_dim=8,
            cross_attention_input_dim=4,
        ).eval(),
        scheduler=EDMDPMSolverMultistepScheduler(
            solver_order=2,
            prediction_type="v_prediction",
            sigma_data=1.0,
            sigma_schedule="exponential",
        ),
    ).save_pretrained(folder, safe_serialization=True)


BUILDERS: Final[Mapping[str, Callable[[Path], None]]] = {
    "wan": _wan,
    "wan-i2v": _wan_image_to_video,
    "ltx": _ltx,
    "cogvideox": _cogvideox,
    "sd": _stable_diffusion,
    "flux": _flux,
    "stable-audio": _stable_audio,
}
"""What writes each pipeline into a folder."""


def _put_scheduler(folder: Path, scheduler: Any) -> None:
    import json

    scheduler.save_pretrained(folder / "scheduler")
    index = folder / "model_index.json"
    document = json.loads(index.read_text())
    document["scheduler"] = ["diffusers", type(scheduler).__name__]
    index.write_text(json.dumps(document, indent=2))


def ask(**changed: Any) -> TakeRequest:
    """Return a request for a short shot in words; `settings` are the model's own."""
    given = {"prompt": "a red bicycle in the rain", "references": [], "camera": "push-in"}
    given |= {k: changed.pop(k) for k in ("prompt", "references", "settings") if k in changed}
    values: dict[str, Any] = {
        "input": given,
        "seed": 7,
        "size": Size(64, 64),
        "fps": Fraction(8),
        "first_frame": 0,
        "frames": 9,
        "shot_frames": 9,
        "references": {},
        "masks": {},
        "files": {},
    }
    return TakeRequest(**(values | changed))
