"""Documents of several rows are read once by a process that delivers them, whoever measured them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import resumable_data as rd
from resumable_data.arrays import Int64Array

TOKENS, ROW = 25, 10  # Every document lies in three rows.


class Counted:
    """Long documents whose lengths show when they are read, and how many were."""

    def __init__(self, documents: int) -> None:
        self._documents = documents
        self.read_records: list[int] = []

    def __len__(self) -> int:
        return self._documents

    def read(self, indices: Int64Array) -> list[Int64Array]:
        self.read_records += indices.tolist()
        return [np.full(TOKENS, index) for index in indices.tolist()]

    def fingerprint(self) -> str:
        return "long documents"


def batches(source: Counted, facts: Path) -> rd.Dataset[rd.LLMBatch]:
    rows = rd.Dataset.from_source(source).shuffle(seed=1).repeat(2).pack(ROW, eod_id=0, window=8)
    return rows.batch(4).measure(directory=facts)


def test_a_document_of_several_rows_is_read_once_an_epoch_where_its_length_was_known(tmp_path: Path) -> None:
    measured, resumed = Counted(64), Counted(64)
    first = [batch.targets.tolist() for batch in batches(measured, tmp_path)]
    # All lengths are there now, so that nothing is measured: what is read is what is delivered.
    assert [batch.targets.tolist() for batch in batches(resumed, tmp_path)] == first
    assert len(resumed.read_records) <= 2 * len(resumed)


def test_it_is_read_for_every_row_where_nothing_can_be_kept(tmp_path: Path) -> None:
    list(batches(Counted(64), tmp_path))
    resumed = Counted(64)
    list(batches(resumed, tmp_path).measure(directory=tmp_path, kept_bytes=0))
    assert len(resumed.read_records) > 3 * len(resumed)
