"""The brief at the door: what it accepts, exactly, and how it refuses."""

from __future__ import annotations

import json
import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.brief import (
    Brand,
    Brief,
    Camera,
    Compare,
    Output,
    PartyShare,
    PreviewFirst,
    Quality,
    Reference,
    Review,
    ReviewMode,
    RightsSource,
    Role,
    Shot,
    Size,
    Tier,
    Transition,
    TransitionKind,
)
from cinefab.core.canonical import canonical_json
from cinefab.core.errors import BriefInvalid
from cinefab.core.units import BasisPoints, Uusd
from cinefab.ingest.brief import (
    brief_document,
    brief_from_document,
    brief_schema,
    load_brief,
    parse_brief,
)

NOW_US = 1_800_000_000_000_000
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

FULL = """
title: A cup
prompt: Everything about a cup.
shots:
  - {seconds: 2.5, caption: Hello, references: [cup], camera: push-in, voice: Hello there}
  - {seconds: 0.25, prompt: steam, transition: {kind: wipe, seconds: 0.75}}
references:
  cup: {file: cup.png, role: product}
  far: {url: "https://example.com/far.jpg"}
output: {size: 640x360, fps: 29.97, formats: [mp4]}
brand: {logo: mark.png, colours: ["#A0b1C2"], font: type.ttf, lut: warm.cube}
model: procedural@1
quality: preview
tier: interactive
deadline: 10m
budget: 0.25
seed: 7
rights:
  sources:
    - reference: cup
      licence: CC0-1.0
      parties: [{party: Ann, share_bp: 7000}, {party: Bo, share_bp: 3000}]
labels: {campaign: autumn}
"""


def parsed(text: str, *overrides: str) -> Brief:
    return parse_brief(text, origin="test.yaml", now_us=NOW_US, overrides=overrides)


def refused(text: str, *overrides: str) -> BriefInvalid:
    with pytest.raises(BriefInvalid) as refusal:
        parsed(text, *overrides)
    return refusal.value


def title_or_field(text: str) -> str:
    try:
        return parsed(text).title
    except BriefInvalid as error:
        return error.field


def with_field(line: str) -> str:
    return f"title: A cup\nprompt: A cup.\n{line}\n"


# ── What it accepts ─────────────────────────────────────────────────────────────────────────────


def test_every_field_arrives_as_an_exact_value() -> None:
    brief = parsed(FULL)

    assert brief == Brief(
        title="A cup",
        prompt="Everything about a cup.",
        shots=(
            Shot(
                length_ms=2500,
                caption="Hello",
                references=("cup",),
                camera=Camera.PUSH_IN,
                voice="Hello there",
            ),
            Shot(
                length_ms=250,
                prompt="steam",
                transition=Transition(kind=TransitionKind.WIPE, length_ms=750),
            ),
        ),
        references=(
            Reference(name="cup", location="cup.png", role=Role.PRODUCT),
            Reference(name="far", location="https://example.com/far.jpg"),
            Reference(name="logo", location="mark.png", role=Role.LOGO),
        ),
        output=Output(size=Size(640, 360), fps=Fraction(30000, 1001)),
        brand=Brand(logo="logo", colours=("#a0b1c2",), font="type.ttf", lut="warm.cube"),
        model="procedural@1",
        quality=Quality.PREVIEW,
        tier=Tier.INTERACTIVE,
        deadline_us=NOW_US + 600_000_000,
        budget_uusd=Uusd(250_000),
        seed=7,
        rights=(
            RightsSource(
                reference="cup",
                licence="CC0-1.0",
                parties=(
                    PartyShare(party="Ann", share_bp=BasisPoints(7000)),
                    PartyShare(party="Bo", share_bp=BasisPoints(3000)),
                ),
            ),
        ),
        labels=(("campaign", "autumn"),),
    )


def test_what_a_film_is_compared_with_is_in_the_document_only_where_it_is_given() -> None:
    compare = "review.compare={reference: cup, every: 2, at_least: 40}"

    compared = parsed(FULL, compare)
    waiting = parsed(FULL, "review=required")

    assert compared.review == Review(compare=Compare(reference="cup", every=2, at_least_db=40))
    assert "review" not in brief_document(parsed(FULL))
    assert set(brief_document(waiting)["review"]) == {"mode", "within_us", "queue"}
    assert brief_document(compared)["review"]["compare"] == {
        "reference": "cup",
        "every": 2,
        "at_least_db": 40,
    }


def test_lines_that_a_brief_draws_are_in_its_document_in_one_order() -> None:
    lines = "title: T\nprompt: A cup\nreview: {thresholds: {freeze_ms_max: 3, black_ms_max: 2}}\n"
    brief = parsed(lines)

    assert brief.review.thresholds == (("black_ms_max", 2), ("freeze_ms_max", 3))
    assert brief_from_document(brief_document(brief)) == brief


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", PreviewFirst()),
        ("false", None),
        ("{ask: true, within: 2h}", PreviewFirst(ask=True, within_us=7_200_000_000)),
        (
            "{model: small@2, model_settings: {steps: 4}}",
            PreviewFirst(model="small@2", model_settings='{"steps":4}'),
        ),
    ],
)
def test_a_preview_is_one_switch_or_says_how(written: str, meant: PreviewFirst | None) -> None:
    brief = parsed(f"title: T\nprompt: A cup\npreview_first: {written}\n")

    assert brief.preview_first == meant
    assert brief_from_document(brief_document(brief)) == brief
    assert ("preview_first" in brief_document(brief)) == (meant is not None)


def test_json_means_the_same_as_yaml() -> None:
    as_json = json.dumps(yaml.safe_load(FULL))

    assert parsed(as_json) == parsed(FULL)


def test_a_brief_that_says_little_takes_the_defaults() -> None:
    brief = parsed("{title: A cup, prompt: A cup.}")

    assert brief == Brief(title="A cup", prompt="A cup.")


@pytest.mark.parametrize(
    "references",
    [
        "{cup: cup.png}",
        "{cup: {file: cup.png}}",
        "[{name: cup, file: cup.png}]",
    ],
)
def test_references_are_written_as_a_mapping_or_as_a_list(references: str) -> None:
    brief = parsed(with_field(f"references: {references}"))

    assert brief.references == (Reference(name="cup", location="cup.png"),)


@pytest.mark.parametrize(
    ("written", "fps"),
    [
        ("24", Fraction(24)),
        ("12.5", Fraction(25, 2)),
        ("23.976", Fraction(24000, 1001)),
        ("29.970", Fraction(30000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("'24'", Fraction(24)),
    ],
)
def test_frame_rates_are_exact_fractions(written: str, fps: Fraction) -> None:
    assert parsed(with_field(f"output: {{fps: {written}}}")).output.fps == fps


@pytest.mark.parametrize(
    ("written", "uusd"),
    [
        ("0.1", 100_000),
        ('"0.25"', 250_000),
        ("0.000001", 1),
        ("3", 3_000_000),
        ("1e-6", 1),
        ("0", 0),
    ],
)
def test_budgets_are_exact_to_the_micro_dollar(written: str, uusd: int) -> None:
    assert parsed(with_field(f"budget: {written}")).budget_uusd == uusd


@given(st.integers(0, 10**12))
def test_every_micro_dollar_is_read_exactly(uusd: int) -> None:
    dollars = f"{Decimal(uusd) / 1_000_000:f}"

    assert parsed(with_field(f"budget: {dollars}")).budget_uusd == uusd


@given(st.integers(250, 60_000))
def test_every_millisecond_is_read_exactly(length_ms: int) -> None:
    seconds = f"{Decimal(length_ms) / 1000:f}"

    assert parsed(f"title: x\nshots: [{{seconds: {seconds}}}]").shots[0].length_ms == length_ms


@pytest.mark.parametrize(
    ("written", "after_us"),
    [
        ("90s", 90_000_000),
        ("1h30m", 5_400_000_000),
        ("2027-01-15T08:00:01Z", 1_000_000),
        ("2027-01-15T09:00:01.000001+01:00", 1_000_001),
    ],
)
def test_a_deadline_is_a_time_or_a_length(written: str, after_us: int) -> None:
    assert parsed(with_field(f"deadline: {written}")).deadline_us == NOW_US + after_us


def test_text_is_kept_in_one_normal_form() -> None:
    decomposed = unicodedata.normalize("NFD", "Café à Zürich")

    brief = parsed(with_field(f"labels: {{place: '{decomposed}'}}"))

    assert brief.labels == (("place", "Café à Zürich"),)


def test_words_that_yaml_used_to_misread_stay_text() -> None:
    brief = parsed("title: no\nprompt: 2026-01-31\nlabels: {on: 'yes', 7: 12:30}")

    assert (brief.title, brief.prompt) == ("no", "2026-01-31")
    assert brief.labels == (("on", "yes"), ("7", "12:30"))


def test_a_reference_with_the_role_of_a_logo_is_the_brands_logo() -> None:
    brief = parsed(with_field("references: {mark: {file: m.png, role: logo}}"))

    assert brief.brand.logo == "mark"


def test_a_reference_that_the_brand_names_becomes_its_logo() -> None:
    brief = parsed(with_field("references: {mark: m.png}\nbrand: {logo: mark}"))

    assert brief.references == (Reference(name="mark", location="m.png", role=Role.LOGO),)


def test_files_are_found_beside_the_brief(tmp_path: Path) -> None:
    path = tmp_path / "brief.yaml"
    path.write_text(FULL, encoding="utf-8")

    brief = load_brief(path, now_us=NOW_US)

    assert [reference.location for reference in brief.references] == [
        str(tmp_path / "cup.png"),
        "https://example.com/far.jpg",
        str(tmp_path / "mark.png"),
    ]
    assert brief.brand.font == str(tmp_path / "type.ttf")
    assert brief.brand.lut == str(tmp_path / "warm.cube")


def test_aliases_may_repeat_a_value() -> None:
    brief = parsed(
        "title: x\nshots: [&shot {seconds: 1, caption: Hi}, *shot]", "shots[1].caption=Yo"
    )

    assert [shot.caption for shot in brief.shots] == ["Hi", "Yo"]


# ── Overrides ───────────────────────────────────────────────────────────────────────────────────


def test_overrides_set_fields_by_their_paths() -> None:
    brief = parsed(
        FULL,
        "shots[1].caption=Hello = you",
        "budget=0.5",
        "output.fps=25",
        "brand.colours=['#000000']",
        "labels.run=second",
        "references.cup.role=auto",
    )

    assert brief.shots[1].caption == "Hello = you"
    assert brief.budget_uusd == 500_000
    assert brief.output.fps == 25
    assert brief.brand.colours == ("#000000",)
    assert dict(brief.labels)["run"] == "second"
    assert brief.references[0].role is Role.AUTO


def test_an_override_may_add_a_field_in_a_part_that_is_not_there() -> None:
    brief = parsed("title: x\nprompt: y", "output.size.width=640", "output.size.height=360")

    assert brief.output.size == Size(640, 360)


@pytest.mark.parametrize(
    ("override", "field", "found"),
    [
        ("shots[9].caption=x", "shots[9].caption", "a list of 2, so there is no [9]"),
        ("title.first=x", "title.first", "a mapping was needed"),
        ("brand[0]=x", "brand[0]", "a list was needed"),
        ("bugdet=1", "bugdet", "is no field of a brief"),
        ("output.fsp=1", "output.fsp", "is no field of a brief"),
        ("caption", "caption", "found no '='"),
        ("=3", "--set", "found no path"),
        ("shots[-1].caption=x", "shots[-1].caption", "found no path"),
        ("shots..caption=x", "shots..caption", "found no path"),
        ("labels={a: [", "labels", "not YAML"),
    ],
)
def test_an_override_that_leads_nowhere_is_refused(override: str, field: str, found: str) -> None:
    error = refused(FULL, override)

    assert error.field == field
    assert found in error.found


# ── What it refuses ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "field", "found", "remedy"),
    [
        ("shots: []", "shots", "found an empty list", "at least one shot"),
        ("shots: [{seconds: 0.2}]", "shots[0].seconds", "0.2 seconds", "between 0.25 and 60"),
        ("shots: [{seconds: 61}]", "shots[0].seconds", "61 seconds", "between 0.25 and 60"),
        ("shots: [{seconds: 1e300}]", "shots[0].seconds", "1E+300 seconds", "between 0.25 and 60"),
        ("shots: [{seconds: '3'}]", "shots[0].seconds", "text '3'", "Write a number"),
        ("shots: [{seconds: true}]", "shots[0].seconds", "found true", "Write a number"),
        ("shots: [{seconds: 1.0005}]", "shots[0].seconds", "1.0005", "three decimals"),
        ("shots: [{caption: x}]", "shots[0].seconds", "missing", "Its length in seconds"),
        ("shots: [{seconds: 1, camera: pushin}]", "shots[0].camera", "pushin", "'push-in'"),
        ("shots: [{seconds: 1, transition: fade}]", "shots[0].transition.kind", "fade", "dissolve"),
        ("shots: [3]", "shots[0]", "the number 3", "seconds"),
        ("shots: {a: 1}", "shots", "a mapping of 1", "Write a list"),
        ("shots: [{seconds: 1, references: [cup]}]", "shots[0].references[0]", "'cup'", "none"),
        ("references: {cup: ftp://x/y}", "references.cup", "ftp://x/y", "http or https"),
        ("references: {cup: {file: a, url: 'http://b'}}", "references.cup", "file and url", "one"),
        ("references: {cup: {role: product}}", "references.cup", "none of file, url", "one"),
        ("references: {a b: x.png}", "references['a b']", "'a b'", "letters"),
        ("references: [{name: a, file: x}, {name: a, file: y}]", "references[1].name", "taken", "other"),
        ("references: {cup: 'blob:12/x'}", "references.cup.file", "blob:", "./blob:12/x"),
        ("references: {cup: {file: 'http://x/y'}}", "references.cup.file", "http:", "Name a file"),
        ("brand: {font: 'https://x/y.ttf'}", "brand.font", "https:", "Name a file"),
        ("brand: {logo: 'blob:12/x'}", "brand.logo", "blob:12/x", "http or https"),
        ("references: cups", "references", "text 'cups'", "fields"),
        ("output: {size: 641x360}", "output.size.width", "641", "even"),
        ("output: {size: 62x360}", "output.size.width", "62", "64 or more"),
        ("output: {size: 640x1922}", "output.size.height", "1922", "1920 or less"),
        ("output: {size: big}", "output.size", "text 'big'", "1280x720"),
        ("output: {fps: 0.5}", "output.fps", "0.5", "between 1 and 60"),
        ("output: {fps: 1/0}", "output.fps", "1/0", "between 1 and 60"),
        ("output: {formats: [mp4, webm]}", "output.formats[1]", "webm", "mp4, hls, dash"),
        ("output: {formats: [mp4, mp4]}", "output.formats", "twice", "once"),
        ("output: {formats: [mp4, mp3]}", "output.formats", "nothing is", "voice line"),
        ("brand: {colors: ['#ffffff']}", "brand.colors", "no field", "'colours'"),
        ("brand: {colours: [red]}", "brand.colours[0]", "text 'red'", "hexadecimal"),
        ("brand:\n  colours:\n    - #ffffff", "brand.colours[0]", "nothing", "comment"),
        ("brand: {logo: mark}", "brand.logo", "'mark'", "none"),
        ("references: {a: {file: x, role: product}}\nbrand: {logo: a}", "brand.logo", "product", "auto"),
        ("references: {logo: x}\nbrand: {logo: m.png}", "brand.logo", "'logo' is there", "rename"),
        ("brand: {logo: 'ftp://a/b'}", "brand.logo", "ftp", "http"),
        ("model: a b", "model", "text 'a b'", "procedural"),
        ("review: {thresholds: {freeze_ms_max: 1.5}}", "review.thresholds.freeze_ms_max", "1.5", "whole number"),
        ("review: {thresholds: {'no way': 1}}", "review.thresholds['no way']", "no way", "name"),
        ("preview_first: maybe", "preview_first", "text 'maybe'", "within"),
        ("preview_first: {within: 0s}", "preview_first.within", "0s", "between 1s and 30d"),
        ("preview_first: {modle: x}", "preview_first.modle", "no field", "'model'"),
        ("quality: best", "quality", "best", "preview, final"),
        ("tier: 3", "tier", "the number 3", "interactive, batch"),
        ("review: {compare: {reference: cut}}", "review.compare.reference", "'cut'", "none"),
        ("review: {compare: {reference: a, every: 0}}", "review.compare.every", "0", "1"),
        ("review: {compare: {reference: a, at_least: 300}}", "review.compare.at_least", "300", "99"),
        ("deadline: soon", "deadline", "soon", "time with its zone"),
        ("deadline: 2030-01-01T00:00:00", "deadline", "2030", "time with its zone"),
        ("deadline: 2020-01-01T00:00:00Z", "deadline", "is over", "time with its zone"),
        ("deadline: 0s", "deadline", "is over", "time with its zone"),
        ("budget: 0.0000001", "budget", "0.0000001", "six decimals"),
        ("budget: -1", "budget", "-1", "between 0"),
        ("budget: cheap", "budget", "text 'cheap'", "number"),
        ("budget: .nan", "budget", "'.nan'", "number"),
        ("seed: 1.5", "seed", "1.5", "whole number"),
        ("seed: -1", "seed", "-1", "0 or more"),
        ("labels: {a: 3}", "labels.a", "the number 3", "quotes"),
        ("labels: {list: 3}", "labels.list", "the number 3", "quotes"),
        ("caption: hello", "caption", "no field", "title"),
        ("title: again", "line 3, column 1", "second time", "Keep one"),
        ("prompt: !!python/name:os.system x", "line 3, column 9", "tag", "Remove"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_told_by_its_path(line: str, field: str, found: str, remedy: str) -> None:
    text = with_field(line) if not line.startswith("prompt") else f"title: A cup\n\n{line}"

    error = refused(text)

    assert error.field == field
    assert found in error.found
    assert remedy in error.remedy
    assert str(error).startswith(f"read the brief test.yaml: {field}: ")


def test_a_brief_needs_a_prompt_or_shots() -> None:
    error = refused("title: A cup")

    assert (error.field, error.found) == ("prompt", "prompt: found neither a prompt nor shots")


def test_the_first_wrong_field_is_told_in_full_and_the_others_by_path() -> None:
    error = refused("titel: x\nshots: [{seconds: 0.1}, {second: 3}]\nbudget: a lot")

    assert error.field == "shots[1].second"
    assert error.found.endswith(
        "(and 5 more: titel, shots[0].seconds, budget, title, shots[1].seconds)"
    )


@pytest.mark.parametrize(
    ("shares", "field"),
    [
        ("[{party: Ann, share_bp: 9999}]", "rights.sources[0].parties"),
        ("[{party: Ann, share_bp: 5000}, {party: Ann, share_bp: 5000}]", "rights.sources[0].parties"),
        ("[{party: Ann, share_bp: 0}]", "rights.sources[0].parties[0].share_bp"),
        ("[]", "rights.sources[0].parties"),
    ],
)  # fmt: skip
def test_shares_are_a_whole(shares: str, field: str) -> None:
    error = refused(
        with_field(
            "references: {cup: c.png}\nrights: {sources: "
            f"[{{reference: cup, licence: CC0-1.0, parties: {shares}}}]}}"
        )
    )

    assert error.field == field


def test_a_source_covers_a_reference_that_exists_once() -> None:
    source = "{reference: %s, licence: CC0-1.0, parties: [{party: Ann, share_bp: 10000}]}"
    text = "references: {cup: c.png}\nrights: {sources: [%s, %s]}"

    unknown = refused(with_field(text % (source % "cup", source % "mug")))
    twice = refused(with_field(text % (source % "cup", source % "cup")))

    assert unknown.field == twice.field == "rights.sources[1].reference"


def test_a_film_of_more_than_ten_minutes_is_refused() -> None:
    shots = ", ".join("{seconds: 60}" for _ in range(11))

    error = refused(f"title: x\nshots: [{shots}]")

    assert error.field == "shots"
    assert "660 seconds" in error.found


def test_more_than_64_shots_are_refused() -> None:
    shots = ", ".join("{seconds: 1}" for _ in range(65))

    error = refused(f"title: x\nshots: [{shots}]")

    assert (error.field, error.remedy) == ("shots", "Write at most 64.")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("title: [1\nprompt: y", "line 2, column 7"),
        ("title: x\n  prompt: y", "line 2, column 9"),
        ("title: x\n\tprompt: y", "line 2, column 1"),
        ("title: 'x", "line 1, column 10"),
        ("title: x\nprompt: a\x00b", "line 2, column 10"),
        ("title: x\n--- \ntitle: y", "line 2, column 1"),
        ("? [a]\n: b", "line 1, column 3"),
        ("a: &a [*a]", "line 1, column 8"),
    ],
)
def test_what_is_no_yaml_is_told_by_line_and_column(text: str, place: str) -> None:
    assert refused(text).field == place


@pytest.mark.parametrize("text", ["", "# nothing\n", "hello", "[1, 2]", "3"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    assert refused(text).field == "the whole document"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"title": "x",}', "not JSON"),
        ('{"title": "x", "title": "y"}', "second time"),
        ('{"title": NaN}', "NaN"),
        ('{"title": 1e99999999999999999999}', "no ordinary number"),
        ('{"seed": ' + "9" * 5000 + "}", "no ordinary number"),
        ('{"seed": 1e999999999}', "no ordinary number"),
        ('{"seed": 12345678901234567890}', "no ordinary number"),
        ('{"title": "\\ud800"}', "U+D800"),
        ('{"title": "\\u0000"}', "U+0000"),
        ('{"a":' * 100 + "1" + "}" * 100, "deeper than"),
        ("[" * 100_000, "deeper than"),
    ],
)
def test_hostile_json_is_refused(text: str, found: str) -> None:
    with pytest.raises(BriefInvalid) as refusal:
        parse_brief(text, origin="test.json", now_us=NOW_US)

    assert found in refusal.value.found


def test_a_billion_laughs_are_refused_at_once() -> None:
    laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
    )

    assert "more than 10000 values" in refused(laughs).found


@pytest.mark.parametrize("text", ["[" * 5000, "- " * 5000, "{a: " * 5000], ids=["[", "-", "{"])
def test_deep_nesting_is_refused(text: str) -> None:
    assert "deeper than" in refused(text).found


def test_a_text_larger_than_a_mebibyte_is_refused() -> None:
    assert "larger than" in refused("title: " + "é" * (1 << 19)).found


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"title: \xff", "byte 7 is not UTF-8"), (b"\x00" * 2_000_000, "larger than")],
    ids=["not UTF-8", "too large"],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "brief.yaml"
    path.write_bytes(content)

    with pytest.raises(BriefInvalid, match=found):
        load_brief(path, now_us=NOW_US)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.yaml"):
        with pytest.raises(BriefInvalid, match="cannot be opened"):
            load_brief(path, now_us=NOW_US)


@given(st.text(max_size=200))
def test_any_text_is_a_brief_or_a_refusal(text: str) -> None:
    assert title_or_field(text)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
FIELDS = sorted(brief_schema()["properties"])


@given(st.dictionaries(st.sampled_from(FIELDS), JSON_LIKE, max_size=6))
def test_any_document_is_a_brief_or_a_refusal(document: dict[str, object]) -> None:
    assert title_or_field(json.dumps(document))


# ── Stored form ─────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(max_size=20).map(lambda text: unicodedata.normalize("NFC", text))
SHOTS = st.builds(
    Shot,
    length_ms=st.integers(250, 60_000),
    prompt=TEXT,
    caption=TEXT,
    references=st.lists(TEXT, max_size=3).map(tuple),
    camera=st.sampled_from(Camera),
    transition=st.builds(
        Transition, kind=st.sampled_from(TransitionKind), length_ms=st.integers(40, 5000)
    ),
    voice=TEXT,
)
SOURCES = st.builds(
    RightsSource,
    reference=TEXT,
    licence=TEXT,
    parties=st.lists(
        st.builds(PartyShare, party=TEXT, share_bp=st.integers(1, 10_000)), max_size=3
    ).map(tuple),
)
BRIEFS = st.builds(
    Brief,
    title=TEXT,
    prompt=TEXT,
    shots=st.lists(SHOTS, max_size=4).map(tuple),
    references=st.lists(
        st.builds(Reference, name=TEXT, location=TEXT, role=st.sampled_from(Role)), max_size=3
    ).map(tuple),
    output=st.builds(
        Output,
        size=st.builds(Size, st.integers(64, 1920), st.integers(64, 1920)),
        fps=st.fractions(1, 60, max_denominator=1001),
        formats=st.just(("mp4",)),
    ),
    brand=st.builds(
        Brand,
        logo=st.none() | TEXT,
        colours=st.lists(TEXT, max_size=3).map(tuple),
        font=st.none() | TEXT,
        lut=st.none() | TEXT,
    ),
    model=TEXT,
    quality=st.sampled_from(Quality),
    tier=st.sampled_from(Tier),
    deadline_us=st.none() | st.integers(0, 2**60),
    budget_uusd=st.none() | st.integers(0, 10**12),
    seed=st.integers(0, 2**53 - 1),
    rights=st.lists(SOURCES, max_size=2).map(tuple),
    labels=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    review=st.builds(
        Review,
        mode=st.sampled_from(ReviewMode),
        compare=st.none() | st.builds(Compare, reference=TEXT, every=st.integers(1, 99)),
    ),
)


@given(BRIEFS)
def test_a_stored_brief_is_the_brief(brief: Brief) -> None:
    stored = json.loads(canonical_json(brief_document(brief)))

    assert brief_from_document(stored) == brief


def test_a_brief_stored_in_another_format_is_refused() -> None:
    document = {**brief_document(parsed(FULL)), "schema": "cinefab.brief/2"}

    with pytest.raises(BriefInvalid, match=r"cinefab\.brief/2"):
        brief_from_document(document)


# ── The published schema ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "path",
    # Templates are no briefs until they are filled; their own tests fill them.
    [path for path in sorted(EXAMPLES.glob("*.yaml")) if "\ntemplate:" not in path.read_text()],
    ids=lambda path: path.stem,
)
def test_every_example_is_a_brief_and_fits_the_published_schema(path: Path) -> None:
    brief = load_brief(path, now_us=NOW_US)

    assert brief.title
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), brief_schema())


def test_the_full_brief_fits_the_published_schema_and_wrong_ones_do_not() -> None:
    schema = jsonschema.Draft202012Validator(brief_schema())
    wrong = ["{title: x}", "{title: x, prompt: y, colour: z}", "{title: x, shots: []}"]

    assert schema.is_valid(yaml.safe_load(FULL))
    assert [schema.is_valid(yaml.safe_load(text)) for text in wrong] == [False] * 3


def test_every_field_in_the_published_schema_is_described() -> None:
    schema = brief_schema()
    parts = [schema, *schema["$defs"].values()]
    options = [option for part in parts for option in [part, *part.get("anyOf", ())]]

    silent = [
        name
        for option in options
        for name, field in option.get("properties", {}).items()
        if not field.get("description")
    ]

    assert silent == []


def test_the_briefs_in_the_how_to_are_read(tmp_path: Path) -> None:
    text = (EXAMPLES.parent / "docs/how-to/write-a-brief.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)

    first, *parts = blocks
    whole = "title: x\n" + "".join(parts)

    assert parsed(first).prompt
    assert parsed(whole).shots[0].references == ("product",)


def test_a_logo_that_an_effect_lays_over_is_not_drawn_by_the_model_too() -> None:
    text = """\
title: x
shots: [{seconds: 1}]
references: {mark: {file: mark.png, role: logo}}
"""

    assert parsed(text).brand.logo == "mark"
    assert parsed(f"{text}effects: [{{overlay: {{logo: mark}}}}]").brand.logo is None


@pytest.mark.parametrize(
    ("text", "field", "found"),
    [
        ("effects: [{sharpen: {}, grade: {}}]", "effects[0]", "found a mapping of 2"),
        ("effects: [{sharpen: 3}]", "effects[0]", "found the number 3 as settings of sharpen"),
        ("effects: [[]]", "effects[0]", "found an empty list"),
        ("effects: ['a b']", "effects[0]", "found the name text 'a b'"),
        ("effects: [{grade: {lut: {file: 'blob:x'}}}]", "effects[0]", "starts like a URL"),
        ("effects: [{x: {a: 1e400}}]", "effects[0]", "in x"),
    ],
)
def test_an_effect_that_is_not_written_as_one_is_refused(text: str, field: str, found: str) -> None:
    with pytest.raises(BriefInvalid) as refusal:
        parsed(f"title: x\nshots: [{{seconds: 1}}]\n{text}")

    assert refusal.value.field == field
    assert found in refusal.value.found


def test_equal_settings_are_stored_in_one_spelling() -> None:
    base = "title: x\nshots: [{seconds: 1}]\n"

    one = parsed(base + "effects: [{grade: {saturation: 1.0, slope: [1, 1.10, 1]}}]")
    other = parsed(base + "effects: [{grade: {slope: [1.0, 1.1, 1], saturation: 1}}]")

    assert one.effects == other.effects
    assert brief_from_document(brief_document(one)) == one


def test_a_clip_is_read_in_whole_milliseconds_and_exact_speeds() -> None:
    text = """\
title: x
shots: [{seconds: 1, clip: {reference: pan, start: 1.25, speed: 0.5, fit: contain}}]
references: {pan: pan.mp4}
"""

    brief = parsed(text)

    clip = brief.shots[0].clip
    assert clip is not None
    assert (clip.start_ms, clip.speed, clip.fit.value) == (1250, Fraction(1, 2), "contain")
    assert brief_from_document(brief_document(brief)) == brief


@pytest.mark.parametrize(
    ("clip", "more", "field"),
    [
        ("{reference: pen}", "", "shots[0].clip.reference"),
        ("{reference: pan, speed: 20}", "", "shots[0].clip.speed"),
        ("{reference: pan, start: -1}", "", "shots[0].clip.start"),
        ("{reference: pan, fit: squeeze}", "", "shots[0].clip.fit"),
        ("{reference: pan}", "references: [pan], ", "shots[0].references"),
    ],
)
def test_a_clip_that_contradicts_itself_is_refused(clip: str, more: str, field: str) -> None:
    text = f"title: x\nshots: [{{seconds: 1, {more}clip: {clip}}}]\nreferences: {{pan: pan.mp4}}"

    with pytest.raises(BriefInvalid) as refusal:
        parsed(text)

    assert refusal.value.field == field
