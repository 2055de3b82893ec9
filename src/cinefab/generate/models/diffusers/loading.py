"""A pipeline of diffusers, loaded: from a folder or the hub, and onto its device."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from cinefab.core.errors import ContractMismatch, Unavailable
from cinefab.generate.models.diffusers.card import Identity
from cinefab.generate.models.diffusers.settings import (
    QUANTISERS,
    Configured,
    Quantisation,
    refused,
)


def load_pipeline(name: str, configured: Configured, identity: Identity) -> Any:
    """Return the pipeline of the model `name`, ready to be called.

    Raises `Unavailable` where a repository cannot be reached or a device is not there, and
    `ContractMismatch` for what is not a pipeline of diffusers with safetensors.
    """
    import torch

    _be_quiet()
    # The same request is to give the same bytes, and sums depend on how they are split.
    torch.set_num_threads(configured.threads)
    torch.use_deterministic_algorithms(mode=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if identity.device == "cuda" and not torch.cuda.is_available():
        raise Unavailable(
            attempted=f"load the model {name!r}",
            found="this machine has no device of cuda that torch can use",
            remedy=f'Run it where there is one, or write device = "cpu" in [models.{name}].',
        )
    pipeline = _from_pretrained(name, configured, identity)
    _place(pipeline, configured, identity.device)
    _cache_steps(name, pipeline, configured)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _from_pretrained(name: str, configured: Configured, identity: Identity) -> Any:
    import torch

    options: dict[str, Any] = {
        "dtype": getattr(torch, identity.dtype),
        "use_safetensors": True,
        "trust_remote_code": False,
    }
    if configured.variant is not None:
        options["variant"] = configured.variant
    if configured.quantisation is not None:
        options["quantization_config"] = _quantised(name, configured.quantisation, identity)
    place: str = configured.model
    if identity.files.folder is not None:
        place = str(identity.files.folder)
        options["local_files_only"] = True
    else:
        options["revision"] = configured.revision
    try:
        return _class(name, configured, identity).from_pretrained(place, **options)
    except ContractMismatch:
        raise
    except OSError as error:
        if identity.files.folder is not None or "safetensors" in str(error):
            raise _unfit(name, place, error) from error
        raise Unavailable(
            attempted=f"load the model {name!r} from the hub",
            found=f"{place} at {configured.revision}: {_first_line(error)}",
            remedy="Check its id, its commit and the connection; a copy in a folder needs none.",
        ) from error
    except ImportError as error:
        raise Unavailable(
            attempted=f"load the model {name!r}",
            found=_first_line(error),
            remedy="Install the library that it names beside the extra diffusers.",
        ) from error
    except RuntimeError as error:
        if configured.quantisation is not None and "No GPU" in str(error):
            raise Unavailable(
                attempted=f"load the model {name!r}",
                found=f"models.{name}.quantisation: {configured.quantisation.backend} needs a card, "
                "and there is none here",
                remedy="Run it where there is one, or choose torchao or quanto, which need none.",
            ) from error
        raise _unfit(name, place, error) from error
    except Exception as error:
        raise _unfit(name, place, error) from error


def _class(name: str, configured: Configured, identity: Identity) -> Any:
    import diffusers
    from diffusers import DiffusionPipeline

    if configured.pipeline is not None:
        kind = getattr(diffusers, configured.pipeline, None)
        if not (isinstance(kind, type) and issubclass(kind, DiffusionPipeline)):
            raise refused(
                name,
                "pipeline",
                f"diffusers {identity.libraries['diffusers']} has no {configured.pipeline}",
                "Write the name of one of its classes.",
            )
        return kind
    own = identity.files.pipeline or ""
    if identity.files.folder is not None and not isinstance(getattr(diffusers, own, None), type):
        raise refused(
            name,
            "model",
            f"it is a {own}, which diffusers {identity.libraries['diffusers']} does not have",
            "Install the version of diffusers that it was saved with, or newer.",
        )
    if identity.card.task == "image-to-image" and "Img2Img" not in own:
        # Imports every pipeline that there is.
        from diffusers import AutoPipelineForImage2Image

        return AutoPipelineForImage2Image
    return DiffusionPipeline


def _place(pipeline: Any, configured: Configured, device: str) -> None:
    if device == "cpu":
        return
    match configured.offload:
        case "model":
            pipeline.enable_model_cpu_offload(device=device)
        case "sequential":
            pipeline.enable_sequential_cpu_offload(device=device)
        case _:
            pipeline.to(device)


def _cache_steps(name: str, pipeline: Any, configured: Configured) -> None:
    if configured.step_cache == "none":
        return
    from diffusers import FirstBlockCacheConfig

    denoiser = getattr(pipeline, "transformer", None)
    if denoiser is None or not hasattr(denoiser, "enable_cache"):
        raise refused(
            name, "step_cache", "the model has no transformer that keeps one", "Leave it out."
        )
    denoiser.enable_cache(FirstBlockCacheConfig(threshold=0.1))


def _quantised(name: str, wanted: Quantisation, identity: Identity) -> Any:
    """Return the quantisation of each component, in the words of the library that loads it."""
    library = QUANTISERS[wanted.backend]
    try:
        is_there = importlib.util.find_spec(library) is not None
    except ModuleNotFoundError:
        is_there = False
    if not is_there:
        raise Unavailable(
            attempted=f"load the model {name!r}",
            found=f"models.{name}.quantisation: {wanted.backend} needs {library}, "
            "which is not installed",
            remedy=f"Install {library.replace('.', '-')} beside the extra diffusers, or leave "
            "quantisation out.",
        )
    from diffusers import PipelineQuantizationConfig

    unknown = sorted(set(wanted.components) - set(identity.files.components))
    if unknown and identity.files.components:
        raise refused(
            name,
            "quantisation.components",
            f"the model has no {unknown[0]}",
            f"It has {', '.join(sorted(identity.files.components))}.",
        )
    try:
        mapping = {
            component: _quantiser(wanted, *identity.files.components.get(component, ("diffusers",)))
            for component in wanted.components
        }
        return PipelineQuantizationConfig(quant_mapping=mapping)
    except (TypeError, ValueError, AttributeError) as error:
        raise refused(
            name,
            "quantisation.options",
            _first_line(error),
            f"Write what {wanted.backend} takes.",
        ) from error


def _quantiser(wanted: Quantisation, library: str, _kind: str = "") -> Any:
    source = importlib.import_module("transformers" if library == "transformers" else "diffusers")
    options = dict(wanted.options)
    match wanted.backend:
        case "bitsandbytes_4bit":
            return source.BitsAndBytesConfig(load_in_4bit=True, **options)
        case "bitsandbytes_8bit":
            return source.BitsAndBytesConfig(load_in_8bit=True, **options)
        case "quanto":
            # The two libraries call the same thing by two names.
            weights = options.pop("weights_dtype", options.pop("weights", "int8"))
            named = "weights" if library == "transformers" else "weights_dtype"
            return source.QuantoConfig(**{named: weights}, **options)
        case _:
            return source.TorchAoConfig(_torchao(options.pop("quant_type")), **options)


def _torchao(named: str) -> Any:
    """Return a configuration of torchao by the name of its class, such as Int8WeightOnlyConfig."""
    quantization = importlib.import_module("torchao.quantization")
    kind = getattr(quantization, named, None)
    return kind() if isinstance(kind, type) else named


def _be_quiet() -> None:
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def _unfit(name: str, place: str, error: Exception) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"load the model {name!r} from {place}",
        found=f"{type(error).__name__}: {_first_line(error)}",
        remedy="Check that it is a whole pipeline of diffusers, with safetensors.",
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
