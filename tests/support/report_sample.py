"""A report as a job would write it, in dull figures; a test names only what it is about."""

from __future__ import annotations

from typing import Any

JOB = "job_01m89xjobjobjobjobjobjobjo"
MODEL = "procedural@1.0.0"


def a_report(*, shots: int = 2, **changes: Any) -> dict[str, Any]:
    """Return the report of a delivered film of some shots, each of 24 frames from one photograph."""
    segments = [_segment(shot) for shot in range(shots)]
    lineage = [
        _asset("ast_original", "reference", []),
        _asset("ast_picture", "picture", ["ast_original"]),
        *(_asset(each["asset"], "segment", ["ast_picture"]) for each in segments),
        _asset("ast_cut", "cut", [each["asset"] for each in segments]),
        _asset("ast_film", "film", ["ast_cut"]),
    ]
    report = {
        "schema": "cinefab.report/1",
        "job": JOB,
        "status": "delivered",
        "failure": None,
        "title": "Two small shots",
        "out": "/films/one",
        "film": "/films/one/film.mp4",
        "created": "2026-11-25T11:01:59.971417Z",
        "seconds": 4.5,
        "first_preview_ms": 1500,
        "deadline": None,
        "late": None,
        "size": {"width": 320, "height": 180},
        "fps": "24/1",
        "frames": 24 * shots,
        "quality": "final",
        "model": MODEL,
        "seed": 3,
        "budget_uusd": None,
        "preview": None,
        "shots": [_shot(shot) for shot in range(shots)],
        "segments": segments,
        "transitions": [],
        "sound": None,
        "captions": [],
        "references": [a_reference()],
        "stages": [
            _stage("ingest:cup", 100, 400, 9),
            *(_stage(f"generate:{shot}", 500 + 100 * shot, 1000, 13) for shot in range(shots)),
            _stage("deliver", 4000, 100, 2),
        ],
        "leases": [
            a_lease("ingest:cup", 400_000, 9),
            *(a_lease(f"generate:{shot}", 1_000_000, 13) for shot in range(shots)),
            a_lease("deliver", 100_000, 2),
        ],
        "effects": [],
        "attempts": [],
        "published": [],
        "cost_uusd": 11 + 13 * shots,
        "overhead_uusd": 0,
        "reserved_uusd": 100,
        "voided_uusd": 89 - 13 * shots,
        "device_us_by_class": {"load": 100 * (shots + 2), "good": 500_000 + 1_000_000 * shots},
        "delivered_seconds": float(shots),
        "cost_per_delivered_minute_uusd": 60 * (11 + 13 * shots) // shots,
        "yield": 1.0,
        "verdict": {"state": "passed", "findings": [a_finding()]},
        "content_credentials": {
            "state": "trusted",
            "reasons": ["its signer is trusted here and nothing was changed"],
            "sha256": "f" * 64,
            "size_bytes": 1000,
            "authority": "development",
            "label": "urn:c2pa:1",
            "title": "Two small shots",
            "claim_generator": "Cinefab 0.1.0",
            "issuer": "Cinefab development authority",
            "signer": "Cinefab development authority, signer 1",
            "actions": ["c2pa.created"],
            "digital_source_types": [
                "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
            ],
            "ingredients": ["cup.png"],
        },
        "lineage": lineage,
        "royalties": [
            {"party": "Photographer", "share_bp": 7000},
            {"party": "Studio", "share_bp": 3000},
        ],
        "notes": [],
    }
    report["device_us_by_class"]["good"] -= 100 * (shots + 2)  # type: ignore[index]
    return report | changes


def a_reference(**changes: Any) -> dict[str, Any]:
    """Return a photograph with two parties that are paid for it."""
    return {
        "name": "cup",
        "title": "cup.png",
        "role": "product",
        "sha256": _digest("ast_original"),
        "width": 600,
        "height": 400,
        "mask_confidence_bp": 9000,
        "licence": "CC0-1.0",
        "parties": [
            {"party": "Photographer", "share_bp": 7000},
            {"party": "Studio", "share_bp": 3000},
        ],
        "content_credentials": {"state": "absent", "issuer": None},
        "media": {"kind": "picture", "media_type": "image/png", "thumbnail": None},
    } | changes


def a_finding(**changes: Any) -> dict[str, Any]:
    """Return what a check found that found nothing wrong."""
    return {
        "check": "as_ordered",
        "version": "1",
        "figures": {"frames_decoded": 48},
        "problems": [],
        "questions": [],
    } | changes


def a_lease(stage: str, device_us: int, cost_uusd: int | None, **changes: Any) -> dict[str, Any]:
    """Return a charged lease of a priced device."""
    return {
        "stage": stage,
        "device_class": "cpu-core",
        "nusd_per_s": 12500,
        "device_us": device_us,
        "cost_uusd": cost_uusd,
        "charged": True,
        "by_class": {"load": 100, "good": device_us - 100},
    } | changes


def an_ended_job(status: str, failure: dict[str, Any] | None) -> dict[str, Any]:
    """Return the report of a job that ended before it had a plan."""
    empty = dict.fromkeys(
        ("size", "fps", "frames", "quality", "model", "preview", "verdict", "sound")
    )
    nothing: dict[str, Any] = {
        name: []
        for name in (
            "shots", "segments", "transitions", "stages", "leases", "lineage", "royalties", "captions", "attempts", "effects"
        )
    }  # fmt: skip
    return {
        **a_report(),
        **empty,
        **nothing,
        "status": status,
        "failure": failure,
        "film": None,
        "cost_uusd": 0,
        "device_us_by_class": {},
        "delivered_seconds": 0,
        "cost_per_delivered_minute_uusd": None,
        "content_credentials": {"state": "absent"},
        "yield": None,
    }


def _shot(index: int) -> dict[str, Any]:
    return {
        "index": index,
        "first_frame": 24 * index,
        "frames": 24,
        "caption": f"Caption {index + 1}",
        "prompt": None,
        "seed": 3,
        "references": ["cup"],
    }


def _segment(shot: int) -> dict[str, Any]:
    asset = f"ast_segment{shot}"
    return {
        "key": _digest(f"key{shot}"),
        "shot": shot,
        "part": "body",
        "first_frame": 24 * shot,
        "frames": 24,
        "made_by": "run",
        "asset": asset,
        "sha256": _digest(asset),
        "model": MODEL,
        "seed": 3,
        "job": JOB,
    }


def _stage(name: str, start_ms: int, ms: int, cost_uusd: int | None) -> dict[str, Any]:
    return {
        "name": name,
        "ms": ms,
        "start_ms": start_ms,
        "started": "2026-11-25T11:02:00.000000Z",
        "device_us": ms * 1000,
        "cost_uusd": cost_uusd,
    }


def _asset(asset: str, kind: str, sources: list[str]) -> dict[str, Any]:
    return {
        "asset": asset,
        "kind": kind,
        "sha256": _digest(asset),
        "made_by": "outside" if kind == "reference" else MODEL,
        "job": JOB,
        "digital_source_type": "algorithmicMedia",
        "sources": sources,
        "weights_bp": [10_000 // len(sources)] * len(sources) if sources else [],
    }


def _digest(name: str) -> str:
    return name.encode().hex().ljust(64, "0")[:64]
