"""Keys, sign-ins and the owner's link: who has one is found, and nobody else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from cinefab.core.clock import ManualClock
from cinefab.core.errors import Forbidden, NotAuthenticated, RequestInvalid, Unavailable
from cinefab.core.ids import KeyId, PrincipalId, SeededIds, TenantId
from cinefab.store.database import Database
from cinefab.store.schema import METADATA, log_leaf
from cinefab.tenancy.caller import Kind
from cinefab.tenancy.keys import (
    NOTED_EVERY_US,
    NewKey,
    authenticate,
    create_key,
    list_keys,
    load_key,
    note_use,
    revoke_key,
    rotate_key,
)
from cinefab.tenancy.owner_links import needs_owner, open_owner_link, use_owner_link
from cinefab.tenancy.principals import (
    create_principal,
    create_tenant,
    give_role,
    list_principals,
    list_tenants,
    take_role,
)
from cinefab.tenancy.roles import Action, Role
from cinefab.tenancy.sign_ins import (
    check_csrf,
    close_sign_in,
    close_sign_ins_of,
    find_sign_in,
    open_sign_in,
)
from cinefab.tenancy.tables import api_key, owner_link, sign_in

OPERATOR = PrincipalId("prn_operator")


@dataclass
class House:
    """A database with one tenant and a principal in it."""

    db: Database
    ids: SeededIds = field(default_factory=lambda: SeededIds(ManualClock(), 5))
    tenant: TenantId = field(init=False)
    maker: PrincipalId = field(init=False)

    def settle(self) -> House:
        with self.db.write() as connection:
            self.tenant = self.another_tenant(connection, "North")
            self.maker = self.person(connection, self.tenant, Role.PRODUCER)
        return self

    def another_tenant(self, connection: sa.Connection, name: str) -> TenantId:
        return create_tenant(connection, name=name, by=OPERATOR, ids=self.ids, now_us=1)

    def person(self, connection: sa.Connection, tenant: TenantId, *roles: Role) -> PrincipalId:
        return create_principal(
            connection,
            tenant=tenant,
            kind=Kind.PERSON,
            name="Somebody",
            roles=frozenset(roles),
            by=OPERATOR,
            ids=self.ids,
            now_us=1,
        )

    def key(
        self,
        *,
        scopes: frozenset[Action] | None = None,
        labels: dict[str, str] | None = None,
        expires_us: int | None = None,
    ) -> NewKey:
        with self.db.write() as connection:
            return create_key(
                connection,
                tenant=self.tenant,
                principal=self.maker,
                name="a key",
                by=OPERATOR,
                ids=self.ids,
                now_us=10,
                scopes=scopes,
                labels=labels,
                expires_us=expires_us,
            )

    def leaves(self) -> list[str]:
        with self.db.read() as connection:
            query = sa.select(log_leaf.c.kind).where(log_leaf.c.tenant_id == self.tenant)
            return list(connection.execute(query.order_by(log_leaf.c.id)).scalars())


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    yield House(db).settle()
    db.close()


def test_who_has_a_key_is_found_with_its_roles_scopes_and_labels(house: House) -> None:
    scopes = frozenset({Action.JOB_CREATE, Action.JOB_READ})
    made = house.key(scopes=scopes, labels={"project": "spot"})

    with house.db.read() as connection:
        caller = authenticate(connection, made.secret, now_us=20)

    assert (caller.tenant, caller.principal, caller.key) == (house.tenant, house.maker, made.id)
    assert caller.roles == {Role.PRODUCER}
    assert (caller.scopes, caller.labels) == (scopes, {"project": "spot"})


def test_a_key_of_a_principal_without_roles_is_of_nobody_who_may_do_anything(house: House) -> None:
    with house.db.write() as connection:
        take_role(
            connection,
            tenant=house.tenant,
            of=house.maker,
            role=Role.PRODUCER,
            by=OPERATOR,
            now_us=5,
        )
    made = house.key()

    with house.db.read() as connection:
        caller = authenticate(connection, made.secret, now_us=20)

    assert caller.roles == frozenset()


def test_no_row_has_what_was_shown_once(house: House) -> None:
    made = house.key()

    with house.db.write() as connection:
        signed = open_sign_in(
            connection, tenant=house.tenant, principal=house.maker, ids=house.ids, now_us=1
        )
        link = open_owner_link(connection, tenant=house.tenant, ids=house.ids, now_us=1)
        rows = [
            str(tuple(row))
            for table in (api_key, sign_in, owner_link, log_leaf)
            for row in connection.execute(sa.select(table))
        ]

    for secret in (made.secret, signed.secret, link):
        chance = secret.rpartition("_")[2]
        assert len(chance) == 52
        assert not any(chance in row for row in rows)
    assert made.secret not in repr(made)
    assert signed.secret not in repr(signed)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda secret: "", id="nothing"),
        pytest.param(
            lambda secret: secret[:-1] + ("a" if secret[-1] != "a" else "b"), id="a letter"
        ),
        pytest.param(lambda secret: secret.replace("cfk_", "cfs_"), id="another kind"),
        pytest.param(lambda secret: secret + "\n", id="a line end"),
        pytest.param(lambda secret: secret.upper(), id="capitals"),
        pytest.param(lambda secret: secret[:-1] + "\ud800", id="a lone surrogate"),
        pytest.param(lambda secret: "cfk_\x00", id="a zero byte"),
        pytest.param(lambda secret: secret.rpartition("_")[0], id="the id alone"),
    ],
)
def test_a_secret_that_is_not_exactly_the_key_is_nobodys(house: House, spoil: object) -> None:
    assert callable(spoil)
    wrong = spoil(house.key().secret)

    with (
        house.db.read() as connection,
        pytest.raises(NotAuthenticated, match="no key of this studio"),
    ):
        authenticate(connection, wrong, now_us=20)


def test_a_key_that_was_revoked_or_is_over_says_so_to_who_has_it(house: House) -> None:
    revoked, over = house.key(), house.key(expires_us=30)
    with house.db.write() as connection:
        for _ in range(2):
            revoke_key(connection, tenant=house.tenant, key=revoked.id, by=OPERATOR, now_us=15)

        with pytest.raises(NotAuthenticated, match="was revoked at 1970"):
            authenticate(connection, revoked.secret, now_us=20)
        assert authenticate(connection, over.secret, now_us=29).key == over.id
        with pytest.raises(NotAuthenticated, match="ended at 1970"):
            authenticate(connection, over.secret, now_us=30)
    assert house.leaves().count("key.revoked") == 1


def test_a_rotated_key_and_its_successor_both_work_for_the_overlap(house: House) -> None:
    old = house.key(scopes=frozenset({Action.JOB_READ}), labels={"a": "b"})

    with house.db.write() as connection:
        new = rotate_key(
            connection,
            tenant=house.tenant,
            key=old.id,
            overlap_us=100,
            by=OPERATOR,
            ids=house.ids,
            now_us=50,
        )

    with house.db.read() as connection:
        assert authenticate(connection, old.secret, now_us=149).key == old.id
        after = authenticate(connection, new.secret, now_us=10_000)
        with pytest.raises(NotAuthenticated):
            authenticate(connection, old.secret, now_us=150)
        assert load_key(connection, tenant=house.tenant, key=new.id).rotated_from == old.id
    assert (after.scopes, after.labels) == ({Action.JOB_READ}, {"a": "b"})


def test_a_key_is_nothing_to_another_tenant(house: House) -> None:
    made = house.key()
    with house.db.write() as connection:
        other = house.another_tenant(connection, "South")

        assert list_keys(connection, tenant=other) == ()
        assert list_principals(connection, tenant=other) == ()
        with pytest.raises(Unavailable, match="none by that id"):
            revoke_key(connection, tenant=other, key=made.id, by=OPERATOR, now_us=15)
        with pytest.raises(Unavailable, match="none by that id"):
            create_key(
                connection,
                tenant=other,
                principal=house.maker,
                name="stolen",
                by=OPERATOR,
                ids=house.ids,
                now_us=15,
            )
        assert authenticate(connection, made.secret, now_us=20).tenant == house.tenant


def test_a_keys_use_is_written_once_an_hour(house: House) -> None:
    made = house.key()
    seen = []

    for now_us in (100, 200, 100 + NOTED_EVERY_US, 150 + NOTED_EVERY_US):
        with house.db.write() as connection:
            note_use(
                connection, authenticate(connection, made.secret, now_us=now_us), now_us=now_us
            )
            seen.append(load_key(connection, tenant=house.tenant, key=made.id).used_us)

    assert seen == [100, 100, 100 + NOTED_EVERY_US, 100 + NOTED_EVERY_US]


def test_what_an_administrator_did_is_in_the_audit_log_and_names_them(house: House) -> None:
    made = house.key(scopes=frozenset({Action.JOB_READ}))
    with house.db.write() as connection:
        revoke_key(connection, tenant=house.tenant, key=made.id, by=OPERATOR, now_us=15)
        give_role(
            connection, tenant=house.tenant, to=house.maker, role=Role.OWNER, by=OPERATOR, now_us=1
        )

    assert house.leaves() == [
        "tenant.created",
        "principal.created",
        "key.created",
        "key.revoked",
        "role.given",
    ]
    with house.db.read() as connection:
        bodies = connection.execute(sa.select(log_leaf.c.body)).scalars()
        assert {json.loads(body)["facts"]["by"] for body in bodies} == {OPERATOR}


def test_a_change_that_is_undone_leaves_no_leaf(house: House) -> None:
    before = house.leaves()

    with pytest.raises(ZeroDivisionError), house.db.write() as connection:
        create_key(
            connection,
            tenant=house.tenant,
            principal=house.maker,
            name="never",
            by=OPERATOR,
            ids=house.ids,
            now_us=1,
        )
        raise ZeroDivisionError

    assert house.leaves() == before


@pytest.mark.parametrize(
    ("field_name", "values"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "a\nb"}),
        ("expires", {"expires_us": 10}),
        ("labels", {"labels": {"a=b": "c"}}),
        ("labels", {"labels": {str(number): "x" for number in range(17)}}),
    ],
)
def test_a_key_that_cannot_be_is_refused_by_its_field(
    house: House, field_name: str, values: dict[str, object]
) -> None:
    given = {"name": "a key", **values}

    with house.db.write() as connection, pytest.raises(RequestInvalid) as caught:
        create_key(
            connection,
            tenant=house.tenant,
            principal=house.maker,
            by=OPERATOR,
            ids=house.ids,
            now_us=10,
            **given,  # type: ignore[arg-type]
        )

    assert caught.value.field == field_name


def test_the_only_owner_stays_one(house: House) -> None:
    with house.db.write() as connection:
        owner = house.person(connection, house.tenant, Role.OWNER)

        with pytest.raises(RequestInvalid, match="only owner"):
            take_role(
                connection, tenant=house.tenant, of=owner, role=Role.OWNER, by=owner, now_us=2
            )
        give_role(
            connection, tenant=house.tenant, to=house.maker, role=Role.OWNER, by=owner, now_us=2
        )
        take_role(connection, tenant=house.tenant, of=owner, role=Role.OWNER, by=owner, now_us=2)


def test_two_owners_who_depose_each_other_at_once_leave_one(house: House) -> None:
    with house.db.write() as connection:
        owners = [house.person(connection, house.tenant, Role.OWNER) for _ in range(2)]

    def depose(pair: tuple[PrincipalId, PrincipalId]) -> str:
        by, of = pair
        try:
            with house.db.write() as connection:
                take_role(connection, tenant=house.tenant, of=of, role=Role.OWNER, by=by, now_us=2)
        except RequestInvalid:
            return "refused"
        return "taken"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(depose, [(owners[0], owners[1]), (owners[1], owners[0])]))

    assert outcomes == ["refused", "taken"]
    with house.db.read() as connection:
        assert not needs_owner(connection, tenant=house.tenant)


def test_a_role_that_is_given_twice_at_once_is_given_once(house: House) -> None:
    def give(_number: int) -> None:
        with house.db.write() as connection:
            give_role(
                connection,
                tenant=house.tenant,
                to=house.maker,
                role=Role.REVIEWER,
                by=OPERATOR,
                now_us=2,
            )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(give, range(8)))

    assert house.leaves().count("role.given") == 1


def test_an_owners_link_works_once_even_for_two_at_once(house: House) -> None:
    with house.db.write() as connection:
        assert needs_owner(connection, tenant=house.tenant)
        link = open_owner_link(connection, tenant=house.tenant, ids=house.ids, now_us=1)

    def use(name: str) -> str:
        ids = SeededIds(ManualClock(), len(name))
        try:
            with house.db.write() as connection:
                use_owner_link(connection, link, name=name, ids=ids, now_us=2)
        except NotAuthenticated as error:
            return error.found
        return "owner"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(use, ["Ada", "Grace"]))

    assert outcomes == ["it was used before", "owner"]
    with house.db.read() as connection:
        assert not needs_owner(connection, tenant=house.tenant)
        people = list_principals(connection, tenant=house.tenant)
    assert [each.roles for each in people].count(frozenset({Role.OWNER})) == 1


def test_a_link_ends_in_time_and_when_another_is_opened(house: House) -> None:
    with house.db.write() as connection:
        first = open_owner_link(connection, tenant=house.tenant, ids=house.ids, now_us=1)
        second = open_owner_link(
            connection, tenant=house.tenant, ids=house.ids, now_us=2, lasts_us=10
        )

        for link, now_us in ((first, 3), (second, 12), ("cfo_x", 3)):
            with pytest.raises(NotAuthenticated):
                use_owner_link(connection, link, name="Eve", ids=house.ids, now_us=now_us)
        use_owner_link(connection, second, name="Ada", ids=house.ids, now_us=11)


def test_who_signed_in_is_found_until_the_sign_in_is_closed_or_over(house: House) -> None:
    with house.db.write() as connection:
        signed, other = (
            open_sign_in(
                connection,
                tenant=house.tenant,
                principal=house.maker,
                ids=house.ids,
                now_us=1,
                lasts_us=100,
            )
            for _ in range(2)
        )
        caller, csrf = find_sign_in(connection, signed.secret, now_us=50)
        assert (caller.tenant, caller.principal) == (house.tenant, house.maker)
        assert caller.sign_in == signed.id
        assert csrf == signed.csrf != other.csrf

        close_sign_in(
            connection, tenant=TenantId("ten_other"), which=signed.id, by=OPERATOR, now_us=60
        )
        find_sign_in(connection, signed.secret, now_us=60)
        close_sign_in(connection, tenant=house.tenant, which=signed.id, by=OPERATOR, now_us=60)
        with pytest.raises(NotAuthenticated):
            find_sign_in(connection, signed.secret, now_us=60)
        with pytest.raises(NotAuthenticated):
            find_sign_in(connection, other.secret, now_us=101)


def test_who_has_left_is_signed_out_everywhere_and_nobody_else_is(house: House) -> None:
    with house.db.write() as connection:
        other = house.person(connection, house.tenant, Role.REVIEWER)
        gone, stays = (
            open_sign_in(connection, tenant=house.tenant, principal=who, ids=house.ids, now_us=1)
            for who in (house.maker, other)
        )

        for tenant in (TenantId("ten_other"), house.tenant):
            find_sign_in(connection, gone.secret, now_us=2)
            close_sign_ins_of(
                connection, tenant=tenant, principal=house.maker, by=OPERATOR, now_us=2
            )

        with pytest.raises(NotAuthenticated):
            find_sign_in(connection, gone.secret, now_us=2)
        find_sign_in(connection, stays.secret, now_us=2)


def test_what_a_page_sends_needs_the_sign_ins_own_token(house: House) -> None:
    check_csrf("right", csrf="right")

    for wrong in (None, "", "wrong", "right ", "\ud800"):
        with pytest.raises(Forbidden, match="CSRF"):
            check_csrf(wrong, csrf="right")


def test_tenants_are_listed_for_the_operator(house: House) -> None:
    with house.db.write() as connection:
        second = house.another_tenant(connection, "South")

    with house.db.read() as connection:
        assert {each.id for each in list_tenants(connection)} == {house.tenant, second}
        with pytest.raises(Unavailable):
            load_key(connection, tenant=house.tenant, key=KeyId("cfk_none"))
