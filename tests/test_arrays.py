import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.arrays import Ragged, as_tokens, offsets_of, ranges
from resumable_data.errors import RecordError

documents = st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=6), max_size=8)


@given(st.lists(st.integers(0, 2**40), max_size=20))
def test_offsets_are_running_sums(lengths: list[int]) -> None:
    offsets = offsets_of(np.array(lengths, np.int64))
    assert offsets.tolist() == [sum(lengths[:number]) for number in range(len(lengths) + 1)]
    assert offsets.dtype == np.int64


@given(st.lists(st.tuples(st.integers(-5, 2**40), st.integers(0, 6)), max_size=10))
def test_ranges_are_joined(pairs: list[tuple[int, int]]) -> None:
    starts, lengths = np.array(pairs, np.int64).reshape(-1, 2).T
    assert ranges(starts, lengths).tolist() == [s + i for s, length in pairs for i in range(length)]


@given(documents)
def test_records_come_back_from_one_buffer(records: list[list[int]]) -> None:
    ragged = Ragged.from_records(records)
    assert [document.tolist() for document in ragged] == records
    assert [ragged[number].tolist() for number in range(-len(records), 0)] == records
    assert len(ragged) == len(records)
    assert ragged.values.tolist() == [token for record in records for token in record]
    assert ragged.values.dtype == np.int32


@given(documents, st.slices(8))
def test_a_slice_is_a_view_of_its_documents(records: list[list[int]], part: slice) -> None:
    ragged = Ragged.from_records(records)
    sliced = ragged[part]
    assert isinstance(sliced, Ragged)
    assert [document.tolist() for document in sliced] == records[part]
    assert sliced.values is ragged.values


def test_a_slice_keeps_the_free_cells() -> None:
    ragged = Ragged(np.array([1, 2, 0, 3, 0], np.int32), np.array([0, 3]), np.array([2, 1]), spare=1)
    assert ragged[1:].spare == 1
    assert [document.tolist() for document in ragged] == [[1, 2], [3]]


def with_field(records: list[list[int]], *, spare: int = 0) -> Ragged:
    """Documents with a field that is ten times the tokens, and a free cell after each if so wished."""
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


def test_parts_are_joined_with_their_fields_and_the_free_cells_that_all_have() -> None:
    found = Ragged.concatenate([with_field([[1, 2], []], spare=1), with_field([[3]], spare=1)])

    assert [document.tolist() for document in found] == [[1, 2], [], [3]]
    assert fields_of(found) == [[10, 20], [], [30]]
    assert found.spare == 1
    assert Ragged.concatenate([found, with_field([[4]])]).spare == 0
    assert Ragged.concatenate([Ragged.from_records([[1]]), Ragged.from_records([[2]])]).fields is None


def test_documents_are_taken_and_spread_without_copying() -> None:
    ragged = with_field([[1, 2], [], [3]], spare=1)
    taken, spread = ragged.take(np.array([2, 0, 2])), ragged.spread(np.array([False, True, True, False, True]))

    assert fields_of(taken) == [[30], [10, 20], [30]]
    assert fields_of(spread) == [[], [10, 20], [], [], [30]]
    assert taken.values is spread.values is ragged.values
    assert taken.spare == spread.spare == 1


def test_documents_may_lie_anywhere_in_the_buffer() -> None:
    ragged = Ragged(np.arange(10, dtype=np.int32), np.array([7, 0, 7]), np.array([3, 2, 1]))
    assert [document.tolist() for document in ragged] == [[7, 8, 9], [0, 1], [7]]


def test_a_document_is_a_view() -> None:
    ragged = Ragged.from_records([[1, 2], [3]])
    ragged[1][0] = 9
    assert ragged.values.tolist() == [1, 2, 9]


@pytest.mark.parametrize("index", [3, -4])
def test_a_document_outside_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError):
        Ragged.from_records([[1], [2], [3]])[index]


def test_a_ragged_array_is_taken_as_it_is() -> None:
    ragged = Ragged.from_records([[1]])
    assert Ragged.from_records(ragged) is ragged


def test_records_are_copied() -> None:
    record = np.array([1, 2], np.int32)
    ragged = Ragged.from_records([record])
    ragged.values[0] = 9
    assert record.tolist() == [1, 2]


@pytest.mark.parametrize(
    "record",
    [
        [],
        (),
        np.zeros(0),
        [1, 2],
        (1, 2),
        range(3),
        np.array([1, 2], np.uint8),
        np.array([1, 2], ">i4"),
        np.array([-(2**31), 2**31 - 1]),
        np.array([2**31 - 1], np.uint64),
    ],
)
def test_integers_of_any_type_that_fit_are_tokens(record: object) -> None:
    tokens = as_tokens(record, 0, "record {}".format)
    assert tokens.dtype == np.int32
    assert tokens.tolist() == list(record)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (5, r"is 5: it has shape \(\)"),
        (None, r"is None: it has shape \(\)"),
        ("text", r"is text \(str\), not an array of tokens: put tokenize"),
        (b"text", "is text"),
        ([[1, 2]], r"is \[\[1, 2\]\]: it has shape \(1, 2\)"),
        ([[1], [2, 3]], "is not an array of tokens"),
        ([1.0, 2.0], "holds float64; tokens are integers"),
        ([True], "holds bool; tokens are integers"),
        ([None], "holds object; tokens are integers"),
        (["1"], "holds <U1; tokens are integers"),
        ([0, 2**31], "holds values from 0 to 2147483648, which int32 cannot hold"),
        ([-(2**31) - 1, 3], "holds values from -2147483649 to 3, which int32 cannot hold"),
        (np.array([2**64 - 1], np.uint64), "holds values from 18446744073709551615 to 18446744073709551615"),
    ],
)
def test_what_is_no_token_document_is_refused_by_name(record: object, problem: str) -> None:
    with pytest.raises(RecordError, match=f"^record 1 of web {problem}"):
        Ragged.from_records([[1], record], lambda place: f"record {place} of web")
