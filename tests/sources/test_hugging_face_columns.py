from typing import Any

import datasets
import numpy as np
import pyarrow
import pytest
from datasets.table import InMemoryTable

from resumable_data.sources.hugging_face import HuggingFaceSource
from resumable_data.sources.hugging_face_columns import NumberColumns
from resumable_data.sources.source import SourceWithColumns

TABLE = pyarrow.table(
    {
        "ids": pyarrow.array([[1, 2, 3], [], [4]], pyarrow.list_(pyarrow.int32())),
        "weight": pyarrow.array([[0.5, 1, 2], [], [3]], pyarrow.large_list(pyarrow.float16())),
        "mask": pyarrow.array([[True, False, True], [], [True]], pyarrow.list_(pyarrow.bool_())),
        "half null": pyarrow.array([[1], None, [2]], pyarrow.list_(pyarrow.int32())),
        "text": ["a", "b", "c"],
    }
)


def columns() -> NumberColumns:
    return NumberColumns(InMemoryTable(TABLE), "toy")


def source_of(table: Any = TABLE) -> HuggingFaceSource:
    return HuggingFaceSource(datasets.Dataset(InMemoryTable(table)), name="toy")


def test_columns_are_read_as_they_lie_with_a_zero_behind_each_record() -> None:
    found = columns().read(np.array([2, 0, 1]), ["ids", "weight", "mask"])

    assert found is not None
    assert [(name, column.values.dtype.name, column.values.tolist()) for name, column in found.items()] == [
        ("ids", "int32", [4, 0, 1, 2, 3, 0, 0]),
        ("weight", "float16", [3, 0, 0.5, 1, 2, 0, 0]),
        ("mask", "bool", [True, False, True, False, True, False, False]),
    ]
    assert all(column.lengths.tolist() == [1, 3, 0] for column in found.values())


@pytest.mark.parametrize("name", ["text", "missing", "half null"])
def test_what_is_no_list_of_numbers_has_to_be_read_otherwise(name: str) -> None:
    assert columns().read(np.arange(3), ["ids", name]) is None


def test_a_null_concerns_its_own_record_alone() -> None:
    found = columns().read(np.array([2, 0]), ["half null"])

    assert found is not None
    assert found["half null"].values.tolist() == [2, 0, 1, 0]


def test_a_source_of_whole_records_reads_columns_in_the_order_of_the_dataset() -> None:
    source = HuggingFaceSource(datasets.Dataset(InMemoryTable(TABLE)).select([2, 2, 0]), name="toy")

    assert isinstance(source, SourceWithColumns)
    found = source.read_columns(np.array([2, 1]), ["ids"])
    assert found is not None
    assert found["ids"].values.tolist() == [1, 2, 3, 0, 4, 0]
    with pytest.raises(IndexError, match=r"toy .* has records 0 to 2; asked for 3"):
        source.read_columns(np.array([3]), ["ids"])


def test_a_source_of_one_column_has_no_others() -> None:
    source = HuggingFaceSource(datasets.Dataset(InMemoryTable(TABLE)), "ids")
    assert source.read_columns(np.array([0]), ["ids"]) is None


def test_records_that_have_to_be_decoded_are_read_whole() -> None:
    dataset = datasets.Dataset.from_dict({"ids": [[1]], "image": [None]}).cast_column("image", datasets.Image())

    assert source_of().read_columns(np.array([0]), ["ids"]) is not None
    assert HuggingFaceSource(dataset).read_columns(np.array([0]), ["ids"]) is None
