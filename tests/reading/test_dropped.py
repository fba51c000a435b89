import pickle

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Ragged
from resumable_data.reading.cut import CutDocuments, cut_of
from resumable_data.reading.dropped import DROPPED, as_ragged, joined, spread, with_dropped


def test_there_is_one_sentinel_also_in_another_process() -> None:
    assert pickle.loads(pickle.dumps(DROPPED)) is DROPPED
    assert repr(DROPPED) == "DROPPED"


def test_both_forms_say_which_documents_were_dropped() -> None:
    tokens = as_ragged([[1, 2], DROPPED, [], [3]], str)
    assert tokens.lengths.tolist() == [2, 0, 0, 1]
    assert tokens.dropped is not None
    assert tokens.dropped.tolist() == [False, True, False, False]

    documents = with_dropped(tokens)
    assert [document is DROPPED for document in documents] == [False, True, False, False]
    assert [documents[place].tolist() for place in (0, 2, 3)] == [[1, 2], [], [3]]


def test_both_forms_say_what_was_cut_off_documents() -> None:
    tokens = as_ragged(CutDocuments([[1, 2], DROPPED, [3]], np.array([7, 0, 8])), str)
    assert tokens.cut is not None
    assert tokens.cut.tolist() == [7, 0, 8]

    found = cut_of(with_dropped(tokens))
    assert found is not None
    assert found.tolist() == [7, 0, 8]


def test_nothing_is_copied_where_nothing_is_dropped() -> None:
    tokens = Ragged.from_records([[1], [2, 3]])

    assert as_ragged(tokens, str) is tokens
    assert with_dropped(tokens) is tokens
    assert as_ragged([np.array([1])], str).dropped is None


def test_a_bad_document_beside_a_dropped_one_has_its_own_name() -> None:
    with pytest.raises(rd.RecordError, match="document 1 has shape"):
        as_ragged([DROPPED, [[1]]], "document {}".format)


def with_field(records: list[list[int]], *, spare: int = 0) -> Ragged:
    """Documents with a field that is ten times the tokens, and a free cell behind each if so wished."""
    cells = [[*record, *([0] * spare)] for record in records]
    lengths = np.array([len(record) for record in records])
    values = np.array([token for cell in cells for token in cell], np.int32)
    starts = np.cumsum([0, *(len(cell) for cell in cells)])[:-1]
    return Ragged(values, starts, lengths, spare, fields={"tenfold": values * 10})


def fields_of(documents: Ragged) -> list[list[int]]:
    assert documents.fields is not None
    cells = documents.fields["tenfold"]
    return [
        cells[start : start + length].tolist()
        for start, length in zip(documents.starts.tolist(), documents.lengths.tolist(), strict=True)
    ]


def test_parts_are_joined_with_their_fields_and_what_is_left_out_of_them() -> None:
    nothing = Ragged(
        np.zeros(0, np.int32),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        dropped=np.array([True]),
        fields={"tenfold": np.zeros(0, np.int32)},
    )
    found = joined([with_field([[1, 2], []], spare=1), nothing, with_field([[3]], spare=1)])

    assert [document.tolist() for document in found] == [[1, 2], [], [], [3]]
    assert fields_of(found) == [[10, 20], [], [], [30]]
    assert found.dropped is not None
    assert found.dropped.tolist() == [False, False, True, False]
    assert found.spare == 0


def test_joined_parts_have_the_free_cells_that_all_have_and_nothing_left_out_if_none_leaves_out() -> None:
    found = joined([with_field([[1]], spare=1), with_field([[2, 3]], spare=1)])

    assert found.spare == 1
    assert found.dropped is None
    assert joined([as_ragged([[1]], str), as_ragged([[2]], str)]).fields is None


def test_documents_are_spread_over_places() -> None:
    among = Ragged.from_records([[1, 2], [], [3]])
    left_out = as_ragged([[1, 2], DROPPED, [3]], str)
    places = np.array([False, True, True, False, True])

    assert [document.tolist() for document in spread(among, places)] == [[], [1, 2], [], [], [3]]
    for documents, expected in (
        (among, [True, False, False, True, False]),
        (left_out, [True, False, True, True, False]),
    ):
        dropped = spread(documents, places).dropped
        assert dropped is not None
        assert dropped.tolist() == expected
    assert spread(among, np.ones(3, np.bool_)).dropped is None
    assert fields_of(spread(with_field([[4]]), np.array([False, True]))) == [[], [40]]


def test_parts_and_places_hand_on_what_was_cut() -> None:
    cut = as_ragged(CutDocuments([[1, 2], [3]], np.array([0, 7])), str)
    plain = Ragged.from_records([[4]])

    both = joined([plain, cut])
    assert both.cut is not None
    assert both.cut.tolist() == [0, 0, 7]
    assert joined([plain, plain]).cut is None
    placed = spread(cut, np.array([True, False, True]))
    assert placed.cut is not None
    assert placed.cut.tolist() == [0, 0, 7]
