"""The backend behind the contract: a workflow is filled, sent, waited for, and fetched."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import UUID

from cinefab.core.canonical import Json, Sha256, canonical_json, sha256_of
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import BriefInvalid, Cancelled, CinefabError, ContractMismatch, Unavailable
from cinefab.core.ids import RandomIds
from cinefab.generate.backend import (
    SERVICE,
    DeviceNeed,
    Limits,
    ModelCard,
    TakeRequest,
    TrainingSet,
)
from cinefab.generate.fitting import native_frames
from cinefab.generate.models.comfyui.engine import Engine, Unanswered
from cinefab.generate.models.comfyui.following import Following
from cinefab.generate.models.comfyui.mapping import mapped, task_of
from cinefab.generate.models.comfyui.refusals import blamed, complaints, failed, refused
from cinefab.generate.models.comfyui.settings import SETTINGS_SCHEMA
from cinefab.generate.models.comfyui.shape import Shape
from cinefab.generate.models.comfyui.wire import File, Outcome
from cinefab.generate.models.comfyui.workflow import (
    PREFIX,
    Place,
    output_of,
    read_workflow,
)
from cinefab.generate.run import ALONE, Bill, Run
from cinefab.generate.services.shots import picture_of, require_picture, work_folder
from cinefab.media.frames import Frame

_KEPT: Final = "prompt.json"
_SENT_MAX: Final = 2
"""How often a workflow is sent at most: an engine that forgets it twice would do so again."""

_PIXELS: Final = 1024 * 1024
_STEP_OF: Final = {"WanImageToVideo": 4, "EmptyHunyuanLatentVideo": 4, "EmptyLTXVLatentVideo": 8}
_FOLDER: Final = "cinefab"
"""Where the engine is asked to put its files, among its own outputs."""

_INTERRUPTIBLE: Final = frozenset(
    {
        *(
            "KSampler",
            "KSamplerAdvanced",
            "SamplerCustom",
            "SamplerCustomAdvanced",
            "KSamplerSelect",
        ),
        *("BasicScheduler", "BasicGuider", "CFGGuider", "RandomNoise", "FluxGuidance"),
        *("CheckpointLoaderSimple", "UNETLoader", "CLIPLoader", "DualCLIPLoader", "VAELoader"),
        *("CLIPVisionLoader", "CLIPVisionEncode", "LoraLoader", "LoraLoaderModelOnly"),
        *("CLIPTextEncode", "ConditioningZeroOut", "ModelSamplingSD3", "ModelSamplingFlux"),
        *("EmptyLatentImage", "EmptySD3LatentImage", "EmptyImage", "LoadImage", "ImageScale"),
        *("EmptyHunyuanLatentVideo", "EmptyLTXVLatentVideo", "WanImageToVideo", "LTXVImgToVideo"),
        *("LTXVConditioning", "LTXVScheduler", "VAEEncode", "VAEDecode", "VAEDecodeTiled"),
        *("SaveImage", "PreviewImage", "CreateVideo", "SaveVideo", "SaveWEBM"),
    }
)
"""ComfyUI's own nodes that look at every step, or are short; of any other nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A workflow that was sent, or is about to be: what a run that was killed looks for."""

    prompt: str
    client: str
    content: Sha256
    times: int
    accepted: bool

    def keep(self, run: Run) -> None:
        """Keep it, before anybody waits for it."""
        document: Json = {
            "prompt": self.prompt,
            "client": self.client,
            "content": self.content,
            "times": self.times,
            "accepted": self.accepted,
        }
        name = f"{'taken' if self.accepted else 'sent'}-{self.times}"
        run.keep(name, {_KEPT: canonical_json(document)})

    @classmethod
    def kept(cls, run: Run) -> _Sent | None:
        """Return what a run has kept, None if it has kept nothing that can be read."""
        point = run.kept()
        if point is None or _KEPT not in point.files:
            return None
        try:
            return cls(**json.loads(point.files[_KEPT].read_bytes()))
        except (OSError, ValueError, TypeError):
            return None


class Comfyui:
    """A workflow file as a model; one run of it makes one shot."""

    settings_schema: ClassVar[Mapping[str, Any]] = SETTINGS_SCHEMA

    def __init__(
        self,
        name: str,
        settings: Mapping[str, Any],
        secrets: Mapping[str, str],
        *,
        clock: Clock | None = None,
    ) -> None:
        """Read the workflow, and find what goes where in it; no engine is asked anything."""
        self._name = name
        self._settings = settings
        self._clock = SystemClock() if clock is None else clock
        self._ids = RandomIds(self._clock)
        self._workflow = read_workflow(Path(settings["workflow"]).expanduser(), model=name)
        self._output = output_of(self._workflow, settings.get("output"), model=name)
        self._inputs = mapped(
            self._workflow, settings.get("inputs"), output=self._output, model=name
        )
        self._task = settings.get("task") or task_of(self._workflow, self._inputs, self._output)
        self._fps = self._native_fps()
        self._shape = self._native_shape()
        self._version = self._digest()[:12]
        self._engine = Engine(
            settings["url"],
            headers=_headers(settings, secrets),
            patience_s=settings.get("patience_s", 60),
            clock=self._clock,
        )
        self._about: dict[str, Json] = {}
        self._whole: frozenset[Place] = frozenset()

    @property
    def card(self) -> ModelCard:
        """What this model says of itself; its version is that of the workflow and its mapping."""
        limits = self._settings.get("limits", {})
        return ModelCard(
            name=self._name,
            version=self._version,
            task=self._task,
            input_schema=self._input_schema(),
            output_schema={
                "title": "Frames",
                "description": f"Of node {self._output}, fitted to the film",
                "type": "object",
            },
            limits=Limits(
                width_max=limits.get("width_max", 3840),
                height_max=limits.get("height_max", 3840),
                frames_max=limits.get("frames_max", 2_400),
                overlap_frames=limits.get("overlap_frames", 0),
            ),
            capabilities=self._capabilities(),
            devices=(
                DeviceNeed(
                    device_class=self._device_class,
                    memory_mb=self._settings.get("memory_mb", 1),
                ),
            ),
            training_sets=tuple(
                TrainingSet(**each) for each in self._settings.get("training_sets", ())
            ),
            digital_source_type=self._settings.get(
                "digital_source_type", "trainedAlgorithmicMedia"
            ),
            cost_us_per_megapixel=self._settings.get("cost_us_per_megapixel", 50_000),
            cost_us_fixed=self._settings.get("cost_us_fixed", 60_000_000),
        )

    def load(self) -> None:
        """Hold the workflow against what the engine has; raise `ContractMismatch` for what it lacks."""
        with contextlib.closing(self._engine):
            version = self._engine.version()
            known = {kind: self._engine.node(kind) for kind in self._workflow.kinds}
        missing = [kind for kind, info in known.items() if info is None]
        if missing:
            raise ContractMismatch(
                attempted=f"load the model {self._name!r}",
                found=f"the ComfyUI at {self._settings['url']} has no node {', '.join(missing)}",
                remedy="Install the packages of these nodes there, or export another workflow.",
            )
        self._whole = frozenset(self._places_that_are_whole(known))
        modules = {str((info or {}).get("python_module", "nodes")) for info in known.values()}
        own = sorted(module for module in modules if module.startswith("custom_nodes"))
        self._about = {"engine": "comfyui", "version": version, "custom_nodes": own}
        if "licence" in self._settings:
            self._about["licence"] = self._settings["licence"]

    def check(self, request: TakeRequest) -> None:
        """Raise `BriefInvalid` for a shot without the picture that the workflow begins with."""
        if "image" in self._inputs:
            place = self._inputs.inputs["image"]
            require_picture(request, model=self._name, begins=f"its workflow ({place})")

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield the frames of a shot, made by one run of the workflow.

        A run that was killed looks for what it has sent before, and pays once.
        """
        from cinefab.generate.received import shown_from

        self.check(request)
        with contextlib.ExitStack() as stack:
            stack.callback(self._engine.close)
            folder = stack.enter_context(work_folder(run))
            document = self._filled(request, run)
            sent, files = self._made(document, run, folder)
            self._account_for(sent, files, run)
            yield from shown_from(
                files,
                request,
                made_by=self._name,
                confinement=run.confinement,
                fps=None if self._task.endswith("image") else self._fps,
            )

    def cancel(self, run: Run) -> None:
        """End what a cancelled run has sent: taken out of the queue, or stopped between two steps."""
        sent = _Sent.kept(run)
        if sent is not None:
            try:
                self._stop(sent)
            except Unanswered as error:
                raise self._engine.unavailable(error.found) from error
            finally:
                self._engine.close()

    # What the workflow is

    def _native_fps(self) -> Fraction:
        fps = self._settings.get("fps")
        if fps is None and "fps" in self._inputs:
            fps = self._workflow.literal(self._inputs.inputs["fps"].places[0])
        if not isinstance(fps, int | float) or isinstance(fps, bool) or not 0 < fps <= 120:
            fps = 16
        return Fraction(fps).limit_denominator(1001)

    def _native_shape(self) -> Shape:
        own = self._settings.get("megapixels")
        pixels = _PIXELS if own is None else max(1, round(own * 1_000_000))
        if own is None and "width" in self._inputs and "height" in self._inputs:
            sides = [
                self._workflow.literal(self._inputs.inputs[side].places[0])
                for side in ("width", "height")
            ]
            if all(isinstance(side, int) and side > 0 for side in sides):
                pixels = sides[0] * sides[1]
        steps = [_STEP_OF.get(kind, 1) for kind in self._workflow.kinds]
        return Shape(
            pixels=pixels,
            multiple=self._settings.get("multiple", 16),
            frames_step=self._settings.get("frames_step", max(steps)),
        )

    def _digest(self) -> Sha256:
        places: Json = {
            name: [str(place) for place in each.places]
            for name, each in self._inputs.inputs.items()
        }
        return sha256_of(
            canonical_json(
                {
                    "workflow": self._workflow.digest,
                    "inputs": places,
                    "output": self._output,
                    "task": self._task,
                    "fps": str(self._fps),
                    "shape": [self._shape.pixels, self._shape.multiple, self._shape.frames_step],
                }
            )
        )

    def _capabilities(self) -> frozenset[str]:
        found = {"progress"}
        if self._settings.get("deterministic", False):
            found.add("deterministic")
        if _INTERRUPTIBLE.issuperset(self._workflow.kinds):
            found.add("cancel_frees_gpu")
        return frozenset(found)

    def _input_schema(self) -> Mapping[str, Any]:
        properties: dict[str, Any] = {
            "prompt": {"type": "string"},
            "settings": self._inputs.settings_schema(),
        }
        if "image" in self._inputs:
            properties["references"] = {"type": "array", "minItems": 1}
        return {
            "title": self._name,
            "description": f"{self._inputs}; output: {self._output}",
            "type": "object",
            "properties": properties,
        }

    def _places_that_are_whole(self, known: Mapping[str, Any]) -> Iterator[Place]:
        for each in self._inputs.inputs.values():
            for place in each.places:
                info = known.get(self._workflow.nodes[place.node].kind) or {}
                groups = info.get("input")
                for group in groups.values() if isinstance(groups, Mapping) else ():
                    given = group.get(place.input) if isinstance(group, Mapping) else None
                    if isinstance(given, list) and given and given[0] == "INT":
                        yield place

    # A run

    def _filled(self, request: TakeRequest, run: Run) -> dict[str, Any]:
        asked: Any = request.input
        size = self._shape.size_for(request.size)
        given: dict[str, Json] = {
            "seed": request.seed,
            "width": size.width,
            "height": size.height,
            "frames": self._shape.frames_for(native_frames(request, self._fps)),
            "fps": int(self._fps) if self._fps.denominator == 1 else float(self._fps),
            "caption": asked.get("caption"),
            "prompt": asked.get("prompt") or asked.get("caption"),
            **asked.get("settings", {}),
        }
        if "image" in self._inputs:
            given["image"] = self._uploaded(request, run)
        values = self._inputs.values({name: v for name, v in given.items() if v not in (None, "")})
        for place, value in values.items():
            if place in self._whole and isinstance(value, float):
                self._require_whole(place, value)
        return self._workflow.filled(values)

    def _require_whole(self, place: Place, value: float) -> None:
        given = self._inputs.at(place.node, place.input)
        if value.is_integer() or given is None or given.brief_field is None:
            return
        raise BriefInvalid(
            attempted=f"make a shot with the model {self._name!r}",
            field=given.brief_field,
            found=f"{place} takes whole numbers, not {value:g}",
            remedy="Give a whole number.",
        )

    def _uploaded(self, request: TakeRequest, run: Run) -> str:
        content = picture_of(request).read_bytes()
        called = f"{_FOLDER}-{sha256_of(content)[:32]}.png"
        return self._engine.upload(content, called, run.check_wanted)

    def _made(
        self, document: dict[str, Any], run: Run, folder: Path
    ) -> tuple[_Sent, Sequence[Path]]:
        """Return what was sent, and the files it became; send it again if the engine forgot it."""
        from cinefab.generate.models.comfyui.watching import Forgotten, Socket, wait_for

        content = sha256_of(json.dumps(document, sort_keys=True).encode())
        kept = _Sent.kept(run)
        # What another process sent may have been stopped since, or swept away: then it is sent anew.
        is_resumed = kept is not None and kept.content == content
        sent = replace(kept, times=1) if kept and is_resumed else self._new(content, times=1)
        following = Following(self._workflow, self._output, run, clock=self._clock)
        while True:
            with Socket(self._engine, sent.client, clock=self._clock) as socket:
                try:
                    sent = self._send(document, sent, run)
                    outcome = wait_for(
                        self._engine,
                        socket,
                        sent.prompt,
                        on_event=following,
                        check_wanted=run.check_wanted,
                        limit_s=self._settings.get("timeout_s", 3600),
                        clock=self._clock,
                    )
                except Forgotten as error:
                    if sent.times >= _SENT_MAX:
                        raise self._engine.unavailable(
                            f"it has forgotten the prompt {sent.prompt}, as the one before"
                        ) from error
                    sent = self._new(content, times=sent.times + 1)
                    continue
                except Cancelled:
                    self._stop_if_ours(sent, run)
                    raise
            try:
                files = self._fetched(self._checked(outcome, sent), run, folder)
            except (BriefInvalid, ContractMismatch, Unavailable):
                if not is_resumed:
                    raise
                is_resumed = False
                sent = self._new(content, times=1)
                continue
            following.finish()
            return sent, files

    def _new(self, content: Sha256, *, times: int) -> _Sent:
        # Two names that no other run has: engines of before choose the prompt's id themselves.
        prompt, client = (
            UUID(bytes=bytes.fromhex(sha256_of(self._ids.new(kind).encode())[:32]), version=4)
            for kind in ("prompt", "client")
        )
        return _Sent(
            prompt=str(prompt), client=client.hex, content=content, times=times, accepted=False
        )

    def _send(self, document: dict[str, Any], sent: _Sent, run: Run) -> _Sent:
        """Return what was sent once the engine has it, sending it unless it is there already."""
        if sent.accepted:
            return sent
        known = _Sent.kept(run)
        if known is not None and known.prompt == sent.prompt:
            # It was about to be sent when its process died.
            sent = self._found(sent, run) or sent
        else:
            sent.keep(run)
        until_us = self._clock.elapsed_us() + round(
            self._settings.get("patience_s", 60) * 1_000_000
        )
        pause_s = 0.2
        while not sent.accepted:
            run.check_wanted()
            try:
                answer = self._engine.send(
                    self._named(document, sent),
                    prompt=sent.prompt,
                    client=sent.client,
                    preview=run.folder is not None,
                )
            except Unanswered as error:
                # It may have been taken all the same: then it is there.
                found = self._found(sent, run)
                pause = max(pause_s, error.pause_s)
                if found is None and self._clock.elapsed_us() + pause * 1_000_000 > until_us:
                    raise self._engine.unavailable(error.found) from error
                if found is None:
                    self._clock.sleep(pause)
                    pause_s = min(5.0, pause_s * 2)
                    continue
                sent = found
                continue
            if answer.prompt is None:
                raise refused(answer.body, answer.status, self._inputs, model=self._name)
            sent = replace(sent, prompt=answer.prompt, accepted=True)
            sent.keep(run)
            wrong = complaints(answer.body, output=self._output)
            if wrong:
                # The engine makes its other outputs, and would leave out ours without a word.
                with contextlib.suppress(Unanswered, CinefabError):
                    self._stop(sent)
                raise blamed(wrong, self._inputs, model=self._name)
        return sent

    def _found(self, sent: _Sent, run: Run) -> _Sent | None:
        prompt = self._engine.prompt_by(sent.client, run.check_wanted)
        if prompt is None:
            return None
        found = replace(sent, prompt=prompt, accepted=True)
        found.keep(run)
        return found

    def _named(self, document: Mapping[str, Any], sent: _Sent) -> Mapping[str, Any]:
        """Return the workflow with its files called by this run's own name."""
        node = document[self._output]
        if not isinstance(node["inputs"].get(PREFIX), str):
            return document
        inputs = {**node["inputs"], PREFIX: f"{_FOLDER}/{sent.client}"}
        return {**document, self._output: {**node, "inputs": inputs}}

    def _stop(self, sent: _Sent) -> None:
        self._engine.cancel(sent.prompt)

    def _stop_if_ours(self, sent: _Sent, run: Run) -> None:
        # A worker that goes away stops its runs, too: whether another one goes on waiting for what
        # a service does is for whoever asks `cancel`.
        if self._device_class == SERVICE and run.folder is not None:
            return
        # What cannot be stopped now ends by itself.
        with contextlib.suppress(Unanswered, CinefabError):
            self._stop(sent)

    @property
    def _device_class(self) -> str:
        found: str = self._settings.get("device_class", SERVICE)
        return found

    def _checked(self, outcome: Outcome, sent: _Sent) -> Sequence[File]:
        """Return the files of the output; raise for a failure, or for another run's files."""
        if outcome.failure is not None:
            raise failed(outcome.failure, self._inputs, model=self._name)
        if outcome.interrupted:
            raise Unavailable(
                attempted=f"have ComfyUI run the workflow of the model {self._name!r}",
                found="somebody interrupted it there",
                remedy="Order it again if it is still wanted.",
            )
        files = outcome.files.get(self._output, ())
        if not files:
            raise self._mismatch(f"node {self._output} gave no pictures")
        named = isinstance(self._workflow.nodes[self._output].inputs.get(PREFIX), str)
        for each in files:
            if named and not each.filename.startswith(sent.client):
                raise self._mismatch(f"it gave {each.filename!r}, which is another run's")
        return files

    def _fetched(self, files: Sequence[File], run: Run, folder: Path) -> Sequence[Path]:
        paths = []
        wanted = files[:1] if self._task.endswith("image") else files
        for number, file in enumerate(wanted):
            run.check_wanted()
            path = folder / f"delivered-{number:05}{_suffix(file.filename)}"
            self._engine.fetch(file, path, run.check_wanted)
            paths.append(path)
        return paths

    def _account_for(self, sent: _Sent, files: Sequence[Path], run: Run) -> None:
        run.note("comfyui", {**self._about, "prompt": sent.prompt, "sent": sent.times})
        for each in files if run.folder is not None else ():
            run.came_with(each)
        price = self._settings.get("price_uusd")
        if price is not None:
            run.bill(
                Bill(
                    amount_uusd=price,
                    basis="price-book",
                    supplier=self._name,
                    reference=sent.prompt,
                )
            )

    def _mismatch(self, found: str) -> ContractMismatch:
        return ContractMismatch(
            attempted=f"take what ComfyUI made for the model {self._name!r}",
            found=found,
            remedy=f"Try the workflow of models.{self._name} in ComfyUI itself, and mend it.",
        )


def _headers(settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Mapping[str, str]:
    headers = dict(settings.get("headers", {}))
    key = secrets.get("api_key")
    if key is not None:
        name = settings.get("api_key_header", "Authorization")
        headers[name] = f"Bearer {key}" if name.lower() == "authorization" else key
    return headers


def _suffix(filename: str) -> str:
    suffix = Path(filename).suffix.lower()
    return suffix if suffix[1:].isalnum() and len(suffix) <= 6 else ""
