from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from resumable_data.interfaces.loaders.order import PassOrder
from resumable_data.interfaces.loaders.passes import IndexedPass, Pass

ORDER = PassOrder(7, 2, drop_last=False, seed=None)
MINIBATCHES = [[0, 1], [2, 3], [4, 5], [6]]


def load(order: PassOrder, step: int) -> Iterator[list[int]]:
    return (order.samples_of(minibatch).tolist() for minibatch in range(step, order.count))


def test_each_iterator_of_a_pass_begins_at_the_first_minibatch() -> None:
    minibatches = Pass(ORDER, {}, load)
    assert len(minibatches) == 4
    assert next(iter(minibatches)) == [0, 1]
    assert list(minibatches) == list(minibatches) == MINIBATCHES
    assert list(minibatches.start(2)) == MINIBATCHES[2:]


def test_a_pass_is_described_by_all_that_decides_its_minibatches() -> None:
    assert Pass(ORDER, {"kind": "toy"}, load).description() == {
        "kind": "toy",
        "samples": 7,
        "minibatch_size": 2,
        "drop_last": False,
        "seed": None,
    }


def test_an_indexed_pass_is_a_sequence() -> None:
    minibatches = IndexedPass(ORDER, {}, load)
    assert [minibatches[place] for place in range(-4, 4)] == MINIBATCHES * 2
    assert list(reversed(minibatches)) == MINIBATCHES[::-1]
    assert minibatches.index([4, 5]) == 2
    assert [6] in minibatches
    iterator = iter(minibatches)
    next(iterator)
    assert iterator.step == 1


@pytest.mark.parametrize("index", [4, -5])
def test_an_index_without_a_minibatch_is_an_error(index: int) -> None:
    with pytest.raises(IndexError, match=f"no minibatch {index}: there are 4"):
        IndexedPass(ORDER, {}, load)[index]


def test_a_slice_is_refused() -> None:
    minibatches: Any = IndexedPass(ORDER, {}, load)
    with pytest.raises(TypeError, match="cannot be sliced"):
        minibatches[1:]
