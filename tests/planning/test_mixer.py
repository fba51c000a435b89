from itertools import islice
from typing import Any

import pytest

import resumable_data as rd


def rows(first: int, epochs: int | None = None) -> rd.Dataset[Any]:
    source = rd.InMemorySource([[first + number] for number in range(8)])
    return rd.Dataset.from_source(source).repeat(epochs).pack(1, eod_id=0, window=8)


def mixed(weights: Any, stop: str = "first_exhausted", epochs: int | None = None) -> rd.Dataset[Any]:
    return rd.mix({"a": rows(10, epochs), "b": rows(50, epochs)}, weights, stop).batch(1)


def tokens(iterator: Any, count: int) -> list[int]:
    return [int(batch.targets[0, 0]) for batch in islice(iterator, count)]


def integers(iterator: rd.DataIterator[Any]) -> list[int]:
    """Pending changes, origin, exhausted and counts of the mix."""
    return iterator.get_state()["components"]["*"][1]


def test_a_mix_counts_by_component() -> None:
    iterator = iter(mixed({"a": 3, "b": 1}))
    tokens(iterator, 7)

    assert integers(iterator) == [0, 0, 0, 6, 1]


def test_changed_weights_begin_a_regime() -> None:
    old, new = iter(mixed({"a": 3, "b": 1})), iter(mixed({"a": 0, "b": 1}))
    tokens(old, 7)
    new.set_state(old.get_state(), allow={"weights"})

    assert integers(new) == [0, 7, 0, 0, 0]
    assert tokens(new, 3) == [51, 52, 53]
    assert integers(new) == [0, 7, 0, 0, 3]


def test_what_is_exhausted_shows_with_the_first_sample_that_it_cannot_deliver() -> None:
    iterator = iter(mixed({"a": 1, "b": 1}, "renormalize", 1))
    tokens(iterator, 16)
    assert integers(iterator) == [0, 0, 0, 8, 8]

    one_sided = iter(mixed({"a": 3, "b": 1}, "renormalize", 1))
    tokens(one_sided, 10)
    before = integers(one_sided)
    tokens(one_sided, 1)
    assert before == [0, 0, 0, 8, 2]
    assert integers(one_sided) == [0, 10, 1, 0, 1]


def test_shares_are_counted_a_regime() -> None:
    old, new = iter(mixed({"a": 3, "b": 1})), iter(mixed({"a": 1, "b": 1}))
    tokens(old, 8)
    new.set_state(old.get_state(), allow={"weights"})
    tokens(new, 2)
    components = new.progress().components

    assert (components["a"].rows, components["b"].rows) == (7, 3)
    assert (components["a"].share, components["a"].target) == (0.5, 0.5)


@pytest.mark.parametrize("size", [1, 3, 1024, 1025, 3000])
def test_blocks_of_planned_rows_leave_no_trace(size: int) -> None:
    batches = rd.mix({"a": rows(10), "b": rows(50)}, {"a": 2, "b": 1}).batch(size)
    (batch,) = islice(iter(batches), 1)
    expected = rd.mix({"a": rows(10), "b": rows(50)}, {"a": 2, "b": 1}).batch(1)

    assert batch.targets[:, 0].tolist() == tokens(iter(expected), size)
