"""What a scheduler knows, as JSON and tensors: nothing that is read back can run code.

A tree of lists, mappings, numbers and texts is JSON; each tensor or array in it is stored apart,
by number, as safetensors. What is neither has no place here, and raises `Unpackable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cinefab.core.canonical import Json

_OUTPUTS: Final = "diffusers"


class Unpackable(Exception):
    """A value that is neither a number, a text, a tensor nor made of such."""


class Packer:
    """Turns values into JSON, and keeps their tensors beside it, on the CPU."""

    def __init__(self) -> None:
        self.tensors: dict[str, Any] = {}

    def packed(self, value: Any) -> Json:
        """Return `value` as JSON that names its tensors; raise `Unpackable` for what has no form."""
        import numpy as np
        import torch

        match value:
            case None | bool() | int() | float() | str():
                return {"is": value}
            case torch.Tensor():
                return self._tensor(value)
            case np.ndarray():
                return {"array": self._stored(torch.from_numpy(np.ascontiguousarray(value)))}
            case np.generic():
                return {"number": value.dtype.name, "is": value.item()}
            case torch.dtype():
                return {"dtype": str(value).removeprefix("torch.")}
            case list():
                return {"list": [self.packed(item) for item in value]}
            case tuple():
                return {"tuple": [self.packed(item) for item in value]}
            case Mapping() if type(value).__module__.startswith(_OUTPUTS):
                return {
                    "output": [type(value).__module__, type(value).__name__],
                    "fields": self._fields(value),
                }
            case dict():
                return {"dict": self._fields(value)}
            case _:
                raise Unpackable(type(value).__name__)

    def _fields(self, value: Mapping[Any, Any]) -> Json:
        if not all(isinstance(name, str) for name in value):
            raise Unpackable("a mapping by something else than names")
        return {name: self.packed(item) for name, item in value.items()}

    def _tensor(self, value: Any) -> Json:
        packed: dict[str, Json] = {
            "tensor": self._stored(value),
            "on": "cpu" if value.device.type == "cpu" else "device",
        }
        if not value.is_contiguous():
            # Another layout may be summed in another order, and so come out otherwise.
            packed["strides"] = list(value.stride())
        return packed

    def _stored(self, value: Any) -> str:
        if value.layout.__str__() != "torch.strided" or value.is_complex():
            raise Unpackable(f"a tensor of {value.dtype}")
        name = f"{len(self.tensors):04}"
        self.tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return name


def unpacked(value: Any, tensors: Mapping[str, Any], device: Any) -> Any:
    """Return what was packed; tensors that were on a device are put on `device`."""
    import numpy as np
    import torch

    match value:
        case {"tensor": str(name), "on": str(place)}:
            return _placed(tensors[name], value.get("strides"), device if place != "cpu" else "cpu")
        case {"array": str(name)}:
            return tensors[name].numpy().copy()
        case {"number": str(kind), "is": number}:
            return np.dtype(kind).type(number)
        case {"dtype": str(name)}:
            return getattr(torch, name)
        case {"list": list(items)}:
            return [unpacked(item, tensors, device) for item in items]
        case {"tuple": list(items)}:
            return tuple(unpacked(item, tensors, device) for item in items)
        case {"output": [str(module), str(name)], "fields": dict(fields)}:
            found = {key: unpacked(item, tensors, device) for key, item in fields.items()}
            return output_class(module, name)(**found)
        case {"dict": dict(fields)}:
            return {key: unpacked(item, tensors, device) for key, item in fields.items()}
        case {"is": plain}:
            return plain
        case _:
            raise Unpackable(f"what says {str(value)[:60]}")


def _placed(stored: Any, strides: Any, device: Any) -> Any:
    import torch

    if strides is None:
        return stored.to(device, copy=True)
    placed = torch.empty_strided(stored.shape, tuple(strides), dtype=stored.dtype, device=device)
    return placed.copy_(stored)


def output_class(module: str, name: str) -> Any:
    """Return a class of outputs of diffusers by its name, and no other class."""
    import sys

    from diffusers.utils import BaseOutput

    found = getattr(sys.modules.get(module), name, None)
    if not (isinstance(found, type) and issubclass(found, BaseOutput)):
        raise Unpackable(f"an output {module}.{name}")
    return found
