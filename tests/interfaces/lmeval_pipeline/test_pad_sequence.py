"""Items are padded to the length of their batch before there is a batch."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.lmeval_pipeline import PadSequenceInBatchDataset


def items(*lengths: int) -> list[dict[str, Any]]:
    return [{"a": np.full((1, length), place + 1), "n": place} for place, length in enumerate(lengths)]


def shown(data: Any) -> list[list[int]]:
    return [item["a"][0].tolist() for item in data]


def test_the_example_of_the_page() -> None:
    data = [{"a": np.array([row])} for row in ([3, 1, 5], [2, 4], [2, 4, 3, 3], [2, 4])]
    padded = PadSequenceInBatchDataset(data, batch_size=2, multiple_of=3)

    assert shown(padded) == [[3, 1, 5], [2, 4, 0], [2, 4, 3, 3, 0, 0], [2, 4, 0, 0, 0, 0]]


def test_the_last_batch_has_its_own_items_alone() -> None:
    padded = PadSequenceInBatchDataset(items(9, 2, 1), batch_size=2, multiple_of=3)

    assert shown(padded) == [[1] * 9, [2, 2, *[0] * 7], [3, 0, 0]]


def test_each_array_has_a_length_of_its_own() -> None:
    data = [{"a": np.ones((1, 2)), "b": np.ones((1, 5))}, {"a": np.ones((1, 3)), "b": np.ones((1, 1))}]
    padded = PadSequenceInBatchDataset(data, batch_size=2, multiple_of=1)

    assert [item["a"].shape for item in padded] == [(1, 3)] * 2
    assert [item["b"].shape for item in padded] == [(1, 5)] * 2


def test_what_has_no_length_passes_through() -> None:
    data = [{"n": 7, "text": "word", "idx": np.array([3])}]

    assert PadSequenceInBatchDataset(data, 4)[0] == data[0]


def test_values_of_padding_and_indices_after_the_end() -> None:
    padded = PadSequenceInBatchDataset(items(1, 2), batch_size=2, multiple_of=1, pad_value=7)

    assert shown(padded.repeat(2)) == [[1, 7], [2, 2]] * 2
    assert shown(padded[1:]) == [[2, 2]]


def test_the_lengths_of_a_batch_are_read_once_by_all_threads() -> None:
    every_thread_has_its_item = threading.Barrier(2)
    two_measure = threading.Event()

    class Counting(list[Any]):
        reads = 0

        def __getitem__(self, place: Any) -> Any:
            type(self).reads += 1
            if type(self).reads <= 2:
                every_thread_has_its_item.wait()
            elif type(self).reads == 3:
                two_measure.wait(0.2)
            else:
                two_measure.set()
            return super().__getitem__(place)

    padded = PadSequenceInBatchDataset(Counting(items(*[3] * 20)), batch_size=10)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(padded.__getitem__, range(20)))

    assert Counting.reads == 40


def test_workers_of_grain_get_it() -> None:
    padded = PadSequenceInBatchDataset(items(1, 2), batch_size=2, multiple_of=2)

    assert shown(pickle.loads(pickle.dumps(padded))) == shown(padded)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(rd.PipelineError, match="batch_size=0"):
        PadSequenceInBatchDataset([], 0)
    with pytest.raises(rd.PipelineError, match="multiple_of=0"):
        PadSequenceInBatchDataset([], 1, 0)
