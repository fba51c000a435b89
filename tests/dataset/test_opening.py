"""What opening a pipeline asks of its source."""

from __future__ import annotations

import numpy as np
import pytest

import resumable_data as rd


class CountedSource:
    """Records of three tokens, which remembers how often it was asked for their number."""

    def __init__(self, *, measured: bool) -> None:
        self.asked = 0
        if measured:
            self.lengths = lambda indices: np.full(len(indices), 3)

    def __len__(self) -> int:
        self.asked += 1
        return 40

    def read(self, indices: np.ndarray) -> list[list[int]]:
        return [[1, 2, 3] for _ in indices]

    def fingerprint(self) -> str:
        return "counted"


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("measured", [True, False])
def test_the_number_of_records_is_asked_once_when_a_pipeline_is_built(measured: bool, shards: int) -> None:
    source = CountedSource(measured=measured)
    documents = rd.Dataset.from_source(source).shuffle(seed=1).repeat(3)
    assert source.asked == 1
    batches = documents.pack(8, window=16, eod_id=0).batch(8, shards=shards)
    source.asked = 0
    with iter(batches) as iterator:
        next(iterator)
        iterator.set_state(iterator.get_state())
        next(iterator)
        iterator.progress()

    assert source.asked == 0


def test_documents_and_rows_are_opened_as_quietly() -> None:
    source = CountedSource(measured=True)
    documents = rd.Dataset.from_source(source).shuffle(seed=1, block=4).repeat()
    for dataset in (documents, documents.pad(4, eod_id=0)):
        source.asked = 0
        iterator = iter(dataset)
        next(iterator)
        iterator.get_state()
        iterator.progress()
        assert source.asked == 0
