import numpy as np
import pytest

import resumable_data as rd


class Squares:
    """The least that a source is."""

    def __len__(self) -> int:
        return 5

    def read(self, indices: np.ndarray) -> list[list[int]]:
        return [[int(index) ** 2] for index in indices]

    def fingerprint(self) -> str:
        return "squares"


class Nothing(Squares):
    def __len__(self) -> int:
        return 0


def test_documents_come_in_the_order_of_the_source() -> None:
    documents = rd.Dataset.from_source(rd.InMemorySource([[3], [1], [2]]))

    assert list(documents) == [[3], [1], [2]]


def test_any_object_with_the_three_methods_is_a_source() -> None:
    assert list(rd.Dataset.from_source(Squares())) == [[0], [1], [4], [9], [16]]


@pytest.mark.parametrize("records", [[None, [1], None], [7, 8], ["text", ""], [{"tokens": [1]}]])
def test_documents_may_be_anything_where_nothing_is_packed(records: list[object]) -> None:
    assert list(rd.Dataset.from_source(rd.InMemorySource(records))) == records


def test_a_list_is_no_source() -> None:
    with pytest.raises(rd.PipelineError, match=r"list is no source.*Wrap a list in InMemorySource"):
        rd.Dataset.from_source([[1, 2]])  # type: ignore[arg-type]


def test_a_component_has_a_name() -> None:
    with pytest.raises(rd.PipelineError, match="needs a name"):
        rd.Dataset.from_source(Squares(), name="")


def test_a_source_without_records_is_refused() -> None:
    with pytest.raises(rd.SourceError, match=r"'web'.*no records"):
        rd.Dataset.from_source(Nothing(), name="web")


def test_a_source_that_knows_no_lengths_is_read_to_be_packed() -> None:
    batch = next(iter(rd.Dataset.from_source(Squares()).pack(8, eod_id=0).batch(1)))

    assert batch.targets.tolist() == [[0, 1, 4, 9, 16, 0, 0, 0]]


@pytest.mark.parametrize("kind", [np.int32, np.uint32, np.uint64])
def test_lengths_may_be_any_integers(kind: type) -> None:
    class Measured(Squares):
        def lengths(self, indices: np.ndarray) -> np.ndarray:
            return np.ones(len(indices), kind)

    rows = rd.Dataset.from_source(Measured()).append_eod(9).pack(5, eod_id=9, strategy="first_fit")

    assert [row.targets.tolist() for row in rows] == [[0, 9, 1, 9, 0], [4, 9, 9, 9, 0], [16, 9, 0, 0, 0]]
