import errno
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import datasets
import numpy as np
import pyarrow
import pytest
from datasets.table import InMemoryTable

from resumable_data.arrays import Ragged
from resumable_data.errors import RecordError, SourceError
from resumable_data.sources.hugging_face import HuggingFaceSource
from resumable_data.sources.hugging_face_records import WholeRecords
from resumable_data.sources.source import knows_lengths

DOCUMENTS = [[1, 2, 3], [], [4], [5, 6]]
TEXTS = ["one", "", "zwölf 🐈", "two\nlines\0"]

INTEGERS = [
    pyarrow.int8(),
    pyarrow.int16(),
    pyarrow.int32(),
    pyarrow.int64(),
    pyarrow.uint8(),
    pyarrow.uint16(),
    pyarrow.uint32(),
    pyarrow.uint64(),
]


def source_of(records: Sequence[Any], arrow_type: pyarrow.DataType, column: str = "it") -> HuggingFaceSource:
    table = pyarrow.table({"it": pyarrow.array(records, arrow_type), "id": list(range(len(records)))})
    return HuggingFaceSource(datasets.Dataset(InMemoryTable(table)), column, name="toy")


def read(source: HuggingFaceSource, indices: Sequence[int]) -> list[Any]:
    return list(source.read(np.array(indices, np.int64)))


@pytest.mark.parametrize("list_of", [pyarrow.list_, pyarrow.large_list])
@pytest.mark.parametrize("integer", INTEGERS)
def test_integer_lists_are_int32_tokens(list_of: Any, integer: pyarrow.DataType) -> None:
    source = source_of(DOCUMENTS, list_of(integer))
    documents = source.read(np.array([3, 0, 0, 1]))
    assert isinstance(documents, Ragged)
    assert documents.values.dtype == np.int32
    assert [document.tolist() for document in documents] == [[5, 6], [1, 2, 3], [1, 2, 3], []]
    assert source.lengths(np.array([3, 0, 0, 1])).tolist() == [2, 3, 3, 0]
    assert source.lengths(np.array([3])).dtype == np.int64


def test_lists_of_one_length_are_tokens() -> None:
    source = source_of([[1, 2], [3, 4]], pyarrow.list_(pyarrow.int32(), 2))
    assert [document.tolist() for document in read(source, [1, 0])] == [[3, 4], [1, 2]]
    assert source.lengths(np.array([1, 0])).tolist() == [2, 2]


@pytest.mark.parametrize("integer", [pyarrow.int32(), pyarrow.int64(), pyarrow.uint16()])
def test_a_token_can_be_written_behind_each_document(integer: pyarrow.DataType) -> None:
    source = source_of(DOCUMENTS, pyarrow.list_(integer))
    documents = source.read(np.arange(4))
    assert isinstance(documents, Ragged)
    assert documents.spare == 1
    documents.values[documents.starts + documents.lengths] = 99
    assert [document.tolist() for document in documents] == DOCUMENTS
    assert [document.tolist() for document in read(source, range(4))] == DOCUMENTS


@pytest.mark.parametrize("extreme", [-(2**31), 2**31 - 1])
def test_every_int32_is_a_token(extreme: int) -> None:
    assert read(source_of([[extreme]], pyarrow.list_(pyarrow.int64())), [0])[0].tolist() == [extreme]


@pytest.mark.parametrize(
    ("integer", "token"),
    [(pyarrow.int64(), 2**31), (pyarrow.int64(), -(2**31) - 1), (pyarrow.uint32(), 2**31), (pyarrow.uint64(), 2**63)],
)
def test_a_token_that_int32_cannot_hold_is_named(integer: pyarrow.DataType, token: int) -> None:
    source = source_of([[1], [], [2, token]], pyarrow.list_(integer))
    message = f"toy, column 'it' (3 records), record 2 holds the token {token}, which int32 cannot hold"
    with pytest.raises(RecordError, match=re.escape(message)):
        read(source, [0, 1, 2, 0])
    assert read(source, [0])[0].tolist() == [1]


@pytest.mark.parametrize("bad", [None, [1, None]])
def test_null_tokens_are_refused_when_read_and_when_counted(bad: list[int | None] | None) -> None:
    source = source_of([[1], [2], bad], pyarrow.list_(pyarrow.int32()))
    message = re.escape("toy, column 'it' (3 records), record 2 is null, or holds a null.")
    with pytest.raises(RecordError, match=message):
        read(source, [0, 2])
    with pytest.raises(RecordError, match=message):
        source.lengths(np.array([1, 2]))
    assert [document.tolist() for document in read(source, [1, 0])] == [[2], [1]]


@pytest.mark.parametrize(
    "arrow_type", [pyarrow.string(), pyarrow.large_string(), pyarrow.binary(), pyarrow.large_binary()]
)
def test_text_and_its_bytes_are_strings(arrow_type: pyarrow.DataType) -> None:
    source = source_of([text.encode() for text in TEXTS], arrow_type)
    assert read(source, [3, 2, 2, 1]) == [TEXTS[3], TEXTS[2], TEXTS[2], ""]
    assert read(source, []) == []


def test_only_token_columns_know_lengths() -> None:
    assert knows_lengths(source_of(DOCUMENTS, pyarrow.list_(pyarrow.int32())))
    assert not knows_lengths(source_of(TEXTS, pyarrow.string()))
    assert not knows_lengths(source_of(TEXTS, pyarrow.string(), None))


@pytest.mark.parametrize("arrow_type", [pyarrow.string(), pyarrow.large_binary()])
def test_a_null_text_is_named(arrow_type: pyarrow.DataType) -> None:
    source = source_of([b"a", None, b"c"], arrow_type)
    with pytest.raises(RecordError, match=re.escape("toy, column 'it' (3 records), record 1 is null")):
        read(source, [2, 1])


def test_bytes_that_are_no_text_are_named() -> None:
    offsets = pyarrow.py_buffer(np.array([0, 2, 5], np.int32))
    unchecked = pyarrow.Array.from_buffers(pyarrow.string(), 2, [None, offsets, pyarrow.py_buffer(b"okb\xffd")])
    for records in (unchecked, unchecked.cast(pyarrow.binary())):
        source = source_of(records, records.type)
        assert read(source, [0]) == ["ok"]
        message = "toy, column 'it' (2 records), record 1 is not UTF-8 text: invalid start byte 0xff at byte 1 of 3"
        with pytest.raises(RecordError, match=re.escape(message)):
            read(source, [0, 1])


@pytest.mark.parametrize(
    ("records", "arrow_type"),
    [
        ([1.5], pyarrow.float64()),
        ([7], pyarrow.int32()),
        ([[1.0]], pyarrow.list_(pyarrow.float32())),
        ([[[1]]], pyarrow.list_(pyarrow.list_(pyarrow.int32()))),
    ],
)
def test_a_column_of_another_type_is_refused(records: list[Any], arrow_type: pyarrow.DataType) -> None:
    message = f"toy: column 'it' is {arrow_type}, neither tokens .* its columns are it ({arrow_type}), id (int64)"
    with pytest.raises(SourceError, match=re.escape(message).replace(r"\.\*", ".*")):
        source_of(records, arrow_type)


def test_a_missing_column_is_refused() -> None:
    message = "toy has no column 'tokens'; its columns are it (string), id (int64)"
    with pytest.raises(SourceError, match=re.escape(message)):
        source_of(TEXTS, pyarrow.string(), "tokens")


def test_without_a_column_a_record_is_a_dictionary() -> None:
    source = source_of([[1], None, [3]], pyarrow.list_(pyarrow.int64()), None)
    assert read(source, [2, 1, 1]) == [{"it": [3], "id": 2}, {"it": None, "id": 1}, {"it": None, "id": 1}]
    assert read(source, []) == []


def test_whole_records_are_decoded_as_the_dataset_does() -> None:
    pytest.importorskip("PIL")
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    dataset = datasets.Dataset.from_dict(
        {"image": [pixels, pixels + 1], "time": [datetime(2020, 1, 1), None]},
        features=datasets.Features({"image": datasets.Image(), "time": datasets.Value("timestamp[s]")}),
    )
    source = HuggingFaceSource(dataset)
    record = read(source, [1])[0]
    assert np.array_equal(np.asarray(record["image"]), pixels + 1)
    assert record["time"] is None
    assert source.fingerprint() == HuggingFaceSource(dataset).fingerprint()
    assert source.fingerprint() != HuggingFaceSource(dataset.select([0, 0])).fingerprint()


def test_a_record_that_cannot_be_decoded_is_named() -> None:
    pytest.importorskip("PIL")
    dataset = datasets.Dataset.from_dict({"image": [None, {"path": None, "bytes": b"no image"}]})
    source = HuggingFaceSource(dataset.cast_column("image", datasets.Image()), name="toy")
    assert read(source, [0]) == [{"image": None}]
    with pytest.raises(RecordError, match=re.escape("toy (2 records), record 1 cannot be decoded: ")):
        read(source, [0, 1])


PLAIN_TEXTS = [
    pyarrow.string_view(),
    pyarrow.binary_view(),
    pyarrow.dictionary(pyarrow.int8(), pyarrow.string()),
    pyarrow.dictionary(pyarrow.int32(), pyarrow.large_string()),
]


@pytest.mark.parametrize("arrow_type", PLAIN_TEXTS)
def test_texts_kept_in_another_way_are_texts(arrow_type: pyarrow.DataType) -> None:
    chunks = [pyarrow.array(texts, pyarrow.string()) for texts in (TEXTS[:1], [], TEXTS[1:], [None])]
    if pyarrow.types.is_binary_view(arrow_type):
        chunks = [chunk.cast(pyarrow.binary()) for chunk in chunks]
    column = pyarrow.chunked_array([chunk.cast(arrow_type) for chunk in chunks])
    source = HuggingFaceSource(datasets.Dataset(InMemoryTable(pyarrow.table({"it": column}))), "it", name="toy")
    plain = source_of([*TEXTS, None], pyarrow.string())
    assert read(source, [3, 0, 1, 2]) == [TEXTS[place] for place in (3, 0, 1, 2)]
    with pytest.raises(RecordError, match="record 4 is null"):
        read(source, [4])
    assert source.fingerprint() == plain.fingerprint()


class Busy:
    """Features that cannot be decoded while the system has no file left."""

    def decode_batch(self, columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if columns["it"] == ["b"]:
            raise OSError(errno.EMFILE, "Too many open files")
        if "c" in columns["it"] or "b" in columns["it"]:
            raise OSError("cannot identify image file")
        return columns


def test_an_error_of_the_system_is_not_called_a_bad_record() -> None:
    whole = WholeRecords(InMemoryTable(pyarrow.table({"it": ["a", "b", "c"]})), Busy())
    assert whole.read(np.array([0]), str) == [{"it": "a"}]
    with pytest.raises(SourceError, match=r"0 cannot be decoded: Too many open files \(EMFILE\)"):
        whole.read(np.array([1]), str)
    with pytest.raises(RecordError, match="1 cannot be decoded"):
        whole.read(np.array([0, 2]), str)
