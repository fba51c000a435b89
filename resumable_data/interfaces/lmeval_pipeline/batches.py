"""The rows of one process in the batches of all requests, and an iterator over them that can be saved."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Collection, Sequence

import grain.python as grain
import numpy as np
import numpy.typing as npt

from resumable_data.batch import LLMIndexedBatch
from resumable_data.edits import Edit
from resumable_data.errors import ClosedError, PipelineError, PipelineMismatchError, StateError
from resumable_data.interfaces.lmeval_pipeline.complete import (
    TOKEN_FIELDS,
    CompleteLLMIndexedBatch,
    empty_llm_indexed_sample,
)
from resumable_data.interfaces.lmeval_pipeline.pad_batch import PadBatchDataset, pad_axis, round_up
from resumable_data.interfaces.lmeval_pipeline.pad_sequence import PadSequenceInBatchDataset
from resumable_data.interfaces.lmeval_pipeline.remap import MultihostSortedRemapDataset, local_batch_size
from resumable_data.interfaces.lmeval_pipeline.rows import RequestRows
from resumable_data.interfaces.lmeval_pipeline.sort import SortedDataset, token_length
from resumable_data.iteration.background import BackgroundIterator
from resumable_data.opaque import Indexable, JsonDict, JsonObject
from resumable_data.state_form import is_natural

_FIELDS = (*TOKEN_FIELDS, "document_idx", "sequence_idx")


class PadLongestFirstDataset(PadSequenceInBatchDataset):
    """Pads the items of a data set that begins with the longest. So the first item of a batch gives its length.

    Args:
        dataset: As in ``PadSequenceInBatchDataset``.
        batch_size: Items of a batch.
        multiple_of: The length of a batch is a multiple of this, or ``max_length``.
        max_length: No item and no batch is longer; None for no limit.
    """

    def __init__(self, dataset: Indexable, batch_size: int, multiple_of: int, max_length: int | None) -> None:
        super().__init__(dataset, batch_size, multiple_of)
        self.max_length = max_length

    def _padded(self, length: int) -> int:
        padded = super()._padded(length)
        return padded if self.max_length is None else min(padded, self.max_length)

    def _measured(self, batch: int) -> range:
        return range(batch * self.batch_size, batch * self.batch_size + 1)


class RequestBatches:
    """The part of one process in the batches of all requests, longest first.

    All rows are sorted together and cut into global batches. Each batch has one length, which every process knows.
    Process ``i`` of H has rows ``[i * G / H, (i + 1) * G / H)`` of a batch of G rows.

    Args:
        rows: The rows of all requests.
        global_batch_size: Rows a batch, over all processes.
        host_index: The index of this process, from 0.
        host_count: The number of processes; it divides the batch.
        padding_multiple: The length of a batch is a multiple of this, or the most tokens of a row.
        rows_multiple: The rows of this process are filled up to a multiple of this, with rows that score nothing.
        ahead: Batches that a thread makes ahead; 0 makes each batch when it is taken.

    Attributes:
        dataset: The batches, ``LLMIndexedBatch`` of NumPy arrays, as a Grain data set.
        requests: The number of requests.
        sequences: int64[requests], the number of rows of each.

    Raises:
        PipelineError: There are no rows, or the processes do not divide the batch.
    """

    def __init__(
        self,
        rows: RequestRows,
        *,
        global_batch_size: int,
        host_index: int,
        host_count: int,
        padding_multiple: int,
        rows_multiple: int = 1,
        ahead: int = 0,
    ) -> None:
        if not len(rows):
            raise PipelineError("there are no requests to evaluate: the data set is empty")
        if not 0 <= host_index < host_count:
            raise PipelineError(f"there is no process {host_index}: {host_count} processes count from 0")
        local = local_batch_size(global_batch_size, host_count)
        self.requests = len(rows.sequences)
        self.sequences: npt.NDArray[np.int64] = rows.sequences
        self._description = {
            "requests": rows.fingerprint,
            "global_batch_size": global_batch_size,
            "padding_multiple": padding_multiple,
        }
        self._ahead = ahead
        longest_first: Indexable = SortedDataset(rows, token_length, reverse=True)
        complete: Indexable = longest_first.map(CompleteLLMIndexedBatch())
        full = PadBatchDataset(complete, global_batch_size, 0, empty_llm_indexed_sample())
        even = PadLongestFirstDataset(full, global_batch_size, padding_multiple, rows.max_length)
        by_host = MultihostSortedRemapDataset(even, global_batch_size, host_count)
        size = len(by_host) // host_count
        own = by_host.slice(slice(host_index * size, (host_index + 1) * size))
        n_rows = round_up(local, rows_multiple)
        self.dataset: grain.MapDataset[LLMIndexedBatch] = own.batch(
            local, batch_fn=lambda items: _join(items, n_rows)
        )

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> RequestBatchIterator:
        return RequestBatchIterator(self.dataset, self._ahead, self._description)

    def description(self) -> JsonDict:
        """Returns the settings and fingerprints that decide the batches of all processes, as JSON values."""
        return dict(self._description)


def _join(items: Sequence[JsonObject], rows: int) -> LLMIndexedBatch:
    """Joins items of equal length to a batch."""
    return LLMIndexedBatch(
        **{name: pad_axis(np.concatenate([item[name] for item in items]), 0, rows, 0) for name in _FIELDS}
    )


class RequestBatchIterator:
    """An iterator over the batches of one process. All processes have the same position, whatever their number.

    Args:
        dataset: The batches.
        ahead: Batches that a thread makes ahead, or 0.
        description: The settings and fingerprints that decide the batches.

    Attributes:
        step: Batches delivered.
    """

    position_is_global = True
    """All processes have the same state, so any number of processes can go on with the state that one saves."""

    edits: Sequence[Edit] = ()
    """Always empty: an evaluation cannot be changed while it runs."""

    def __init__(self, dataset: grain.MapDataset[LLMIndexedBatch], ahead: int, description: JsonDict) -> None:
        self._dataset: Indexable = dataset
        self._ahead = ahead
        self._description = description
        self._closed = False
        self.step = 0
        self._begin()

    def __iter__(self) -> RequestBatchIterator:
        return self

    def __next__(self) -> LLMIndexedBatch:
        if self._closed:
            raise ClosedError("this iterator over batches of requests is closed")
        try:
            batch = next(self._batches)
        except StopIteration:
            raise
        except BaseException:
            # A generator that failed or was interrupted looks as if it had ended, so a new one starts here.
            self._go_to(self.step)
            raise
        self.step += 1
        return batch

    def description(self) -> JsonDict:
        """Returns the settings and fingerprints that decide the batches, as JSON values."""
        return dict(self._description)

    def get_state(self) -> JsonDict:
        """Returns the position: the number of batches delivered, and what decides the batches."""
        return {"step": self.step, **self._description}

    def set_state(self, state: JsonObject, allow: Collection[str] = ()) -> None:
        """Goes to a position, or raises and does not move.

        Raises:
            StateError: The state is damaged, or ``allow`` is not empty.
            PipelineMismatchError: It is of other requests, or of other batches.
        """
        self.check_state(state, allow)()

    def check_state(self, state: JsonObject, allow: Collection[str] = ()) -> Callable[[], None]:
        """Checks a position, and returns a function that goes there.

        Raises:
            StateError: The state is damaged, or ``allow`` is not empty.
            PipelineMismatchError: It is of other requests, or of other batches.
        """
        if allow:
            raise StateError(f"allow={sorted(allow)}: an evaluation must not differ from its state; leave allow out")
        expected = self.get_state()
        step = state.get("step")
        if state.keys() != expected.keys() or not is_natural(step) or step > len(self._dataset):
            raise StateError(f"the state is damaged, or is not a state of batches of requests: {dict(state)}")
        lines = tuple(
            f"{name} was {state[name]!r}, is {value!r}"
            for name, value in self._description.items()
            if state[name] != value
        )
        if lines:
            raise PipelineMismatchError(
                "the state belongs to other batches of requests:\n  " + "\n  ".join(lines), lines
            )

        return lambda: self._go_to(step)

    def close(self) -> None:
        """Ends the thread."""
        self._end()
        self._closed = True

    def _go_to(self, step: int) -> None:
        self._end()
        self.step = step
        self._begin()

    def _begin(self) -> None:
        """Starts at the position."""
        dataset = self._dataset
        batches = (dataset[place] for place in range(self.step, len(dataset)))
        self._batches = BackgroundIterator(batches, self._ahead) if self._ahead else batches
        # The finalizer must not refer to this iterator: so the thread also ends when the iterator is collected.
        self._end = weakref.finalize(self, self._batches.close)
