"""Which solvers a run can be gone on with, and how a shot asks for another one."""

from __future__ import annotations

from typing import Any, Final

from cinefab.core.errors import BriefInvalid

GO_ON: Final = frozenset(
    f"{name}Scheduler"
    for name in (
        "CogVideoXDDIM",
        "CogVideoXDPM",
        "DDIM",
        "DDPM",
        "DEISMultistep",
        "DPMSolverMultistep",
        "DPMSolverSinglestep",
        "EDMDPMSolverMultistep",
        "EDMEuler",
        "EulerAncestralDiscrete",
        "EulerDiscrete",
        "FlowMatchEulerDiscrete",
        "FlowMatchHeunDiscrete",
        "FlowMatchLCM",
        "HeunDiscrete",
        "IPNDM",
        "KDPM2AncestralDiscrete",
        "KDPM2Discrete",
        "LCM",
        "LMSDiscrete",
        "PNDM",
        "SASolver",
        "TCD",
        "UniPCMultistep",
    )
)
"""Schedulers with which a run that was killed at any step went on bit for bit, in a new process.

Each is held to it by a test. What is not here starts again from the first step, and says so.
"""


def fresh_scheduler(own: Any, wanted: str | None) -> Any:
    """Return a scheduler of the same configuration that has taken no step; `wanted` is its class.

    Raises `BriefInvalid` for a class that there is not, or that is not for such models.
    """
    import diffusers
    from diffusers import SchedulerMixin

    if wanted is None or wanted == type(own).__name__:
        return type(own).from_config(own.config)
    kind: Any = getattr(diffusers, wanted, None)
    is_one = isinstance(kind, type) and issubclass(kind, SchedulerMixin)
    if not is_one:
        raise _refused(wanted, "there is none of that name", "Write the name of its class.")
    is_flow = _is_flow(own)
    if is_flow and not (wanted.startswith("FlowMatch") or "use_flow_sigmas" in _takes(kind)):
        raise _refused(
            wanted,
            "the model was trained to follow a flow, which it does not solve",
            "Choose FlowMatchEulerDiscreteScheduler or UniPCMultistepScheduler.",
        )
    more = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"} if is_flow else {}
    known = {name: value for name, value in more.items() if name in _takes(kind)}
    if is_flow and "flow_shift" in _takes(kind):
        known["flow_shift"] = _shift(own)
    if is_flow and "shift" in _takes(kind):
        known["shift"] = _shift(own)
    if wanted.startswith("FlowMatch") and not is_flow:
        raise _refused(
            wanted, "the model was not trained to follow a flow", "Choose a DDIM, Euler or DPM one."
        )
    try:
        return kind.from_config({**own.config, **known})
    except (ImportError, TypeError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise _refused(wanted, said, "Choose another one.") from error


def _is_flow(own: Any) -> bool:
    return type(own).__name__.startswith("FlowMatch") or bool(own.config.get("use_flow_sigmas"))


def _shift(own: Any) -> float:
    return float(own.config.get("flow_shift", own.config.get("shift", 1.0)) or 1.0)


def _takes(kind: Any) -> frozenset[str]:
    import inspect

    return frozenset(inspect.signature(kind.__init__).parameters)


def _refused(wanted: str, found: str, remedy: str) -> BriefInvalid:
    return BriefInvalid(
        attempted="choose a scheduler",
        field="model_settings.scheduler",
        found=f"{wanted}: {found}",
        remedy=remedy,
    )
