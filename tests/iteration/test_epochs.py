"""The epochs of an iterator: what belongs to each, from wherever it stands."""

from __future__ import annotations

from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.running import through_json


def batches(epochs: int | None = 3, *, known: bool = True, size: int = 2) -> rd.Dataset[rd.LLMBatch]:
    """Rows of one document: of records 1 to 5, one epoch after the other."""
    documents = rd.Dataset.from_source(rd.InMemorySource([[number] for number in range(1, 6)])).repeat(epochs)
    return (documents if known else documents.map(list, name="as a list")).pad(1, eod_id=0).batch(size, shards=1)


def first_tokens(elements: Any) -> list[int]:
    return [int(batch.targets[0, 0]) for batch in elements]


@pytest.mark.parametrize("known", [True, False])
def test_a_batch_belongs_to_the_epoch_in_which_it_begins(known: bool) -> None:
    found = {epoch.number: first_tokens(epoch) for epoch in iter(batches(known=known)).epochs()}

    # One row of the 15 is left over.
    assert found == {0: [1, 3, 5], 1: [2, 4], 2: [1, 3]}


def test_the_epoch_of_an_iterator_is_that_of_the_next_batch() -> None:
    iterator = iter(batches(known=False))

    assert [iterator.epoch, *(iterator.epoch for _ in iterator)] == [0, 0, 0, 1, 1, 2, 2, 2]


def test_an_epoch_goes_on_after_a_resume_and_after_a_loop_that_was_left() -> None:
    iterator = iter(batches())
    for epoch in iterator.epochs():
        next(epoch)
        break
    resumed = iter(batches())
    resumed.set_state(through_json(iterator.get_state()))
    for one in (iterator, resumed):
        assert [(epoch.number, first_tokens(epoch)) for epoch in one.epochs()] == [
            (0, [3, 5]),
            (1, [2, 4]),
            (2, [1, 3]),
        ]


def test_what_is_left_of_an_epoch_is_counted_where_nothing_has_to_be_read() -> None:
    iterator = iter(batches())
    epoch = next(iterator.epochs())
    counts = [epoch.count_left(), *(epoch.count_left() for _ in epoch)]

    assert counts == [3, 2, 1, 0]
    assert next(iter(batches(known=False)).epochs()).count_left() is None


def test_endless_epochs_go_on() -> None:
    numbers = [epoch.number for epoch, _ in zip(iter(batches(None)).epochs(), range(3), strict=False) if list(epoch)]

    assert numbers == [0, 1, 2]


def test_a_mix_has_no_epochs() -> None:
    one = rd.Dataset.from_source(rd.InMemorySource([[1], [2]])).pad(1, eod_id=0)
    iterator = iter(rd.mix({"a": one, "b": one}).batch(2))

    assert iterator.epoch is None
    with pytest.raises(rd.PipelineError, match="epochs: a mix"):
        iterator.epochs()
