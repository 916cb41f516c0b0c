"""The link between the lake and Dagster: how an asset reads its inputs and publishes its result.

An asset's body runs inside `asset_io`. It names its inputs, and hands over a function that builds its table;
when the published table was already made from the same code, settings and inputs, that function is not called.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, get_args, get_origin

import dagster as dg
import pyarrow as pa
import pydantic

from medembed_pipeline.errors import MedembedError
from medembed_pipeline.lake.drawn import drawing_code, find_drawn, write_drawn
from medembed_pipeline.lake.fingerprint import digest
from medembed_pipeline.lake.lake import Lake
from medembed_pipeline.lake.publication import OutdatedWorkError
from medembed_pipeline.lake.settings import KEEP_TABLES
from medembed_pipeline.lake.tables import LakeTable, Recipe
from medembed_pipeline.section import Section, SettingsError, validate

Built = tuple[pa.Table, dict[str, Any]]
SectionType = TypeVar("SectionType", bound=Section)

_launchpad_sections: dict[tuple[str, str], type[Section]] = {}


def launchpad_schema(asset: str, section: Section) -> dict[str, dg.Field]:
    """An asset's `config_schema`: the section's fields, whose defaults are the values of `medembed.toml`."""
    _launchpad_sections["ops", asset] = type(section)
    return {
        name: dg.Field(
            _launchpad_type(type(section).__name__, name, info.annotation),
            default_value=getattr(section, name),
            is_required=False,
            description=info.description,
        )
        for name, info in type(section).model_fields.items()
    }


def _launchpad_type(section: str, name: str, annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return dg.Enum(f"{section}_{name}", [dg.EnumValue(value) for value in get_args(annotation)])
    if get_origin(annotation) is list:
        return [get_args(annotation)[0]]
    if get_origin(annotation) is dict:
        return dg.Permissive()
    return annotation


def launchpad_settings(context: dg.AssetExecutionContext, section: type[SectionType]) -> SectionType:
    """The launchpad's values (or the file's) as a validated section.

    Raises
    ------
    SettingsError
        a value is out of range.
    """
    return validate(section, dict(context.op_execution_context.op_config), where="launchpad")


def launchpad_value(context: dg.AssetExecutionContext, asset: str, field: str, default: Any) -> Any:
    """What the launchpad of this run says of a field of another asset; the default where it says nothing."""
    ops: Any = context.run.run_config.get("ops", {})
    return ops.get(asset, {}).get("config", {}).get(field, default)


def launchpad_config(sections: Iterable[Section]) -> dict[str, Any]:
    """The part of a run's config by which sections take the place of those that `medembed.toml` states.

    Parameters
    ----------
    sections
        one per class; each reaches every asset and resource that shows its class in the launchpad.
    """
    values = {type(section): section.model_dump(mode="json") for section in sections}
    config: dict[str, Any] = {"ops": {}, "resources": {}}
    for (kind, name), section in _launchpad_sections.items():
        if section in values:
            config[kind][name] = {"config": values[section]}
    return config


def launchpad_resource(
    name: str, section: SectionType, prepare: Callable[[SectionType], SectionType] = lambda value: value
) -> dg.ResourceDefinition:
    """A section as a Dagster resource, for parameters that several assets of one run must share.

    Its value is the validated section, as `prepare` completes it on the machine that runs the step.
    """
    schema = launchpad_schema(name, section)
    del _launchpad_sections["ops", name]
    _launchpad_sections["resources", name] = type(section)

    def build(context: dg.InitResourceContext) -> Section:
        value = validate(
            type(section), dict(context.resource_config), where=f"launchpad, resources.{name}.config"
        )
        try:
            return prepare(value)
        except MedembedError as error:
            raise dg.Failure(str(error), allow_retries=False) from None

    return dg.ResourceDefinition(build, config_schema=schema, description=type(section).__doc__)


def _refuse_bad_overrides(run_config: Mapping[str, Any]) -> None:
    """Check every override of the run before its first step does any work."""
    for (kind, name), section in _launchpad_sections.items():
        override = run_config.get(kind, {}).get(name, {}).get("config")
        if override:
            validate(section, override, where=f"launchpad, {kind}.{name}.config")


class LakeResource(dg.ConfigurableResource):
    """The data lake of this run: a folder or an fsspec URL."""

    url: str = pydantic.Field(description="Folder or fsspec URL; from MEDEMBED_DATA_LAKE, else data_lake/.")
    keep_tables: int = KEEP_TABLES

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Refuse a bad override, and sweep what killed runs have left."""
        run = context.run
        try:
            _refuse_bad_overrides(run.run_config if run else {})
        except SettingsError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        Lake(self.url).clear_staging()

    def open(self) -> Lake:
        """The lake itself."""
        return Lake(self.url, self.keep_tables)


def code_version(revision: str, *sections: Section) -> str:
    """The version of an asset's code and settings: `<room revision>-<hash of the settings that reach it>`."""
    values = [section.result_values() for section in sections]
    return f"{revision}-{digest(values)[:12]}" if sections else revision


def column_schema(schema: pa.Schema) -> dict[str, Any]:
    """Asset metadata that shows the table's columns, types and descriptions in the UI."""
    columns = [
        dg.TableColumn(
            name=field.name,
            type=str(field.type),
            description=(field.metadata or {}).get(b"description", b"").decode() or None,
            constraints=dg.TableColumnConstraints(nullable=field.nullable),
        )
        for field in schema
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


def inline_picture(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A picture that the UI shows in place; keep it under 200 KB, since it lies in Dagster's database."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def fact_metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Counts and short values as asset metadata; lists of records become tables."""
    return {
        name: _table_metadata(value) if isinstance(value, list) else value for name, value in facts.items()
    }


def _table_metadata(records: list[dict[str, Any]]) -> Any:
    rows = [dg.TableRecord({key: _cell(value) for key, value in record.items()}) for record in records]
    names = list(records[0]) if records else []
    kinds = {bool: "bool", int: "int", float: "float"}
    columns = [dg.TableColumn(name, kinds.get(type(records[0][name]), "string")) for name in names]
    return dg.MetadataValue.table(records=rows, schema=dg.TableSchema(columns=columns))


def _cell(value: Any) -> Any:
    return (
        round(value, 6) if isinstance(value, float) and value == value else value if value == value else None
    )


class PictureFiles(Protocol):
    """A picture in both formats (`medembed_pipeline.pictures.figure.Picture`)."""

    @property
    def png(self) -> bytes:
        """For the UI."""
        ...

    @property
    def svg(self) -> bytes:
        """For print and slides."""
        ...


def refuse_mixed_precisions(tables: Mapping[str, LakeTable]) -> None:
    """Vectors of two number formats are never compared: what differs between them is not the model alone.

    Parameters
    ----------
    tables
        what is read together, by name; a table of vectors says its `precision` in its facts.

    Raises
    ------
    MedembedError
        two tables of vectors were computed in different formats.
    """
    precisions = {name: table.footer.facts.get("precision") for name, table in tables.items()}
    found = {name: precision for name, precision in sorted(precisions.items()) if precision}
    if len(set(found.values())) > 1:
        told = " and ".join(f"{name} in {precision}" for name, precision in found.items())
        raise MedembedError(
            f"{told}: they were computed on machines of different kinds, or by different backends, and are not "
            f"compared. Materialize {' and '.join(found)} on one machine, or set [encoder] backend in medembed.toml to "
            "'torch' and precision to 'float32', which every machine computes, and materialize them."
        )


class AssetIO:
    """One asset's work: its lake, its inputs, and the publication of its result."""

    def __init__(self, context: dg.AssetExecutionContext, lake: Lake, revision: str) -> None:
        self.context = context
        self.lake = lake
        self._revision = revision
        self._settings: dict[str, Any] = {}
        self._inputs: dict[str, str] = {}
        self._tables: dict[str, LakeTable] = {}
        self.draw: Callable[[LakeTable], Mapping[str, PictureFiles]] | None = None
        self.is_made_by_job = False

    def input(self, name: str) -> LakeTable:
        """Open an upstream table and note its version; asked for again, it is the same version still."""
        if name not in self._tables:
            self._tables[name] = self.lake.table(name)
            self.note_input(name, self._tables[name].data_version)
            refuse_mixed_precisions(self._tables)
        return self._tables[name]

    def uses(self, section: Section) -> None:
        """Note further settings that reach the result."""
        self._settings[type(section).__name__] = section.result_values()

    def note_input(self, name: str, version: str) -> None:
        """Note the version of something that is read and is no table."""
        self._inputs[name] = version

    def recipe(self, asset: str | None = None) -> Recipe:
        """What the result is made from, by what was noted so far."""
        return Recipe(
            asset or self.context.asset_key.path[-1], self._revision, self._settings, dict(self._inputs)
        )

    def unchanged(self, asset: str | None = None) -> LakeTable | None:
        """The published table, when it was made from the very same recipe."""
        recipe = self.recipe(asset)
        table = self.lake.find_made(recipe)
        if table is not None:
            # Older work may have published between the look and the confirmation; after it, it no longer can.
            self.lake.confirm(recipe.asset)
            table = self.lake.find_made(recipe)
        if table is None and self.is_made_by_job:
            raise MedembedError(
                f"{recipe.asset}: a job in the cluster is done, and its table is not of the same code, settings and "
                "inputs as here. Mostly the cluster has another version of this package, computes in another number "
                "format (set [encoder] precision), or does not reach the same lake; or an input has just changed: run "
                "again."
            )
        if table is None:
            return None
        self.context.log.info(
            f"{recipe.asset}: same code, settings and inputs; the table of {table.rows} rows stands"
        )
        return table

    def publish_pictures(
        self, draw: Callable[[], Mapping[str, PictureFiles]], shown: str, asset: str | None = None
    ) -> dict[str, Any]:
        """Write `<lake>/pictures/<asset>/<name>.png` and `.svg`, and show the PNG in the UI.

        What was drawn from the same result, inputs, settings and code is not drawn again.

        Parameters
        ----------
        draw
            draws the pictures: by name, a lower-case word or several joined by `_`.
        shown
            the version of the result that they show.
        asset
            whose they are; by default the only asset of this work.

        Returns
        -------
        dict[str, Any]
            Metadata, a picture per name.
        """
        recipe = self.recipe(asset)
        drawn_from = digest([shown, recipe.digest, drawing_code()])
        pngs = find_drawn(self.lake, recipe.asset, drawn_from)
        if pngs is None:
            pictures = {name: {"png": one.png, "svg": one.svg} for name, one in draw().items()}
            if pictures:
                # An older run whose table is the one that stands must not fail: the newer's pictures are of it, too.
                with contextlib.suppress(OutdatedWorkError):
                    self.lake.publish(
                        recipe.asset, lambda: write_drawn(self.lake, recipe.asset, drawn_from, pictures)
                    )
            pngs = {name: picture["png"] for name, picture in pictures.items()}
        return {name: inline_picture(png, name.replace("_", " ").capitalize()) for name, png in pngs.items()}

    def publish(
        self,
        build: Callable[[], Built],
        schema: pa.Schema,
        describe: Callable[[LakeTable], dict[str, Any]] | None = None,
    ) -> dg.MaterializeResult[Any]:
        """Build and publish the asset's table, or keep the one that stands.

        Parameters
        ----------
        build
            makes the table and the facts to keep with it.
        schema
            its columns, with descriptions.
        describe
            further metadata, made from the published table.
        """
        table = self.unchanged()
        kept = table is not None
        if table is None:
            rows, facts = build()
            table = self.lake.write_table(self.recipe(), rows.cast(schema), schema=schema, facts=facts)
        return self.result(table, kept=kept, more=describe(table) if describe else {})

    def result(
        self, table: LakeTable, *, kept: bool, more: dict[str, Any] | None = None
    ) -> dg.MaterializeResult[Any]:
        """What Dagster records of a published table."""
        metadata = {
            "dagster/row_count": table.rows,
            "path": dg.MetadataValue.path(table.path),
            "kept": kept and not self.is_made_by_job,
            **fact_metadata(table.footer.facts),
            **(more or {}),
        }
        if self.draw is not None:
            shown = digest(table.footer.to_json().decode())
            metadata |= self.publish_pictures(partial(self.draw, table), shown, table.name)
        return dg.MaterializeResult(
            asset_key=table.name, data_version=dg.DataVersion(table.data_version), metadata=metadata
        )


@contextlib.contextmanager
def asset_io(context: dg.AssetExecutionContext, revision: str, *sections: Section) -> Iterator[AssetIO]:
    """Run an asset's body: see the module's docstring.

    Parameters
    ----------
    context
        Dagster's, with the resource `lake`.
    revision
        the room's code revision.
    sections
        the settings that reach the result.
    """
    with private_errors():
        opened = context.resources.lake.open()
        opened.before_publishing = lambda: _refuse_finished_run(context)
        opened.begin_work(*sorted(key.path[-1] for key in context.selected_asset_keys))
        work = AssetIO(context, opened, revision)
        for section in sections:
            work.uses(section)
        yield work


def _refuse_finished_run(context: dg.AssetExecutionContext) -> None:
    """A step that outlived its run (its worker was killed) must not replace what a later run has published."""
    run = context.instance.get_run_by_id(context.run_id)
    if run is not None and run.is_finished:
        raise MedembedError(
            f"run {context.run_id} is over ({run.status.value}); nothing is published by its leftover step"
        )


@contextlib.contextmanager
def private_errors() -> Iterator[None]:
    """Let errors that were written for a person pass; withhold the message of any other, which may quote a note."""
    try:
        yield
    except MedembedError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    except (dg.Failure, dg.RetryRequested):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise dg.Failure("no space left on the disk; the old version of every table stands") from None
        frames = [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
        raise dg.Failure(
            f"{type(error).__name__} at {' > '.join(frames[-6:])}. Its message is withheld, because it may "
            "quote a note; call the function named last in a Python session to see it."
        ) from None
