"""What became of documents stays beside them, whatever steps they go through."""

from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Ragged
from resumable_data.reading.documents import Documents

DOCUMENTS = [[1, 2], [3], [4, 5, 6], [7]]
LOST = [0, 5, 11, 2]


class Truncating:
    """A source whose documents say themselves what they lost."""

    def __len__(self) -> int:
        return len(DOCUMENTS)

    def read(self, indices: np.ndarray) -> Documents:
        found = Ragged.from_records([DOCUMENTS[index] for index in indices])
        return Documents(found, truncated=np.array(LOST)[indices])

    def fingerprint(self) -> str:
        return "truncating"


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


documents = rd.Dataset.from_source(Truncating(), name="toy")
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
def test_what_the_documents_that_are_kept_lost_is_counted_in_their_rows(stages: str) -> None:
    dataset, kept = TOKENS[stages]
    rows = iter(dataset.pad(8, eod_id=0))

    assert rows.progress().truncated == 0
    for row, record in zip(rows, sorted(kept), strict=True):
        assert row.targets[0] == DOCUMENTS[record][0]
        assert rows.progress().truncated == sum(LOST[other] for other in kept if other <= record)
    assert dataset.pad(8, eod_id=0).packing().truncated == rows.progress().truncated


@pytest.mark.parametrize("stages", MAPPINGS)
def test_so_it_is_of_documents_with_fields(stages: str) -> None:
    dataset, kept = MAPPINGS[stages]
    rows = iter(dataset.pad(8, eod_id=0, fields=["loss_mask"]))

    assert len(list(rows)) == len(kept)
    assert rows.progress().truncated == sum(LOST[record] for record in kept)


@pytest.mark.parametrize("stages", TOKENS)
def test_documents_and_their_tokens_say_it(stages: str) -> None:
    dataset, kept = TOKENS[stages]
    reader = dataset.node.reader()
    for found in (reader.read_tokens(np.array([3, 1, 2])), reader.read(np.array([3, 1, 2]))):
        assert found.truncated is not None
        for place, record in enumerate([3, 1, 2]):
            assert found.kept[place] == (record in kept)
            if record in kept:
                assert found.truncated[place] == LOST[record]


def noted(asked: list[Any]) -> Any:
    def note(document: Any) -> Any:
        asked.append(list(document))
        return document

    return note


def test_what_stands_before_a_guard_is_run_on_ever_fewer_records_only_where_it_fails() -> None:
    asked: list[Any] = []
    data = documents.map(noted(asked), name="noted").map(picky).skip_bad_records(1).append_eod(9)
    reader = data.node.reader()

    assert [tokens.tolist() for tokens in reader.read_tokens(np.array([3, 0]))] == [[7, 9], [1, 2, 9]]
    assert asked == [[7], [1, 2]]
    asked.clear()
    found = reader.read_tokens(np.array([3, 1, 0]))
    assert [tokens.tolist() for tokens in found] == [[7, 9], [], [1, 2, 9]]
    assert found.kept.tolist() == [True, False, True]
    assert [list(document) for document in asked] == [[7], [3], [1, 2], [7], [3], [7], [3], [1, 2]]


def test_a_document_without_tokens_is_left_out_also_where_a_filter_stands_between() -> None:
    records: list[Any] = [[1], "text", [3], "texts"]
    data = rd.Dataset.from_source(rd.InMemorySource(records)).skip_bad_records(1)
    filtered = data.filter(lambda document: document != "texts", name="no texts").append_eod(9)
    found = filtered.node.reader().read_tokens(np.arange(4))

    assert [tokens.tolist() for tokens in found] == [[1, 9], [], [3, 9], []]


def test_the_source_and_the_steps_before_a_random_map_are_asked_for_records() -> None:
    mapped = documents.map(same).random_map(same, seed=1).map(picky)
    reader = mapped.node.reader()
    second_epoch = np.array([3, 0]) + 2**36

    assert [list(document) for document in reader.read(second_epoch)] == [[7], [1, 2]]
    with pytest.raises(rd.RecordError, match=r"picky fails on .*record 1, epoch 2: KeyError"):
        reader.read(np.array([1]) + 2 * 2**36)
    guarded = documents.random_map(same, seed=1).skip_bad_records(1).map(picky)
    with pytest.raises(rd.RecordError, match=r"picky fails on .*record 1, epoch 2: KeyError"):
        guarded.node.reader().read(np.array([1]) + 2 * 2**36)
    below = documents.map(picky).random_map(same, seed=1).node.reader()
    with pytest.raises(rd.RecordError, match=r"picky fails on .*record 1: KeyError"):
        below.read(np.array([1]) + 2 * 2**36)
