"""What was cut off documents stays beside them, whatever stages they go through."""

from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Ragged
from resumable_data.reading.cut import CutDocuments, cut_of, made_of
from resumable_data.reading.dropped import DROPPED
from resumable_data.stages.documents import require_documents

DOCUMENTS = [[1, 2], [3], [4, 5, 6], [7]]
CUT = [0, 5, 11, 2]


class Cutting:
    """A source whose documents say themselves what was cut off them."""

    def __len__(self) -> int:
        return len(DOCUMENTS)

    def read(self, indices: np.ndarray) -> Ragged:
        found = Ragged.from_records([DOCUMENTS[index] for index in indices])
        return Ragged(found.values, found.starts, found.lengths, cut=np.array(CUT)[indices])

    def fingerprint(self) -> str:
        return "cutting"


def same(tokens: Any, *_: Any) -> Any:
    return tokens


def no_threes(tokens: Any) -> bool:
    return tokens[0] != 3


def picky(tokens: Any) -> Any:
    if tokens[0] == 3:
        raise KeyError(3)
    return tokens


def masked(tokens: Any) -> dict[str, Any]:
    return {"tokens": tokens, "loss_mask": np.ones(len(tokens), np.int32)}


def short(lengths: Any) -> Any:
    return lengths < 3


documents = rd.Dataset.from_source(Cutting(), name="toy")
without_threes = documents.filter(no_threes)

ALL, NO_THREES, SHORT = {0, 1, 2, 3}, {0, 2, 3}, {0, 1, 3}
TOKENS = {
    "source": (documents, ALL),
    "append_eod": (documents.append_eod(9).append_eod(9), ALL),
    "map": (documents.map(same).map(same), ALL),
    "random_map": (documents.repeat(1).random_map(same, seed=1).map(same), ALL),
    "filter": (without_threes, NO_THREES),
    "filter, append_eod": (without_threes.append_eod(9), NO_THREES),
    "filter, map": (without_threes.map(same), NO_THREES),
    "append_eod, filter, filter": (documents.append_eod(9).filter(no_threes).filter(no_threes), NO_THREES),
    "filter, append_eod, filter": (without_threes.append_eod(9).filter(no_threes), NO_THREES),
    "on_lengths": (documents.filter(on_lengths=short), SHORT),
    "on_lengths, map": (documents.filter(on_lengths=short).map(same), SHORT),
    "skip_bad_records": (documents.map(picky).skip_bad_records(1), NO_THREES),
    "skip_bad_records, map": (documents.map(picky).skip_bad_records(1).map(same), NO_THREES),
}
MAPPINGS = {
    "map": (documents.map(masked), ALL),
    "append_eod of fields": (documents.map(masked).append_eod(9, fields={"loss_mask": 0}).map(same), ALL),
    "filter": (without_threes.map(masked), NO_THREES),
    "skip_bad_records": (documents.map(picky).map(masked).skip_bad_records(1), NO_THREES),
}


@pytest.mark.parametrize("stages", TOKENS)
def test_what_was_cut_off_the_documents_that_are_kept_is_counted_in_their_rows(stages: str) -> None:
    dataset, kept = TOKENS[stages]
    rows = iter(dataset.pad(8, eod_id=0))

    assert rows.progress().truncated == 0
    for row, record in zip(rows, sorted(kept), strict=True):
        assert row.targets[0] == DOCUMENTS[record][0]
        assert rows.progress().truncated == sum(CUT[other] for other in kept if other <= record)
    assert dataset.pad(8, eod_id=0).packing().truncated == rows.progress().truncated


@pytest.mark.parametrize("stages", MAPPINGS)
def test_so_it_is_of_documents_with_fields(stages: str) -> None:
    dataset, kept = MAPPINGS[stages]
    rows = iter(dataset.pad(8, eod_id=0, fields=["loss_mask"]))

    assert len(list(rows)) == len(kept)
    assert rows.progress().truncated == sum(CUT[record] for record in kept)


@pytest.mark.parametrize("stages", TOKENS)
def test_both_forms_of_documents_say_it(stages: str) -> None:
    dataset, kept = TOKENS[stages]
    stage = require_documents(dataset.node, "test")
    tokens, read = stage.read_tokens(np.array([3, 1, 2])), stage.read(np.array([3, 1, 2]))
    cut, cut_of_read = tokens.cut, cut_of(read)
    assert cut is not None
    assert cut_of_read is not None

    for place, record in enumerate([3, 1, 2]):
        assert (read[place] is DROPPED) == (record not in kept)
        if record in kept:
            assert cut[place] == cut_of_read[place] == CUT[record]


def test_documents_with_what_was_cut_off_them_are_a_sequence_of_these() -> None:
    cut = CutDocuments([[1], DROPPED, "a"], np.array([4, 0, 1]))

    assert list(cut) == [[1], DROPPED, "a"]
    assert len(cut) == 3
    assert (cut[0], cut[-1]) == ([1], "a")


def test_nothing_is_kept_of_documents_that_nothing_cuts() -> None:
    made: list[Any] = [[1], [2]]

    assert cut_of(made) is None
    assert made_of([[3], [4]], made) is made
    assert made_of(Ragged.from_records([[3], [4]]), made) is made
