"""What opening a pipeline asks of its source and its stages."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from resumable_data.stages.documents import ChainStage, require_documents

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


@dataclass(frozen=True)
class CountedStage(ChainStage):
    """Changes nothing, and notes under ``label`` how often it was asked for the size of an epoch."""

    label: str
    asked: Counter[str] = field(compare=False)

    @property
    def name(self) -> str:
        return self.label

    @property
    def epoch_size(self) -> int:
        self.asked[self.label] += 1
        return super().epoch_size


@pytest.mark.parametrize("shards", [1, 4])
@pytest.mark.parametrize("measured", [True, False])
def test_the_size_of_an_epoch_is_asked_once_an_iterator(measured: bool, shards: int) -> None:
    asked = Counter[str]()

    def counted(data: rd.Dataset[Any], label: str) -> rd.Dataset[Any]:
        return rd.Dataset(CountedStage(require_documents(data.node, "counted"), label, asked))

    source = CountedSource(measured=measured)
    shuffled = counted(rd.Dataset.from_source(source), "below").shuffle(seed=1).repeat(3)
    batches = counted(shuffled, "above").pack(8, window=16, eod_id=0).batch(8, shards=shards)
    asked.clear()
    source.asked = 0
    iterator = iter(batches)
    next(iterator)

    assert asked == {"below": 1, "above": 1}
    # Once for the size of an epoch, and once for the description.
    assert source.asked == 2


def test_documents_and_rows_are_opened_as_quietly() -> None:
    source = CountedSource(measured=True)
    documents = rd.Dataset.from_source(source).shuffle(seed=1, block=4).repeat()
    for dataset in (documents, documents.pad(4, eod_id=0)):
        source.asked = 0
        iterator = iter(dataset)
        next(iterator)
        iterator.get_state()
        iterator.progress()
        assert source.asked == 2
