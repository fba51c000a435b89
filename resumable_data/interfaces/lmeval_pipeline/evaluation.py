"""A pass over requests that keeps its scores, and can be saved and resumed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from types import TracebackType
from typing import Self

from resumable_data.edits import Edit
from resumable_data.errors import PipelineError, PipelineMismatchError, StateError
from resumable_data.interfaces.lmeval_pipeline.aggregate import Score, aggregate
from resumable_data.interfaces.lmeval_pipeline.batches import RequestBatches
from resumable_data.interfaces.lmeval_pipeline.scoring import BatchScorer, RowScores, ScoreTokens
from resumable_data.interfaces.multihost_dataloading import MultiHostDataLoadIterator
from resumable_data.opaque import JsonDict, JsonObject, PyTree
from resumable_data.sealed import seal, unseal

FORMAT = "resumable_data.evaluation"
VERSION = 1


class Evaluation:
    """An iterator that scores requests batch by batch, and yields the number of scored batches.

    Save it like a data iterator, with ``DataSave(evaluation)``. The checkpoint holds the position and the scores so
    far, and any number of processes can go on from there. After an error the position has not moved.

    Args:
        batches: The result of ``lmeval_preprocessing_pipeline``. Nothing else may take batches from it.
        score: Returns the log-probability of each target of a batch.
        params: The model's parameters, as ``score`` takes them.
        model: A name of the model and its parameters, such as ``"run 7, step 1000"``. States of another name are
            refused.
        needs_greedy: Whether ``score`` must return ``is_greedy``, as ``loglikelihood`` needs it.

    Raises:
        PipelineError: The batches are not batches of requests, or some were taken before.
    """

    edits: Sequence[Edit] = ()
    """Always empty: an evaluation cannot be changed while it runs."""

    def __init__(
        self,
        batches: MultiHostDataLoadIterator,
        score: ScoreTokens,
        params: PyTree,
        *,
        model: str = "",
        needs_greedy: bool = True,
    ) -> None:
        if not isinstance(batches.dataloader, RequestBatches):
            raise PipelineError("an evaluation takes the batches of lmeval_preprocessing_pipeline")
        if batches.step_counter:
            raise PipelineError(
                f"{batches.step_counter} batches were taken before the evaluation, which would not score them: call "
                "reset() on the batches, or make new ones"
            )
        self._batches = batches
        self._requests = batches.dataloader
        self._model = model
        self._score = BatchScorer(score, params, batches.global_mesh, needs_greedy)
        self._rows: list[RowScores] = []

    @property
    def step(self) -> int:
        """The number of scored batches."""
        return len(self._rows)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> int:
        """Scores the next batch, and returns the number of scored batches.

        Raises:
            StopIteration: All batches are scored.
            PipelineError: The result of ``score`` has a wrong form.
        """
        before = self._batches.get_state()
        batch = next(self._batches)
        try:
            self._rows.append(self._score(batch))
        except BaseException:
            self._batches.set_state(before)
            raise
        return self.step

    def results(self) -> list[Score]:
        """Returns one score a request, in the order of the requests.

        Raises:
            PipelineError: Not all batches are scored.
        """
        if self.step < len(self):
            raise PipelineError(f"only {self.step} of {len(self)} batches are scored: score all of them first")
        return aggregate(**self._columns(), sequences=self._requests.sequences)

    def description(self) -> JsonDict:
        """Returns the settings and fingerprints that decide the scores, as JSON values."""
        return {"model": self._model, **self._requests.description()}

    def get_state(self) -> JsonDict:
        """Returns the position and the scores so far, as JSON values: about 60 bytes a row."""
        content = {
            "step": self.step,
            "model": self._model,
            "batches": self._batches.get_state(),
            "scores": [rows.to_json() for rows in self._rows],
        }
        return seal(FORMAT, VERSION, content)

    def set_state(self, state: JsonObject, allow: Collection[str] = ()) -> None:
        """Goes to a saved position with its scores, or raises and does not move.

        Raises:
            StateError: The state is damaged or of another version.
            PipelineMismatchError: It is of another model, other requests or other batches.
        """
        self.check_state(state, allow)()

    def check_state(self, state: JsonObject, allow: Collection[str] = ()) -> Callable[[], None]:
        """Checks a saved position, and returns a function that goes there.

        Raises:
            StateError: The state is damaged or of another version.
            PipelineMismatchError: It is of another model, other requests or other batches.
        """
        given = _checked(state)
        if given["model"] != self._model:
            line = f"model was {given['model']!r}, is {self._model!r}"
            raise PipelineMismatchError(f"the state belongs to an evaluation of another model: {line}", (line,))
        move = self._batches.check_state(given["batches"], allow)
        rows = list(map(RowScores.from_json, given["scores"]))
        if not len(rows) == given["step"] == given["batches"]["step"]:
            raise StateError(
                f"the state is damaged: it has scores of {len(rows)} batches. Restore an earlier checkpoint"
            )

        def go() -> None:
            move()
            self._rows = rows

        return go

    def close(self) -> None:
        """Closes the batches. ``results`` and ``get_state`` still work."""
        self._batches.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _columns(self) -> JsonDict:
        """Joins the scores of all rows. ``correct`` is None if it is not known."""
        return {
            field.name: None
            if any(getattr(rows, field.name) is None for rows in self._rows)
            else [value for rows in self._rows for value in getattr(rows, field.name)]
            for field in fields(RowScores)
        }


def _checked(state: JsonObject) -> JsonDict:
    """Checks the form and the checksum of a state, and returns its content."""
    given = unseal(FORMAT, VERSION, ("step", "model", "batches", "scores"), state)
    if not _is_list(given["scores"]):
        raise StateError("the state is damaged: its scores are not a list. Restore an earlier checkpoint")
    return given


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)
