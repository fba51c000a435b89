"""Pads rows one by one to the length of their later batch."""

from __future__ import annotations

from typing import cast

import numpy as np

from resumable_data.arrays import AnyArray
from resumable_data.errors import PipelineError
from resumable_data.interfaces.lmeval_pipeline.indexing import RearrangedDataset
from resumable_data.interfaces.lmeval_pipeline.pad_batch import pad_axis, round_up
from resumable_data.locks import ForkLock
from resumable_data.opaque import Indexable, JsonDict, Record

_AXIS = 1
_KEPT_BATCHES = 64


class PadSequenceInBatchDataset(RearrangedDataset):
    """Pads each item to the length of its batch, so that the batch can be divided among processes later.

    Batch ``k`` is items ``[k * batch_size, (k + 1) * batch_size)``; the last batch may be smaller. Every process that
    has the data set knows the length of every batch, without asking the others.

    Args:
        dataset: A Grain data set, or an object with ``len`` and ``[index]``. Its items are mappings with the same
            keys. Arrays, [rows, length, ...], are padded along the length. Other values stay as they are.
        batch_size: Items of a batch, over all processes.
        multiple_of: The length of a batch is a multiple of this.
        pad_value: The value of the padding.

    Raises:
        PipelineError: ``batch_size`` or ``multiple_of`` is below 1.

    >>> import grain.python as grain
    >>> items = [{"a": np.array([[3, 1, 5]])}, {"a": np.array([[2, 4]])}, {"a": np.array([[2, 4, 3, 3]])}]
    >>> padded = PadSequenceInBatchDataset(grain.MapDataset.source(items), batch_size=2, multiple_of=3)
    >>> [item["a"].tolist() for item in padded]
    [[[3, 1, 5]], [[2, 4, 0]], [[2, 4, 3, 3, 0, 0]]]
    """

    def __init__(self, dataset: Indexable, batch_size: int, multiple_of: int = 64, pad_value: float = 0) -> None:
        super().__init__(dataset)
        if batch_size < 1:
            raise PipelineError(f"batch_size={batch_size} must be at least 1 item")
        round_up(0, multiple_of)
        self.batch_size = batch_size
        self.multiple_of = multiple_of
        self.pad_value = pad_value
        self._lengths: dict[int, dict[str, int]] = {}  # of the batches measured last
        self._measuring = ForkLock()

    def _item(self, place: int) -> Record:
        item: JsonDict = self.dataset[place]
        lengths = self._lengths_of_batch(place // self.batch_size)
        return {
            key: pad_axis(value, _AXIS, lengths[key], self.pad_value) if key in lengths else value
            for key, value in item.items()
        }

    def _lengths_of_batch(self, batch: int) -> dict[str, int]:
        # Several threads take items of one batch at the same time. One of them reads the batch, and the others wait.
        with self._measuring:
            if batch not in self._lengths:
                self._lengths[batch] = self._measure(batch)
                if len(self._lengths) > _KEPT_BATCHES:
                    del self._lengths[next(iter(self._lengths))]
            return self._lengths[batch]

    def _measure(self, batch: int) -> dict[str, int]:
        """Returns the padded length of each array of a batch that has a length."""
        lengths: dict[str, int] = {}
        for place in self._measured(batch):
            item: JsonDict = self.dataset[place]
            for key, value in item.items():
                if isinstance(value, np.ndarray) and value.ndim > _AXIS:
                    array = cast(AnyArray, value)
                    lengths[key] = max(lengths.get(key, 0), array.shape[_AXIS])
        return {key: self._padded(length) for key, length in lengths.items()}

    def _padded(self, length: int) -> int:
        """Returns the length of a batch from the cells of its longest item."""
        return round_up(length, self.multiple_of)

    def _measured(self, batch: int) -> range:
        """Returns the places of a batch at which its longest items may stand."""
        return range(batch * self.batch_size, min((batch + 1) * self.batch_size, len(self.dataset)))
