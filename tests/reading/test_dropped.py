import pickle

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Ragged
from resumable_data.reading.cut import CutDocuments, cut_of
from resumable_data.reading.dropped import DROPPED, as_ragged, with_dropped


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
