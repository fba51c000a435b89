"""``diff``: in what two runs differ, from which step on, and what is in that step on either side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from resumable_data.answers.content import comparable, name_contents
from resumable_data.answers.explain import explained
from resumable_data.answers.replay import Replay
from resumable_data.answers.run import Run, Side, side_of
from resumable_data.arguments import as_bool, as_integer, optional
from resumable_data.arrays import Int64Array
from resumable_data.differences import differences
from resumable_data.digest import Json
from resumable_data.explanation import Explanation
from resumable_data.packing.plan import RowPlan
from resumable_data.state import State, split
from resumable_data.table import Shown

_STEPS_AFTER = 1000
_MOST_SHIFT = 64
_SHIFT_STEPS = 8


@dataclass(frozen=True)
class Diff(Shown):
    """In what two runs differ. It prints as text.

    Attributes:
        settings: One line a setting, component or algorithm that differs, such as ``pack.length was 8, is 16``.
        position: One line each for steps, rows, edits and digests that differ, of states.
        compared: The first and the last of the steps whose batches were compared; None where none were.
        first_step: The first step at which the batches differ; None where none does, or none was compared.
        before: What the first run has at that step; None where its data has ended.
        after: What the second has.
        shift: How many steps later the first run has what the second has from ``first_step`` on; None where it has
            not. It is what a ``skip`` looks like.
    """

    settings: tuple[str, ...]
    position: tuple[str, ...]
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
        """The same as JSON values; keys are the attributes."""
        return {
            "settings": list(self.settings),
            "position": list(self.position),
            "compared": None if self.compared is None else list(self.compared),
            "first_step": self.first_step,
            "before": None if self.before is None else self.before.to_json(),
            "after": None if self.after is None else self.after.to_json(),
            "shift": self.shift,
        }

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """What differs, for people.

        Args:
            width: Characters a line of a table, as far as names can be cut; None cuts nothing.
        """
        lines = [*_listed("settings and data:", self.settings), *_listed("position:", self.position)]
        if self.compared is None:
            lines.append("batches: not compared, as this takes the pipeline")
        elif self.first_step is None:
            lines.append(f"batches: the same, steps {self.compared[0]} to {self.compared[1]}")
        else:
            lines.append(f"batches: the first that differs is that of step {self.first_step}")
            if self.shift is not None:
                lines.append(f"  from there on the second has what the first has {self.shift} steps later")
            for title, side in (("first", self.before), ("second", self.after)):
                lines += [f"the {title}:", *_indented("has ended" if side is None else side.table(width))]
        return "\n".join(lines)


def diff(a: Run, b: Run, *, until: int | None = None, progress: bool = True) -> Diff:
    """In what two runs differ: settings and data, positions, and the first step whose batches differ.

    Batches are compared by their plans, at about a microsecond a document; documents are read only where their
    lengths are not known. A component whose source, map or tokenizer differs counts as other data in every batch.

    Args:
        a: A pipeline of batches: a run from its start. An iterator: its run. A state, or the path of one, of an item
            of a checkpoint, of a checkpoint or of a directory of them: settings and positions alone are compared. A
            pipeline and a state of it, as a tuple: the run that the state is of.
        b: Another, which "is" what ``a`` "was".
        until: The step before which batches are compared; by default a thousand after the later of the states.
        progress: Whether to show a progress bar where it takes more than a second.

    Raises:
        PipelineError: It is none of these, or there are no batches.
        StateError: A state is damaged, or there is none at a path.
        PipelineMismatchError: A state is not one of its pipeline.

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
    position = () if first.state is None or second.state is None else tuple(_positions(first.state, second.state))
    if first.batch is None or second.batch is None:
        headers = [_header(side) for side in (first, second)]
        return Diff(_lines(*headers), position, None, None, None, None, None)
    with (
        Replay("diff", first.batch, first.state, (), progress) as one,
        Replay("diff", second.batch, second.state, ()) as other,
    ):
        settings = _lines(one.description.header, other.description.header)
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
    """Where two runs part.

    Attributes:
        last: The last step that was compared.
        step: The step at which they differ, if they do.
        first: The rows of the first run at it, unless it has ended.
        second: Those of the second.
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
    """How many steps later the first run has what the second has from a step on, as far as a few batches tell."""
    wanted = [rows for _, rows in islice(other.plans(step), _SHIFT_STEPS)]
    had = [rows for _, rows in islice(one.plans(step), _SHIFT_STEPS + _MOST_SHIFT)]
    for shift in range(1, len(had)):
        window = had[shift : shift + len(wanted)]
        if len(window) >= min(2, len(wanted)) > 0 and all(
            _equal(a, b, contents) for a, b in zip(window, wanted, strict=False)
        ):
            return shift
    return None


Contents = tuple[Mapping[int, int], Mapping[int, int]]
"""Of each run, from the number of a reader to that of what it reads, which both number alike."""


def _numbered(one: Replay, other: Replay) -> Contents:
    names = [name_contents(replay.description) for replay in (one, other)]
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


def _header(side: Side) -> Mapping[str, Any]:
    if side.batch is None:
        return split(side.state)[0]
    with Replay("diff", side.batch, side.state, ()) as replay:
        return replay.description.header


def _lines(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(map(str, differences(first, second)))


def _positions(first: State, second: State) -> Iterator[str]:
    """In what two states differ beyond the pipeline."""
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
