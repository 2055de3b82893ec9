"""One brief becomes one film: the walk through the five layers, durable at every step.

The body of this workflow only decides what comes next, from what finished steps returned, so
that it takes the same path whenever it is run again: after a crash, on another worker, with some
steps done and some not. Everything that touches the world is inside a step.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, TypeAlias, TypeVar

from cinefab.core.canonical import Json
from cinefab.core.errors import (
    Cancelled,
    CinefabError,
    JobParked,
    RefusedByReview,
    StorageUnavailable,
)
from cinefab.core.ids import JobId
from cinefab.core.plan import Plan, PlannedShot, PlannedTransition
from cinefab.engine.durable import step
from cinefab.engine.wire import Fault
from cinefab.jobs import (
    assembling,
    delivering,
    falling_back,
    gating,
    generating,
    ingesting,
    judging,
    planning,
    refining,
    remembering,
    reviewing,
)
from cinefab.jobs.owners import workshop_of, workshop_within
from cinefab.jobs.rounds import load_order, round_of
from cinefab.jobs.stages import Order
from cinefab.jobs.status import JobStatus, move_job
from cinefab.jobs.workshop import Workshop

_T = TypeVar("_T")
_Round: TypeAlias = tuple[JobId, int]

WORKFLOW: Final = "film"
"""The workflow's name in the durable engine; its argument is its own id: `workflow_id`."""

_log: Final = logging.getLogger(__name__)

_ATTEMPTS: Final = 3
"""A stage outlives a short failure of what it needs: the database, the blobs, a sandbox."""

_RENDER_ATTEMPTS: Final = 2
"""A rendering process that dies, or hangs, is replaced; what it was making is made once more."""

_MOVE_ATTEMPTS: Final = 8
"""A job's status must not be lost to an outage of half a minute: its result would be kept as it is
while the row never ends."""

_READ_PAUSE_S: Final = 0.2


def register_film(shop: Workshop) -> None:
    """Tell the engine how films are made; before it is launched."""

    async def film(workflow: str) -> Json:
        job, round_number = round_of(workflow)
        return await make_film(shop, job, round_number)

    shop.durable.workflow(WORKFLOW, film)


async def make_film(shop: Workshop, job: JobId, round_number: int = 0) -> Json:
    """Run a job to its end, or to where a person is asked, and return how it stands.

    Whoever works on it, it is made as the tenant's who ordered it.
    Errors of ours end the job and become its result; anything else is a fault, ends the job too,
    and is raised for the engine to keep. Where a person is asked the workflow is over: whoever
    is given the answer starts the next round, which finds everything made.
    """
    of = (job, round_number)
    try:
        await _move(shop, of, "begin", JobStatus.RUNNING)
        owned = await _read(workshop_of, shop, job)
        may_leave = await _walk(owned, await _read(load_order, owned, job, round_number))
    except RefusedByReview as error:
        return await _end(shop, of, "refused", JobStatus.REFUSED, error.as_dict())
    except Cancelled as error:
        return await _end(shop, of, "cancelled", JobStatus.CANCELLED, error.as_dict())
    except JobParked as error:
        return await _end(shop, of, "parked", JobStatus.PARKED, error.as_dict())
    except CinefabError as error:
        return await _end(shop, of, "failed", JobStatus.FAILED, error.as_dict())
    except Exception as error:
        fault = {"error": "Fault", "found": f"{type(error).__name__}: {error}"}
        await _end(shop, of, "fault", JobStatus.FAILED, fault)
        raise
    if not may_leave:
        await _report(shop, of)
        return {"job": job, "status": JobStatus.NEEDS_PERSON, "failure": None}
    return await _end(shop, of, "delivered", JobStatus.DELIVERED, None)


async def _walk(shop: Workshop, order: Order) -> bool:
    # First, because a line that cannot be spoken is the brief's mistake, and then nothing is made.
    spoken = await _spoken(shop, order)
    references = await asyncio.gather(
        *(
            _stage(f"ingest:{reference.name}", _bound(ingesting.ingest, shop, order, reference))
            for reference in order.brief.references
        )
    )
    if order.brief.preview_first is not None:
        shown = await _preview_film(shop, order, references, spoken)
        if shown is None:
            return False
        order, references = shown
    made = await _cut(shop, order, references, spoken)
    plan, cut, pieces = made.plan, made.cut, made.pieces
    if not await _stage("gate", lambda: gating.may_leave(shop, order, plan, cut, made.verdict)):
        return False
    released = await _stage(
        "deliver", lambda: delivering.deliver(shop, order, plan, cut, references)
    )
    packaged = await _package(shop, order, plan, pieces, released, made.planned)
    await _stage(
        "publish", lambda: delivering.publish(shop, order, released, made.planned, packaged)
    )
    await asyncio.gather(
        *(_publish(shop, order, number, packaged) for number in range(len(order.brief.deliver)))
    )
    await _shadows(shop, order, plan, references, spoken)
    return True


async def _shadows(
    shop: Workshop, order: Order, plan: Plan, references: list[Json], spoken: list[Json]
) -> None:
    """Have versions that are tried in the shadow make their share of the shots again.

    Last of all: the film is out, and whatever becomes of this changes nothing of it.
    """
    if order.pins is None or not order.pins.shadows:
        return
    from cinefab.jobs import shadowing  # noqa: PLC0415 - most films are beside nothing

    async def _shadow(take: shadowing.ShadowTake) -> None:
        try:
            await _stage(
                take.stage,
                _bound(shadowing.make_beside, shop, order, plan, take, references, spoken),
            )
        except Cancelled:
            raise
        except (CinefabError, Fault):
            _log.warning("shadow_not_made", extra={"job": order.job, "stage": take.stage})

    await asyncio.gather(*(_shadow(take) for take in shadowing.takes_beside(order, plan)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """A cut that was reviewed, with its plan and pieces."""

    plan: Plan
    planned: Json
    pieces: Mapping[str, Any]
    cut: Json
    verdict: Json


async def _preview_film(
    shop: Workshop, order: Order, references: list[Json], spoken: list[Json]
) -> tuple[Order, list[Json]] | None:
    """Make the preview, show it and, if it is to be asked about, wait: None until there is a yes.

    Return what the film itself is made from: with what the preview gives its model to begin with.
    """
    from cinefab.jobs import starting  # noqa: PLC0415 - most films have no preview

    small = starting.preview_order(order)
    made = await _cut(shop, small, references, spoken)
    await _stage(
        small.named("deliver"),
        lambda: delivering.show_preview(shop, small, made.plan, made.cut, references),
    )
    asked = await _stage(
        small.named("gate"),
        lambda: gating.may_leave(shop, small, made.plan, made.cut, made.verdict),
    )
    if not asked:
        return None
    starts = await asyncio.gather(
        *(
            _stage(
                f"start:{index}",
                _bound(starting.take_start, shop, small, made.plan, index, made.pieces, references),
            )
            for index in starting.shots_to_start(shop, order)
        )
    )
    return starting.with_pictures(shop, order, starts), [*references, *starts]


async def _cut(shop: Workshop, order: Order, references: list[Json], spoken: list[Json]) -> _Cut:
    # Before transcripts: a clip that its video turns out not to have is charged for ingest alone.
    planned = await _stage(
        order.named("plan"), lambda: planning.plan(shop, order, references, spoken)
    )
    if order.brief.preview_first is None:
        await _transcripts(shop, order, references)
    plan = await _read(planning.load_plan, shop, planned)
    kept = await _stage(order.named("find"), lambda: generating.find_kept(shop, plan))

    # Alone, because it takes a tenth of a second and somebody waits for it: beside the takes it
    # would wait for a place until the first of them is done.
    # A model that makes shots whole shows its first picture while it makes them.
    if generating.has_quick_look(shop, order, plan):
        await _stage(
            order.named("preview"),
            lambda: generating.preview(shop, order, plan, references, kept),
        )
    sound, (plan, planned, pieces) = await asyncio.gather(
        _sound(shop, order, plan, spoken),
        _takes(shop, order, plan, planned, references, spoken, kept),
    )

    async def _transition(transition: PlannedTransition) -> Json:
        return await step(
            order.named(f"transition:{transition.into}"),
            lambda: assembling.make(shop, order, plan, transition, pieces),
            attempts_max=_RENDER_ATTEMPTS,
        )

    blends = [each for each in plan.transitions if each.key not in pieces]
    joined = await asyncio.gather(*(_transition(each) for each in blends))
    pieces = generating.all_segments(pieces, joined)
    cut = await _stage(
        order.named("assemble"), lambda: assembling.assemble(shop, order, plan, pieces, sound)
    )
    verdict = await _stage(
        order.named("review"),
        lambda: reviewing.review(shop, order, plan, cut, pieces, references),
    )
    return _Cut(plan=plan, planned=planned, pieces=pieces, cut=cut, verdict=verdict)


async def _transcripts(shop: Workshop, order: Order, references: Sequence[Json]) -> None:
    """Give the words of what is heard in references their times; pictures load nothing of this."""
    heard = [
        (reference, kept)
        for reference, kept in zip(order.brief.references, references, strict=True)
        if ingesting.may_be_heard(reference, kept)
    ]
    if not heard:
        return
    from cinefab.jobs import transcribing  # noqa: PLC0415 - see above

    await asyncio.gather(
        *(
            _stage(
                order.named(f"transcribe:{reference.name}"),
                _bound(transcribing.transcribe, shop, order, reference, kept),
            )
            for reference, kept in heard
        )
    )


async def _publish(shop: Workshop, order: Order, number: int, packaged: Json) -> None:
    """Send the packaged release to one of the places that the brief names."""
    from cinefab.jobs import publishing  # noqa: PLC0415 - as in `_package`

    sent = await _stage(
        f"publish:{number}", lambda: publishing.publish_to(shop, order, number, packaged)
    )
    await _stage(
        f"purge:{number}", lambda: publishing.purge_at(shop, order, number, packaged, sent)
    )


async def _spoken(shop: Workshop, order: Order) -> list[Json]:
    """Speak the film's lines, which time its captions; most films have none."""
    if not any(shot.voice for shot in order.brief.shots):
        return []
    from cinefab.jobs import speaking  # noqa: PLC0415 - see above

    lines = await _stage("speak", lambda: speaking.speak(shop, order))
    assert isinstance(lines, list), "lines come in a list"
    return lines


async def _sound(shop: Workshop, order: Order, plan: Plan, spoken: list[Json]) -> Json:
    """Make what is heard, beside the takes; a silent film loads nothing of this."""
    if plan.sound is None:
        return None
    from cinefab.jobs import sounding  # noqa: PLC0415 - see above

    return await step(
        order.named("sound"),
        lambda: sounding.make_sound(shop, order, plan, spoken),
        attempts_max=_RENDER_ATTEMPTS,
    )


async def _takes(
    shop: Workshop,
    order: Order,
    first: Plan,
    planned: Json,
    references: list[Json],
    spoken: list[Json],
    kept: Json,
) -> tuple[Plan, Json, dict[str, Any]]:
    """Make what is missing; what is refused again, with other seeds, as often as was asked for.

    Return the plan of what was made in the end, as it is and by its digests, and its pieces. What
    is refused to the last is part of them: the review of the film has the last word.
    """
    plan = first
    known: dict[int, int] = {}
    judged: set[str] = set()
    plan, planned, pieces, made = await _attempt(
        shop,
        order,
        plan,
        first,
        planned,
        references,
        spoken,
        kept,
        attempt=0,
        known=known,
        judged=judged,
    )
    for attempt in range(1, order.brief.refine.attempts + 1):
        refused = refining.refused_shots(plan, made)
        if not refused:
            break
        again: Any = await _stage(
            order.named(f"refine:{attempt}"),
            _bound(
                refining.refine,
                shop,
                order,
                plan,
                first,
                references,
                refused,
                planned,
                attempt,
                spoken,
                refining.remembered_shots(made, attempt=attempt - 1),
            ),
        )
        if again is None:
            break
        planned = again
        plan = await _read(planning.load_plan, shop, planned)
        found = await _stage(
            order.named(f"find:{attempt}"), _bound(generating.find_kept, shop, plan)
        )
        pieces = generating.all_segments(pieces, [found])
        plan, planned, pieces, made = await _attempt(
            shop,
            order,
            plan,
            first,
            planned,
            references,
            spoken,
            pieces,
            attempt=attempt,
            known=known,
            judged=judged,
        )
    return plan, planned, pieces


async def _attempt(
    shop: Workshop,
    order: Order,
    plan: Plan,
    first: Plan,
    planned: Json,
    references: list[Json],
    spoken: list[Json],
    kept: Json,
    *,
    attempt: int,
    known: dict[int, int],
    judged: set[str],
) -> tuple[Plan, Json, dict[str, Any], dict[int, Any]]:
    """Make the shots with something missing, where their model cannot by the next that is named.

    Return the plan of what was made in the end, as it is and by its digests, all pieces, and what
    each shot came to. `known` counts, by shot, the attempts that were refused by memory,
    `judged` has the keys of what was judged by this brief's lines.
    """
    made: dict[int, Any] = {}
    pieces = generating.all_segments(kept, [])
    for turn in count(1):
        now = await _shots(
            shop,
            order,
            plan,
            planned,
            references,
            pieces,
            attempt=attempt,
            turn=turn,
            known=known,
            judged=judged,
        )
        made |= now
        pieces = generating.all_segments(pieces, [each["pieces"] for each in now.values()])
        given_up = falling_back.given_up(now)
        if not given_up:
            break
        planned = await _stage(
            order.named(f"fallback:{attempt}:{turn}"),
            _bound(
                falling_back.fall_back,
                shop,
                order,
                plan,
                first,
                references,
                given_up,
                planned,
                f"fallback:{attempt}:{turn}",
                spoken,
            ),
        )
        plan = await _read(planning.load_plan, shop, planned)
        found = await _stage(
            order.named(f"find:{attempt}:{turn}"), _bound(generating.find_kept, shop, plan)
        )
        pieces = generating.all_segments(pieces, [found])
        made = {index: answer for index, answer in made.items() if index not in given_up}
    return plan, planned, pieces, made


async def _shots(
    shop: Workshop,
    order: Order,
    plan: Plan,
    planned: Any,
    references: list[Json],
    kept: Json,
    *,
    attempt: int,
    turn: int,
    known: dict[int, int],
    judged: set[str],
) -> dict[int, Any]:
    via: Mapping[str, int] = planned.get("via", {})
    wanted = {
        shot.index: generating.take_stage(
            shot.index, attempt=attempt, via=via.get(str(shot.index), 0)
        )
        for shot in plan.shots
        if generating.is_missing(plan, shot, kept)
    }
    unfit = await _unfit(shop, order, plan, kept, known=known, judged=judged)
    if not wanted:
        return unfit
    found: Any = await _stage(
        order.named(f"known:{attempt}:{turn}"),
        lambda: remembering.find_remembered(shop, order, plan, wanted, kept),
    )
    refused = {int(index): answer for index, answer in found.items()}
    for index in refused:
        known[index] = known.get(index, 0) + 1
    kept = generating.all_segments(kept, [each["pieces"] for each in refused.values()])

    async def _shot(shot: PlannedShot) -> Json:
        asked = via.get(str(shot.index), 0)
        return await step(
            order.named(generating.take_stage(shot.index, attempt=attempt, via=asked)),
            lambda: generating.generate(
                shop,
                order,
                plan,
                shot,
                references,
                kept,
                attempt=attempt,
                via=asked,
                made_before=attempt - known.get(shot.index, 0),
            ),
            attempts_max=_RENDER_ATTEMPTS,
        )

    missing = [plan.shots[index] for index in wanted if index not in refused]
    made = await asyncio.gather(*(_shot(shot) for shot in missing))
    answers = {shot.index: answer for shot, answer in zip(missing, made, strict=True)}
    judged |= {judging.body_of(plan.shots[index]) for index in wanted}
    return unfit | refused | answers


async def _unfit(
    shop: Workshop,
    order: Order,
    plan: Plan,
    kept: Json,
    *,
    known: dict[int, int],
    judged: set[str],
) -> dict[int, Any]:
    """Return the shots whose kept takes do not pass by the lines that the brief moved."""
    shots = judging.shots_to_judge(order, plan, kept, but=judged)
    answers = await asyncio.gather(
        *(
            _stage(
                order.named(judging.judging_of(shot)),
                _bound(judging.judge_kept, shop, order, plan, shot, kept),
            )
            for shot in shots
        )
    )
    judged |= {judging.body_of(shot) for shot in shots}
    found = {
        shot.index: answer
        for shot, answer in zip(shots, answers, strict=True)
        if answer is not None
    }
    for index in found:
        known[index] = known.get(index, 0) + 1
    return found


async def _package(
    shop: Workshop,
    order: Order,
    plan: Plan,
    pieces: Mapping[str, Any],
    released: Json,
    planned: Json,
) -> Json:
    """Make the rungs that are missing and package the release, if it is to be more than a file."""
    if not order.brief.is_packaged:
        return None
    # Most films are one file, and load nothing of this.
    from cinefab.jobs import packaging  # noqa: PLC0415 - see above

    found = await _stage("find-rungs", lambda: packaging.find_rungs(shop, order, plan, pieces))

    async def _rungs(number: int) -> Json:
        return await step(
            f"rungs:{number}",
            lambda: packaging.make_rungs(shop, order, plan, number, pieces, found),
            attempts_max=_RENDER_ATTEMPTS,
        )

    numbers = packaging.pieces_to_scale(plan, pieces, found)
    made = await asyncio.gather(*(_rungs(number) for number in numbers))
    rungs = packaging.with_made(found, made)
    return await _stage(
        "package",
        lambda: packaging.package(shop, order, plan, pieces, rungs, released, planned),
    )


def _bound(
    body: Callable[..., Awaitable[Json]], *arguments: object
) -> Callable[[], Awaitable[Json]]:
    return lambda: body(*arguments)


async def _stage(name: str, body: Callable[[], Awaitable[Json]]) -> Json:
    return await step(name, body, attempts_max=_ATTEMPTS)


async def _read(load: Callable[..., _T], *arguments: object) -> _T:
    # Outside any step, for what is too large to keep: it reads what can never change.
    for done in range(1, _MOVE_ATTEMPTS):
        try:
            return await asyncio.to_thread(load, *arguments)
        except StorageUnavailable:
            await asyncio.sleep(_READ_PAUSE_S * 2 ** (done - 1))
    return await asyncio.to_thread(load, *arguments)


async def _end(shop: Workshop, of: _Round, name: str, to: JobStatus, failure: Json) -> Json:
    ended = await _move(shop, of, name, to, failure)
    await _report(shop, of)
    return ended


async def _report(shop: Workshop, of: _Round) -> None:
    def report() -> None:
        owned = workshop_of(shop, of[0])
        delivering.write_report(owned, load_order(owned, *of))

    try:
        await step("report", _threaded(report), attempts_max=_ATTEMPTS)
    except StorageUnavailable:
        # It stands as it stands; a folder that cannot be written to is no reason to wait.
        _log.warning("report_not_written", extra={"job": of[0]}, exc_info=True)


async def _move(shop: Workshop, of: _Round, name: str, to: JobStatus, failure: Json = None) -> Json:
    job, round_number = of

    def move() -> None:
        with shop.recorder.db.write() as connection:
            move_job(
                connection,
                tenant=workshop_within(connection, shop, job).tenant,
                job_id=job,
                to=to,
                failure=failure,
                now_us=shop.recorder.clock.now_us(),
                in_round=round_number,
            )

    await step(name, _threaded(move), attempts_max=_MOVE_ATTEMPTS)
    return {"job": job, "status": to, "failure": failure}


def _threaded(body: Callable[[], None]) -> Callable[[], Awaitable[Json]]:
    async def run() -> Json:
        await asyncio.to_thread(body)
        return None

    return run
