"""The state codec: what a saved position looks like, and how a wrong one is noticed.

A state is a plain JSON object of three parts: what the pipeline is (algorithm versions, a table of stages
with their digests and settings, and which component has which), where it is (``step``, ``rows`` and a short
list of integers a component and logical shard), and a checksum over both. ``docs/state.md`` lists its keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from resumable_data.digest import Json, JsonScalar, canonical_json, digest
from resumable_data.errors import PipelineMismatchError, StateError

FORMAT = "resumable_data"
VERSION = 1

State = dict[str, Any]
Settings = Mapping[str, JsonScalar]


@dataclass(frozen=True)
class StageDescription:
    """What a stage does, as far as it decides the data.

    Attributes:
        stage: Its name, such as ``"pack"``.
        settings: Its settings by name; scalars only.
    """

    stage: str
    settings: Settings

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits that stand for the stage and its settings."""
        return digest(self.stage, canonical_json(self.settings), size=4)


@dataclass(frozen=True)
class Description:
    """What decides a pipeline's data; host count, mesh, workers and prefetching do not.

    Attributes:
        components: The stages of each component, from its source on, by component path.
        shared: The stages behind them.
        algorithms: The version of each algorithm in use, by name.
    """

    components: Mapping[str, tuple[StageDescription, ...]]
    shared: tuple[StageDescription, ...]
    algorithms: Mapping[str, int]

    def to_json(self) -> dict[str, Json]:
        """The whole description for people: the ``pipeline.json`` of a checkpoint."""
        return {
            "components": {
                path: [{"stage": s.stage, **s.settings} for s in stages]
                for path, stages in self.components.items()
            },
            "shared": [{"stage": s.stage, **s.settings} for s in self.shared],
            "algorithms": dict(self.algorithms),
        }

    @cached_property
    def header(self) -> dict[str, Json]:
        """The first part of a state. Stages that several components share stand once in its table."""
        table: dict[StageDescription | str, int] = {}
        rows: list[Json] = []

        def number_of(stages: Iterable[StageDescription]) -> list[Json]:
            numbers: list[Json] = []
            for stage in stages:
                key = canonical_json([stage.stage, stage.settings])
                if key not in table:
                    table[key] = len(rows)
                    rows.append([stage.stage, stage.digest, stage.settings])
                numbers.append(table[key])
            return numbers

        components = {path: number_of(stages) for path, stages in self.components.items()}
        shared = number_of(self.shared)
        return {
            "format": FORMAT,
            "version": VERSION,
            "algorithms": dict(self.algorithms),
            "stages": rows,
            "shared": shared,
            "components": cast(Json, components),
        }

    @cached_property
    def header_text(self) -> str:
        """Canonical JSON of ``header``."""
        return canonical_json(self.header)


@dataclass(frozen=True)
class Position:
    """Where a pipeline is.

    Attributes:
        step: Elements delivered: batches, or rows or documents where there are no batches.
        rows: Rows delivered.
        at: For each component path a list of integers a logical shard, whose meaning the component's stages
            define.
    """

    step: int
    rows: int
    at: Mapping[str, tuple[tuple[int, ...], ...]]


def encode(description: Description, position: Position) -> State:
    """A state: JSON values only, the same for the same position, sharing nothing with the pipeline."""
    where: dict[str, Json] = {"step": position.step, "rows": position.rows, "at": position.at, "edits": []}
    where_text = canonical_json(where)
    return {
        **_copied(description.header),
        "step": position.step,
        "rows": position.rows,
        "at": {path: [list(shard) for shard in shards] for path, shards in position.at.items()},
        "edits": [],
        "checksum": digest(description.header_text, where_text),
    }


def decode(description: Description, state: object) -> Position:
    """The position in a state, after every check that can be made without the data.

    Raises:
        StateError: The state is damaged or incomplete, or another release's.
        PipelineMismatchError: It belongs to another pipeline or to other data.
    """
    header, where = _split(state)
    if header != description.header:
        raise mismatch(description.header, header)
    return where


def mismatch(now: Mapping[str, Any], saved: Mapping[str, Any]) -> PipelineMismatchError:
    """The error that lists how the pipeline of a state differs from the one at hand."""
    lines = tuple(_differences(now, saved)) or ("the order of the stages",)
    return PipelineMismatchError(
        "the state belongs to another pipeline or to other data:\n"
        + "\n".join(f"  {line}" for line in lines)
        + "\nRestore it into the pipeline that it was saved from, or start anew.",
        lines,
    )


_HEADER_KEYS = ("format", "version", "algorithms", "stages", "shared", "components")
_WHERE_KEYS = ("step", "rows", "at", "edits")


def _split(state: object) -> tuple[dict[str, Any], Position]:
    """Header and position of a state whose form and checksum are right."""
    if not isinstance(state, Mapping):
        raise StateError(f"a state is a JSON object, got {type(state).__name__}")
    given = dict(cast(Mapping[str, Any], state))
    if given.get("format") != FORMAT:
        raise StateError(f"this is no state of resumable_data: its format is {given.get('format')!r}")
    if given.get("version") != VERSION:
        raise StateError(
            f"the state has version {given.get('version')!r}; this release reads version {VERSION}"
        )
    missing = [key for key in (*_HEADER_KEYS, *_WHERE_KEYS, "checksum") if key not in given]
    unknown = sorted(given.keys() - {*_HEADER_KEYS, *_WHERE_KEYS, "checksum"})
    if missing or unknown:
        raise StateError(f"the state is damaged: keys missing {missing}, unknown {unknown}")
    header = {key: given[key] for key in _HEADER_KEYS}
    where = {key: given[key] for key in _WHERE_KEYS}
    try:
        checksum = digest(canonical_json(header), canonical_json(where))
    except (TypeError, ValueError) as error:
        raise StateError(f"the state holds what JSON does not: {error}") from error
    if checksum != given["checksum"]:
        raise StateError("the state is damaged: its checksum is wrong. Restore an earlier checkpoint")
    if where["edits"]:
        raise StateError("the state records edits, which this release cannot read")
    at = {
        path: tuple(tuple(shard) for shard in shards)
        for path, shards in cast(Mapping[str, Sequence[Sequence[int]]], where["at"]).items()
    }
    return header, Position(where["step"], where["rows"], at)


def _copied(header: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a header that its owner may change."""
    return {
        **header,
        "algorithms": dict(header["algorithms"]),
        "stages": [[stage, key, dict(settings)] for stage, key, settings in header["stages"]],
        "shared": list(header["shared"]),
        "components": {path: list(stages) for path, stages in header["components"].items()},
    }


def _differences(now: Mapping[str, Any], saved: Mapping[str, Any]) -> Iterable[str]:
    for name in sorted(now["algorithms"].keys() | saved["algorithms"].keys()):
        was, is_now = saved["algorithms"].get(name), now["algorithms"].get(name)
        if was != is_now and was is not None and is_now is not None:
            yield f"algorithm {name} had version {was}, has {is_now}"
    paths_now, paths_saved = now["components"].keys(), saved["components"].keys()
    for path in sorted(paths_saved - paths_now):
        yield f"component {path!r} is gone"
    for path in sorted(paths_now - paths_saved):
        yield f"component {path!r} is new"
    for path in sorted(paths_now & paths_saved):
        prefix = f"{path}: " if len(paths_now | paths_saved) > 1 else ""
        yield from _stage_differences(prefix, now, now["components"][path], saved, saved["components"][path])
    yield from _stage_differences("", now, now["shared"], saved, saved["shared"])


def _stage_differences(
    prefix: str,
    now: Mapping[str, Any],
    now_numbers: Sequence[int],
    saved: Mapping[str, Any],
    saved_numbers: Sequence[int],
) -> Iterable[str]:
    stages_now = _by_name(now["stages"], now_numbers)
    stages_saved = _by_name(saved["stages"], saved_numbers)
    for name in [*stages_saved, *(name for name in stages_now if name not in stages_saved)]:
        if name not in stages_now:
            yield f"{prefix}stage {name} is gone"
        elif name not in stages_saved:
            yield f"{prefix}stage {name} is new"
        else:
            was, is_now = stages_saved[name], stages_now[name]
            for setting in sorted(was.keys() | is_now.keys()):
                if was.get(setting) != is_now.get(setting):
                    yield f"{prefix}{name}.{setting} was {was.get(setting)!r}, is {is_now.get(setting)!r}"
    if list(stages_now) != list(stages_saved) and stages_now.keys() == stages_saved.keys():
        yield f"{prefix}the stages were {' > '.join(stages_saved)}, are {' > '.join(stages_now)}"


def _by_name(table: Sequence[Sequence[Any]], numbers: Sequence[int]) -> dict[str, Settings]:
    """Settings of the numbered stages; the second stage of a name is called ``map#2``."""
    named: dict[str, Settings] = {}
    for number in numbers:
        stage, _, settings = table[number]
        count = sum(name.split("#")[0] == stage for name in named)
        named[f"{stage}#{count + 1}" if count else stage] = settings
    return named
