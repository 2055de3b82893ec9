"""How far a workflow is: its nodes' events as steps that only grow."""

from __future__ import annotations

from typing import Final

from cinefab.core.clock import Clock
from cinefab.generate.models.comfyui.wire import Began, Event, Finished, Preview, Step
from cinefab.generate.models.comfyui.workflow import Place, Workflow
from cinefab.generate.run import Run
from cinefab.media.frames import Rgb

_PREVIEW_EVERY_S: Final = 5.0
_STEPS_MAX: Final = 1000
_STEPS_OF_NODE: Final = 20
"""What a node is worth where no node says how many steps it takes."""


class Following:
    """Tells a run its steps: as many for a node as it says it takes, else one."""

    def __init__(self, workflow: Workflow, output: str, run: Run, *, clock: Clock) -> None:
        self._run = run
        self._clock = clock
        self._weights = _weights(workflow, output)
        self._of = sum(self._weights.values())
        self._shares: dict[str, float] = {}
        self._told = -1
        self._current: str | None = None
        self._preview: Rgb | None = None
        self._next_preview_us = 0

    def __call__(self, event: Event) -> None:
        """Take in what the engine says; raise `Cancelled` when nobody waits any more."""
        match event:
            case Step(node=node, value=value, of=of):
                self._shares[node] = max(self._shares.get(node, 0.0), value / of)
            case Began(node=node):
                if self._current not in (None, node):
                    self._shares[str(self._current)] = 1.0
                self._current = node
            case Finished(nodes=nodes):
                self._shares |= dict.fromkeys(nodes, 1.0)
            case Preview(picture=picture):
                self._show(picture)
            case _:
                return
        # The last step is done when its files are here.
        self._tell(min(self._done(), self._of - 1))

    def finish(self) -> None:
        """Say that all is done."""
        self._tell(self._of)

    def _done(self) -> int:
        weights = self._weights
        return int(sum(weights[n] * share for n, share in self._shares.items() if n in weights))

    def _tell(self, done: int) -> None:
        if done > self._told or self._preview is not None:
            self._told = max(done, self._told)
            preview, self._preview = self._preview, None
            self._run.progress(self._told, self._of, preview=preview)

    def _show(self, picture: bytes) -> None:
        # Each is decoded in a process of its own, so only so many are.
        if self._run.folder is None or self._clock.elapsed_us() < self._next_preview_us:
            return
        from cinefab.generate.received import preview_of

        self._preview = preview_of(picture, confinement=self._run.confinement)
        self._next_preview_us = self._clock.elapsed_us() + round(_PREVIEW_EVERY_S * 1_000_000)


def _weights(workflow: Workflow, output: str) -> dict[str, int]:
    """Return how many steps each node is worth: those that a sampler takes, else one."""
    nodes = workflow.above(output)
    weights = dict.fromkeys(nodes, 1)
    for node in nodes:
        steps = workflow.literal(Place(node, "steps"))
        if isinstance(steps, int) and 1 < steps <= _STEPS_MAX:
            # A scheduler names the steps, and the sampler that it is linked to takes them.
            takers = [node, *(n for n in nodes if node in _sources(workflow, n))]
            sampler = next((n for n in takers if "Sampler" in workflow.nodes[n].kind), node)
            weights[sampler] = max(weights[sampler], steps)
    if max(weights.values()) == 1:
        return dict.fromkeys(nodes, _STEPS_OF_NODE)
    return weights


def _sources(workflow: Workflow, node: str) -> set[str]:
    return {other for _, other, _ in workflow.nodes[node].linked()}
