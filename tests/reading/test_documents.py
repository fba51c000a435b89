from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Ragged
from resumable_data.reading.documents import Documents
from resumable_data.reading.fields import TokenFields

MASK = TokenFields("tokens", (("loss_mask", "int32"),))


def lists(documents: Documents) -> list[list[int]]:
    return [document.tolist() for document in documents]


def kinds(records: list[list[int]]) -> list[Documents]:
    """The same documents as records of their own, and as flat tokens."""
    return [Documents(records), Documents(Ragged.from_records(records))]


def test_a_dropped_document_has_no_tokens_and_moves_no_other() -> None:
    for documents in kinds([[1, 2], [8, 8], [], [3]]):
        kept = documents.keep(np.array([True, False, True, True]))
        tokens = kept.as_tokens(None, str)

        assert lists(tokens) == [[1, 2], [], [], [3]]
        assert tokens.tokens.lengths.tolist() == [2, 0, 0, 1]
        assert tokens.kept.tolist() == kept.kept.tolist() == [True, False, True, True]


def test_what_is_dropped_stays_so() -> None:
    for documents in kinds([[1], [2], [3]]):
        found = documents.keep(np.array([False, True, True])).keep(np.array([True, True, False]))

        assert found.kept.tolist() == [False, True, False]
        assert found.keep(np.ones(3, np.bool_)) is found


def test_a_function_is_asked_about_no_dropped_document() -> None:
    documents = Documents([[1], None, [3]], np.array([False, True, False]), np.array([4, 0, 5]))
    asked: list[Any] = []

    def doubled(record: Any, place: int) -> Any:
        asked.append((record, place))
        return record * 2

    found = documents.map(doubled)
    assert asked == [([1], 0), ([3], 2)]
    assert (found[0], found[2]) == ([1, 1], [3, 3])
    assert found.dropped is documents.dropped
    assert found.truncated is documents.truncated


def test_nothing_is_copied_where_documents_are_tokens_already() -> None:
    documents = Documents(Ragged.from_records([[1], [2, 3]]))

    assert documents.as_tokens(None, str) is documents
    closed = Documents([{"tokens": [1], "loss_mask": [0]}]).as_tokens(MASK, str)
    assert closed.as_tokens(MASK, str) is closed
    assert closed.as_tokens(None, str) is closed


def test_a_bad_document_beside_a_dropped_one_has_its_own_name() -> None:
    documents = Documents([None, [[1]]], np.array([True, False]))

    with pytest.raises(rd.RecordError, match=r"document 1 is \[\[1\]\]: it has shape"):
        documents.as_tokens(None, "document {}".format)
    with pytest.raises(rd.RecordError, match="document 1 is a list, not a mapping"):
        documents.as_tokens(MASK, "document {}".format)


def test_tokens_without_fields_are_no_mappings() -> None:
    with pytest.raises(rd.RecordError, match="document 0 is a ndarray, not a mapping"):
        Documents(Ragged.from_records([[1]])).as_tokens(MASK, "document {}".format)


def test_places_are_taken_with_all_that_became_of_their_documents() -> None:
    for documents in kinds([[1, 2], [3], [4]]):
        whole = Documents(documents.content, truncated=np.array([7, 0, 9])).keep(np.array([True, False, True]))
        found = whole.take(np.array([2, 1, 2, 0]))

        assert lists(found.as_tokens(None, str)) == [[4], [], [4], [1, 2]]
        assert found.kept.tolist() == [True, False, True, True]
        assert found.truncated is not None
        assert found.truncated.tolist() == [9, 0, 9, 7]
        assert documents.take(np.array([0])).dropped is documents.take(np.array([0])).truncated is None


def test_parts_are_joined_with_all_that_became_of_their_documents() -> None:
    for documents in kinds([[1, 2], [3]]):
        cut = Documents(documents.content, truncated=np.array([0, 7]))
        found = Documents.concatenate([documents, Documents.nothing(1), cut])

        assert lists(found.as_tokens(None, str)) == [[1, 2], [3], [], [1, 2], [3]]
        assert found.kept.tolist() == [True, True, False, True, True]
        assert found.truncated is not None
        assert found.truncated.tolist() == [0, 0, 0, 0, 7]
        both = Documents.concatenate([documents, documents])
        assert both.dropped is both.truncated is None
        assert isinstance(both.content, Ragged) == isinstance(documents.content, Ragged)


def test_fields_are_joined_also_where_a_part_is_dropped() -> None:
    records = [{"tokens": [5, 6], "loss_mask": [0, 1]}, {"tokens": [7], "loss_mask": [1]}]
    parts = [Documents(records), Documents.nothing(1), Documents(records[1:])]
    found = Documents.concatenate([part.as_tokens(MASK, str) for part in parts])

    assert lists(found) == [[5, 6], [7], [], [7]]
    assert found.tokens.fields is not None
    assert found.tokens.fields["loss_mask"].tolist() == [0, 1, 1, 1]
    assert found.kept.tolist() == [True, True, False, True]
