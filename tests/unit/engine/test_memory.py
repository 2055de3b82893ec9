"""What is taken for memory that ran out: each library's own words, and nobody else's."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from cinefab.core.errors import OutOfMemory, Unavailable
from cinefab.engine.memory import is_unclean, out_of_memory, says_out_of_memory


class OutOfMemoryError(RuntimeError):
    """Called as torch's is, which is not imported here."""


def caught_from_numpy() -> BaseException:
    with pytest.raises(MemoryError) as caught:
        np.ones(1 << 60, dtype=np.uint8)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        caught_from_numpy(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_memory_that_ran_out_is_known_in_each_librarys_words(error: BaseException) -> None:
    found = out_of_memory(error, attempted="run a model")

    assert isinstance(found, OutOfMemory)
    assert "smaller size" in found.remedy
    assert type(error).__name__ in found.found
    assert is_unclean(error)


def test_an_error_that_hides_its_cause_is_still_known() -> None:
    wrapped = Unavailable(attempted="run", found="its pipeline failed", remedy="Look at it.")
    wrapped.__cause__ = MemoryError("of the pipeline")

    assert isinstance(out_of_memory(wrapped, attempted="run a model"), OutOfMemory)


@pytest.mark.parametrize(
    "error",
    [ValueError("out of memory"), KeyError("memory"), OSError(errno.ENOSPC, "No space left")],
)
def test_whatever_only_speaks_of_memory_is_left_as_it_is(error: BaseException) -> None:
    assert out_of_memory(error, attempted="run a model") is None
    assert not is_unclean(error)


def test_an_error_of_the_device_leaves_its_process_unclean_though_memory_is_left() -> None:
    error = RuntimeError("CUDA error: device-side assert triggered")

    assert out_of_memory(error, attempted="run a model") is None
    assert is_unclean(error)


def test_the_last_words_of_native_code_are_read() -> None:
    assert says_out_of_memory("terminate called after throwing an instance of 'std::bad_alloc'")
    assert not says_out_of_memory("Segmentation fault")
