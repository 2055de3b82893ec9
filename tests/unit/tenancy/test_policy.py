"""The policy: what each role may do, what an operator adds, and what is named when it says no."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinefab.core.errors import Forbidden
from cinefab.core.ids import KeyId, PrincipalId, TenantId
from cinefab.tenancy.caller import Caller, Kind
from cinefab.tenancy.policy import (
    FAILED,
    SCOPES,
    Policy,
    PolicyInvalid,
    Resource,
    load_policy,
)
from cinefab.tenancy.roles import Action, Role

HOME, AWAY = TenantId("ten_home"), TenantId("ten_away")
ME, OTHER = PrincipalId("prn_me"), PrincipalId("prn_other")

READS = {each for each in Action if each.value.endswith(":read")}

MAY: dict[Role, set[Action]] = {
    Role.OWNER: set(Action),
    Role.PRODUCER: {
        Action.JOB_CREATE,
        Action.JOB_READ,
        Action.JOB_CANCEL,
        Action.ASSET_READ,
        Action.REVIEW_READ,
        Action.UPLOAD_CREATE,
        Action.MODEL_READ,
        Action.TEMPLATE_READ,
        Action.TEMPLATE_MANAGE,
    },
    Role.REVIEWER: {
        Action.REVIEW_READ,
        Action.REVIEW_DECIDE,
        Action.JOB_READ,
        Action.ASSET_READ,
        Action.MODEL_READ,
        Action.TEMPLATE_READ,
    },
    Role.FINANCE: {Action.LEDGER_READ, Action.JOB_READ, Action.MODEL_READ},
    Role.AUDITOR: READS,
    Role.SERVICE: {
        Action.JOB_CREATE,
        Action.JOB_READ,
        Action.ASSET_READ,
        Action.UPLOAD_CREATE,
        Action.MODEL_READ,
        Action.TEMPLATE_READ,
    },
}
"""By hand, and not from the policy: the two are held against each other."""


def a_caller(
    *roles: Role,
    scopes: frozenset[Action] | None = None,
    labels: dict[str, str] | None = None,
    principal: PrincipalId = ME,
) -> Caller:
    return Caller(
        tenant=HOME,
        principal=principal,
        kind=Kind.PERSON,
        roles=frozenset(roles),
        scopes=scopes,
        labels=labels or {},
        key=KeyId("cfk_1"),
    )


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(None)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_each_role_may_do_what_its_row_says_and_nothing_else(
    policy: Policy, role: Role, action: Action
) -> None:
    decision = policy.decide(a_caller(role), action, Resource(tenant=HOME, owner=OTHER))

    assert decision.allowed == (action in MAY[role])
    assert bool(decision.policies) == decision.allowed


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_no_role_may_do_anything_in_another_tenant(
    policy: Policy, role: Role, action: Action
) -> None:
    decision = policy.decide(a_caller(role), action, Resource(tenant=AWAY, owner=ME))

    assert not decision.allowed
    assert decision.policies == ("nobody-crosses-tenants",)


def test_who_has_no_role_may_do_nothing(policy: Policy) -> None:
    assert not any(
        policy.decide(a_caller(), action, Resource(tenant=HOME, owner=ME)).allowed
        for action in Action
    )


def test_who_has_two_roles_may_do_what_either_may(policy: Policy) -> None:
    caller = a_caller(Role.FINANCE, Role.REVIEWER)
    allowed = {
        each for each in Action if policy.decide(caller, each, Resource(tenant=HOME)).allowed
    }

    assert allowed == MAY[Role.FINANCE] | MAY[Role.REVIEWER]


def test_a_service_cancels_its_own_jobs_and_no_others(policy: Policy) -> None:
    caller = a_caller(Role.SERVICE)

    own = policy.decide(caller, Action.JOB_CANCEL, Resource(tenant=HOME, owner=ME))
    others = policy.decide(caller, Action.JOB_CANCEL, Resource(tenant=HOME, owner=OTHER))
    nobodys = policy.decide(caller, Action.JOB_CANCEL, Resource(tenant=HOME))

    assert own.allowed
    assert own.policies == ("services-cancel-their-own-jobs",)
    assert not others.allowed
    assert not nobodys.allowed


def test_a_key_does_no_more_than_it_was_made_for(policy: Policy) -> None:
    caller = a_caller(Role.OWNER, scopes=frozenset({Action.JOB_READ}))

    with pytest.raises(Forbidden, match="cfk_1 was made for job:read") as caught:
        policy.check(caller, Action.JOB_CREATE, Resource(tenant=HOME))

    assert caught.value.policies == (SCOPES,)
    policy.check(caller, Action.JOB_READ, Resource(tenant=HOME))


def test_a_key_gives_nobody_what_their_roles_do_not(policy: Policy) -> None:
    caller = a_caller(Role.FINANCE, scopes=frozenset({Action.JOB_CREATE}))

    assert not policy.decide(caller, Action.JOB_CREATE, Resource(tenant=HOME)).allowed


def test_a_refusal_names_the_policy_that_decided_or_says_that_none_permits(
    policy: Policy,
) -> None:
    with pytest.raises(Forbidden, match="no policy permits it to finance") as nothing:
        policy.check(a_caller(Role.FINANCE), Action.JOB_CREATE, Resource(tenant=HOME))
    with pytest.raises(Forbidden, match="the policy nobody-crosses-tenants forbids") as crossed:
        policy.check(a_caller(Role.OWNER), Action.JOB_READ, Resource(tenant=AWAY))

    assert nothing.value.policies == ()
    assert crossed.value.policies == ("nobody-crosses-tenants",)


def test_an_operator_adds_policies_that_permit_and_forbid(tmp_path: Path) -> None:
    (tmp_path / "ours.cedar").write_text(
        """
        // Who ordered a film does not let it leave.
        @id("four-eyes")
        forbid (principal, action == Action::"review:decide", resource)
        when { resource has owner && resource.owner == principal };

        @id("finance-sees-films-of-its-project")
        permit (principal in Role::"finance", action == Action::"asset:read", resource)
        when { resource.labels.contains("project=spot; or // not") };
        """
    )
    policy = load_policy(tmp_path)
    both = a_caller(Role.OWNER, Role.REVIEWER)
    labelled = Resource(tenant=HOME, labels={"project": "spot; or // not"})

    own = policy.decide(both, Action.REVIEW_DECIDE, Resource(tenant=HOME, owner=ME))
    anothers = policy.decide(both, Action.REVIEW_DECIDE, Resource(tenant=HOME, owner=OTHER))
    finance = a_caller(Role.FINANCE)

    assert (own.allowed, own.policies) == (False, ("four-eyes",))
    assert anothers.allowed
    assert policy.decide(finance, Action.ASSET_READ, labelled).allowed
    assert not policy.decide(finance, Action.ASSET_READ, Resource(tenant=HOME)).allowed


def test_nothing_that_is_added_opens_another_tenant(tmp_path: Path) -> None:
    (tmp_path / "open.cedar").write_text('@id("all") permit (principal, action, resource);')

    decision = load_policy(tmp_path).decide(
        a_caller(Role.OWNER), Action.ASSET_READ, Resource(tenant=AWAY)
    )

    assert (decision.allowed, decision.policies) == (False, ("nobody-crosses-tenants",))


def test_a_policy_that_fails_when_it_is_asked_lets_nothing_pass(tmp_path: Path) -> None:
    (tmp_path / "overflow.cedar").write_text(
        '@id("broken") forbid (principal, action, resource)'
        ' when { 9223372036854775807 + 1 == 0 && principal.kind == "person" };'
    )

    decision = load_policy(tmp_path).decide(
        a_caller(Role.OWNER), Action.JOB_READ, Resource(tenant=HOME)
    )

    assert (decision.allowed, decision.policies) == (False, (FAILED,))


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ('\n\n@id("a")\npermit (principal, actoin, resource);', 3, "actoin"),
        ('@id("a") permit (principal, action, resource);\n\nforbid (principal', 3, "unexpected"),
        ("permit (principal, action, resource);", 1, "no name"),
        ('@id("owners-may-do-everything")\npermit (principal, action, resource);', 1, "default"),
        (
            '// one\n@id("a") permit (principal, action, resource) when { resource.colour == 1 };',
            2,
            "colour",
        ),
        ('@id("a") permit (principal, action == Action::"job:destroy", resource);', 1, "destroy"),
        ('@id("a") permit (principal == ?principal, action, resource);', 1, "template"),
    ],
)
def test_a_policy_that_cannot_be_read_is_told_by_file_and_line(
    tmp_path: Path, text: str, line: int, found: str
) -> None:
    place = tmp_path / "ours.cedar"
    place.write_text(text)

    with pytest.raises(PolicyInvalid) as caught:
        load_policy(tmp_path)

    assert f"{place}:{line}" in caught.value.attempted
    assert found in caught.value.found


def test_a_decision_that_was_taken_is_kept_for_who_asks_alike_and_for_nobody_else(
    policy: Policy,
) -> None:
    mine = Resource(tenant=HOME, owner=ME)
    caller = a_caller(Role.SERVICE)

    first = policy.decide(caller, Action.JOB_CANCEL, mine)

    assert policy.decide(a_caller(Role.SERVICE), Action.JOB_CANCEL, mine) is first
    other = a_caller(Role.SERVICE, principal=OTHER)
    assert not policy.decide(other, Action.JOB_CANCEL, mine).allowed
