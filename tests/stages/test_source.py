from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.reading.fields import TokenFields
from resumable_data.sources.source import Column


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
    with pytest.raises(rd.PipelineError, match=r"a list\) is not a source: give InMemorySource"):
        rd.Dataset.from_source([[1, 2]])  # type: ignore[arg-type]


def test_a_component_has_a_name() -> None:
    with pytest.raises(rd.PipelineError, match="must be a name that is not empty"):
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


class Unreliable(Squares):
    """Storage that fails so many times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def __repr__(self) -> str:
        return "unreliable source"

    def read(self, indices: np.ndarray) -> list[list[int]]:
        if self.failures:
            self.failures -= 1
            raise OSError("connection reset")
        return super().read(indices)


def test_storage_that_fails_is_asked_again_and_nothing_is_lost() -> None:
    documents = rd.Dataset.from_source(Unreliable(2), retries=rd.Retries(attempts=3, longest_wait=0))

    assert list(documents.shuffle(1)) == list(rd.Dataset.from_source(Squares()).shuffle(1))


def test_storage_that_goes_on_failing_is_an_error_that_leaves_the_position() -> None:
    source = Unreliable(2)
    documents = rd.Dataset.from_source(source, retries=rd.Retries(attempts=2, longest_wait=0))
    iterator = iter(documents.skip_bad_records(5))

    with pytest.raises(rd.SourceError, match="unreliable source cannot be read in 2 attempts: connection reset"):
        next(iterator)
    assert iterator.step == 0
    assert list(iterator) == [[0], [1], [4], [9], [16]]
    assert iterator.progress().dropped == 0


def test_retries_are_no_part_of_the_pipeline() -> None:
    state = iter(rd.Dataset.from_source(Squares(), retries=rd.Retries(attempts=1))).get_state()

    iter(rd.Dataset.from_source(Squares())).set_state(state)


class Masked:
    """Documents with a mask, in columns and as mappings; at the first record the mask is misaligned."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.mappings: list[int] = []

    def __len__(self) -> int:
        return 5

    def __repr__(self) -> str:
        return "masked"

    def fingerprint(self) -> str:
        return "masked"

    def read(self, indices: Any) -> list[Any]:
        self.mappings += indices.tolist()
        return [{"tokens": [n, n], "loss_mask": [1, 0] if n else [1]} for n in indices.tolist()]

    def read_columns(self, indices: Any, names: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise OSError("try again")
        if "text" in names:
            return None
        assert list(names) == ["tokens", "loss_mask"]
        masks = [[1, 0, 0] if n else [1, 0] for n in indices.tolist()]
        return {
            "tokens": Column(
                np.array([token for n in indices.tolist() for token in (n, n, 0)]), np.full(len(masks), 2)
            ),
            "loss_mask": Column(np.concatenate(masks), np.array([len(mask) - 1 for mask in masks])),
        }


def masked(source: Masked, attempts: int = 5, field: str = "loss_mask") -> Any:
    data = rd.Dataset.from_source(source, retries=rd.Retries(attempts, longest_wait=0))
    fields = TokenFields("tokens", ((field, "int32"),))
    return data.shuffle(seed=1).repeat(2).node.reader(fields)


def test_fields_come_from_columns_without_mappings() -> None:
    source = Masked(failures=2)
    found = masked(source).read_tokens(np.array([4, 2])).tokens

    assert [tokens.tolist() for tokens in found] == [[4, 4], [2, 2]]
    assert found.fields["loss_mask"].tolist() == [1, 0, 0, 1, 0, 0]
    assert source.mappings == []


def test_what_is_amiss_in_columns_is_named_by_the_mappings() -> None:
    source = Masked()
    with pytest.raises(rd.RecordError, match="masked, record 0: field 'loss_mask' has 1 values, but"):
        masked(source).read_tokens(np.array([4, 0]))
    assert source.mappings == [4, 0]
    with pytest.raises(rd.RecordError, match="masked, record 3 has no 'text'"):
        masked(source, field="text").read_tokens(np.array([3]))


def test_storage_that_fails_for_columns_is_an_error_of_the_source() -> None:
    with pytest.raises(rd.SourceError, match="masked cannot be read in 2 attempts: try again"):
        masked(Masked(failures=9), attempts=2).read_tokens(np.array([4]))
