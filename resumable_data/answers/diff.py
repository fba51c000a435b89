"""``diff``: the differences of two runs, the first step that differs, and what each run has at that step."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

import numpy as np

from resumable_data.answers.content import comparable, name_contents, named_as
from resumable_data.answers.explain import explained
from resumable_data.answers.replay import Replay
from resumable_data.answers.run import Run, Side, side_of
from resumable_data.arguments import as_bool, as_integer, optional
from resumable_data.arrays import Int64Array
from resumable_data.differences import ContentOfFirst, differences
from resumable_data.digest import Json
from resumable_data.explanation import Explanation
from resumable_data.opaque import JsonObject
from resumable_data.packing.plan import RowPlan
from resumable_data.state import State, split
from resumable_data.table import Shown

_STEPS_AFTER = 1000
_MOST_SHIFT = 64
_SHIFT_STEPS = 8


@dataclass(frozen=True)
class Diff(Shown):
    """The differences of two runs. It prints as text.

    Attributes:
        settings: A line for each setting, component or algorithm that differs: ``pack.length was 8, is 16``.
        position: A line for each difference of two states in steps, rows, edits and digests; None if one of the runs
            is given without a state.
        compared: The first and the last step whose batches were compared; None if none were.
        first_step: The first step at which the batches differ; None if none differs, or none was compared.
        before: What the first run has at that step; None if its data has ended.
        after: What the second run has at that step; None if its data has ended.
        shift: From ``first_step`` on, the second run has what the first run has this many steps later: the trace of
            a ``skip``. None if there is no such number.
    """

    settings: tuple[str, ...]
    position: tuple[str, ...] | None
    compared: tuple[int, int] | None
    first_step: int | None
    before: Explanation | None
    after: Explanation | None
    shift: int | None

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.settings and not self.position and self.first_step is None

    def to_json(self) -> dict[str, Json]:
        """Returns the same as JSON values; keys are the attributes."""
        return {
            "settings": list(self.settings),
            "position": None if self.position is None else list(self.position),
            "compared": None if self.compared is None else list(self.compared),
            "first_step": self.first_step,
            "before": None if self.before is None else self.before.to_json(),
            "after": None if self.after is None else self.after.to_json(),
            "shift": self.shift,
        }

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Returns the differences as text for people.

        Args:
            width: Characters a line of a table. Names are cut to reach it; None cuts nothing.
        """
        lines = _listed("settings and data:", self.settings)
        if self.position is not None:
            lines += _listed("position:", self.position)
        if self.compared is None:
            lines.append("batches: not compared, as this needs both pipelines")
        elif self.first_step is None:
            lines.append(f"batches: the same, steps {self.compared[0]} to {self.compared[1]}")
        else:
            lines.append(f"batches: the first that differs is that of step {self.first_step}")
            if self.shift is not None:
                lines.append(f"  from there on the second has what the first has {self.shift} steps later")
            for title, side in (("first", self.before), ("second", self.after)):
                lines += [f"the {title}:", *_indented("has ended" if side is None else side.table(width))]
        return "\n".join(lines)


def diff(a: Run, b: Run, *, until: int | None = None, allow: Collection[str] = (), progress: bool = True) -> Diff:
    """Compares two runs: settings and data, positions, and batches up to the first step that differs.

    It compares the plans of batches, at about a microsecond a document. It reads documents only if their lengths are
    not known. A component with another source, map or tokenizer counts as other data in every batch.

    Args:
        a: A pipeline of batches (a run from its start), an iterator (its run), or a tuple of a pipeline and a state
            (the run of that state). Or a state alone, or the path of a state, of a checkpoint, of its item or of a
            directory of checkpoints; then only settings and positions are compared.
        b: Another run. A line says what ``a`` "was" and what ``b`` "is".
        until: Batches are compared before this step; by default up to a thousand steps after the later state.
        allow: What may differ between a pipeline and the state given with it, as in ``set_state``.
        progress: Whether to show a progress bar if it takes more than a second.

    Raises:
        PipelineError: ``a`` or ``b`` is not a run, or has no batches.
        StateError: A state is damaged, or there is no state at a path.
        PipelineMismatchError: A state does not belong to its pipeline.

    >>> import resumable_data as rd
    >>> rows = rd.Dataset.from_source(rd.SyntheticSource(40, [3])).repeat().pad(3, eod_id=0)
    >>> one, other = iter(rows.batch(2)), iter(rows.batch(2))
    >>> _ = next(one), next(other), other.skip(3)
    >>> print(rd.diff(one, other))
    settings and data: the same
    position:
      only the second was changed before step 1: skip of 3 batches
    batches: the first that differs is that of step 1
      from there on the second has what the first has 3 steps later
    the first:
      step 1: 2 rows of 3 tokens, 2 spans, 100.00 % filled
      row  column  component  epoch  record  tokens  of
        0       0  data           0       2     0:3   3
        1       0  data           0       3     0:3   3
    the second:
      step 1: 2 rows of 3 tokens, 2 spans, 100.00 % filled
      row  column  component  epoch  record  tokens  of
        0       0  data           0       8     0:3   3
        1       0  data           0       9     0:3   3
    """
    first, second = side_of("diff: a", a), side_of("diff: b", b)
    until, progress = optional(as_integer, "diff: until", until), as_bool("diff: progress", progress)
    position = None
    if first.state is not None and second.state is not None:
        position = tuple(_positions(first.state, second.state))
    if first.batch is None or second.batch is None:
        headers = [_header(side) for side in (first, second)]
        return Diff(_lines(*headers), position, None, None, None, None, None)
    with (
        Replay("diff", first.batch, first.state, allow, progress) as one,
        Replay("diff", second.batch, second.state, allow) as other,
    ):
        settings = _lines(one.description.header, other.description.header, other.description.sources)
        begin = max(one.first_step, other.first_step)
        end = max(one.place.step, other.place.step) + _STEPS_AFTER if until is None else until
        contents = _numbered(one, other)
        found = _first_difference(one, other, begin, end, contents)
        compared = (begin, max(begin, found.last))
        if found.step is None:
            return Diff(settings, position, compared, None, None, None, None)
        before, after = (
            None if plan is None else explained(batch, replay, found.step, plan)
            for batch, replay, plan in ((first.batch, one, found.first), (second.batch, other, found.second))
        )
        return Diff(settings, position, compared, found.step, before, after, _shift(one, other, found.step, contents))


@dataclass(frozen=True)
class _Found:
    """The first difference of two runs.

    Attributes:
        last: The last step that was compared.
        step: The first step at which they differ; None if they do not.
        first: The rows of the first run at this step; None if it has ended.
        second: The rows of the second run at this step; None if it has ended.
    """

    last: int
    step: int | None = None
    first: RowPlan | None = None
    second: RowPlan | None = None


def _first_difference(one: Replay, other: Replay, begin: int, end: int, contents: Contents) -> _Found:
    plans, others = one.plans(begin), other.plans(begin)
    last = begin
    with one.bar(end - begin) as bar:
        for step in range(begin, end):
            (_, rows), (_, other_rows) = next(plans, (step, None)), next(others, (step, None))
            if rows is None and other_rows is None:
                break
            if rows is None or other_rows is None or not _equal(rows, other_rows, contents):
                return _Found(step, step, rows, other_rows)
            last = step
            bar.update()
    return _Found(last)


def _shift(one: Replay, other: Replay, step: int, contents: Contents) -> int | None:
    """Finds how many steps later the first run has what the second has from a step on, judged by a few batches."""
    wanted = [rows for _, rows in islice(other.plans(step), _SHIFT_STEPS)]
    later = [rows for _, rows in islice(one.plans(step), _SHIFT_STEPS + _MOST_SHIFT)]
    for shift in range(1, len(later)):
        shifted = later[shift : shift + len(wanted)]
        if len(shifted) >= min(2, len(wanted)) > 0 and all(
            _equal(a, b, contents) for a, b in zip(shifted, wanted, strict=False)
        ):
            return shift
    return None


Contents = tuple[Mapping[int, int], Mapping[int, int]]
"""For each run: from the number of a reader to the number of its content. Both runs number contents alike."""


def _numbered(one: Replay, other: Replay) -> Contents:
    names = [
        name_contents(named_as(replay.description, compared.description))
        for replay, compared in ((one, other), (other, one))
    ]
    number = {content: place for place, content in enumerate(sorted({*names[0].values(), *names[1].values()}))}
    first, second = (
        {replay.numbers[path]: number[content] for path, content in of_run.items()}
        for replay, of_run in zip((one, other), names, strict=True)
    )
    return first, second


def _equal(first: RowPlan, second: RowPlan, contents: Contents) -> bool:
    pairs: Iterator[tuple[Int64Array, Int64Array]] = zip(
        comparable(first, contents[0]), comparable(second, contents[1]), strict=True
    )
    return all(np.array_equal(a, b) for a, b in pairs)


def _header(side: Side) -> JsonObject:
    if side.batch is None:
        return split(side.state)[0]
    with Replay("diff", side.batch, side.state, ()) as replay:
        return replay.description.header


def _lines(
    first: JsonObject, second: JsonObject, sources: Mapping[str, ContentOfFirst] = MappingProxyType({})
) -> tuple[str, ...]:
    return tuple(map(str, differences(first, second, sources)))


def _positions(first: State, second: State) -> Iterator[str]:
    """Yields the differences of two states in their positions."""
    was, is_now = split(first)[1], split(second)[1]
    for what in ("step", "rows"):
        if getattr(was, what) != getattr(is_now, what):
            yield f"{what} was {getattr(was, what)}, is {getattr(is_now, what)}"
    for which, edits, others in (("first", was, is_now), ("second", is_now, was)):
        for edit in edits.edits:
            if edit not in others.edits:
                yield f"only the {which} was changed before step {edit.step}: {edit}"
    if was.step == is_now.step and was.digests.delivered != is_now.digests.delivered:
        digests = f"{was.digests.delivered} and {is_now.digests.delivered}"
        yield f"other batches were delivered before step {was.step}: their digests are {digests}"


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines)] if lines else [f"{title} the same"]


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]
