"""A run as users give it: a pipeline, an iterator, a state, or a path. It is turned into a pipeline and a state."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

from resumable_data.answers.checkpoints import SavedState, as_state
from resumable_data.arguments import kind_of
from resumable_data.errors import PipelineError
from resumable_data.iteration.iterator import DataIterator
from resumable_data.opaque import Element
from resumable_data.stages.batch import Batch
from resumable_data.state import State


@runtime_checkable
class Pipeline(Protocol):
    """A dataset."""

    @property
    def node(self) -> Any:
        """Its last stage."""
        ...


Run = Pipeline | DataIterator[Element] | SavedState | tuple[Pipeline, SavedState]


@dataclass(frozen=True)
class Side:
    """A run.

    Attributes:
        batch: Its pipeline; None if there is only a state.
        state: A state of it; None for a run from its start that was never changed.
    """

    batch: Batch | None
    state: State | None


def side_of(what: str, given: object) -> Side:
    """Returns the pipeline and the state of a run.

    Args:
        what: The name of the argument, for errors.
        given: A run, as ``Run`` lists it.

    Raises:
        PipelineError: It is not a run.
        StateError: There is no state at a path.
    """
    match given:
        case tuple() if len(pair := cast(tuple[object, ...], given)) == 2:
            return Side(side_of(what, pair[0]).batch, side_of(what, pair[1]).state)
        case DataIterator():
            iterator = cast(DataIterator[Element], given)
            return Side(_batch(what, iterator.pipeline), iterator.get_state())
        case Pipeline():
            return Side(_batch(what, given.node), None)
        case Mapping() | str() | os.PathLike():
            return Side(None, as_state(what, cast(SavedState, given)))
        case _:
            raise PipelineError(
                f"{what} is {kind_of(given)}: give a pipeline of batches, an iterator, a state, the path of a "
                "checkpoint, or (pipeline, state)"
            )


def _batch(what: str, node: object) -> Batch:
    if not isinstance(node, Batch):
        raise PipelineError(f"{what}: this needs a pipeline of batches; call batch(…) first")
    return node
