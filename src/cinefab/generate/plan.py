"""Planning: a brief and its prepared references become an exact timeline, or one clear error.

Pure: the same brief, references and versions give the same plan, byte for byte. No clock, no
file, no generator of chance is read; whatever the brief leaves open is decided by its seed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Final

from cinefab.core.brief import Brief, Clip, Role, Shot, Size, TransitionKind
from cinefab.core.canonical import Sha256
from cinefab.core.effect import (
    ChainOf,
    PlannedEffect,
    ShotSpan,
    Stretch,
    no_effects,
    stretches,
)
from cinefab.core.errors import BriefInvalid
from cinefab.core.ids import TenantId
from cinefab.core.plan import (
    MediaKind,
    Part,
    Plan,
    PlannedSegment,
    PlannedShot,
    PlannedTransition,
    PreparedReference,
    Versions,
)
from cinefab.core.sound import SpokenLine
from cinefab.core.units import DeviceUs, Uusd, price_of
from cinefab.generate.backend import ModelCard
from cinefab.generate.captions import plan_cues
from cinefab.generate.clips import Cut
from cinefab.generate.contract import InputContract
from cinefab.generate.direction import Join, choose_cameras, choose_joins
from cinefab.generate.key import segment_key, transition_key
from cinefab.generate.plan_document import plan_document, plan_from_document
from cinefab.generate.sounding import plan_sound, sound_notes
from cinefab.generate.storyboard import expand
from cinefab.generate.windows import are_joined, windows_for

__all__ = [
    "Instead",
    "estimate_uusd",
    "make_plan",
    "placed_lines",
    "plan_document",
    "plan_from_document",
    "starts_ms_of",
]

CLIPS: Final = "clips"
"""The capability of a model that shows videos, and draws nothing of its own."""

_BLACK: Final = "#000000"

# What the other stages may take beside the takes, in device time: transitions, joining, checks and
# signing grow with the film, and a job pays for its sandbox, its encoder's start and its records
# even where the film is a second long. The aim is 0.4 of the takes; the rest is room to spare.
_OTHER_STAGES_BP: Final = 6_000
_OTHER_STAGES_US: Final = 8_000_000
_EACH_REFERENCE_US: Final = 4_000_000
_SOUND_US: Final = 2_000_000
_SOUND_US_A_SECOND: Final = 150_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """A model that makes a shot instead of the film's: its card, its device's price, its effects.

    One that `is_tried` makes it if it takes it; nobody ordered it, so otherwise the film's own does.
    """

    card: ModelCard
    nusd_per_s: int | None
    chain_of: ChainOf = no_effects
    is_tried: bool = False


def make_plan(
    brief: Brief,
    *,
    references: Sequence[PreparedReference],
    card: ModelCard,
    versions: Versions,
    tenant: TenantId,
    files: Mapping[str, Sha256],
    nusd_per_s: int | None,
    chain_of: ChainOf = no_effects,
    clips: ModelCard | None = None,
    spoken: Sequence[SpokenLine] = (),
    instead: Mapping[int, Instead] = MappingProxyType({}),
) -> Plan:
    """Return the exact plan of `brief` for the model that `card` describes.

    `references` are the brief's, prepared; `files` maps `font` and `lut` to the digests of what
    the brand brings; `nusd_per_s` is the device's price in nano-dollars a second, None where it
    has none (then no estimate has a price either); `chain_of` tells which effects lie on a shot,
    and `clips` is the model that shows clips, if one is installed; `instead` has, by their indexes,
    the shots that another model makes;
    `spoken` are the lines that a voice has spoken already, each counted from its shot's start. A brief without
    shots is given a storyboard first. Raises `BriefInvalid`, with the path to the field, for what
    the model cannot make, and `ContractMismatch` where its card contradicts what every model is given.
    """
    if brief.model not in (card.name, card.ref):
        raise BriefInvalid(
            attempted="plan the film",
            field="model",
            found=f"found {brief.model}, but the plan is for {card.ref}",
            remedy=f"Write {card.name}, or install that version.",
        )
    if CLIPS in card.capabilities:
        raise BriefInvalid(
            attempted="plan the film",
            field="model",
            found=f"{card.ref} only shows clips",
            remedy="Choose a model that draws, and write clip in the shots that show a video.",
        )
    brief = expand(brief)
    frames = _frames(brief)
    by_name = {reference.name: reference for reference in references}
    roles = {reference.name: reference.role for reference in references}
    joins, notes = choose_joins(
        brief.shots, frames=frames, fps=brief.output.fps, roles=roles, seed=brief.seed
    )
    taker = _Taker(
        brief=brief,
        by_name=by_name,
        card=card,
        contract=InputContract(card),
        clips=clips,
        versions=versions,
        tenant=tenant,
        files=files,
        nusd_per_s=nusd_per_s,
        chain_of=chain_of,
        instead=instead,
    )
    cameras = choose_cameras(brief.shots, seed=brief.seed)
    ends = (*joins[1:], Join(TransitionKind.CUT, 0))
    starts = (0, *accumulate(frames))
    shots = tuple(
        taker.shot(
            i,
            shot,
            camera=cameras[i],
            start=starts[i],
            frames=frames[i],
            begins=joins[i],
            ends=ends[i],
        )
        for i, shot in enumerate(brief.shots)
    )
    lines = tuple(_placed(line, starts, fps=brief.output.fps) for line in spoken)
    shown = {name for shot in shots for name in (*shot.references, *_of_effects(shot.effects))}
    transitions = _transitions(shots, joins, brief=brief, versions=versions)
    sound = plan_sound(
        brief,
        shots=shots,
        transitions=transitions,
        spoken=lines,
        versions=versions,
        tenant=tenant,
    )
    silences = sound_notes(brief, spoken=spoken, heard=sound is not None)
    return Plan(
        title=brief.title,
        model=card.ref,
        quality=brief.quality,
        size=brief.output.size,
        fps=brief.output.fps,
        shots=shots,
        transitions=transitions,
        references=tuple(by_name[r.name] for r in brief.references if r.name in shown),
        versions=versions,
        notes=(*notes, *silences, *_unshown(brief, shown)),
        sound=sound,
        cues=plan_cues(brief, lines, starts_ms=starts_ms_of(brief)),
    )


def starts_ms_of(brief: Brief) -> tuple[int, ...]:
    """Return when each shot begins on the film's clock, and when the film ends, in milliseconds."""
    return tuple(_ms_at(frames, brief.output.fps) for frames in (0, *accumulate(_frames(brief))))


def placed_lines(brief: Brief, spoken: Sequence[SpokenLine]) -> tuple[SpokenLine, ...]:
    """Return lines that count from their shots on the film's clock."""
    starts = (0, *accumulate(_frames(brief)))
    return tuple(_placed(line, starts, fps=brief.output.fps) for line in spoken)


def estimate_uusd(plan: Plan, *, others_nusd_per_s: int | None = None) -> Uusd | None:
    """Return what the whole job may cost, or None where the device has no price.

    The takes' own estimates, and an allowance for every other stage: 60 % of the takes' device
    time, 8 seconds a job, 4 seconds a reference and a little for sound, at the price that the takes were estimated at.
    It is what a reservation is made of, so it errs upwards. Where the takes are made on another device
    than the rest, `others_nusd_per_s` is what the rest is priced at.
    """
    takes_us = takes_uusd = 0
    for shot in plan.shots:
        for segment in shot.segments:
            if segment.estimate_uusd is None:
                return None
            takes_us += segment.estimate_device_us
            takes_uusd += segment.estimate_uusd
    if takes_us == 0:
        return Uusd(takes_uusd)
    others_us = (
        takes_us * _OTHER_STAGES_BP // 10_000
        + _OTHER_STAGES_US
        + _EACH_REFERENCE_US * len(plan.references)
        + _sound_us(plan)
    )
    if others_nusd_per_s is not None:
        return Uusd(takes_uusd + price_of(DeviceUs(others_us), nusd_per_s=others_nusd_per_s))
    return Uusd(takes_uusd - (-takes_uusd * others_us // takes_us))


def _placed(line: SpokenLine, starts: Sequence[int], *, fps: Fraction) -> SpokenLine:
    return replace(line, start_ms=_ms_at(starts[line.shot], fps) + line.start_ms)


def _ms_at(frames: int, fps: Fraction) -> int:
    return int(frames * 1000 / fps)


def _sound_us(plan: Plan) -> int:
    if plan.sound is None:
        return 0
    return _SOUND_US + int(plan.frames / plan.fps * _SOUND_US_A_SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taker:
    """Plans shots one by one; holds what is the same for all of them."""

    brief: Brief
    by_name: Mapping[str, PreparedReference]
    card: ModelCard
    contract: InputContract
    clips: ModelCard | None
    versions: Versions
    tenant: TenantId
    files: Mapping[str, Sha256]
    nusd_per_s: int | None
    chain_of: ChainOf
    instead: Mapping[int, Instead]

    def shot(
        self,
        index: int,
        shot: Shot,
        *,
        camera: str,
        start: int,
        frames: int,
        begins: Join,
        ends: Join,
    ) -> PlannedShot:
        """Return shot `index` made exact, its input checked against its model's schema."""

        def made_by(instead: Instead | None) -> PlannedShot:
            return self._shot(
                index,
                shot,
                camera=camera,
                start=start,
                frames=frames,
                begins=begins,
                ends=ends,
                instead=instead,
            )

        instead = None if shot.clip is not None else self.instead.get(index)
        if instead is not None and instead.is_tried:
            with suppress(BriefInvalid):
                return made_by(instead)
            return made_by(None)
        return made_by(instead)

    def _shot(
        self,
        index: int,
        shot: Shot,
        *,
        camera: str,
        start: int,
        frames: int,
        begins: Join,
        ends: Join,
        instead: Instead | None,
    ) -> PlannedShot:
        taker = self
        if shot.clip is not None:
            taker = self._of_clips(index)
            names, given = taker.clip_input(shot.clip, shot, index=index, frames=frames)
        else:
            if instead is not None:
                taker = self._of_another(instead)
            names, given = self._input(shot, index=index, camera=camera)
        prepared = [self._prepared(name) for name in names]
        own = json.loads(shot.model_settings) if shot.clip is None else {}
        taker.contract.check(given, index=index, shots_own=own)
        spans = _spans(frames, begins=begins, ends=ends)
        extent = range(spans[0][1].start, spans[-1][1].stop)
        effects = taker.chain_of(
            ShotSpan(
                index=index,
                start=start,
                end=start + frames,
                first=start + extent.start,
                last=start + extent.stop,
                fps=self.brief.output.fps,
            )
        )
        seed = self.brief.seed if shot.seed is None else shot.seed
        return PlannedShot(
            index=index,
            frames=frames,
            seed=seed,
            input=given,
            references=names,
            segments=tuple(
                taker._segment(  # noqa: SLF001 - another of its own kind
                    part,
                    span,
                    index=index,
                    frames=frames,
                    seed=seed,
                    given=given,
                    used=prepared,
                    extent=extent,
                    effects=effects,
                )
                for part, span in spans
            ),
            effects=effects,
            model=None if taker is self else taker.card.ref,
        )

    def _input(
        self, shot: Shot, *, index: int, camera: str
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Return the references that a drawn shot is given, and its input."""
        names = _names(shot, self.brief.brand.logo)
        self._check_kinds(shot, index=index)
        given: dict[str, Any] = {
            "prompt": shot.prompt,
            "caption": shot.caption,
            "camera": str(camera),
            "index": index,
            "references": list(shot.references),
            "roles": {name: self._prepared(name).role for name in names},
            "colours": list(self.brief.brand.colours),
            "logo": self.brief.brand.logo,
        }
        settings = json.loads(self.brief.model_settings) | json.loads(shot.model_settings)
        return names, given | ({"settings": settings} if settings else {})

    def _of_clips(self, index: int) -> _Taker:
        """Return a planner of clips: their model and its contract, and no brand of the film's."""
        if self.clips is None:
            raise BriefInvalid(
                attempted="plan the film",
                field=f"shots[{index}].clip",
                found="no model that shows clips is installed",
                remedy="Install one, or draw this shot.",
            )
        return replace(
            self,
            card=self.clips,
            contract=InputContract(self.clips),
            versions=replace(self.versions, model=self.clips.ref),
            files={},
        )

    def _of_another(self, instead: Instead) -> _Taker:
        """Return a planner of the shots that this model makes: its own contract, price and effects."""
        return replace(
            self,
            card=instead.card,
            contract=InputContract(instead.card),
            versions=replace(self.versions, model=instead.card.ref),
            nusd_per_s=instead.nusd_per_s,
            chain_of=instead.chain_of,
        )

    def clip_input(
        self, clip: Clip, shot: Shot, *, index: int, frames: int
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Return the one reference of a clip, and its input; refuse what the video does not have."""
        video = self._prepared(clip.reference)
        path = f"shots[{index}].clip"
        if video.kind is not MediaKind.VIDEO or video.fps is None:
            raise BriefInvalid(
                attempted="plan the film",
                field=f"{path}.reference",
                found=f"{clip.reference} is a {video.kind}, not a video",
                remedy="Name a video, or show a picture with references: [name].",
            )
        cut = Cut(start_ms=clip.start_ms, speed=clip.speed, fps=video.fps, frames=video.frames)
        if cut.place(frames - 1, rate=self.brief.output.fps) >= video.frames:
            length_s = float(video.frames / video.fps)
            longest_s = cut.room_ms() / 1000
            beyond = clip.start_ms / 1000 >= length_s
            raise BriefInvalid(
                attempted="plan the film",
                field=f"{path}.start" if beyond else f"shots[{index}].seconds",
                found=f"{clip.reference} is {length_s:g} seconds long; from {clip.start_ms / 1000:g} "
                f"on at {float(clip.speed):g} times its pace it has {longest_s:g}",
                remedy="Start it earlier, slow it down, or shorten the shot.",
            )
        given: dict[str, Any] = {
            "prompt": shot.prompt,
            "caption": shot.caption,
            "references": [clip.reference],
            "roles": {clip.reference: video.role},
            "colours": [],
            "logo": None,
            "clip": {
                "start_ms": clip.start_ms,
                "speed": _ratio(clip.speed),
                "fit": clip.fit.value,
                "fps": _ratio(video.fps),
                "frames": video.frames,
            },
        }
        return (clip.reference,), given

    def _segment(
        self,
        part: Part,
        span: range,
        *,
        index: int,
        frames: int,
        seed: int,
        given: Mapping[str, Any],
        used: Sequence[PreparedReference],
        extent: range,
        effects: Sequence[PlannedEffect],
    ) -> PlannedSegment:
        size = self.brief.output.size
        wanted = Stretch(
            size=size,
            fps=self.brief.output.fps,
            first=span.start,
            frames=len(span),
            extent_first=extent.start,
            extent_end=extent.stop,
            shot_frames=frames,
        )
        run = stretches([effect.need for effect in effects], wanted)
        _check_size(run[0].size, wanted.size, card=self.card)
        # A model that makes shots whole is asked for all of this one, whichever part is wanted.
        is_whole = "any-frame" not in self.card.capabilities
        windows = windows_for(self.card.limits, run[0])
        for window in windows:
            length = window.frames
            if is_whole and not are_joined(self.card.limits, run[0]):
                length = run[0].extent_end - run[0].extent_first
            _check_length(length, index=index, card=self.card)
        # Where a shot begins and ends is part of what is seen only if something looks that far.
        looks_far = any(effect.need.looks_around for effect in effects)
        looks_far = looks_far or is_whole or are_joined(self.card.limits, run[0])
        made = sum(window.frames for window in windows)
        device_us = DeviceUs(
            _device_us(made, size=run[0].size, card=self.card)
            + sum(_effect_us(effect, given) for effect, given in zip(effects, run[1:], strict=True))
        )
        return PlannedSegment(
            key=segment_key(
                versions=self.versions,
                input=given,
                seed=seed,
                size=size,
                fps=self.brief.output.fps,
                first_frame=span.start,
                frames=len(span),
                shot_frames=frames,
                references=used,
                files=self.files,
                quality=self.brief.quality,
                tenant=self.tenant,
                licences=[(source.reference, source.licence) for source in self.brief.rights],
                effects=effects,
                effect_references=[self._prepared(name) for name in _of_effects(effects)],
                extent=extent if looks_far else None,
            ),
            part=part,
            first_frame=span.start,
            frames=len(span),
            estimate_device_us=device_us,
            estimate_uusd=self._price(device_us, part=part, frames=len(span)),
        )

    def _price(self, device_us: DeviceUs, *, part: Part, frames: int) -> Uusd | None:
        """Return what a segment is estimated at: its time, and what somebody else asks for it."""
        card, fps = self.card, self.brief.output.fps
        by_run, by_second = card.price_uusd_per_run, card.price_uusd_per_second
        time = None
        if self.nusd_per_s is not None:
            time = price_of(device_us, nusd_per_s=self.nusd_per_s)
        if by_run is None and by_second is None:
            return time
        # A shot's head and tail are made in the run of its body.
        asked = (by_run or 0) * (part is Part.BODY) + math.ceil(frames / fps * (by_second or 0))
        return Uusd(asked + (time or 0))

    def _check_kinds(self, shot: Shot, *, index: int) -> None:
        """Refuse a sound where a picture is wanted; of a video, a telling frame will do."""
        for place, name in enumerate(shot.references):
            if self._prepared(name).kind is MediaKind.SOUND:
                raise BriefInvalid(
                    attempted="plan the film",
                    field=f"shots[{index}].references[{place}]",
                    found=f"{name} is a sound, and a shot shows pictures",
                    remedy="Name a picture or a video, or leave the reference out.",
                )
        logo = self.brief.brand.logo
        if logo is not None and self._prepared(logo).kind is not MediaKind.PICTURE:
            raise BriefInvalid(
                attempted="plan the film",
                field="brand.logo",
                found=f"{logo} is a {self._prepared(logo).kind}",
                remedy="Name a picture, best a PNG with a clear background.",
            )

    def _prepared(self, name: str) -> PreparedReference:
        assert name in self.by_name, f"ingest prepared every reference, but not '{name}'"
        return self.by_name[name]


def _ratio(number: Fraction) -> str:
    return f"{number.numerator}/{number.denominator}"


def _names(shot: Shot, logo: str | None) -> tuple[str, ...]:
    """Return what the take is given: the shot's references, then the logo that lies over it."""
    extra = () if logo is None or logo in shot.references else (logo,)
    return (*shot.references, *extra)


def _frames(brief: Brief) -> tuple[int, ...]:
    """Return each shot's length, rounded where it ends in the film, so that errors never add up."""
    fps = brief.output.fps
    ends_ms = accumulate(shot.length_ms for shot in brief.shots)
    ends = [int(ms * fps / 1000 + Fraction(1, 2)) for ms in ends_ms]
    frames = tuple(end - start for start, end in zip((0, *ends), ends, strict=False))
    for i, count in enumerate(frames):
        if count < 1:
            raise BriefInvalid(
                attempted="plan the film",
                field=f"shots[{i}].seconds",
                found=f"the shot is shorter than a frame at {fps} frames a second",
                remedy="Make the shot longer, or raise output.fps.",
            )
    return frames


def _spans(frames: int, *, begins: Join, ends: Join) -> list[tuple[Part, range]]:
    """Return the shot's parts as ranges of its own frames; head and tail overlap its neighbours."""
    body = range(begins.half, frames - ends.half)
    assert body, "a transition takes at most half of a shot"
    spans = [(Part.BODY, body)]
    if begins.half:
        spans.insert(0, (Part.HEAD, range(-begins.half, begins.half)))
    if ends.half:
        spans.append((Part.TAIL, range(frames - ends.half, frames + ends.half)))
    return spans


def _transitions(
    shots: Sequence[PlannedShot], joins: Sequence[Join], *, brief: Brief, versions: Versions
) -> tuple[PlannedTransition, ...]:
    first_colour = brief.brand.colours[0] if brief.brand.colours else _BLACK
    planned: list[PlannedTransition] = []
    for i, join in enumerate(joins):
        if join.frames == 0:
            continue
        colour = first_colour if join.kind is TransitionKind.DIP else ""
        key = transition_key(
            before=shots[i - 1].segments[-1].key,
            after=shots[i].segments[0].key,
            kind=join.kind,
            frames=join.frames,
            colour=colour,
            encoder=versions.encoder,
        )
        planned.append(
            PlannedTransition(key=key, kind=join.kind, into=i, frames=join.frames, colour=colour)
        )
    return tuple(planned)


def _device_us(frames: int, *, size: Size, card: ModelCard) -> DeviceUs:
    pixels = frames * size.width * size.height
    return DeviceUs(card.cost_us_fixed - (-pixels * card.cost_us_per_megapixel // 1_000_000))


def _effect_us(effect: PlannedEffect, given: Stretch) -> int:
    pixels = given.frames * given.size.width * given.size.height
    return -(-pixels * effect.need.cost_us_per_megapixel // 1_000_000)


def _of_effects(effects: Sequence[PlannedEffect]) -> list[str]:
    """Return the references that effects are given, each once."""
    return list(dict.fromkeys(name for effect in effects for _, name in effect.references))


def _check_size(asked: Size, wanted: Size, *, card: ModelCard) -> None:
    limits = card.limits
    if asked.width > limits.width_max or asked.height > limits.height_max:
        made = "" if asked == wanted else f", for which {asked} are asked of the model"
        raise BriefInvalid(
            attempted="plan the film",
            field="output.size",
            found=f"found {wanted}{made}",
            remedy=f"{card.ref} makes at most {limits.width_max}x{limits.height_max}.",
        )


def _check_length(frames: int, *, index: int, card: ModelCard) -> None:
    if frames > card.limits.frames_max:
        raise BriefInvalid(
            attempted="plan the film",
            field=f"shots[{index}].seconds",
            found=f"the shot needs {frames} frames in one run",
            remedy=f"{card.ref} makes at most {card.limits.frames_max}; split the shot.",
        )


def _unshown(brief: Brief, shown: set[str]) -> list[str]:
    compare = brief.review.compare
    used = shown if compare is None else shown | {compare.reference}
    return [
        f"references.{reference.name}: no shot shows it"
        for reference in brief.references
        if reference.name not in used and reference.role is not Role.LOGO
    ]
