"""What is in `deploy/` speaks of settings, commands, files and figures that there really are."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from cinefab.app.events import EventHub
from cinefab.app.serving.callers import LOCAL_OWNER
from cinefab.app.serving.desk import Desk
from cinefab.app.serving.meters import Meters
from cinefab.app.settings import Settings
from cinefab.cli.main import main
from cinefab.core.clock import SystemClock
from cinefab.core.ids import RandomIds
from cinefab.store.database import Database
from cinefab.store.migrate import migrate
from cinefab.tenancy.policy import load_policy

REPOSITORY = Path(__file__).parents[2]
DEPLOY = REPOSITORY / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OURS = {name: each for name, each in COMPOSE["services"].items() if each["image"] == "cinefab"}
NO_SETTINGS = {"home", "config", "log"}


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            name = document.get("metadata", {}).get("name", "")
            yield f"{path.stem}-{document['kind']}-{name}", document


MANIFESTS = dict(manifests())


@pytest.mark.parametrize("name", [name for name in MANIFESTS if "Kustomization" not in name])
def test_a_manifest_is_what_kubernetes_takes(name: str) -> None:
    kubernetes_validate.validate(MANIFESTS[name], "1.34", strict=True)


def test_everything_that_is_applied_is_there_and_all_secrets_that_are_named() -> None:
    listed = next(each for name, each in MANIFESTS.items() if "Kustomization" in name)["resources"]

    there = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")}
    assert set(listed) == there - {"kustomization.yaml", "secrets.example.yaml"}
    named = set(re.findall(r"secret(?:Name|Ref: \{name): (\S+?)\}", _all_text("kubernetes")))
    secrets = {each["metadata"]["name"] for each in MANIFESTS.values() if each["kind"] == "Secret"}
    assert named == secrets


def test_what_runs_cinefab_calls_commands_and_settings_that_there_are() -> None:
    commands = [each["command"] for each in OURS.values()]
    commands += [_args(each) for each in _containers()]
    for command in commands:
        done = CliRunner().invoke(main, [*command, "--help"])
        assert done.exit_code == 0, f"{command}: {done.output}"

    named = set(re.findall(r"CINEFAB_([A-Z_]+)", _all_text("."))) - {"", "TEST_POSTGRES"}
    assert {name.lower() for name in named} <= set(Settings.model_fields) | NO_SETTINGS
    configured = MANIFESTS["settings-ConfigMap-cinefab"]["data"]["cinefab.toml"]
    Settings.model_validate({"home": Path("/studio"), **tomllib.loads(configured)})


def test_compose_has_two_workers_and_nothing_that_leads_nowhere() -> None:
    assert OURS["worker"]["deploy"]["replicas"] == 2
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
        volumes = {each.partition(":")[0] for each in service.get("volumes", ())}
        assert volumes <= set(COMPOSE["volumes"])
    variables = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text()))
    example = dict(line.split("=", 1) for line in _lines("example.env"))
    assert variables == set(example)
    published = [each["ports"] for each in COMPOSE["services"].values() if "ports" in each]
    assert all(port.startswith("127.0.0.1:") for ports in published for port in ports)


def test_the_image_is_built_of_files_that_are_there_and_reach_it() -> None:
    copied = [
        name
        for line in _lines("Dockerfile")
        if line.startswith("COPY") and "--from" not in line
        for name in shlex.split(line)[1:-1]
    ]
    let_through = [
        line.removeprefix("!")
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]

    assert copied
    for name in copied:
        assert (REPOSITORY / name).exists(), name
        assert any(name == each or name.startswith(f"{each}/") for each in let_through), name


def test_the_dashboard_asks_for_figures_that_there_are(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'cinefab.db'}")
    migrate(db)
    clock = SystemClock()
    policy = load_policy(tmp_path / "policies")
    desk = Desk(db=db, clock=clock, ids=RandomIds(clock), policy=policy)
    meters = Meters(desk, EventHub(db))
    meters.note_request(method="GET", route="/v1/jobs", status=200, took_us=1)
    text = meters.page(LOCAL_OWNER).decode()
    db.close()
    told = {family.name for family in text_string_to_metric_families(text)}
    suffixes = ("", "_total", "_bucket", "_count", "_sum")
    dashboard = json.loads((DEPLOY / "grafana" / "cinefab.json").read_text())

    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b(?:cinefab|process)_[a-z_]+", target["expr"])
    }

    assert len(asked) >= 12
    assert asked <= {f"{name}{suffix}" for name in told for suffix in suffixes}
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)


def _containers() -> Iterator[dict[str, Any]]:
    for document in MANIFESTS.values():
        if document["kind"] in {"Deployment", "CronJob"}:
            spec = document["spec"]
            spec = spec.get("jobTemplate", {"spec": spec})["spec"]
            yield from spec["template"]["spec"]["containers"]


def _args(container: dict[str, Any]) -> list[str]:
    assert container["image"] == "cinefab"
    args: list[str] = container["args"]
    return args


def _all_text(folder: str) -> str:
    return "\n".join(
        path.read_text() for path in sorted((DEPLOY / folder).rglob("*")) if path.is_file()
    )


def _lines(name: str) -> list[str]:
    text = (DEPLOY / name).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]
