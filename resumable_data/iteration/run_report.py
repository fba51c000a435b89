"""What an iterator tells about its run: position, progress, edits, times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from resumable_data.delivered import Delivered
from resumable_data.edits import Edit
from resumable_data.errors import PipelineError
from resumable_data.explanation import Explanation
from resumable_data.iteration.loading import Loading
from resumable_data.iteration.meter import Meter
from resumable_data.iteration.moves import cells_of
from resumable_data.iteration.place import Place
from resumable_data.iteration.progress import Progress
from resumable_data.iteration.stats import Stats
from resumable_data.opaque import JsonDict
from resumable_data.reading.bad_records import LeftOut
from resumable_data.state import Position, State, encode
from resumable_data.table import Shown

ElementT = TypeVar("ElementT")

Explain = Callable[[int, State], Explanation]
"""From a step and a state of the run, what the batch of that step consists of."""


class RunReport(Shown, Generic[ElementT]):
    """The questions that an iterator answers about its run. None of them moves it."""

    _place: Place[ElementT]
    _meter: Meter
    _loading: Loading[ElementT]
    _explain: Explain | None
    _ended: bool
    _closed: bool

    @property
    def step(self) -> int:
        """Elements delivered, which is the index of the next."""
        return self._place.step

    @property
    def epoch(self) -> int | None:
        """The epoch, counted from 0, in which the next element begins; None for a mix, or a source without epochs.

        >>> import resumable_data as rd
        >>> batches = iter(rd.Dataset.from_source(rd.SyntheticSource(4, [3])).repeat().pad(3, eod_id=0).batch(2))
        >>> [batches.epoch for _ in zip(range(5), batches)]
        [0, 1, 1, 2, 2]
        """
        place = self._place
        return place.opened.engine.epoch(place.cursor)

    def __repr__(self) -> str:
        """Shows the position, without reading or planning, also after ``close``.

        >>> import resumable_data as rd
        >>> iter(rd.Dataset.from_source(rd.SyntheticSource(4, [3])).pad(3, eod_id=0).batch(2))
        <DataIterator: step 0, epoch 0, 0 rows delivered>
        """
        place = self._place
        rows, epoch = place.opened.engine.whereabouts(place.cursor)
        in_epoch = "" if epoch is None else f", epoch {epoch}"
        closed = ", closed" if self._closed else ""
        return f"<DataIterator: step {place.step:,}{in_epoch}, {rows:,} rows delivered{closed}>"

    def get_state(self) -> State:
        """Returns the position after the last delivered element, as plain JSON values."""
        place = self._place
        rows, at = place.opened.engine.encode(place.cursor)
        return encode(place.opened.description, Position(place.step, rows, at, place.edits, place.digests))

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The changes to the pipeline during the run, oldest first."""
        return self._place.edits

    @property
    def components(self) -> tuple[str, ...]:
        """Paths of the components, sorted: what ``batch(…, sources=True)`` numbers, from 1."""
        return tuple(sorted(self._place.opened.description.components))

    def progress(self) -> Progress:
        """Returns what was delivered so far, in total and by component; it survives a resume."""
        place, engine = self._place, self._place.opened.engine
        rows, _ = engine.encode(place.cursor)
        counts = engine.counts(place.cursor, ended=self._ended)
        left = engine.remainder(place.cursor, place.step, self._ended)
        return Progress.of(place.step, rows, counts, _removed(place.edits), cells_of(engine, rows, place.edits), left)

    def explain(self, step: int) -> Explanation:
        """Lists the documents of the global batch of a step of this run. The iterator does not move.

        Steps from the present one on are planned from here, those before it from the start of the run.
        ``Dataset.explain`` says what is found, and what it costs.

        Raises:
            PipelineError: There is no such step, it is before an edit of this run, or these are not batches.

        >>> import resumable_data as rd
        >>> batches = iter(rd.Dataset.from_source(rd.SyntheticSource(9, [3])).pad(3, eod_id=0).batch(2))
        >>> _ = next(batches), next(batches)
        >>> [batches.explain(step).rows[0][0].record for step in (0, 1, 2)], batches.step
        ([0, 2, 4], 2)
        """
        if self._explain is None:
            raise PipelineError("explain: it is asked of iterators over batches, after batch(…)")
        return self._explain(step, self.get_state())

    def stats(self) -> Stats:
        """Returns how the time was spent so far: in waiting and in loading. It prints as a table.

        Two of them can be subtracted, for what came between. They are not part of a state.

        >>> import resumable_data as rd
        >>> batches = iter(rd.Dataset.from_source(rd.SyntheticSource(4, [3])).pad(3, eod_id=0).batch(2))
        >>> _ = next(batches)
        >>> batches.stats().batches, batches.stats().tokens
        (1, 6)
        """
        return self._meter.stats(len(self._loading))

    @property
    def bad_records(self) -> list[LeftOut]:
        """Returns the bad records that ``skip_bad_records`` left out in this process, including those read ahead."""
        return self._place.opened.left_out()

    def description(self) -> JsonDict:
        """Returns what decides the pipeline's data, for people: a checkpoint keeps it as ``pipeline.json``."""
        return self._place.opened.description.to_json()


def _removed(edits: Sequence[Edit]) -> list[Delivered]:
    """Returns what removed components have delivered."""
    return [
        counts
        for edit in edits
        if edit.kind == "component_removed"
        for path, counts in (edit.counts or {}).items()
        if path == edit.component
    ]
