"""Rows of batches one by one: those of the batches, exactly, with a position between two of them."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json


def batches(*, known: bool = True, epochs: int | None = None, **settings: Any) -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(rd.SyntheticSource(40, lengths=[3, 9, 14], vocabulary=50)).shuffle(3)
    if not known:
        documents = documents.map(list, name="as a list")
    return documents.repeat(epochs).pack(16, window=8, eod_id=0).batch(8, **settings)


def content(row: rd.LLMBatch) -> list[bytes]:
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(row)]


def rows_of(batch: rd.LLMBatch) -> list[rd.LLMBatch]:
    return [jax.tree.map(lambda field, row=row: field[row], batch) for row in range(len(batch))]


def first(dataset: rd.Dataset[rd.LLMBatch], count: int) -> list[list[bytes]]:
    return [content(row) for row, _ in zip(dataset, range(count), strict=False)]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("hosts", [1, 2, 4])
def test_the_rows_are_those_of_the_process_in_every_batch(known: bool, hosts: int) -> None:
    whole = [row for batch, _ in zip(batches(known=known), range(4), strict=False) for row in rows_of(batch)]
    share = 8 // hosts
    for host in range(hosts):
        rows = first(batches(known=known).shard(host, hosts).unbatch(), 4 * share)
        wanted = [row for place, row in enumerate(whole) if place % 8 // share == host]
        assert rows == [content(row) for row in wanted]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("taken", [0, 3, 4, 9])
def test_a_position_within_a_batch_is_resumed(known: bool, taken: int) -> None:
    dataset = batches(known=known).shard(1, 2).unbatch()
    iterator = iter(dataset)
    for _ in range(taken):
        next(iterator)
    state = through_json(iterator.get_state())
    used = iter(dataset.prefetch(3))
    next(used)
    expected = [content(next(iterator)) for _ in range(10)]
    for resumed in (iter(dataset), used):
        resumed.set_state(state)
        assert [content(next(resumed)) for _ in range(10)] == expected
        resumed.close()


def test_what_fills_no_batch_is_dropped_or_filled_up() -> None:
    rows = sum(1 for _ in batches(epochs=1, drop_remainder=False).unbatch())
    assert rows % 8 == 0
    assert sum(1 for _ in batches(epochs=1).unbatch()) == rows - 8


def test_a_row_has_the_borders_that_it_has_in_its_batch() -> None:
    batch = next(iter(batches()))
    for row, borders in zip(batches().unbatch(), batch.get_document_borders(), strict=False):
        assert row.get_document_borders().tolist() == borders.tolist()


def test_it_leaves_off_behind_a_number_of_batches() -> None:
    assert sum(1 for _ in batches().shard(1, 4).unbatch(steps=3)) == 6


def test_a_skip_is_refused() -> None:
    with pytest.raises(rd.PipelineError, match="skip works on batches"):
        iter(batches().unbatch()).skip(1)


def two_tokens_a_document(length: int) -> rd.DataIterator[rd.LLMBatch]:
    documents = rd.InMemorySource([[2 * record + 1, 2 * record + 2] for record in range(64)])
    return iter(
        rd.Dataset.from_source(documents, name="x").pack(length, eod_id=0).batch(8, drop_remainder=False).unbatch()
    )


def test_the_row_length_changes_where_a_batch_ends_and_no_token_is_lost() -> None:
    old, new = two_tokens_a_document(4), two_tokens_a_document(8)
    seen = [token for _ in range(8) for token in next(old).targets.tolist()]
    new.set_state(through_json(old.get_state()), allow={"length"})
    seen += [token for row in new for token in row.targets.tolist() if token]

    assert sorted(seen) == list(range(1, 129))


def test_within_a_batch_it_is_refused() -> None:
    old, new = two_tokens_a_document(4), two_tokens_a_document(8)
    for _ in range(5):
        next(old)
    before = new.get_state()
    with pytest.raises(rd.PipelineMismatchError, match=r"unbatch: the row length .* 5 of the 8 rows of a batch"):
        new.set_state(through_json(old.get_state()), allow={"length"})
    assert new.get_state() == before
