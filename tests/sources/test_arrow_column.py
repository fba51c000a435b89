from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable_data.errors import SourceError
from resumable_data.sources.arrow_column import ArrowColumn, layout_of, list_layout_of, plain_type, to_plain

TEXT_TYPES = [pyarrow.string(), pyarrow.large_string(), pyarrow.binary(), pyarrow.large_binary()]
LIST_TYPES = [
    pyarrow.list_(pyarrow.int32()),
    pyarrow.large_list(pyarrow.int64()),
    pyarrow.list_(pyarrow.uint16()),
    pyarrow.large_list(pyarrow.int8()),
]


def column_of(chunks: Sequence[Any], arrow_type: pyarrow.DataType) -> ArrowColumn:
    layout = layout_of(arrow_type) or list_layout_of(arrow_type)
    assert layout is not None
    return ArrowColumn(pyarrow.chunked_array(chunks, arrow_type), layout, "toy")


def pieces(column: ArrowColumn, rows: Sequence[int]) -> list[bytes]:
    return [bytes(piece) for piece in column.pieces(column.extents(np.array(rows, np.int64)))]


@st.composite
def sliced(draw: st.DrawFn, records: list[Any], arrow_type: pyarrow.DataType) -> list[pyarrow.Array]:
    """The records in chunks of any size, empty ones too, that are slices of larger arrays."""
    cuts = sorted(draw(st.lists(st.integers(0, len(records)), max_size=4)))
    chunks = []
    for start, stop in zip([0, *cuts], [*cuts, len(records)], strict=True):
        before, after = draw(st.integers(0, start)), draw(st.integers(stop, len(records)))
        whole = pyarrow.array(records[before:after], arrow_type)
        chunks.append(whole.slice(start - before, stop - start))
    return chunks


@given(st.data(), st.lists(st.text(max_size=5), min_size=1, max_size=20), st.sampled_from(TEXT_TYPES))
def test_text_is_found_in_any_chunks(data: st.DataObject, texts: list[str], arrow_type: pyarrow.DataType) -> None:
    records = [text.encode() for text in texts]
    column = column_of(data.draw(sliced(records, arrow_type)), arrow_type)
    rows = data.draw(st.lists(st.integers(0, len(records) - 1)))
    assert pieces(column, rows) == [records[row] for row in rows]
    assert column.extents(np.array(rows, np.int64)).lengths.tolist() == [len(records[row]) for row in rows]
    assert len(column) == len(records)
    assert column.size == sum(map(len, records))


documents = st.lists(st.lists(st.integers(0, 127), max_size=5), min_size=1, max_size=20)


@given(st.data(), documents, st.sampled_from(LIST_TYPES))
def test_lists_are_found_in_any_chunks(
    data: st.DataObject, records: list[list[int]], arrow_type: pyarrow.DataType
) -> None:
    column = column_of(data.draw(sliced(records, arrow_type)), arrow_type)
    rows = data.draw(st.lists(st.integers(0, len(records) - 1)))
    dtype = arrow_type.value_type.to_pandas_dtype()
    assert pieces(column, rows) == [np.array(records[row], dtype).tobytes() for row in rows]
    assert column.extents(np.array(rows, np.int64)).lengths.tolist() == [len(records[row]) for row in rows]
    assert column.size == sum(map(len, records))


@given(st.data(), st.integers(1, 4), st.integers(1, 20))
def test_lists_of_one_length_have_no_offsets(data: st.DataObject, length: int, count: int) -> None:
    arrow_type = pyarrow.list_(pyarrow.int16(), length)
    records = np.arange(count * length).reshape(count, length).tolist()
    column = column_of(data.draw(sliced(records, arrow_type)), arrow_type)
    rows = data.draw(st.lists(st.integers(0, count - 1)))
    assert pieces(column, rows) == [np.array(records[row], np.int16).tobytes() for row in rows]
    assert column.size == count * length


def test_lists_whose_values_are_a_slice() -> None:
    values = pyarrow.array([9, 9, None, 1, 2, 3, 4], pyarrow.int32()).slice(3)
    varying = pyarrow.ListArray.from_arrays(pyarrow.array([0, 1, 4], pyarrow.int32()), values)
    assert pieces(column_of([varying], varying.type), [1]) == [np.array([2, 3, 4], np.int32).tobytes()]
    fixed = pyarrow.FixedSizeListArray.from_arrays(values, 2).slice(1)
    assert pieces(column_of([fixed], fixed.type), [0]) == [np.array([3, 4], np.int32).tobytes()]


def test_nulls_among_lists_whose_values_are_a_slice() -> None:
    values = pyarrow.array([9, None, 9, 1, 2, None, 4], pyarrow.int32()).slice(3)
    varying = pyarrow.ListArray.from_arrays(pyarrow.array([0, 1, 3, 4], pyarrow.int32()), values)
    assert column_of([varying], varying.type).invalid(np.arange(3)).tolist() == [False, True, False]
    fixed = pyarrow.FixedSizeListArray.from_arrays(values, 2)
    assert column_of([fixed], fixed.type).invalid(np.arange(2)).tolist() == [False, True]
    assert column_of([fixed.slice(1)], fixed.type).invalid(np.arange(1)).tolist() == [True]


nullable_lists = st.lists(st.none() | st.lists(st.none() | st.integers(0, 9), max_size=4), min_size=1, max_size=20)


@given(st.data(), nullable_lists, st.sampled_from(LIST_TYPES))
def test_a_null_makes_a_list_invalid(
    data: st.DataObject, records: list[list[int | None] | None], arrow_type: pyarrow.DataType
) -> None:
    column = column_of(data.draw(sliced(records, arrow_type)), arrow_type)
    rows = data.draw(st.lists(st.integers(0, len(records) - 1)))
    expected = [records[row] is None or None in records[row] for row in rows]
    assert column.invalid(np.array(rows, np.int64)).tolist() == expected


@given(st.data(), st.lists(st.none() | st.lists(st.none() | st.integers(0, 9), min_size=3, max_size=3), min_size=1))
def test_a_null_makes_a_list_of_fixed_length_invalid(
    data: st.DataObject, records: list[list[int | None] | None]
) -> None:
    column = column_of(
        data.draw(sliced(records, pyarrow.list_(pyarrow.int64(), 3))), pyarrow.list_(pyarrow.int64(), 3)
    )
    rows = list(range(len(records)))
    # A null record has room for three values, which are null as well.
    expected = [record is None or None in record for record in records]
    assert column.invalid(np.array(rows, np.int64)).tolist() == expected


@given(st.data(), st.lists(st.none() | st.text(max_size=3), min_size=1, max_size=20), st.sampled_from(TEXT_TYPES))
def test_a_null_text_is_invalid(data: st.DataObject, texts: list[str | None], arrow_type: pyarrow.DataType) -> None:
    records = [None if text is None else text.encode() for text in texts]
    column = column_of(data.draw(sliced(records, arrow_type)), arrow_type)
    assert column.invalid(np.arange(len(records))).tolist() == [record is None for record in records]


@given(st.data(), st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_integers_are_gathered(data: st.DataObject, numbers: list[int]) -> None:
    column = column_of(data.draw(sliced(numbers, pyarrow.uint64())), pyarrow.uint64())
    rows = data.draw(st.lists(st.integers(0, len(numbers) - 1)))
    assert column.integers(np.array(rows, np.int64), "u8").tolist() == [numbers[row] for row in rows]


number_lists = st.lists(st.lists(st.integers(0, 1), max_size=20), min_size=1, max_size=20)


@given(st.data(), number_lists, st.sampled_from([*LIST_TYPES, pyarrow.large_list(pyarrow.float64())]))
def test_values_are_gathered_with_a_zero_behind_each_record(
    data: st.DataObject, records: list[list[int]], arrow_type: pyarrow.DataType
) -> None:
    column = column_of(data.draw(sliced(records, arrow_type)), arrow_type)
    rows = data.draw(st.lists(st.integers(0, len(records) - 1)))
    dtype = np.dtype(arrow_type.value_type.to_pandas_dtype()).name
    found = column.spaced(column.extents(np.array(rows, np.int64)), dtype)
    assert found.dtype == dtype
    assert found.flags.writeable
    assert found.tolist() == [value for row in rows for value in [*records[row], 0]]


@given(st.data(), number_lists, st.sampled_from([pyarrow.list_, pyarrow.large_list]))
def test_bools_are_gathered_bit_by_bit(data: st.DataObject, numbers: list[list[int]], list_of: Any) -> None:
    arrow_type = list_of(pyarrow.bool_())
    records = [list(map(bool, record)) for record in numbers]
    column = column_of(data.draw(sliced(records, arrow_type)), arrow_type)
    rows = data.draw(st.lists(st.integers(0, len(records) - 1)))
    values, lengths = column.spaced_bools(np.array(rows, np.int64))
    assert values.dtype == np.bool_
    assert values.tolist() == [value for row in rows for value in [*records[row], False]]
    assert lengths.tolist() == [len(records[row]) for row in rows]


def test_bools_of_one_length_whose_values_are_a_slice() -> None:
    values = pyarrow.array([True] * 5 + [False, True, True, False, False, True]).slice(5)
    fixed = pyarrow.FixedSizeListArray.from_arrays(values, 2).slice(1)
    assert column_of([fixed], fixed.type).spaced_bools(np.array([1, 0]))[0].tolist() == [
        *(False, True, False),
        *(True, False, False),
    ]


def test_offsets_of_bools_outside_their_chunk_are_refused() -> None:
    buffers = [None, pyarrow.py_buffer(np.array([0, 8, 9, 8], np.int32))]
    bits = pyarrow.Array.from_buffers(pyarrow.bool_(), 8, [None, pyarrow.py_buffer(b"a")])
    damaged = pyarrow.Array.from_buffers(pyarrow.list_(pyarrow.bool_()), 3, buffers, children=[bits])
    column = column_of([damaged], damaged.type)
    assert column.spaced_bools(np.array([0]))[1].tolist() == [8]
    with pytest.raises(SourceError, match="toy is damaged: the Arrow offsets of row 1 point outside its chunk"):
        column.spaced_bools(np.array([0, 1]))


def test_buffers_need_not_be_aligned() -> None:
    memory = b"!" + np.array([0, 1, 3], np.int32).tobytes() + np.array([7, 8, 9], np.int32).tobytes()
    buffer = pyarrow.py_buffer(memory)
    values = pyarrow.Array.from_buffers(pyarrow.int32(), 3, [None, buffer.slice(13)])
    lists = pyarrow.Array.from_buffers(
        pyarrow.list_(pyarrow.int32()), 2, [None, buffer.slice(1, 12)], children=[values]
    )
    assert pieces(column_of([lists], lists.type), [1, 0]) == [np.array(v, np.int32).tobytes() for v in ([8, 9], [7])]


def test_offsets_beyond_two_gigabytes() -> None:
    bytes_in_front = 2**31 + 7
    data = np.zeros(bytes_in_front + 3, np.uint8)  # Pages that nobody touches take no memory.
    data[-3:] = np.frombuffer(b"abc", np.uint8)
    offsets = np.array([0, bytes_in_front, bytes_in_front + 3])
    buffers = [None, pyarrow.py_buffer(offsets), pyarrow.py_buffer(data)]
    large = pyarrow.Array.from_buffers(pyarrow.large_string(), 2, buffers)
    assert pieces(column_of([large], large.type), [1, 1]) == [b"abc", b"abc"]


def test_a_request_may_hold_more_than_two_gigabytes_of_one_chunk() -> None:
    column = column_of([pyarrow.array(["x" * 2**20])], pyarrow.string())
    extents = column.extents(np.zeros(2100, np.int64))
    assert sum(map(len, column.pieces(extents))) == 2100 * 2**20


@pytest.mark.parametrize("records", [["", ""], []])
def test_there_may_be_nothing_to_read(records: list[str]) -> None:
    column = column_of([pyarrow.array(records, pyarrow.string())], pyarrow.string())
    assert pieces(column, range(len(records))) == [b""] * len(records)
    assert column.size == 0


@pytest.mark.parametrize(("offsets", "row"), [([0, 50, 2, 3], 0), ([0, -5, 1, 3], 1), ([0, 3, 1, 3], 1)])
def test_offsets_outside_their_chunk_are_refused(offsets: list[int], row: int) -> None:
    buffers = [None, pyarrow.py_buffer(np.array(offsets, np.int32)), pyarrow.py_buffer(b"abc")]
    damaged = column_of([pyarrow.Array.from_buffers(pyarrow.string(), 3, buffers)], pyarrow.string())
    assert pieces(damaged, [2]) == [b"c" if offsets[2] == 2 else b"bc"]
    with pytest.raises(SourceError, match=f"toy is damaged: the Arrow offsets of row {row} point outside its chunk"):
        damaged.extents(np.array([2, row]))


@pytest.mark.parametrize(
    "arrow_type",
    [
        pyarrow.float32(),
        pyarrow.bool_(),
        pyarrow.string_view(),
        pyarrow.list_(pyarrow.float32()),
        pyarrow.list_(pyarrow.bool_()),
        pyarrow.list_(pyarrow.list_(pyarrow.int32())),
        pyarrow.list_(pyarrow.string()),
        pyarrow.list_(pyarrow.float64(), 2),
        pyarrow.struct([("a", pyarrow.int32())]),
    ],
)
def test_other_types_have_no_layout(arrow_type: pyarrow.DataType) -> None:
    assert layout_of(arrow_type) is None


@pytest.mark.parametrize(
    ("arrow_type", "known"),
    [
        (pyarrow.list_(pyarrow.float32()), True),
        (pyarrow.large_list(pyarrow.float16()), True),
        (pyarrow.list_(pyarrow.bool_(), 3), True),
        (pyarrow.list_(pyarrow.uint64()), True),
        (pyarrow.int32(), False),
        (pyarrow.string(), False),
        (pyarrow.list_(pyarrow.string()), False),
        (pyarrow.list_(pyarrow.timestamp("s")), False),
        (pyarrow.list_(pyarrow.decimal128(5)), False),
        (pyarrow.list_(pyarrow.list_(pyarrow.int32())), False),
    ],
)
def test_lists_of_numbers_have_a_layout(arrow_type: pyarrow.DataType, known: bool) -> None:
    assert (list_layout_of(arrow_type) is not None) == known


@pytest.mark.parametrize(
    ("arrow_type", "plain"),
    [
        (pyarrow.string_view(), pyarrow.large_string()),
        (pyarrow.binary_view(), pyarrow.large_binary()),
        (pyarrow.binary(3), pyarrow.binary()),
        (pyarrow.dictionary(pyarrow.int8(), pyarrow.string_view()), pyarrow.large_string()),
        (pyarrow.run_end_encoded(pyarrow.int32(), pyarrow.string()), pyarrow.string()),
        (pyarrow.list_view(pyarrow.int32()), pyarrow.list_(pyarrow.int32())),
        (pyarrow.large_list_view(pyarrow.int8()), pyarrow.large_list(pyarrow.int8())),
        (pyarrow.json_(pyarrow.large_string()), pyarrow.large_string()),
        (pyarrow.string(), pyarrow.string()),
        (pyarrow.list_(pyarrow.int32(), 2), pyarrow.list_(pyarrow.int32(), 2)),
    ],
)
def test_types_are_cast_to_plain_ones(arrow_type: pyarrow.DataType, plain: pyarrow.DataType) -> None:
    assert plain_type(arrow_type) == plain


def test_columns_are_cast_with_all_their_chunks() -> None:
    texts = pyarrow.array(["a", "bcd", None, "a"])
    for column in (
        texts.dictionary_encode(),
        pyarrow.compute.run_end_encode(texts),
        pyarrow.ExtensionArray.from_storage(pyarrow.json_(pyarrow.string()), texts),
    ):
        whole = pyarrow.chunked_array([column, column.slice(1, 2), column.slice(0, 0)])
        assert to_plain(whole).to_pylist() == ["a", "bcd", None, "a", "bcd", None]
        assert to_plain(whole).type == pyarrow.string()
    same = pyarrow.chunked_array([texts])
    assert to_plain(same) is same
