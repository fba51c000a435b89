"""The state codec: encodes a position as a state, and refuses a state that is damaged or of another pipeline.

A state is a plain JSON object of three parts. The first says what the pipeline is: algorithm versions, a table of
stages with their settings, and the stages of each component. The second says where the pipeline is: ``step``,
``rows``, edits, and a few integers for each component and logical shard. The third is a checksum over both.
``docs/state.md`` lists the keys.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from resumable_data.arguments import as_names
from resumable_data.differences import EDITS, ContentOfFirst, Difference, differences, renamed, stages_by_name
from resumable_data.digest import Json, canonical_json, digest
from resumable_data.edits import Edit, edits_from_json, edits_to_json
from resumable_data.errors import PipelineMismatchError, StateError
from resumable_data.opaque import JsonDict, JsonObject
from resumable_data.state_form import check_form

FORMAT = "resumable_data"
VERSION = 1

State = JsonDict
At = tuple[int | str, ...]
"""The position of a component: a few integers. A source without random access also has a text."""

Settings = Mapping[str, Json]


@dataclass(frozen=True)
class StageDescription:
    """The settings of a stage that decide the data.

    Attributes:
        stage: Its name, such as ``"pack"``.
        settings: Its settings by name. Those of a source hold a digest of its content.
    """

    stage: str
    settings: Settings


@dataclass(frozen=True)
class Description:
    """All that decides a pipeline's data. The number of processes, mesh, workers and prefetching do not decide it.

    Attributes:
        components: The stages of each component, beginning with its source, by component path.
        shared: The stages that all components share, which follow.
        algorithms: The version of each algorithm in use, by name.
        sources: For components whose source can grow, by path, the content that its first records alone have.
    """

    components: Mapping[str, tuple[StageDescription, ...]]
    shared: tuple[StageDescription, ...]
    algorithms: Mapping[str, int]
    sources: Mapping[str, ContentOfFirst] = field(default_factory=dict[str, ContentOfFirst], compare=False)

    def to_json(self) -> dict[str, Json]:
        """Returns the whole description for people: the ``pipeline.json`` of a checkpoint."""
        return {
            "components": {
                path: [{"stage": s.stage, **s.settings} for s in stages] for path, stages in self.components.items()
            },
            "shared": [{"stage": s.stage, **s.settings} for s in self.shared],
            "algorithms": dict(self.algorithms),
        }

    @cached_property
    def header(self) -> dict[str, Json]:
        """The part of a state that says what the pipeline is. Equal stages stand once in its table."""
        table: dict[str, int] = {}
        stages: list[Json] = []

        def numbers_of(described: Sequence[StageDescription]) -> list[Json]:
            for stage in described:
                key = canonical_json([stage.stage, stage.settings])
                if key not in table:
                    table[key] = len(stages)
                    stages.append([stage.stage, stage.settings])
            return [table[canonical_json([stage.stage, stage.settings])] for stage in described]

        return {
            "format": FORMAT,
            "version": VERSION,
            "algorithms": dict(self.algorithms),
            "components": {path: numbers_of(self.components[path]) for path in sorted(self.components)},
            "shared": numbers_of(self.shared),
            "stages": stages,
        }

    @cached_property
    def header_text(self) -> str:
        """Canonical JSON of ``header``."""
        return canonical_json(self.header)

    @cached_property
    def stages_text(self) -> str:
        """Canonical JSON of its table of stages."""
        return canonical_json(self.header["stages"])


@dataclass(frozen=True)
class Digests:
    """Digests of the plans of whole batches: of those delivered, and of the next. They are equal on every process.

    Attributes:
        delivered: Digest of all batches before the position; ``""`` before the first. Each batch adds to it.
        following: Digest of the next batch; ``"end"`` at the end of the data; ``""`` if it is not known without
            reading.

    >>> one = NOTHING_DELIVERED.after("3c9a", following="77f0")
    >>> one.after("77f0", "").delivered == one.after("3c9a", "").delivered
    False
    """

    delivered: str = ""
    following: str = ""

    def after(self, delivered: str | None, following: str) -> Digests:
        """Returns the digests after one more element. The digest of an element that is not a batch is None."""
        chain = self.delivered if delivered is None else digest(self.delivered, delivered)
        return Digests(chain, following)


NOTHING_DELIVERED = Digests()


@dataclass(frozen=True)
class Position:
    """Where a pipeline is.

    Attributes:
        step: Elements delivered: batches, or rows or documents where there are no batches.
        rows: Rows delivered.
        at: For each component path, a few integers. ``planning.integers`` names them.
        edits: The changes of the pipeline during the run, oldest first.
        digests: Digests of what was delivered, and of what is next.
    """

    step: int
    rows: int
    at: Mapping[str, At]
    edits: tuple[Edit, ...] = ()
    digests: Digests = NOTHING_DELIVERED


def encode(description: Description, position: Position) -> State:
    """Makes the state of a position, of JSON values only. It shares no object with the pipeline."""
    header = description.header
    edits = edits_to_json(position.edits)
    digests = position.digests
    where = _where(position.step, position.rows, position.at, edits, digests.delivered, digests.following)
    return {
        "format": FORMAT,
        "version": VERSION,
        "algorithms": dict(cast(Mapping[str, int], header["algorithms"])),
        "stages": json.loads(description.stages_text),
        "shared": list(cast(Sequence[int], header["shared"])),
        "components": _with_positions(cast(Any, header["components"]), position.at),
        "step": position.step,
        "rows": position.rows,
        "edits": edits,
        "delivered_digest": digests.delivered,
        "next_digest": digests.following,
        "checksum": digest(description.header_text, canonical_json(where)),
    }


def _where(
    step: int, rows: int, at: Json | Mapping[str, At], edits: Json, delivered: str, following: str
) -> dict[str, Json]:
    """Makes the part of a state that says where the pipeline is."""
    return {
        "step": step,
        "rows": rows,
        "at": at,
        "edits": edits,
        "delivered_digest": delivered,
        "next_digest": following,
    }


def _with_positions(stages: Mapping[str, list[int]], at: Mapping[str, At]) -> JsonDict:
    """Returns the numbers of the stages, and the integers, of each component and each mix."""
    return {path: [list(stages.get(path, ())), list(at[path])] for path in sorted(at)}


def decode(
    description: Description, state: object, allow: Collection[str] = ()
) -> tuple[Position, Mapping[str, Settings], list[Difference]]:
    """Returns the position in a state, the settings of its shared stages, and the allowed differences from here.

    Raises:
        StateError: The state is damaged, incomplete, or of another release.
        PipelineMismatchError: It belongs to another pipeline or to other data, beyond what is allowed.
        PipelineError: ``allow`` names something that can never be changed.
    """
    allowed = as_names("allow", allow, EDITS)
    header, position = split(state)
    shared = stages_by_name(header["stages"], header["shared"])
    if header == description.header:
        return position, shared, []
    found = differences(header, description.header, description.sources)
    refused = [difference for difference in found if difference.edit not in allowed]
    if refused or not found:
        raise _mismatch(refused, renamed(header, description.header), description.sources)
    return position, shared, found


def _advice_on_data(path: str, changed: Mapping[str | None, Difference], content: ContentOfFirst | None) -> str:
    """Says what to do about a source that is not that of the state.

    Args:
        path: The path of its component.
        changed: What differs of the source, by setting, and may not.
        content: Tells the content that the source's first records alone have; None where the source cannot.
    """
    records = changed.get("records")
    # A source without random access has no number of records, and another kind of source may be in its place.
    counts = [0, 0] if records is None else [records.before, records.after]
    before, after = (count if isinstance(count, int) else 0 for count in counts)
    if records is not None and "content" not in changed:
        return (
            f"{path!r} only got more data, but a slice counts from its end and would choose other records: give the "
            "slice bounds that count from the beginning, as they were in this run."
        )
    if before < after:
        if content is not None and content(before) is not None:
            reason = (
                f"If {path!r} only got more data, its first {before} records are not the old ones any more. Keep the "
                "old files, and put the new ones after them (a list of paths keeps its order), with allow={'data'}."
            )
        elif content is not None:
            reason = (
                f"If {path!r} only got more data, it does not show: fingerprint_of_first({before}) of its source is "
                "None, as where a file has got longer or has another place. Keep the old files as they were, and put "
                "the new ones after them (a list of paths keeps its order), with allow={'data'}."
            )
        else:
            reason = (
                f"If {path!r} only got more data, its source cannot tell so: it has no fingerprint_of_first. Give it "
                "one, as rd.GrowingSource says, and allow={'data'}."
            )
        return (
            f"{reason} Or add the new data as another component of its mix, with allow={{'sources'}}. If there is no "
            f"mix, make one of rows: rd.mix({{{path!r}: old_rows, '{path}-2': new_rows}}). Otherwise:"
        )
    if after < before:
        return (
            f"{path!r} lacks records that the run knows: put them back. To leave records out, put a filter after "
            "them in a new run, or give the component the weight 0."
        )
    return f"{path!r} holds other records under the same numbers: give it the files of the run."


def _mismatch(
    refused: Sequence[Difference], new_names: Sequence[tuple[str, str]], sources: Mapping[str, ContentOfFirst]
) -> PipelineMismatchError:
    """Makes the error that lists the differences, and which of them could be allowed."""
    lines = tuple(map(str, refused)) or ("the pipeline's digest",)
    advice = "Restore it into the pipeline that it was saved from, or start anew."
    edits: list[str] = []
    if refused and all(difference.edit for difference in refused):
        edits = sorted({str(difference.edit) for difference in refused})
        advice = f"If the change is meant, say so: allow={{{', '.join(map(repr, edits))}}}."
    changed = [difference for difference in refused if difference.stage == "source" and difference.edit is None]
    for path in dict.fromkeys(difference.component for difference in changed):
        settings = {difference.setting: difference for difference in changed if difference.component == path}
        advice = f"{_advice_on_data(str(path), settings, sources.get(str(path)))} {advice}"
    for before, now in new_names:
        advice = (
            f"Component {now!r} has the data of {before!r}. Name it {before!r} again: the name decides the order. "
            f"Under a new name the data begins anew. {advice}"
        )
    return PipelineMismatchError(
        "the state belongs to another pipeline or to other data:\n"
        + "\n".join(f"  {line}" for line in lines)
        + f"\n{advice}",
        lines,
        tuple(edits),
    )


_KEYS = {
    "format",
    "version",
    "algorithms",
    "stages",
    "shared",
    "components",
    "step",
    "rows",
    "edits",
    "delivered_digest",
    "next_digest",
    "checksum",
}


def split(state: object) -> tuple[JsonDict, Position]:
    """Splits a state into its header, as in ``Description.header``, and its position. Checks form and checksum.

    Raises:
        StateError: The state is damaged, incomplete, or of another release.
    """
    if not isinstance(state, Mapping):
        raise StateError(f"a state is a JSON object, got {type(state).__name__}")
    given = dict(cast(JsonObject, state))
    if given.get("format") != FORMAT:
        raise StateError(f"this is not a state of resumable_data: its format is {given.get('format')!r}")
    if given.get("version") != VERSION:
        raise StateError(
            f"the state has version {given.get('version')!r}; this release reads version {VERSION}. "
            "Restore it with the release that wrote it"
        )
    missing, unknown = sorted(_KEYS - given.keys()), sorted(given.keys() - _KEYS)
    if missing or unknown:
        raise StateError(f"the state is damaged: keys missing {missing}, unknown {unknown}")
    check_form(given)
    try:
        stages = {path: numbers for path, (numbers, _) in given["components"].items()}
        at: dict[str, At] = {path: tuple(integers) for path, (_, integers) in given["components"].items()}
        header = {key: given[key] for key in ("format", "version", "algorithms", "shared", "stages")}
        # A mix has a position. Its settings are among those of the stages that components share.
        header["components"] = {path: numbers for path, numbers in stages.items() if numbers}
        digests = Digests(given["delivered_digest"], given["next_digest"])
        where = _where(given["step"], given["rows"], at, given["edits"], digests.delivered, digests.following)
        checksum = digest(canonical_json(header), canonical_json(where))
    except (RecursionError, TypeError, ValueError) as error:
        # The settings of stages may hold values that are not JSON, if the state did not come from a file.
        raise StateError(f"the state is damaged: {error}. Restore an earlier checkpoint") from error
    if checksum != given["checksum"]:
        raise StateError("the state is damaged: its checksum is wrong. Restore an earlier checkpoint")
    edits = edits_from_json(cast(Sequence[object], given["edits"]))
    return header, Position(given["step"], given["rows"], at, edits, digests)
