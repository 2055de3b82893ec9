"""The sandbox stops whatever its process tries, says what happened, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cinefab.core.errors import SandboxUnavailable
from cinefab.media.sandbox import (
    Cause,
    Confinement,
    ConfinementReport,
    DecodeRefused,
    Sandbox,
    SandboxLimits,
)
from cinefab.media.sandbox.confinement import probe_confinement

PROBES = "cinefab.media.sandbox.probes"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(some_limits(), confinement=Confinement.REQUIRED) as sandbox:
        yield sandbox


def some_limits(
    *,
    memory_bytes: int = 128 << 20,
    cpu_seconds: int = 5,
    wall_seconds: float = 20.0,
    payload_bytes: int = 8 << 20,
    answer_bytes: int = 8 << 20,
) -> SandboxLimits:
    return SandboxLimits(
        memory_bytes=memory_bytes,
        cpu_seconds=cpu_seconds,
        wall_seconds=wall_seconds,
        payload_bytes=payload_bytes,
        answer_bytes=answer_bytes,
    )


def refusal(sandbox: Sandbox, probe: str, payload: bytes = b"", **arguments: int) -> DecodeRefused:
    with pytest.raises(DecodeRefused) as caught:
        sandbox.run(f"{PROBES}:{probe}", payload, arguments=arguments)
    return caught.value


def children() -> set[str]:
    lists = Path("/proc/self/task").glob("*/children")
    return {child for path in lists for child in path.read_text().split()}


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def an_answer(head: object, blobs: bytes = b"") -> bytes:
    text = json.dumps(head).encode()
    return len(text).to_bytes(4, "big") + text + blobs


def test_a_task_gets_the_payload_and_answers_with_facts_and_blobs(sandbox: Sandbox) -> None:
    payload = os.urandom(3_000_000)

    result = sandbox.run(f"{PROBES}:echo", payload, arguments={"depth": 3, "name": "ü"})

    assert result.facts == {"arguments": {"depth": 3, "name": "ü"}}
    assert result.blobs == (payload,)


@pytest.mark.parametrize("probe", ["open_file", "create_file", "list_folder", "map_code"])
def test_files_and_new_code_are_out_of_reach(sandbox: Sandbox, probe: str) -> None:
    result = sandbox.run(f"{PROBES}:{probe}", b"")

    assert result.facts == {"got": "PermissionError"}


@pytest.mark.parametrize("probe", ["open_socket", "start_program", "fork", "kill_parent"])
def test_a_process_that_reaches_for_network_programs_or_others_is_killed(
    sandbox: Sandbox, probe: str
) -> None:
    error = refusal(sandbox, probe)

    assert error.cause is Cause.CRASH
    assert "SIGSYS" in error.found


def test_eating_memory_is_refused_and_ours_does_not_grow(sandbox: Sandbox) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    error = refusal(sandbox, "eat_memory")

    assert error.cause is Cause.MEMORY
    assert "128 MiB" in error.found
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


def test_spinning_ends_at_the_limit_of_processor_time() -> None:
    with Sandbox(some_limits(cpu_seconds=0), confinement=Confinement.REQUIRED) as sandbox:
        error = refusal(sandbox, "spin")

    assert error.cause is Cause.TIME
    assert "processor time" in error.found


def test_waiting_ends_at_the_limit_of_wall_time() -> None:
    with Sandbox(some_limits(wall_seconds=0.2), confinement=Confinement.REQUIRED) as sandbox:
        error = refusal(sandbox, "wait")

    assert error.cause is Cause.TIME
    assert "0.2 s" in error.found


@pytest.mark.parametrize(
    ("arguments", "name"), [({}, "SIGSEGV"), ({"signal_number": signal.SIGABRT}, "SIGABRT")]
)
def test_a_crash_is_reported_with_its_signal(
    sandbox: Sandbox, arguments: dict[str, int], name: str
) -> None:
    error = refusal(sandbox, "crash", **arguments)

    assert error.cause is Cause.CRASH
    assert name in error.found


def test_ending_without_an_answer_is_reported_with_its_exit_code(sandbox: Sandbox) -> None:
    error = refusal(sandbox, "leave")

    assert error.cause is Cause.CRASH
    assert "exit code 7" in error.found


def test_an_exception_is_reported_short_and_without_control_characters(sandbox: Sandbox) -> None:
    error = refusal(sandbox, "fail")

    assert error.cause is Cause.BAD_ANSWER
    assert "ValueError" in error.found
    assert error.found.isprintable()
    assert len(error.found) <= 600


@pytest.mark.parametrize("probe", ["write_garbage", "announce_too_much", "nest"])
def test_an_answer_that_is_no_frame_or_too_large_is_refused_unread(
    sandbox: Sandbox, probe: str
) -> None:
    error = refusal(sandbox, probe)

    assert error.cause is Cause.BAD_ANSWER


def test_a_false_length_does_not_leave_us_waiting(sandbox: Sandbox) -> None:
    error = refusal(sandbox, "announce_more_than_comes")

    assert error.cause is Cause.CRASH
    assert "without an answer" in error.found


HOSTILE_ANSWERS: dict[str, object] = {
    "nothing": {"blobs": []},
    "no-blobs": {"outcome": "done", "facts": {}},
    "facts-are-a-list": {"outcome": "done", "facts": [], "blobs": []},
    "outcome-is-a-list": {"outcome": ["done"], "facts": {}, "blobs": []},
    "cause-is-a-list": {"outcome": "refused", "cause": [], "found": {}, "remedy": 0, "blobs": []},
    "cause-is-unknown": {"outcome": "refused", "cause": "none", "found": "\x1b[2J", "blobs": []},
    "negative": {"outcome": "done", "facts": {}, "blobs": [-5]},
    "true": {"outcome": "done", "facts": {}, "blobs": [True]},
    "fraction": {"outcome": "done", "facts": {}, "blobs": [0.5]},
    "many": {"outcome": "done", "facts": {}, "blobs": [0] * 1000},
    "sum": {"outcome": "done", "facts": {}, "blobs": [7 << 20, 7 << 20]},
    "list": [],
    "null": None,
}


@pytest.mark.parametrize("name", HOSTILE_ANSWERS)
def test_an_answer_of_a_wrong_shape_is_a_refusal(sandbox: Sandbox, name: str) -> None:
    error = refusal(sandbox, "answer_raw", an_answer(HOSTILE_ANSWERS[name]))

    assert error.cause in {Cause.BAD_ANSWER, Cause.REFUSED}
    assert str(error).isprintable()


def test_a_flood_on_standard_output_and_error_is_drained_and_bounded(sandbox: Sandbox) -> None:
    result = sandbox.run(f"{PROBES}:chatter", b"", arguments={"megabytes": 16})

    assert result.blobs == ()
    assert 0 < len(result.log) <= 8192


def test_a_payload_over_the_limit_is_refused_before_anything_starts() -> None:
    limits = some_limits(payload_bytes=10)
    with Sandbox(limits, confinement=Confinement.REQUIRED) as sandbox:
        error = refusal(sandbox, "echo", b"12345678901")

    assert error.cause is Cause.TOO_LARGE


def test_nothing_is_left_behind_however_a_run_ends(sandbox: Sandbox) -> None:
    sandbox.run(f"{PROBES}:echo", b"")
    descriptors, others = open_descriptors(), children()

    for probe in ("crash", "fork", "write_garbage", "announce_too_much", "fail", "nest"):
        refusal(sandbox, probe)
    sandbox.run(f"{PROBES}:echo", b"")

    assert open_descriptors() == descriptors
    assert children() == others


def test_a_warm_process_serves_the_next_payload_and_only_that_one(sandbox: Sandbox) -> None:
    others = children()
    sandbox.warm(f"{PROBES}:echo")
    sandbox.warm(f"{PROBES}:echo")
    warm = children() - others

    first = sandbox.run(f"{PROBES}:echo", b"1")
    left = children() - others
    second = sandbox.run(f"{PROBES}:echo", b"2")

    assert len(warm) == 1
    assert left == set()
    assert (first.blobs, second.blobs) == ((b"1",), (b"2",))


def has_died(child: str) -> bool:
    """Whether a killed process has got there: it is not at once."""
    try:
        return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def test_a_warm_process_that_died_is_replaced(sandbox: Sandbox) -> None:
    others = children()
    sandbox.warm(f"{PROBES}:echo")
    for child in children() - others:
        os.kill(int(child), signal.SIGKILL)
        while not has_died(child):
            time.sleep(0.01)

    result = sandbox.run(f"{PROBES}:echo", b"again")

    assert result.blobs == (b"again",)


def test_a_warm_process_outlives_the_thread_that_asked_for_it(sandbox: Sandbox) -> None:
    others = children()

    def ask_and_leave_when_it_is_ready() -> None:
        sandbox.warm(f"{PROBES}:echo")
        time.sleep(0.5)

    asking = threading.Thread(target=ask_and_leave_when_it_is_ready)
    asking.start()
    asking.join()
    warm = children() - others
    time.sleep(0.1)

    still_alive = [child for child in warm if not is_gone_within(int(child), seconds=0.02)]
    sandbox.run(f"{PROBES}:echo", b"")

    assert len(still_alive) == 1


def test_closing_ends_the_processes_that_wait() -> None:
    others = children()
    sandbox = Sandbox(some_limits(), confinement=Confinement.REQUIRED)
    sandbox.warm(f"{PROBES}:echo")

    sandbox.close()

    assert children() == others


@pytest.mark.parametrize("busy", [False, True], ids=["waiting", "busy"])
def test_a_process_dies_with_the_process_that_owns_the_sandbox(*, busy: bool) -> None:
    program = (
        "import sys, threading, time\n"
        "from pathlib import Path\n"
        "from cinefab.media.sandbox import *\n"
        "limits = SandboxLimits(cpu_seconds=30)\n"
        "sandbox = Sandbox(limits, confinement=Confinement.REQUIRED)\n"
        f"sandbox.warm('{PROBES}:spin')\n"
        "kids = [p.read_text() for p in Path('/proc/self/task').glob('*/children')]\n"
        f"work = threading.Thread(target=sandbox.run, args=('{PROBES}:spin', b''))\n"
        f"{'work.start()' if busy else ''}\n"
        "time.sleep(0.5)\n"
        "print(' '.join(kids), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        child = int(owner.stdout.readline())
        owner.kill()

    assert is_gone_within(child, seconds=5)


def is_gone_within(process_id: int, *, seconds: float) -> bool:
    for _ in range(round(seconds / 0.02)):
        try:
            state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":  # dead, and only not yet collected by whoever adopted it
            return True
        time.sleep(0.02)
    return False


def test_many_threads_may_run_payloads_at_once(sandbox: Sandbox) -> None:
    answers: dict[int, bytes] = {}

    def run(number: int) -> None:
        result = sandbox.run(f"{PROBES}:echo", b"%d" % number)
        answers[number] = bytes(result.blobs[0])

    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {n: b"%d" % n for n in range(6)}


def test_the_environment_and_the_arguments_of_the_owner_are_not_handed_down(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CINEFAB_SECRET", "swordfish")
    others = children()
    sandbox.warm(f"{PROBES}:echo")
    (child,) = children() - others
    sandbox_environment = _environment_of(int(child))

    sandbox.run(f"{PROBES}:echo", b"")

    assert b"swordfish" not in sandbox_environment


def _environment_of(process_id: int) -> bytes:
    try:
        return Path(f"/proc/{process_id}/environ").read_bytes()
    except PermissionError:
        return b""  # already locked: not even its owner may look into it


def test_a_task_that_does_not_exist_is_our_mistake_and_says_so(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxUnavailable, match="no_such_module"):
        sandbox.run("cinefab.media.sandbox.no_such_module:task", b"")


def test_a_refusal_survives_a_process_border() -> None:
    error = DecodeRefused(cause=Cause.TIME, attempted="decode", found="slow", remedy="Wait.")

    again = pickle.loads(pickle.dumps(error))

    assert (again.cause, str(again)) == (Cause.TIME, str(error))


# Starts threads before the lock, as a library may: the lock would not hold them.
UNLOCKABLE = "cinefab.media.sandbox.probes_with_thread:echo"


def test_a_process_that_cannot_be_locked_is_refused_the_payload_unless_the_operator_accepts(
    sandbox: Sandbox,
) -> None:
    with pytest.raises(SandboxUnavailable) as caught:
        sandbox.run(UNLOCKABLE, b"payload")
    with Sandbox(some_limits(), confinement=Confinement.BEST_EFFORT) as lenient:
        result = lenient.run(UNLOCKABLE, b"payload")

    assert "threads" in caught.value.found
    assert "best-effort" in caught.value.remedy
    assert result.blobs == (b"payload",)


def test_the_doctor_finds_that_this_machine_confines() -> None:
    report = probe_confinement()

    assert report.holds
    assert report.reasons == ()


def test_a_report_without_landlock_or_seccomp_does_not_hold() -> None:
    without_landlock = ConfinementReport(landlock_abi=0, seccomp=True, reasons=("none",))
    without_seccomp = ConfinementReport(landlock_abi=6, seccomp=False, reasons=("none",))

    assert not without_landlock.holds
    assert not without_seccomp.holds
