"""An iterator prints where it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

import resumable_data as rd

ResultT = TypeVar("ResultT")


def _batches() -> rd.Dataset[rd.LLMBatch]:
    return rd.Dataset.from_source(rd.SyntheticSource(4, [3])).repeat().pad(3, eod_id=0).batch(2)


def test_it_says_step_epoch_and_rows() -> None:
    with iter(_batches()) as batches:
        for _ in range(3):
            next(batches)
        assert repr(batches) == "<DataIterator: step 3, epoch 1, 6 rows delivered>"


def test_a_restored_iterator_says_the_saved_position() -> None:
    with iter(_batches()) as batches, iter(_batches()) as restored:
        next(batches)
        restored.set_state(batches.get_state())
        assert repr(restored) == "<DataIterator: step 1, epoch 0, 2 rows delivered>"


def test_a_closed_iterator_prints_too() -> None:
    batches = iter(_batches())
    next(batches)
    batches.close()
    assert repr(batches) == "<DataIterator: step 1, epoch 0, 2 rows delivered, closed>"


def _observed(action: Callable[[], ResultT]) -> tuple[ResultT, set[str]]:
    """Returns the result of an action, and the names of the modules whose functions ran."""
    modules: set[str] = set()
    sys.setprofile(lambda frame, _, __: modules.add(str(frame.f_globals.get("__name__"))))
    try:
        return action(), modules
    finally:
        sys.setprofile(None)


class _Counted(rd.InMemorySource):
    """A source that counts what is read of it."""

    read_so_far = 0

    def read(self, indices: Any) -> Any:
        self.read_so_far += len(indices)
        return super().read(indices)


@pytest.mark.parametrize("made", ["documents", "rows", "batches", "unbatched"])
@pytest.mark.parametrize("restored", [False, True])
def test_nothing_is_read_or_planned_to_print(made: str, restored: bool) -> None:
    source = _Counted([[1, 2, 3], [4, 5]] * 50)
    documents = rd.Dataset.from_source(source).filter(bool, name="all").repeat()
    rows = documents.pack(8, eod_id=1)
    data: rd.Dataset[Any] = {
        "documents": documents,
        "rows": rows,
        "batches": rows.batch(4),
        "unbatched": rows.batch(4).unbatch(),
    }[made]
    with iter(data) as before, iter(data) as elements:
        if restored:
            next(before)
            elements.set_state(before.get_state())
        read = source.read_so_far
        printed, modules = _observed(lambda: repr(elements))
        assert f"step {int(restored)}, epoch 0" in printed
        assert not [name for name in modules if name.startswith("resumable_data.packing")]
        assert source.read_so_far == read
