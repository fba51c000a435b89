import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Ragged
from resumable_data.reading.documents import Documents
from resumable_data.stages.append_eod import closed, with_room


def documents(records: list[object]) -> rd.Dataset[object]:
    return rd.Dataset.from_source(rd.InMemorySource(records))


def tokens(dataset: rd.Dataset[object]) -> list[list[int]]:
    return [np.asarray(document).tolist() for document in dataset]


def test_every_document_is_closed() -> None:
    assert tokens(documents([[1, 2], [], [3]]).append_eod(9)) == [[1, 2, 9], [9], [3, 9]]


def test_it_counts_in_the_length() -> None:
    (batch,) = documents([[1, 2], [3]]).append_eod(9).pack(3, strategy="first_fit", eod_id=9).batch(2)

    assert batch.targets.tolist() == [[1, 2, 9], [3, 9, 0]]


def test_it_stands_where_it_is_put_among_maps() -> None:
    def doubled(document: object) -> list[int]:
        return [2 * int(token) for token in np.asarray(document)]

    mapped_first = documents([[1]]).map(doubled).append_eod(9).append_eod(8)
    mapped_last = documents([[1]]).append_eod(9).map(doubled)

    assert tokens(mapped_first) == [[2, 9, 8]]
    assert tokens(mapped_last) == [[2, 18]]


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_the_arrays_of_a_source_are_not_changed(dtype: type[np.integer]) -> None:
    whole = np.arange(6, dtype=dtype)
    records = [whole[:3], whole[3:5]]

    assert tokens(documents(records).repeat(2).append_eod(99)) == [[0, 1, 2, 99], [3, 4, 99]] * 2
    assert whole.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("token", [-1, 2**31])
def test_a_token_fits_int32(token: int) -> None:
    with pytest.raises(rd.PipelineError, match=f"append_eod: eod_id={token}"):
        documents([[1]]).append_eod(token)


def test_free_cells_are_used_in_place() -> None:
    roomy = rd.SyntheticSource(3, [2]).read(np.arange(3))

    assert roomy.spare == 1
    assert with_room(roomy) is roomy


@pytest.mark.parametrize("spare", [0, 1])
def test_documents_without_free_cells_that_may_be_written_are_copied(spare: int) -> None:
    values = np.arange(8, dtype=np.int32)
    values.flags.writeable = False
    full = Ragged(values, np.array([4, 0]), np.array([3, 2]), spare)
    copied = with_room(full)

    assert [document.tolist() for document in copied] == [[4, 5, 6], [0, 1]]
    assert copied.spare == 1
    assert not np.shares_memory(copied.values, values)


def test_a_document_that_is_left_out_is_not_closed() -> None:
    kept = documents([[1, 2], [3], [4]]).filter(lambda document: document[0] != 3, name="no threes").append_eod(9)
    read = kept.node.reader().read_tokens(np.arange(3))

    assert [document.tolist() for document in read.tokens] == [[1, 2, 9], [], [4, 9]]
    assert read.dropped is not None
    assert read.dropped.tolist() == [False, True, False]


def test_room_is_made_behind_fields_too() -> None:
    values = np.arange(8, dtype=np.int32)
    mask = values % 2 == 0
    mask.flags.writeable = False
    copied = with_room(Ragged(values, np.array([4, 0]), np.array([3, 2]), spare=1, fields={"mask": mask}))

    assert copied.values.tolist() == [4, 5, 6, 0, 0, 1, 0]
    assert copied.fields is not None
    assert copied.fields["mask"].tolist() == [True, False, True, False, True, False, False]
    assert copied.fields["mask"].dtype == np.bool_


def test_what_is_left_out_has_no_cell_to_be_written() -> None:
    values = np.array([1, 2, 0, 3, 0], np.int32)
    tokens = Ragged(values, np.array([0, 0, 3]), np.array([2, 0, 1]), 1, fields={"mask": values % 2})
    found = closed(Documents(tokens, np.array([False, True, False])), 9, {"mask": 7}).tokens

    assert [document.tolist() for document in found] == [[1, 2, 9], [], [3, 9]]
    assert found.fields is not None
    assert found.fields["mask"].tolist() == [1, 0, 7, 1, 7]
    assert found.spare == 0
