"""Which models there are: those that packages bring, and those that the settings make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import Any, Final

from jsonschema.exceptions import ValidationError
from jsonschema.validators import Draft202012Validator

from cinefab.app.devices import StudioDevices
from cinefab.app.plugins import find_plugins, load_plugin
from cinefab.app.settings import (
    PIPELINE,
    ModelTable,
    Settings,
    SettingsInvalid,
    environment_value,
)
from cinefab.core.canonical import Json
from cinefab.core.errors import ContractMismatch, FitsNowhere
from cinefab.generate.backend import ModelCard
from cinefab.generate.registry import Made, RegisteredModel, find_version
from cinefab.jobs.workshop import Model
from cinefab.schedule.placement import Fleet, Placement, find_placement, require_fit
from cinefab.store.database import Database

_ENV: Final = "_env"


class Models(Mapping[str, Model]):
    """The models of this studio by name; each is made when it is asked for.

    By `name@version` it is that very version: what is installed or what the settings say, or else
    what was registered once, made again of what it was made of then. `kept` finds that.
    One that cannot be made, such as a table for a backend whose package is absent, or that fits on
    no device of the studio, is an error for whoever wants it, and for nobody else.
    """

    def __init__(
        self, settings: Settings, kept: Callable[[str], RegisteredModel | None] = lambda _ref: None
    ) -> None:
        self._tables = settings.models
        self._points = find_plugins("models")
        self._devices = StudioDevices(settings)
        self._kept = kept
        self._made: dict[str, Model] = {}

    def __getitem__(self, name: str) -> Model:
        if name not in self._made:
            made = self._exactly(name) if "@" in name else self._make(name)
            self._made[name] = replace(made, met=self.place(made.card).need)
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in set(self)

    def of_table(self, name: str, table: ModelTable) -> Model:
        """Return the model that a table makes, whatever the settings have under its name.

        Raises `SettingsInvalid` with the path of the setting.
        """
        return self._of_table(name, table)

    def __iter__(self) -> Iterator[str]:
        # What a package brings costs nothing to ask; a table may mean reading a model's files.
        own = sorted(name for name, point in self._points.items() if _schema_of(point) is None)
        return iter(dict.fromkeys([*own, *sorted(self._tables)]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def backends(self) -> Mapping[str, EntryPoint]:
        """Return what makes models of settings, by the name that a table calls its `backend`."""
        return {n: point for n, point in self._points.items() if _schema_of(point) is not None}

    def configured(self, name: str) -> Mapping[str, Any] | None:
        """Return what a model of this name is made of: its name, settings and secrets; or None.

        Raises `SettingsInvalid` with the path of the setting.
        """
        table = self._tables.get(name)
        return None if table is None else _configured(name, table, self._backend(name, table))

    def place(self, card: ModelCard) -> Placement:
        """Return where a model of this card would run in the empty studio.

        Raises `FitsNowhere`, which says of each device why it will not do.
        """
        classes = dict.fromkeys(need.device_class for need in card.devices)
        wanted = tuple(each for name in classes for each in self._devices.of_class(name))
        found = find_placement(card.devices, Fleet(devices=wanted))
        # The others are looked for only to be named: asking a driver takes time.
        return found or require_fit(card.ref, card.devices, self._devices.all)

    def _make(self, name: str) -> Model:
        table = self._tables.get(name)
        if table is None:
            point = self._points[name]
            if _schema_of(point) is not None:
                raise KeyError(name)
            plugin = load_plugin(point)
            return Model(card=plugin.card, entry=point.value, cancels=hasattr(plugin, "cancel"))
        return self._of_table(name, table)

    def _of_table(self, name: str, table: ModelTable) -> Model:
        if table.backend == PIPELINE:
            # Few studios have one, and finding effects opens what every package offers.
            from cinefab.app.pipelines import SCHEMA, put_together  # noqa: PLC0415 - see above

            settings = _checked(name, table, SCHEMA)
            return put_together(name, settings, self.get)
        point = self._backend(name, table)
        configured = _configured(name, table, point)
        return Model(
            card=_card(name, point, configured),
            entry=point.value,
            configured=configured,
            cancels=hasattr(point.load(), "cancel"),
            made=Made(backend=table.backend, settings=dict(table.model_extra or {})),
        )

    def _exactly(self, ref: str) -> Model:
        """Return a version by its exact name; raise `KeyError` for one that cannot be had."""
        name = ref.partition("@")[0]
        if name in self:
            try:
                here = self[name]
            except (SettingsInvalid, ContractMismatch):
                here = None  # what its table says by now is no matter of an older version
            if here is not None and here.card.ref == ref:
                return here
        kept = self._kept(ref)
        if kept is None or kept.made.backend is None:
            raise KeyError(ref)
        table = ModelTable(backend=kept.made.backend, **dict(kept.made.settings or {}))
        made = self._of_table(name, table)
        if made.card.ref != ref:
            # The package that makes it is another one by now, and makes something else of it.
            raise KeyError(ref)
        return made

    def _backend(self, name: str, table: ModelTable) -> EntryPoint:
        known = self.backends()
        if table.backend not in known:
            raise SettingsInvalid(
                attempted=f"make the model {name!r}",
                found=f"models.{name}.backend: there is no backend {table.backend!r}",
                remedy=f"Choose one of: {', '.join(sorted(known)) or 'none is installed'}.",
            )
        if name in self._points:
            raise SettingsInvalid(
                attempted=f"make the model {name!r}",
                found=f"models.{name}: a model of that name is installed",
                remedy="Give the table another name.",
            )
        return known[table.backend]


def kept_in(db: Database) -> Callable[[str], RegisteredModel | None]:
    """Return what finds a version in a database by its exact name."""

    def find(ref: str) -> RegisteredModel | None:
        with db.read() as connection:
            return find_version(connection, ref)

    return find


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A model that cannot be made here, and why."""

    name: str
    found: str
    remedy: str


def look_at(models: Models) -> Iterator[Model | Broken]:
    """Yield every model, by name, or what is wrong with it."""
    for name in sorted(models):
        try:
            yield models[name]
        except (SettingsInvalid, ContractMismatch, FitsNowhere) as error:
            yield Broken(name=name, found=error.found, remedy=error.remedy)


def _schema_of(point: EntryPoint) -> Mapping[str, Any] | None:
    try:
        kind = point.load()
    except Exception as error:
        raise ContractMismatch(
            attempted=f"load the plug-in {point.name!r} ({point.value})",
            found=f"{type(error).__name__}: {error}",
            remedy="Reinstall its package, or uninstall it if it is not needed.",
        ) from error
    schema: Mapping[str, Any] | None = getattr(kind, "settings_schema", None)
    return schema


def _configured(name: str, table: ModelTable, point: EntryPoint) -> Mapping[str, Json]:
    settings = _checked(name, table, dict(_schema_of(point) or {}))
    secrets = {
        setting.removesuffix(_ENV): _secret(name, setting, str(variable))
        for setting, variable in settings.items()
        if setting.endswith(_ENV)
    }
    return {"name": name, "settings": settings, "secrets": secrets}


def _checked(name: str, table: ModelTable, schema: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = dict(table.model_extra or {})
    errors = Draft202012Validator(schema).iter_errors(settings)
    first = min(errors, key=lambda error: [str(step) for step in error.absolute_path], default=None)
    if first is not None:
        raise _refused(name, first)
    return settings


def _refused(name: str, error: ValidationError) -> SettingsInvalid:
    place = ".".join(["models", name, *(str(step) for step in error.absolute_path)])
    return SettingsInvalid(
        attempted=f"make the model {name!r}",
        found=f"{place}: {error.message[:300]}",
        remedy="See what its backend takes: cinefab models ls --backends.",
    )


def _secret(name: str, setting: str, variable: str) -> str:
    found = environment_value(variable)
    if found is None:
        raise SettingsInvalid(
            attempted=f"make the model {name!r}",
            found=f"models.{name}.{setting}: the environment has no {variable}",
            remedy=f"Set {variable} for every process of the studio.",
        )
    return found


def _card(name: str, point: EntryPoint, configured: Mapping[str, Any]) -> ModelCard:
    try:
        backend = point.load()(name, configured["settings"], configured["secrets"])
        card: ModelCard = backend.card
    except (SettingsInvalid, ContractMismatch):
        raise
    except Exception as error:
        found = getattr(error, "found", f"{type(error).__name__}: {error}")
        raise ContractMismatch(
            attempted=f"make the model {name!r} of {point.value}",
            found=found,
            remedy=getattr(error, "remedy", f"Mend its table, [models.{name}]."),
        ) from error
    return card
