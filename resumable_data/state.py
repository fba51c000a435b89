"""The state codec: what a saved position looks like, and how a wrong one is noticed.

A state is a plain JSON object of three parts: what the pipeline is (algorithm versions, a table of stages
with their digests and settings, and which component has which), where it is (``step``, ``rows`` and a short
list of integers a component and logical shard), and a checksum over both. ``docs/state.md`` lists its keys.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from resumable_data.differences import EDITS, Difference, differences, stages_by_name
from resumable_data.digest import Json, canonical_json, digest
from resumable_data.errors import PipelineError, PipelineMismatchError, StateError

FORMAT = "resumable_data"
VERSION = 1

State = dict[str, Any]
Settings = Mapping[str, Json]


@dataclass(frozen=True)
class StageDescription:
    """What a stage does, as far as it decides the data.

    Attributes:
        stage: Its name, such as ``"pack"``.
        settings: Its settings by name.
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
                path: [{"stage": s.stage, **s.settings} for s in stages] for path, stages in self.components.items()
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


Edit = Mapping[str, Json]
"""A change to a running pipeline: ``step``, ``what``, ``before`` and ``after``, and the ``rows`` delivered."""


@dataclass(frozen=True)
class Position:
    """Where a pipeline is.

    Attributes:
        step: Elements delivered: batches, or rows or documents where there are no batches.
        rows: Rows delivered.
        at: For each component path a list of integers a logical shard, whose meaning the component's stages
            define.
        edits: What was changed about the pipeline while it ran, oldest first.
    """

    step: int
    rows: int
    at: Mapping[str, tuple[tuple[int, ...], ...]]
    edits: tuple[Edit, ...] = ()


def encode(description: Description, position: Position) -> State:
    """A state: JSON values only, the same for the same position, sharing nothing with the pipeline."""
    where: dict[str, Json] = {
        "step": position.step,
        "rows": position.rows,
        "at": position.at,
        "edits": position.edits,
    }
    return {
        **_copied(description.header),
        "step": position.step,
        "rows": position.rows,
        "at": {path: [list(shard) for shard in shards] for path, shards in position.at.items()},
        "edits": json.loads(canonical_json(position.edits)) if position.edits else [],
        "checksum": digest(description.header_text, canonical_json(where)),
    }


def decode(
    description: Description, state: object, allow: Collection[str] = ()
) -> tuple[Position, Mapping[str, Settings], list[Difference]]:
    """The position in a state, its shared stages' settings, and what of allowed things differs from here.

    Raises:
        StateError: The state is damaged or incomplete, or another release's.
        PipelineMismatchError: It belongs to another pipeline or to other data, beyond what is allowed.
        PipelineError: ``allow`` names what can never be changed.
    """
    unknown = sorted(set(allow) - set(EDITS))
    if unknown:
        raise PipelineError(f"allow={unknown}: there are {', '.join(EDITS)}")
    header, position = _split(state)
    shared = stages_by_name(header["stages"], header["shared"])
    if header == description.header:
        return position, shared, []
    found = differences(header, description.header)
    refused = [difference for difference in found if difference.edit not in allow]
    if refused or not found:
        raise _mismatch(refused)
    return position, shared, found


def _mismatch(refused: Sequence[Difference]) -> PipelineMismatchError:
    """The error that lists what differs, and what of it could be allowed."""
    lines = tuple(map(str, refused)) or ("the pipeline's digest",)
    advice = "Restore it into the pipeline that it was saved from, or start anew."
    if refused and all(difference.edit for difference in refused):
        edits = sorted({str(difference.edit) for difference in refused})
        advice = f"If the change is meant, say so: allow={{{', '.join(map(repr, edits))}}}."
    return PipelineMismatchError(
        "the state belongs to another pipeline or to other data:\n"
        + "\n".join(f"  {line}" for line in lines)
        + f"\n{advice}",
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
        raise StateError(f"the state has version {given.get('version')!r}; this release reads version {VERSION}")
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
    at = {
        path: tuple(tuple(shard) for shard in shards)
        for path, shards in cast(Mapping[str, Sequence[Sequence[int]]], where["at"]).items()
    }
    return header, Position(where["step"], where["rows"], at, tuple(where["edits"]))


def _copied(header: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a header that its owner may change."""
    return {
        **header,
        "algorithms": dict(header["algorithms"]),
        "stages": [[stage, key, dict(settings)] for stage, key, settings in header["stages"]],
        "shared": list(header["shared"]),
        "components": {path: list(stages) for path, stages in header["components"].items()},
    }
