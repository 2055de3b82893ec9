"""The words of who may do what: roles, which principals have, and actions, which policies permit."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a principal is in its tenant; it may have several."""

    OWNER = "owner"
    PRODUCER = "producer"
    REVIEWER = "reviewer"
    FINANCE = "finance"
    AUDITOR = "auditor"
    SERVICE = "service"


class Action(StrEnum):
    """What may be done: a noun of the API and a verb."""

    JOB_CREATE = "job:create"
    JOB_READ = "job:read"
    JOB_CANCEL = "job:cancel"
    ASSET_READ = "asset:read"
    REVIEW_READ = "review:read"
    REVIEW_DECIDE = "review:decide"
    UPLOAD_CREATE = "upload:create"
    MODEL_READ = "model:read"
    MODEL_MANAGE = "model:manage"
    TEMPLATE_READ = "template:read"
    TEMPLATE_MANAGE = "template:manage"
    LEDGER_READ = "ledger:read"
    AUDIT_READ = "audit:read"
    KEY_MANAGE = "key:manage"
    WEBHOOK_MANAGE = "webhook:manage"
    TENANT_MANAGE = "tenant:manage"

    @property
    def noun(self) -> str:
        """What it is done to."""
        return self.value.partition(":")[0]
