"""Findings by cut: the same bytes, ordered the same, are not looked at twice by the same checks."""

from __future__ import annotations

import json

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256
from cinefab.core.ids import TenantId
from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.tables import check_result


def find_findings(
    connection: sa.Connection, *, tenant: TenantId, cut: Sha256, order: Sha256, checks: str
) -> Json:
    """Return the findings of these checks on this cut as they were recorded, or None."""
    row = connection.execute(
        sa.select(check_result.c.findings).where(
            check_result.c.tenant_id == tenant,
            check_result.c.cut_digest == cut,
            check_result.c.order_digest == order,
            check_result.c.checks == checks,
        )
    ).first()
    return None if row is None else json.loads(row.findings)


def latest_findings(connection: sa.Connection, *, tenant: TenantId, cut: Sha256) -> Json:
    """Return the newest findings on this cut, or None if nobody looked at it."""
    row = connection.execute(
        sa.select(check_result.c.findings)
        .where(check_result.c.tenant_id == tenant, check_result.c.cut_digest == cut)
        .order_by(check_result.c.id.desc())
    ).first()
    return None if row is None else json.loads(row.findings)


def record_findings(
    connection: sa.Connection,
    findings: Json,
    *,
    tenant: TenantId,
    cut: Sha256,
    order: Sha256,
    checks: str,
    now_us: int,
) -> None:
    """Keep what checks found; where another job found it first, that stays."""
    if find_findings(connection, tenant=tenant, cut=cut, order=order, checks=checks) is not None:
        return
    insert = check_result.insert().values(
        tenant_id=tenant,
        cut_digest=cut,
        order_digest=order,
        checks=checks,
        findings=json.dumps(findings, sort_keys=True, allow_nan=False),
        created_us=now_us,
    )
    try:
        with connection.begin_nested():
            connection.execute(insert)
    except sa.exc.IntegrityError:
        return


def finding_from_json(document: Json) -> CheckFinding:
    """Return the value that a check's process gave as JSON; frames are shown beside it."""
    assert isinstance(document, dict), "a finding is an object"
    fields = dict(document)
    fields.pop("frames", None)
    for name in ("problems", "questions"):
        fields[name] = tuple(Remark(**remark) for remark in fields[name])
    return CheckFinding(**fields)
