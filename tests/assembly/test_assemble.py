import numpy as np
import pytest

from property_tests.testing.running import FIELDS
from resumable_data.assembly.assemble import assemble
from resumable_data.assembly.row_format import RowFormat
from resumable_data.packing.plan import RowPlan

FORMAT = RowFormat(length=4, eod_id=90, pad_id=80)
DOCUMENTS = np.arange(20, dtype=np.int32)  # the tokens of the documents that were read, one after the other


def plan(*rows: list[tuple[int, int, int]]) -> tuple[RowPlan, np.ndarray]:
    """Rows of spans (where the span begins among the tokens, its offset in the document, its length)."""
    spans = np.array([span for row in rows for span in row], np.int64).reshape(-1, 3)
    firsts = np.cumsum([0, *map(len, rows)])
    zeros = np.zeros(len(spans), np.int64)
    return RowPlan(firsts, zeros, zeros, spans[:, 1], spans[:, 2], spans[:, 1] + spans[:, 2]), spans[:, 0]


def test_spans_stand_one_after_the_other_and_padding_behind_them() -> None:
    rows, starts = plan([(10, 0, 2), (3, 0, 1)], [(5, 2, 4)])
    fields = assemble(rows, DOCUMENTS, starts, FORMAT)

    assert fields["targets"].tolist() == [[10, 11, 3, 80], [5, 6, 7, 8]]
    assert fields["inputs"].tolist() == [[90, 10, 90, 3], [4, 5, 6, 7]]
    assert fields["targets_segmentation"].tolist() == [[1, 1, 2, 0], [1, 1, 1, 1]]
    assert fields["targets_position"].tolist() == [[0, 1, 0, 0], [0, 1, 2, 3]]


@pytest.mark.parametrize("shift", ["inputs", "targets", "none"])
@pytest.mark.parametrize("values", [DOCUMENTS, DOCUMENTS[:0]], ids=["something read", "nothing read"])
def test_a_row_without_a_span_is_padding(shift: str, values: np.ndarray) -> None:
    rows, starts = plan([], [])
    fields = assemble(rows, values, starts, RowFormat(4, eod_id=90, pad_id=80, shift=shift))

    assert fields["inputs"].tolist() == [[90 if shift == "inputs" else 80, 80, 80, 80]] * 2
    assert fields["targets"].tolist() == [[80] * 4] * 2
    for name in FIELDS[2:]:
        assert not fields[name].any()


@pytest.mark.parametrize("shift", ["inputs", "targets", "none"])
def test_every_field_is_its_own_int32_array(shift: str) -> None:
    rows, starts = plan([(0, 0, 3)], [(3, 0, 4)])
    fields = assemble(rows, DOCUMENTS, starts, RowFormat(4, eod_id=90, pad_id=80, shift=shift))

    assert tuple(sorted(fields)) == tuple(sorted(FIELDS))
    assert all(field.dtype == np.int32 and field.shape == (2, 4) for field in fields.values())
    arrays = [*fields.values(), DOCUMENTS]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


@pytest.mark.parametrize("shift", ["inputs", "targets", "none"])
def test_a_row_depends_on_its_own_spans_alone(shift: str) -> None:
    row_format = RowFormat(4, eod_id=90, pad_id=80, shift=shift)
    spans = [[(10, 0, 2), (3, 0, 1)], [], [(5, 2, 4)], [(9, 0, 1)]]
    together = assemble(*_with_values(plan(*spans)), row_format)

    for row, alone in enumerate(spans):
        fields = assemble(*_with_values(plan(alone)), row_format)
        for name in FIELDS:
            assert fields[name][0].tolist() == together[name][row].tolist()


def _with_values(planned: tuple[RowPlan, np.ndarray]) -> tuple[RowPlan, np.ndarray, np.ndarray]:
    rows, starts = planned
    return rows, DOCUMENTS, starts
