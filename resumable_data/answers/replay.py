"""A run planned again: the spans of its batches, before and after a saved state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import dropwhile, islice
from types import TracebackType
from typing import NoReturn, Self, cast

from tqdm import tqdm

from resumable_data.answers.checkpoints import SavedState, as_state
from resumable_data.arguments import as_bool, as_names
from resumable_data.batch import LLMBatch
from resumable_data.differences import EDITS
from resumable_data.edits import Edit
from resumable_data.engines.batches import BatchEngine, BatchPlan
from resumable_data.errors import PipelineError
from resumable_data.iteration.opened import Opened
from resumable_data.iteration.place import Place, restored
from resumable_data.iteration.plan_ahead import plan_one_by_one
from resumable_data.opaque import Element
from resumable_data.packing.plan import RowPlan
from resumable_data.placement.views import WholeBatch
from resumable_data.run_history import NEW_RUN, Growth, RunHistory
from resumable_data.stages.batch import Batch
from resumable_data.stages.catalog import Catalog
from resumable_data.state import Description, split


class Replay:
    """The whole global batches of a run, not only the rows of a process. Use it as a context manager.

    It reads documents only if their lengths are not known.

    Args:
        what: The name of the question, for errors.
        batch: The pipeline.
        state: A state of the run, or its path; None for a run that was never changed.
        allow: What may differ between the saved pipeline and this one, as in ``set_state``.
        progress: Whether to show a progress bar if planning takes more than a second.

    Raises:
        StateError: The state is damaged.
        PipelineMismatchError: It belongs to another pipeline or to other data.
    """

    def __init__(
        self,
        what: str,
        batch: Batch,
        state: SavedState | None,
        allow: Collection[str],
        progress: bool = False,
    ) -> None:
        self._what = what
        self._progress = as_bool(f"{what}: progress", progress)
        self._allow = as_names(f"{what}: allow", allow, EDITS)
        state = as_state(f"{what}: state", state)
        self._batch = replace(batch, view=WholeBatch())
        opened = self._open(NEW_RUN)
        try:
            self.place = _start(opened) if state is None else restored(opened, self._open, state, allow)
            """The position of the run that the state gives."""
        except BaseException:
            opened.close()
            raise
        if self.place.opened is not opened:
            opened.close()
        # Planned from here, the run has the skips and the growth that its state records, at their places.
        self._first = _start(self.place.opened)

    @property
    def engine(self) -> BatchEngine:
        """The engine that plans the batches."""
        return cast(BatchEngine, self.place.opened.engine)

    @property
    def description(self) -> Description:
        """The settings and fingerprints that decide the run's data."""
        return self.place.opened.description

    def growth_of(self, path: str) -> Growth:
        """Returns how the records of a component grew."""
        return self.place.opened.history.growth.get(path, ())

    def _open(self, history: RunHistory) -> Opened[Element]:
        catalog = Catalog()
        engine = self._batch.open_engine(catalog, history, with_epochs=True)
        self.numbers: Mapping[str, int] = catalog.numbers
        """The number of each component in plans, by component path; the same in every run of the pipeline."""
        history = replace(history, shards=self._batch.shards_of(history.shards))
        return Opened[Element](engine, catalog.description, history, tuple(catalog.resources))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.place.opened.close()

    def onward(self) -> Iterator[tuple[RowPlan, Place[Element]]]:
        """Yields the rows of each batch from the state's step on, with the place after the batch."""
        return ((plan.rows, place) for plan, place in _delivered(self.place))

    def delivered(self, since: SavedState | None) -> Iterator[tuple[BatchPlan, Place[Element]]]:
        """Yields the plan of each batch before the state, with the place after the batch.

        Args:
            since: An earlier state of the run to begin at, or its path; None begins at the start of the run.

        Raises:
            StateError: ``since`` is damaged.
            PipelineMismatchError: ``since`` is of another pipeline.
            PipelineError: ``since`` is of a later step than the state, or the run was changed in between.
        """
        earlier = as_state(f"{self._what}: since", since)
        opened = self.place.opened  # with the whole history of the run, also of what came after the earlier state
        begin = self._first if earlier is None else restored(opened, lambda _: opened, earlier, self._allow)
        if begin.step > self.place.step:
            raise PipelineError(
                f"{self._what}: since is of step {begin.step}, after step {self.place.step} of the state"
            )
        told = 0 if earlier is None else len(split(earlier)[1].edits)
        changes = _changes(self.place.edits[told:])
        # What allow= says has to be what the run did, and at the same step.
        if changes != _changes(begin.edits[told:]):
            raise PipelineError(
                f"{self._what}: the run was changed at step {changes[-1].step} ({changes[-1]}). Before that it was "
                f"another pipeline. Give as since the state of step {changes[-1].step}, with allow= for the change, "
                "or a later one"
            )
        return islice(_delivered(_with_skips(begin, self.place.edits[told:])), self.place.step - begin.step)

    def plan(self, step: int) -> RowPlan:
        """Plans the rows of the global batch of a step.

        Raises:
            PipelineError: There is no such step, or the run was changed after it.
        """
        return self._batch_plan(step).rows

    def batch(self, step: int) -> tuple[RowPlan, LLMBatch]:
        """Plans and reads the global batch of a step: its rows, and the batch before ``as_dict`` and ``map``.

        Raises:
            PipelineError: There is no such step, or the run was changed after it.
            ResumableDataError: A document cannot be read.
        """
        plan = self._batch_plan(step)
        return plan.rows, self.read(plan)

    def read(self, plan: BatchPlan) -> LLMBatch:
        """Reads a planned batch.

        Raises:
            ResumableDataError: A document cannot be read.
        """
        (batch,) = replace(self.engine, form=None, functions=()).load([plan])
        return batch

    def bar(self, steps: int | None) -> tqdm[NoReturn]:
        """Makes a progress bar over a number of steps; None if the number is not known."""
        return tqdm(total=steps, desc=self._what, unit="step", delay=1, disable=not self._progress)

    def _batch_plan(self, step: int) -> BatchPlan:
        if step < 0:
            raise PipelineError(f"{self._what}: step={step} must not be negative")
        place = self._before(step)
        end = place.step
        with self.bar(step - place.step) as bar:
            for at, plan in _plans(place):
                if at == step:
                    return plan
                end = at + 1
                bar.update()
        raise PipelineError(f"{self._what}: there is no step {step}: the data ends after {end} batches")

    @property
    def first_step(self) -> int:
        """The first step that can be planned: 0, or the state's step if the run was changed before it."""
        return self.place.step if _changes(self.place.edits) else 0

    def plans(self, first: int | None = None) -> Iterator[tuple[int, RowPlan]]:
        """Yields steps with the rows of their global batches.

        Args:
            first: The first step; None for the state's step.

        Raises:
            PipelineError: The run was changed after the first step.
        """
        place = self.place if first is None else self._before(first)
        planned = dropwhile(lambda planned: first is not None and planned[0] < first, _plans(place))
        return ((step, plan.rows) for step, plan in planned)

    def _before(self, step: int) -> Place[Element]:
        """Returns a place at or before a step."""
        if step >= self.place.step:
            return self.place
        if changes := _changes(self.place.edits):
            raise PipelineError(
                f"{self._what}: step {step} is before step {self.place.step} of the state, and the run was "
                f"changed at step {changes[0].step} ({changes[0]}). Before that step it was another pipeline. Give a "
                f"state that was saved at step {step} or before"
            )
        return _with_skips(self._first, self.place.edits)


def _changes(edits: Sequence[Edit]) -> list[Edit]:
    """Returns the edits that make another pipeline of a run: not skips, and not growth."""
    return [edit for edit in edits if edit.kind != "skip" and not edit.is_growth]


def _with_skips(place: Place[Element], edits: Sequence[Edit]) -> Place[Element]:
    """Returns a place with the skips applied that are among the later edits of its run."""
    for edit in edits:
        if edit.kind == "skip":
            cursor = place.opened.engine.skipping(place.cursor, edit.step, cast(int, edit.after))
            place = replace(place, cursor=cursor)
    return place


def _start(opened: Opened[Element]) -> Place[Element]:
    return Place(opened, 0, opened.engine.start())


def _plans(place: Place[Element]) -> Iterator[tuple[int, BatchPlan]]:
    step, cursor, engine = place.step, place.cursor, place.opened.engine
    while (planned := engine.plan(cursor, step)) is not None:
        yield step, cast(BatchPlan, planned.plan)
        step, cursor = step + 1, planned.after


def _delivered(place: Place[Element]) -> Iterator[tuple[BatchPlan, Place[Element]]]:
    for planned in plan_one_by_one(place.opened.engine, place.cursor, place.step):
        place = place.after(planned.after)
        yield cast(BatchPlan, planned.plan), place
