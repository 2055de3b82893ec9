"""What a model is made of, read from its files without the libraries that run it.

Only safetensors are ever loaded: other formats of weights can carry code, and are refused before
anything of them is read.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Sha256, digest_of
from cinefab.generate.models.diffusers.settings import Configured, refused
from cinefab.store.file_digest import file_sha256

_INDEX: Final = "model_index.json"
_SAFE: Final = ".safetensors"
_PICKLES: Final = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"})
_LIBRARIES: Final = frozenset({"diffusers", "transformers", None})
_WHOLE_BYTES: Final = 32 << 20
"""Files up to this size are read whole for a card; of larger ones pieces of all of their parts."""
_PIECES: Final = 256
_PIECE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A model's files: where they lie, what they say it is, and what they are.

    `folder` is None for a repository of the hub, whose files may not be here yet: its commit says
    what they are.
    """

    folder: Path | None
    pipeline: str | None
    components: Mapping[str, tuple[str, str]]
    configs: Mapping[str, Mapping[str, Any]]
    digest: Sha256
    size_bytes: int


def read_model(name: str, configured: Configured) -> ModelFiles:
    """Read what the model `name` is; raise `ContractMismatch` for what cannot or may not be run."""
    folder = configured.folder
    if folder is None:
        # What lies under a commit never changes.
        digest = digest_of([configured.model, configured.revision])
        return ModelFiles(
            folder=None, pipeline=None, components={}, configs={}, digest=digest, size_bytes=0
        )
    index = _index(name, folder)
    components = _components(name, index)
    for component in components:
        _refuse_pickles(name, folder, component)
    files = sorted(_files(folder, components))
    return ModelFiles(
        folder=folder,
        pipeline=str(index["_class_name"]),
        components=components,
        configs={each: _config(folder / each) for each in components},
        digest=digest_of({str(path.relative_to(folder)): sampled_digest(path) for path in files}),
        size_bytes=sum(path.stat().st_size for path in files if path.suffix == _SAFE),
    )


def full_digest(folder: Path) -> Sha256:
    """Return the digest of all that a folder's model is made of: of every byte."""
    index = json.loads((folder / _INDEX).read_bytes())
    names = [key for key, value in index.items() if isinstance(value, list)]
    files = sorted(_files(folder, names))
    return digest_of({str(path.relative_to(folder)): file_sha256(path) for path in files})


def sampled_digest(path: Path) -> Sha256:
    """Return what tells a file from others, in milliseconds however large it is.

    A large file's size, its first and last bytes and pieces at even distances go into it: enough
    for weights that were trained apart, where every part differs. A file up to 32 MiB is read whole.
    """
    size = path.stat().st_size
    if size <= _WHOLE_BYTES:
        return file_sha256(path)
    found = hashlib.sha256(f"{size}:".encode())
    with path.open("rb") as file:
        for piece in range(_PIECES):
            file.seek((size - _PIECE_BYTES) * piece // (_PIECES - 1))
            found.update(file.read(_PIECE_BYTES))
    return Sha256(found.hexdigest())


def read_lora(name: str, lora: str, path: Path) -> Sha256:
    """Return what a LoRA's file is; raise `ContractMismatch` where it is not there or no safetensors."""
    setting = f"loras.{lora}"
    if path.suffix in _PICKLES:
        raise refused(
            name,
            setting,
            f"{path} may carry code, and is not loaded",
            "Convert it to safetensors where it comes from; many pages offer both.",
        )
    if not path.is_file() or path.suffix != _SAFE:
        raise refused(
            name, setting, f"{path} is no safetensors file", "Write the path of the file itself."
        )
    return sampled_digest(path)


def _index(name: str, folder: Path) -> Mapping[str, Any]:
    try:
        index = json.loads((folder / _INDEX).read_bytes())
    except (OSError, ValueError) as error:
        raise refused(
            name,
            "model",
            f"{folder} has no {_INDEX} that can be read",
            "Write the folder that a pipeline of diffusers was saved into.",
        ) from error
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise refused(
            name,
            "model",
            f"{folder / _INDEX} names no class of diffusers",
            "A pipeline that brings its own code is not run; save it as one of diffusers.",
        )
    return index


def _components(name: str, index: Mapping[str, Any]) -> Mapping[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for component, value in index.items():
        if component.startswith("_") or not (isinstance(value, list) and len(value) == 2):
            continue
        library, kind = value
        if library not in _LIBRARIES and not _is_of_diffusers(str(library)):
            raise refused(
                name,
                "model",
                f"its {component} is of {library!r}, code that it brings along",
                "Only components of diffusers and transformers are run.",
            )
        if library is not None and kind is not None:
            found[component] = (str(library), str(kind))
    return found


def _is_of_diffusers(library: str) -> bool:
    """Say whether diffusers itself has a folder of pipelines of that name."""
    spec = importlib.util.find_spec("diffusers")
    if spec is None or spec.origin is None or not library.isidentifier():
        return False
    return (Path(spec.origin).parent / "pipelines" / library).is_dir()


def _refuse_pickles(name: str, folder: Path, component: str) -> None:
    lying = [path for path in (folder / component).glob("*") if path.is_file()]
    if any(path.suffix == _SAFE for path in lying):
        return
    pickles = sorted(path.name for path in lying if path.suffix in _PICKLES)
    if pickles:
        raise refused(
            name,
            "model",
            f"{component} has {pickles[0]}, which may carry code, and no safetensors",
            "Save it again with safe_serialization=True, or take a copy that has safetensors.",
        )


def _files(folder: Path, components: Any) -> Iterator[Path]:
    yield folder / _INDEX
    for component in components:
        for path in (folder / component).rglob("*"):
            if path.is_file() and path.suffix not in _PICKLES:
                yield path


def _config(folder: Path) -> Mapping[str, Any]:
    for named in ("config.json", "scheduler_config.json"):
        try:
            read = json.loads((folder / named).read_bytes())
        except (OSError, ValueError):
            continue
        return read if isinstance(read, dict) else {}
    return {}
