"""``inspect``: what a saved state alone says about its run. It opens and imports nothing that the state names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, cast

from resumable_data.delivered import Delivered
from resumable_data.differences import stages_by_name
from resumable_data.digest import Json, canonical_json
from resumable_data.opaque import JsonObject
from resumable_data.planning.integers import MIX, delivered_of, is_mix, name_component
from resumable_data.planning.weights import WeightSchedule
from resumable_data.state import At, Position, Settings, State, split
from resumable_data.table import Shown, as_lines, printable


@dataclass(frozen=True)
class InspectedComponent:
    """What a state says about a component.

    Attributes:
        path: Its path.
        epoch: Its epoch, from 0; None for a source without random access.
        delivered: What it has delivered.
        share: Its share of all rows delivered, or of all documents in a mix of documents; None before the first.
        weight: The share that the weights ask for at this position; 1 outside a mix.
        stages: Its stages, from the source on, as calls.
    """

    path: str
    epoch: int | None
    delivered: Delivered
    share: float | None
    weight: float
    stages: tuple[str, ...]


@dataclass(frozen=True)
class Inspection(Shown):
    """What a state says about its run. It prints as text.

    Attributes:
        step: Batches delivered.
        rows: Rows delivered or skipped.
        components: The components, by path.
        shared: The stages after the components, as calls.
        edits: The changes of the run, oldest first, a line each.
        algorithms: The version of each algorithm.
        delivered_digest: The digest of all batches before the position.
        next_digest: The digest of the next batch.
        bytes: Bytes of the state as compact JSON.
        files: Sizes in bytes of the files beside it, by name.
    """

    step: int
    rows: int
    components: tuple[InspectedComponent, ...]
    shared: tuple[str, ...]
    edits: tuple[str, ...]
    algorithms: Mapping[str, int]
    delivered_digest: str
    next_digest: str
    bytes: int
    files: Mapping[str, int]

    def to_json(self) -> dict[str, Json]:
        """Returns the same as JSON values; keys are the attributes."""
        components: list[Json] = [asdict(one) | {"delivered": one.delivered._asdict()} for one in self.components]
        return {**asdict(self), "components": components}

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Returns what the state says as text for people.

        Args:
            width: Characters a line of a table. Names are cut to reach it; None cuts nothing.
        """
        tokens = sum(one.delivered.tokens for one in self.components)
        lines = [f"step {self.step:,}: {self.rows:,} rows and {tokens:,} tokens delivered", ""]
        lines += [*self._table(width), "", "stages:"]
        lines += [f"  {printable(one.path)}: {printable(' → '.join(one.stages))}" for one in self.components]
        lines += [f"  {printable(stage)}" for stage in self.shared]
        lines += ["", "edits:" if self.edits else "edits: none", *(f"  {printable(edit)}" for edit in self.edits)]
        algorithms = ", ".join(f"{name} {version}" for name, version in sorted(self.algorithms.items()))
        lines += ["", f"algorithms: {printable(algorithms)}"]
        lines.append(f"digests: delivered {self.delivered_digest or '-'}, next {self.next_digest or '-'}")
        sizes = ", ".join(f"{printable(name)} {size:,} B" for name, size in self.files.items())
        lines.append(f"size: {self.bytes:,} B{f' (files: {sizes})' if sizes else ''}")
        return "\n".join(lines)

    def _table(self, width: int | None) -> list[str]:
        dropped = any(one.delivered.dropped for one in self.components)
        truncated = any(one.delivered.truncated for one in self.components)
        header = ["component", "epoch", "documents", "tokens"]
        header += [*(["truncated"] if truncated else []), *(["dropped"] if dropped else []), "share %", "weight %"]
        rows: list[list[object]] = []
        for one in self.components:
            counts = one.delivered
            row: list[object] = [one.path, "-" if one.epoch is None else one.epoch]
            row += [f"{counts.documents:,}", f"{counts.tokens:,}"]
            row += [*([f"{counts.truncated:,}"] if truncated else []), *([f"{counts.dropped:,}"] if dropped else [])]
            row += ["-" if one.share is None else f"{100 * one.share:.2f}", f"{100 * one.weight:.2f}"]
            rows.append(row)
        return as_lines(header, rows, width, texts=["component"])


def inspect(state: object, files: Mapping[str, int] | None = None) -> Inspection:
    """Reads what a state says about its run.

    Args:
        state: A state of any pipeline.
        files: Sizes in bytes of the files beside it, by name.

    Raises:
        StateError: It is damaged, incomplete, or of a release that this one cannot read.

    >>> import resumable_data as rd
    >>> batches = iter(rd.Dataset.from_source(rd.SyntheticSource(9, [3])).repeat().pad(3, eod_id=0).batch(2))
    >>> _ = next(batches)
    >>> [(one.path, one.epoch, one.delivered.tokens) for one in inspect(batches.get_state()).components]
    [('data', 0, 6)]
    """
    header, position = split(state)
    shared = stages_by_name(header["stages"], header["shared"])
    paths = [path for path in sorted(position.at) if not is_mix(path)]
    delivered = {path: delivered_of(position.at[path]) for path in paths}
    of_rows = any(counts.rows for counts in delivered.values())
    drawn = {path: counts.rows if of_rows else counts.documents for path, counts in delivered.items()}
    total = sum(drawn.values())
    weights = _weights(paths, position, shared, of_rows)
    components = tuple(
        InspectedComponent(
            path=path,
            epoch=_epoch(position.at[path]),
            delivered=delivered[path],
            share=drawn[path] / total if total else None,
            weight=weights[path],
            stages=tuple(_calls(stages_by_name(header["stages"], header["components"][path]))),
        )
        for path in paths
    )
    return Inspection(
        step=position.step,
        rows=position.rows,
        components=components,
        shared=tuple(_calls(shared)),
        edits=tuple(f"before step {edit.step}, after {edit.rows:,} rows: {edit}" for edit in position.edits),
        algorithms=header["algorithms"],
        delivered_digest=position.digests.delivered,
        next_digest=position.digests.following,
        bytes=len(canonical_json(cast(State, state))),
        files=dict(files or {}),
    )


def _epoch(at: At) -> int | None:
    epoch = name_component(at).get("epoch")
    return epoch if isinstance(epoch, int) else None


def _calls(stages: Mapping[str, Settings]) -> Iterator[str]:
    for name, settings in stages.items():
        # 0 is said, although it equals False.
        said = [f"{key}={value!r}" for key, value in settings.items() if value is not None and value is not False]
        yield f"{name}({', '.join(said)})"


def _weights(
    paths: Sequence[str], position: Position, shared: Mapping[str, Settings], of_rows: bool
) -> Mapping[str, float]:
    """Returns the share of each component that the weights of all mixes ask for, mixes of rows or of documents."""
    shares: dict[str, float] = {}
    for path in paths:
        share, names = Fraction(1), path.split("/")
        for depth, name in enumerate(names):
            group = "/".join(names[:depth])
            settings = shared.get(f"mix {group}" if group else "mix")
            if settings is not None:
                mix = f"{group}/*" if group else "*"
                # Boundaries are steps in a mix of rows, and documents drawn in a mix of documents.
                drawn = sum(value for value in position.at.get(mix, ())[len(MIX) :] if isinstance(value, int))
                share *= _share(cast(Any, settings["weights"]), name, position.step if of_rows else drawn)
        shares[path] = float(share)
    return shares


def _share(weights: JsonObject, name: str, place: int) -> Fraction:
    """Returns the share of a name at a place in a mix."""
    schedule = WeightSchedule.from_json(weights)
    points = [(start, dict(of_point)) for start, of_point in schedule.points]
    number = max(i for i, (start, _) in enumerate(points) if start <= place)
    start, now = points[number]
    exact = {key: Fraction(str(value)) for key, value in now.items()}
    if schedule.between == "linear" and number + 1 < len(points):
        end, towards = points[number + 1]
        way = Fraction(place - start, end - start)
        exact = {key: value + way * (Fraction(str(towards[key])) - value) for key, value in exact.items()}
    total = sum(exact.values())
    return exact.get(name, Fraction(0)) / total if total else Fraction(0)
