"""Webhooks on both databases: owed once, sent in order, by whoever; one tenant's are nobody else's."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest
import sqlalchemy as sa
from receiver import Message, receiving
from shared_database import empty, migrated
from standardwebhooks import Webhook as Published

from cinefab.core.clock import SystemClock
from cinefab.core.errors import RequestInvalid, Unavailable
from cinefab.core.ids import PrincipalId, RandomIds, TenantId
from cinefab.deliver.webhooks.deliveries import (
    Delivery,
    Form,
    claim,
    fan_out,
    is_anybody_owed,
    is_anybody_told,
    list_deliveries,
    load_delivery,
    ping,
    replay_one,
    replay_range,
    tell_about,
)
from cinefab.deliver.webhooks.endpoints import (
    WEBHOOKS_MAX,
    Changes,
    Webhook,
    change_webhook,
    create_webhook,
    list_webhooks,
    load_webhook,
    remove_webhook,
    rotate_secret,
)
from cinefab.deliver.webhooks.sender import Pace, Sender
from cinefab.deliver.webhooks.tables import webhook_delivery, webhook_secret
from cinefab.media.fetching.guard import Guard
from cinefab.media.fetching.posting import Poster, PostLimits
from cinefab.store.database import Database
from cinefab.store.facts import OutboxEvent, record_event
from cinefab.store.schema import log_leaf, outbox
from cinefab.tenancy.sealed import Seal
from cinefab.tenancy.tables import tenant

LEFT, RIGHT = TenantId("ten_left"), TenantId("ten_right")
SOMEBODY = PrincipalId("prn_somebody")


@dataclass
class House:
    """A database of two tenants, and what sends for them."""

    db: Database
    seal: Seal = field(default_factory=lambda: Seal.of(b"k" * 32))
    ids: RandomIds = field(default_factory=lambda: RandomIds(SystemClock()))

    def hook(
        self, url: str = "https://shop.example/hook", *, of: TenantId = LEFT, events: str = "*"
    ) -> tuple[Webhook, str]:
        with self.db.write() as connection:
            return create_webhook(
                connection,
                self.seal,
                tenant=of,
                url=url,
                events=[events],
                description="",
                by=SOMEBODY,
                ids=self.ids,
                now_us=now_us(),
            )

    def tell(self, subject: str, kind: str = "job.running", *, of: TenantId = LEFT) -> None:
        event = OutboxEvent(kind=kind, subject=subject, body={"of": subject})
        with self.db.write() as connection:
            record_event(connection, event, tenant=of, now_us=now_us())

    def owe(self) -> int:
        with self.db.write() as connection:
            return fan_out(connection, ids=self.ids, now_us=now_us())

    def deliveries(self, of: Webhook, state: str | None = None) -> tuple[Delivery, ...]:
        with self.db.read() as connection:
            return list_deliveries(
                connection, tenant=of.tenant, which=of.id, state=state, after=None, limit=1000
            )

    def shown(self, of: Webhook) -> Webhook:
        with self.db.read() as connection:
            return load_webhook(connection, tenant=of.tenant, which=of.id, now_us=now_us())

    @contextmanager
    def sending(self, *, claim_s: float = 10, total_s: float = 5) -> Iterator[None]:
        guard = Guard(allow_networks=[ip_network("127.0.0.0/8")], ports=frozenset({443}))
        sender = Sender(
            self.db,
            self.seal,
            Poster(guard, PostLimits(total_seconds=total_s), tls=None),
            clock=SystemClock(),
            ids=self.ids,
            agent="cinefab/test",
            pace=Pace(look_every_s=0.02, look_every_max_s=0.02, claim_s=claim_s),
        )
        stop = threading.Event()
        thread = threading.Thread(target=sender.run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def db(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with migrated(request.param, request, tmp_path_factory.mktemp("db")) as shared:
        yield shared


@pytest.fixture
def house(db: Database) -> Iterator[House]:
    with db.write() as connection:
        for each in (LEFT, RIGHT):
            connection.execute(tenant.insert().values(id=each, name=each, created_us=0))
    yield House(db)
    empty(db, "webhook_delivery", "webhook_secret", "webhook", "outbox", "log_leaf", "tenant")


def now_us() -> int:
    return time.time_ns() // 1000


def until(house: House, of: Webhook, state: str, count: int, within_s: float = 30) -> None:
    for _ in range(int(within_s / 0.05)):
        if len(house.deliveries(of, state)) >= count:
            return
        time.sleep(0.05)
    raise AssertionError(house.deliveries(of))


def test_each_subject_is_told_in_order_and_everything_is_signed(house: House) -> None:
    hurried = itertools.count()

    def answer(_message: Message) -> int:
        # Every third is told to come again, and none is overtaken by those behind it.
        time.sleep(0.01 * (next(hurried) % 3))
        return 204

    with receiving(answer) as receiver:
        hook, secret = house.hook(receiver.url)
        for step in range(8):
            for subject in ("job_a", "job_b", "job_c"):
                house.tell(subject, f"job.step{'abcdefgh'[step]}")
        with house.sending():
            came = receiver.wait(24)
            until(house, hook, "delivered", 24)

    for subject in ("job_a", "job_b", "job_c"):
        said = [json.loads(message.body) for message in came]
        kinds = [each["type"] for each in said if each["subject"] == subject]
        assert kinds == [f"job.step{letter}" for letter in "abcdefgh"]
    for message in came:
        event = Published(secret).verify(message.body, message.headers)
        assert event["specversion"] == "1.0"
        assert event["id"] == message.headers["webhook-id"]
        assert message.headers["content-type"] == "application/cloudevents+json"
    assert len({message.headers["webhook-id"] for message in came}) == 24


def test_a_receiver_that_fails_gets_its_subjects_in_order_all_the_same(house: House) -> None:
    failed: set[str] = set()

    def answer(message: Message) -> int:
        first = message.headers["webhook-id"] not in failed
        failed.add(message.headers["webhook-id"])
        return 429 if first else 200

    with receiving(answer) as receiver:
        hook, _ = house.hook(receiver.url)
        for kind in ("job.one", "job.two"):
            house.tell("job_a", kind)
        with house.sending():
            until(house, hook, "delivered", 1)
            with house.db.write() as connection:
                connection.execute(webhook_delivery.update().values(due_us=0))
            until(house, hook, "delivered", 2)
            came = receiver.wait(4)

    kinds = [json.loads(message.body)["type"] for message in came]
    assert kinds == ["job.one", "job.one", "job.two", "job.two"]
    log = house.deliveries(hook)[0].log
    assert [entry["status"] for entry in log] == [429, 200]
    assert str(log[0]["said"]).startswith("said: <b> xxx")
    assert len(str(log[0]["said"])) == 500


def test_one_that_never_answers_delays_nobody(house: House) -> None:
    with receiving() as good, receiving() as silent:

        def never(_message: Message) -> int:
            silent.over.wait(20)
            return 204

        silent.answer = never
        sick = [house.hook(f"{silent.url}/{number}")[0] for number in range(20)]
        hook, _ = house.hook(good.url)
        for number in range(50):
            house.tell(f"job_{number}")
        with house.sending(total_s=3):
            until(house, hook, "delivered", 50)

            # The good one has everything while each of the others has not one message settled.
            assert not any(house.deliveries(each, "delivered") for each in sick)
            for _ in range(200):
                if all(house.shown(each).failures for each in sick):
                    break
                time.sleep(0.05)
            assert len(silent.came) <= 20 * 2
            assert {house.shown(each).failures for each in sick} <= {1, 2}
            silent.over.set()


def test_a_sender_that_died_after_sending_has_it_sent_again_under_the_same_id(
    house: House,
) -> None:
    with receiving() as receiver:
        hook, _ = house.hook(receiver.url)
        house.tell("job_a", "job.one")
        house.tell("job_a", "job.two")
        house.owe()
        with house.db.write() as connection:
            (lost,) = claim(
                connection,
                house.seal,
                now_us=now_us(),
                until_us=now_us() + 500_000,
                at_most=10,
                per_webhook=4,
            )

        with house.sending(), house.sending():
            came = receiver.wait(2)
            until(house, hook, "delivered", 2)

    assert came[0].headers["webhook-id"] == lost.message
    assert came[0].body == lost.body
    assert len(came) == 2


def test_what_was_written_before_or_while_it_was_off_is_not_told_but_can_be_replayed(
    house: House,
) -> None:
    since = now_us()
    house.tell("job_before")
    hook, _ = house.hook(events="job.*")
    house.tell("job_a", "job.running")
    house.tell("job_a", "stage.committed")
    house.tell("job_theirs", of=RIGHT)
    assert house.owe() == 4
    assert house.owe() == 0

    assert [each.subject for each in house.deliveries(hook)] == ["job_a"]
    with house.db.write() as connection:
        queued, following = replay_range(
            connection,
            tenant=LEFT,
            which=hook.id,
            since_us=since,
            until_us=now_us(),
            after=0,
            by=SOMEBODY,
            ids=house.ids,
            now_us=now_us(),
        )
    assert (queued, following) == (2, None)
    again = house.deliveries(hook)[::-1]
    assert [each.subject for each in again] == ["job_a", "job_before", "job_a"]
    assert again[2].event == again[0].event


def test_a_delivery_is_replayed_under_its_own_id(house: House) -> None:
    with receiving() as receiver:
        hook, _ = house.hook(receiver.url)
        house.tell("job_a")
        with house.sending():
            until(house, hook, "delivered", 1)
            first = house.deliveries(hook)[0]
            with house.db.write() as connection:
                again = replay_one(
                    connection,
                    tenant=LEFT,
                    which=hook.id,
                    delivery=first.id,
                    by=SOMEBODY,
                    ids=house.ids,
                    now_us=now_us(),
                )
            came = receiver.wait(2)
            until(house, hook, "delivered", 2)

    assert again.replay_of == first.id
    assert came[0].headers["webhook-id"] == came[1].headers["webhook-id"]
    assert came[0].body == came[1].body


def test_gone_disables_and_nothing_is_owed_any_more(house: House) -> None:
    with receiving(lambda _message: 410) as receiver:
        hook, _ = house.hook(receiver.url)
        for number in range(3):
            house.tell(f"job_{number}")
        with house.sending():
            until(house, hook, "dead", 3)

    assert len(receiver.came) == 1
    assert house.shown(hook).disabled_why == "its receiver answered 410"
    house.tell("job_later")
    assert house.owe() == 0
    with house.db.write() as connection:
        changed = change_webhook(
            connection,
            Changes(enabled=True),
            tenant=LEFT,
            which=hook.id,
            by=SOMEBODY,
            now_us=now_us(),
        )
    assert changed.disabled_us is None
    house.owe()
    assert not house.deliveries(hook, "waiting")


def test_redirects_are_not_followed_and_private_addresses_not_asked(house: House) -> None:
    with receiving(lambda _message: 307) as receiver:
        hook, _ = house.hook(receiver.url)
        inside, _ = house.hook("https://10.0.0.1/hook")
        house.tell("job_a")
        with house.sending():
            for _ in range(200):
                owed = [*house.deliveries(hook), *house.deliveries(inside)]
                if owed and all(each.log for each in owed):
                    break
                time.sleep(0.05)

    assert [message.path for message in receiver.came] == ["/"]
    assert house.deliveries(hook)[0].log[0]["status"] == 307
    refused = house.deliveries(inside)[0].log[0]
    assert refused["status"] is None
    assert "10.0.0.1, which is private" in str(refused["said"])


def test_both_secrets_sign_until_the_overlap_is_over(house: House) -> None:
    hook, old = house.hook()

    def messages(at_us: int) -> dict[str, str]:
        house.tell(f"job_{at_us}")
        with house.db.write() as connection:
            fan_out(connection, ids=house.ids, now_us=at_us)
            claimed = claim(
                connection, house.seal, now_us=at_us, until_us=at_us, at_most=9, per_webhook=9
            )
        return {secret: each.message for each in claimed for secret in each.secrets}

    begun = now_us()
    assert set(messages(begun)) == {old}
    with house.db.write() as connection:
        changed, new = rotate_secret(
            connection,
            house.seal,
            tenant=LEFT,
            which=hook.id,
            overlap_us=1_000_000,
            by=SOMEBODY,
            now_us=begun,
        )

    assert changed.secrets_expire_us == (begun + 1_000_000,)
    assert list(messages(begun + 1)) == [new, old]
    assert list(messages(begun + 1_000_000)) == [new]
    with house.db.read() as connection:
        kept = connection.execute(sa.select(webhook_secret.c.sealed)).scalars().all()
        leaves = "".join(connection.execute(sa.select(log_leaf.c.body)).scalars())
    for secret in (old, new):
        assert secret not in leaves
        assert not any(secret in each or secret[6:] in each for each in kept)


def test_a_secret_of_another_key_is_left_to_whoever_has_it(house: House) -> None:
    house.hook()
    house.tell("job_a")
    house.owe()
    with house.db.write() as connection:
        claimed = claim(
            connection,
            Seal.of(b"o" * 32),
            now_us=now_us(),
            until_us=0,
            at_most=9,
            per_webhook=9,
        )

    assert claimed == ()


def test_another_tenants_webhook_is_as_if_it_were_not_there(house: House) -> None:
    hook, _ = house.hook()
    house.tell("job_a")
    house.owe()
    (delivery,) = house.deliveries(hook)
    common = {"tenant": RIGHT, "which": hook.id}

    with house.db.write() as connection:
        asked = [
            lambda: load_webhook(connection, **common, now_us=1),
            lambda: change_webhook(connection, Changes(), **common, by=SOMEBODY, now_us=1),
            lambda: remove_webhook(connection, **common, by=SOMEBODY, now_us=1),
            lambda: rotate_secret(
                connection, house.seal, **common, overlap_us=0, by=SOMEBODY, now_us=1
            ),
            lambda: ping(connection, **common, by=SOMEBODY, ids=house.ids, now_us=1),
            lambda: load_delivery(connection, **common, delivery=delivery.id),
            lambda: replay_one(
                connection,
                **common,
                delivery=delivery.id,
                by=SOMEBODY,
                ids=house.ids,
                now_us=1,
            ),
            lambda: replay_range(
                connection,
                **common,
                since_us=0,
                until_us=2**60,
                after=0,
                by=SOMEBODY,
                ids=house.ids,
                now_us=1,
            ),
        ]
        for ask in asked:
            with pytest.raises(Unavailable):
                ask()
        assert not list_webhooks(connection, tenant=RIGHT, now_us=1)
        assert not list_deliveries(connection, **common, state=None, after=None, limit=9)


def test_a_url_that_could_not_be_sent_is_refused(house: House) -> None:
    wrong = ["", "https://x.example/\r\nx: y", "https://x.example/a b", "https://ex\u0430mple.com/"]

    for url in [*wrong, "h" * 3000]:
        with pytest.raises(RequestInvalid):
            house.hook(url)


def test_racing_creates_do_not_pass_the_most_a_tenant_may_have(house: House) -> None:
    for _ in range(WEBHOOKS_MAX - 2):
        house.hook()

    def make(_number: int) -> bool:
        try:
            house.hook()
        except RequestInvalid:
            return False
        return True

    with ThreadPoolExecutor(6) as several:
        made = list(several.map(make, range(6)))

    assert sum(made) == 2


def test_an_event_that_is_committed_late_is_told_too(house: House) -> None:
    hook, _ = house.hook()
    house.tell("job_late")
    house.tell("job_early")
    with house.db.write() as connection:
        early = connection.execute(sa.select(sa.func.max(outbox.c.id))).scalar_one()
        connection.execute(outbox.update().where(outbox.c.id == early).values(published_us=1))

    house.owe()

    assert [each.subject for each in house.deliveries(hook)] == ["job_late"]


def test_what_came_with_one_thing_is_told_of_it_alone_from_its_beginning_until_it_is_over(
    house: House,
) -> None:
    kept, _ = house.hook()
    house.tell("job_one", "job.created")
    house.owe()  # before it was said that somebody is to be told
    form = Form(dialect="tales", base="https://here.example", ends_with=("job.delivered",))
    secret = "whsec_" + "a" * 43 + "="

    def ask(subject: str) -> None:
        with house.db.write() as connection:
            tell_about(
                connection,
                house.seal,
                tenant=LEFT,
                subject=subject,
                url="https://shop.example/once",
                events=["job.*"],
                form=form,
                secret=secret,
                ids=house.ids,
                now_us=now_us(),
            )

    for subject in ("job_one", "job_one", "job_two"):
        ask(subject)
    for subject, kind in (("job_one", "job.delivered"), ("job_two", "job.running")):
        house.tell(subject, kind)
    house.tell("job_one", "job.running", of=RIGHT)
    house.owe()
    house.tell("job_one", "job.late")
    house.owe()

    def taken() -> list[tuple[str, bytes]]:
        with house.db.write() as connection:
            found = claim(
                connection,
                house.seal,
                now_us=now_us(),
                until_us=now_us() + 10**7,
                at_most=9,
                per_webhook=4,
                write=lambda _connection, tenant, subject, form: json.dumps(
                    [tenant, subject, form.dialect, form.base]
                ).encode(),
            )
        assert all(each.secrets == (secret,) for each in found if each.webhook != kept.id)
        return [(each.media_type, each.body) for each in found if each.webhook != kept.id]

    # One at a time goes to one place, whatever it is about.
    assert taken() == [
        ("application/json", b'["ten_left", "job_one", "tales", "https://here.example"]')
    ]
    assert taken() == []
    with house.db.read() as connection:
        owed = connection.execute(
            sa.select(webhook_delivery.c.subject, webhook_delivery.c.kind)
            .where(webhook_delivery.c.webhook_id != kept.id)
            .order_by(webhook_delivery.c.id)
        ).all()
        listed = list_webhooks(connection, tenant=LEFT, now_us=now_us())
        assert is_anybody_owed(connection)
        assert is_anybody_told(connection)
    assert [tuple(each) for each in owed] == [
        ("job_one", "job.created"),
        ("job_one", "job.delivered"),
        ("job_two", "job.running"),
    ]
    assert [each.id for each in listed] == [kept.id]
