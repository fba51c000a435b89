"""Every epoch is delivered exactly once, whatever the data, the batches, the processes and the interruptions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.running import FIELDS, at_state, joined, take, through_json
from property_tests.testing.strategies import Unmeasured

PLACES = 64
"""A token is ``1 + record * PLACES + place``: it says where it stands, and no document is longer."""

STAGES = ("filter", "filter_lengths", "bad")
PATTERNS = ("random", "alternating", "sorted", "equal", "mostly empty", "one long")
fewer = settings(max_examples=settings.default.max_examples // 2)
few = settings(max_examples=settings.default.max_examples // 4)


def odd(document: Any) -> bool:
    """A predicate that follows the record: every other one is kept."""
    return len(document) > 0 and int(document[0] - 1) // PLACES % 2 == 1


def not_of_three(lengths: np.ndarray) -> np.ndarray:
    """A predicate of lengths."""
    return lengths != 3


def fussy(document: Any) -> Any:
    """A map to which every seventh record is bad."""
    if len(document) and int(document[0] - 1) // PLACES % 7 == 3:
        raise ValueError("bad")
    return document


@dataclass(frozen=True)
class Data:
    """A pipeline that ends, or repeats for ever, over documents of which every token is different."""

    lengths: tuple[int, ...]
    known: bool
    stages: tuple[str, ...]
    seed: int | None
    block: int | None
    epochs: int | None
    strategy: str
    window: int
    length: int
    truncate: bool
    batch: int
    shards: int | None
    drop_remainder: bool = False

    def documents(self) -> rd.Dataset[Any]:
        source = _source(self.lengths)
        data = rd.Dataset.from_source(source if self.known else Unmeasured(source))
        for stage in self.stages:
            if stage == "filter":
                data = data.filter(odd)
            elif stage == "filter_lengths":
                data = data.filter(on_lengths=not_of_three)
            else:
                data = data.map(fussy).skip_bad_records(at_most=len(self.lengths))
        data = data if self.seed is None else data.shuffle(self.seed, self.block)
        return data.repeat(self.epochs)

    def rows(self) -> rd.Dataset[Any]:
        if self.strategy == "pad":
            return self.documents().pad(self.length, eod_id=0, truncate=self.truncate)
        options = {"strategy": self.strategy, "window": self.window, "truncate": self.truncate}
        return self.documents().pack(self.length, eod_id=0, **options)

    def dataset(self) -> rd.Dataset[rd.LLMBatch]:
        return self.rows().batch(self.batch, shards=self.shards, drop_remainder=self.drop_remainder)

    def epoch(self) -> Counter[int]:
        """The tokens of one epoch that are to be delivered."""
        wanted: Counter[int] = Counter()
        for document in _source(self.lengths).read(np.arange(len(self.lengths))):
            kept = document[: self.length] if self.truncate else document
            if not self.leaves_out(document):
                wanted.update(map(int, kept))
        return wanted

    def leaves_out(self, document: Any) -> bool:
        """Whether a stage does."""
        record = int(document[0] - 1) // PLACES if len(document) else None
        return (
            ("filter" in self.stages and (record is None or record % 2 == 0))
            or ("filter_lengths" in self.stages and len(document) == 3)
            or ("bad" in self.stages and record is not None and record % 7 == 3)
        )


@lru_cache(maxsize=8)
def _source(lengths: tuple[int, ...]) -> rd.InMemorySource:
    return rd.InMemorySource([np.arange(n) + 1 + record * PLACES for record, n in enumerate(lengths)])


def patterned(pattern: str, count: int, draw: Any) -> list[int]:
    """Lengths of documents with something about them that an order could follow."""
    several = st.integers(0, 24)
    if pattern == "random":
        if count > 60:  # a seed, as so many draws are too slow
            return np.random.default_rng(draw(st.integers(0, 9))).integers(0, 25, count).tolist()
        return draw(st.lists(several, min_size=count, max_size=count))
    if pattern == "alternating":
        period = draw(st.integers(2, 9))
        return [20 if record % period == 0 else 2 for record in range(count)]
    if pattern == "sorted":
        return [record * 25 // count for record in range(count)]
    if pattern == "equal":
        return [draw(st.integers(1, 24))] * count
    if pattern == "mostly empty":
        period = draw(st.integers(2, 40))
        return [5 if record % period == 0 else 0 for record in range(count)]
    return [1] * (count - 1) + [PLACES]


@st.composite
def data(draw: st.DrawFn, *, most: int = 120, epochs: Any = (1, 2, 3), strategies: Any = None) -> Data:
    """Any of them; an epoch is never empty."""
    count = draw(st.integers(1, 12) | st.integers(1, most))
    stages = draw(st.lists(st.sampled_from(STAGES), unique=True, max_size=2))
    found = Data(
        lengths=tuple(patterned(draw(st.sampled_from(PATTERNS)), count, draw)),
        known=draw(st.booleans()),
        stages=tuple(stages),
        seed=draw(st.none() | st.integers(0, 5)),
        block=draw(st.none() | st.integers(1, 20)),
        epochs=draw(st.sampled_from(list(epochs))),
        strategy=draw(st.sampled_from(strategies or ["best_fit", "first_fit", "concat_split", "pad"])),
        window=draw(st.integers(1, 10) | st.integers(1, 2 * count) | st.just(4096)),
        length=draw(st.integers(4, 32)),
        truncate=draw(st.booleans()),
        batch=draw(st.integers(1, 16)),
        shards=draw(st.none() | st.integers(1, 16)),
    )
    return found if found.epoch() else replace(found, lengths=(2, 2, *found.lengths[2:]), stages=())


def tokens_of(batches: Iterable[rd.LLMBatch]) -> Counter[int]:
    """How often each token was delivered."""
    found: Counter[int] = Counter()
    for batch in batches:
        found.update(batch.targets[batch.targets_segmentation != 0].tolist())
    return found


def rows_of(batches: Iterable[rd.LLMBatch]) -> list[tuple[int, ...]]:
    """The text of every row that is not padding alone."""
    return [
        tuple(row)
        for batch in batches
        for row, numbers in zip(batch.targets.tolist(), batch.targets_segmentation.tolist(), strict=True)
        if any(numbers)
    ]


def check_epochs(delivered: Counter[int], epoch: Counter[int], epochs: int) -> None:
    """Every token of an epoch as often as there are epochs, and nothing else."""
    assert delivered == Counter({token: epochs for token in epoch})


@given(data())
def test_every_document_is_delivered_once_an_epoch(data: Data) -> None:
    check_epochs(tokens_of(data.dataset()), data.epoch(), data.epochs or 0)


@few
@given(data(most=5000, epochs=[1, 2]))
def test_every_document_of_a_large_set_is_delivered_once_an_epoch(data: Data) -> None:
    data = replace(data, batch=data.batch * 8)

    check_epochs(tokens_of(data.dataset()), data.epoch(), data.epochs or 0)


@fewer
@given(data(epochs=[2, 3]))
def test_an_epoch_is_whole_before_the_next_begins(data: Data) -> None:
    data = replace(data, batch=1)
    delivered, epoch = Counter[int](), data.epoch()
    whole = 0
    for batch in data.dataset():
        delivered += tokens_of([batch])
        assert max(delivered.values()) <= whole + 1
        if delivered == Counter({token: whole + 1 for token in epoch}):
            whole += 1

    assert whole == data.epochs


@fewer
@given(data(epochs=[1, 2]), st.sampled_from([2, 3, None]))
def test_more_epochs_change_no_earlier_one(data: Data, epochs: int | None) -> None:
    data = replace(data, batch=1)
    fewer_epochs = rows_of(data.dataset())
    more = replace(data, epochs=None if epochs is None else (data.epochs or 0) + epochs)

    assert rows_of(islice(iter(more.dataset()), len(fewer_epochs))) == fewer_epochs


@given(data())
def test_less_than_one_batch_is_left_out_at_the_end(data: Data) -> None:
    rows = rows_of(replace(data, batch=1).dataset())
    iterator = iter(replace(data, drop_remainder=True).dataset())
    batches = list(iterator)

    assert len(batches) == len(rows) // data.batch
    assert len(rows_of(batches)) == len(batches) * data.batch
    assert iterator.progress().dropped_rows == len(rows) % data.batch


@given(data())
def test_padding_rows_stand_at_the_end_of_the_last_batch_alone(data: Data) -> None:
    batches = list(data.dataset())
    is_padding = [not any(numbers) for batch in batches for numbers in batch.targets_segmentation.tolist()]

    count = len(rows_of(batches))
    assert len(is_padding) == -(-count // data.batch) * data.batch
    assert not any(is_padding[:count])


@given(data(epochs=[1, 2, None]))
def test_no_row_holds_one_document_twice(data: Data) -> None:
    for row, numbers in _segmented(islice(iter(data.dataset()), 40)):
        records = [
            {(token - 1) // PLACES for _, token in cells}
            for number, cells in groupby(zip(numbers, row, strict=True), key=lambda cell: cell[0])
            if number
        ]
        assert all(len(records) == 1 for records in records)
        assert len(set.union(*records)) == len(records)


def _segmented(batches: Iterable[rd.LLMBatch]) -> Iterable[tuple[list[int], list[int]]]:
    for batch in batches:
        for row, numbers in zip(batch.targets.tolist(), batch.targets_segmentation.tolist(), strict=True):
            if any(numbers):
                yield row, numbers


@fewer
@given(
    st.lists(data(epochs=[1, 2, None], strategies=["best_fit", "first_fit"]), min_size=2, max_size=3),
    st.integers(1, 6),
    st.integers(1, 12),
)
def test_no_row_of_a_mix_of_documents_holds_one_twice_where_another_can_take_it(
    several: list[Data], window: int, shards: int
) -> None:
    first = several[0]
    parts = {name: replace(part, epochs=None) for name, part in zip("abc", several, strict=False)}
    # A component's tokens follow those of the one before.
    mixed = rd.mix({name: _numbered(part.documents(), place) for place, (name, part) in enumerate(parts.items())})
    rows = mixed.pack(first.length, eod_id=0, strategy=first.strategy, window=window * 10)
    for row, numbers in _segmented(islice(iter(rows.batch(4, shards=shards)), 20)):
        begins = [
            token for token, number, before in zip(row, numbers, [0, *numbers], strict=False) if number != before
        ]
        documents = [(token - 1) // PLACES for token in begins if token]
        if len(documents) != len(set(documents)):
            # Only where all different documents of a window have room in one row.
            assert sum(len(range(n)) for n in _lengths_of(set(documents), parts)) <= first.length


OFFSET = 10**6


def _add_first(document: Any) -> Any:
    return np.asarray(document) + OFFSET // PLACES * PLACES


def _add_second(document: Any) -> Any:
    return np.asarray(document) + 2 * (OFFSET // PLACES * PLACES)


def _numbered(documents: rd.Dataset[Any], place: int) -> rd.Dataset[Any]:
    if place == 0:
        return documents
    return documents.map([_add_first, _add_second][place - 1], preserves_length=True)


def _lengths_of(documents: set[int], parts: dict[str, Data]) -> list[int]:
    of_parts = list(parts.values())
    found: list[int] = []
    for document in documents:
        place, record = divmod(document, OFFSET // PLACES)
        found.append(of_parts[place].lengths[record])
    return found


@fewer
@given(data(epochs=[1, 2]), st.integers(1, 16), st.integers(1, 16))
def test_rows_have_one_order_whatever_the_batches(data: Data, first: int, second: int) -> None:
    shards = data.shards or 5  # as the default follows the batch
    one = replace(data, shards=shards, batch=first)
    other = replace(data, shards=shards, batch=second)

    assert _in_order(one) == _in_order(other)


def _in_order(data: Data) -> list[tuple[int, ...]]:
    """The rows in the order of the sequence: slots of full batches do not count."""
    rows = rows_of(replace(data, batch=1).dataset())
    batches = rows_of(data.dataset())
    for at in range(0, len(rows), data.batch):
        assert sorted(batches[at : at + data.batch]) == sorted(rows[at : at + data.batch])
    return rows


@fewer
@given(data(epochs=[None]), data(epochs=[1, 2]), st.integers(1, 3), st.integers(1, 3))
def test_rows_of_a_component_do_not_depend_on_the_mix(one: Data, two: Data, weight: int, batch: int) -> None:
    shards = one.shards or 4
    alone = rows_of(islice(iter(_named(one, "a").batch(1, shards=shards)), 60))
    parts = {"a": one.rows(), "b": _shifted(two).rows()}
    rows = replace_length(two, one.length)
    parts["b"] = rows
    mixed = rd.mix(parts, {"a": weight, "b": 1}, stop="renormalise").batch(1, shards=shards)
    found = rows_of(islice(iter(mixed), 60 * batch))
    own = [row for row in found if row[0] <= OFFSET]

    assert own[:60] == alone[: len(own[:60])]
    assert len(own) > 0


def _named(data: Data, name: str) -> rd.Dataset[Any]:
    """The rows of a component that is alone in its mix, so that its path is the same."""
    return rd.mix({name: data.rows()})


def _shifted(data: Data) -> Data:
    return data


def replace_length(data: Data, length: int) -> rd.Dataset[Any]:
    documents = _numbered(data.documents(), 1)
    return documents.pack(length, eod_id=0, window=data.window)
