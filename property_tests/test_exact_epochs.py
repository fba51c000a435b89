"""Every epoch is delivered exactly once, whatever the data, the batches, the processes and the interruptions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.oracle.batches import default_shards
from property_tests.testing.oracle.packing import PACKERS, STRATEGIES
from property_tests.testing.running import at_state, joined, raw, take, through_json
from property_tests.testing.strategies import Unmeasured

pytestmark = pytest.mark.filterwarnings("ignore:there is no batch")  # of data that is drawn at random

PLACES = 64
"""A token is ``1 + record * PLACES + place``: it says where it stands. No document is longer than PLACES."""

STAGES = ("filter", "filter_lengths", "bad")
PATTERNS = ("random", "alternating", "sorted", "equal", "mostly empty", "one long")
fewer = settings(max_examples=settings.default.max_examples // 2)
few = settings(max_examples=settings.default.max_examples // 4)


def odd(document: Any) -> bool:
    """Keeps every second record: a predicate that follows the record."""
    return len(document) > 0 and int(document[0] - 1) // PLACES % 2 == 1


def not_of_three(lengths: np.ndarray) -> np.ndarray:
    """Drops documents of one length: a predicate of lengths."""
    return lengths != 3


def fussy(document: Any) -> Any:
    """Fails on every seventh record."""
    if len(document) and int(document[0] - 1) // PLACES % 7 == 3:
        raise ValueError("bad")
    return document


@dataclass(frozen=True)
class Data:
    """A pipeline, finite or endless, over documents in which all tokens differ."""

    lengths: tuple[int, ...]
    known: bool
    stages: tuple[str, ...]
    seed: int | None
    block: int | None
    epochs: int | None
    strategy: str
    window: int
    length: int
    truncate: str | bool
    max_documents: int | None
    batch: int
    shards: int | None
    drop_remainder: bool = False
    first: int = 0

    def documents(self) -> rd.Dataset[Any]:
        source = self.source()
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
        return self.documents().pack(self.length, eod_id=0, max_documents=self.max_documents, **options)

    def dataset(self) -> rd.Dataset[rd.LLMBatch]:
        return self.rows().batch(self.batch, shards=self.shards, drop_remainder=self.drop_remainder)

    def source(self) -> rd.InMemorySource:
        """Makes the source. The number of its first record says which component it is."""
        return _source(self.lengths, self.first)

    def epoch(self) -> Counter[int]:
        """Returns the tokens that one epoch must deliver."""
        wanted: Counter[int] = Counter()
        for document in self.source().read(np.arange(len(self.lengths))):
            kept = document[-self.length :] if self.truncate == "left" else document
            kept = kept[: self.length] if self.truncate else kept
            if not self.leaves_out(document):
                wanted.update(map(int, kept))
        return wanted

    def leaves_out(self, document: Any) -> bool:
        """Says whether a stage leaves a document out."""
        record = int(document[0] - 1) // PLACES if len(document) else None
        return (
            ("filter" in self.stages and (record is None or record % 2 == 0))
            or ("filter_lengths" in self.stages and len(document) == 3)
            or ("bad" in self.stages and record is not None and record % 7 == 3)
        )


@lru_cache(maxsize=8)
def _source(lengths: tuple[int, ...], first: int) -> rd.InMemorySource:
    return rd.InMemorySource([np.arange(n) + 1 + record * PLACES for record, n in enumerate(lengths, start=first)])


def patterned(pattern: str, count: int, draw: Any) -> list[int]:
    """Draws lengths of documents with a pattern that an order could follow."""
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
    """Draws a pipeline. An epoch is never empty."""
    count = draw(st.integers(1, 12) | st.integers(1, most))
    stages = draw(st.lists(st.sampled_from(STAGES), unique=True, max_size=2))
    found = Data(
        lengths=tuple(patterned(draw(st.sampled_from(PATTERNS)), count, draw)),
        known=draw(st.booleans()),
        stages=tuple(stages),
        seed=draw(st.none() | st.integers(0, 5)),
        block=draw(st.none() | st.integers(1, 20)),
        epochs=draw(st.sampled_from(list(epochs))),
        strategy=draw(st.sampled_from(strategies or [*PACKERS])),
        window=draw(st.integers(1, 10) | st.integers(1, 2 * count) | st.just(4096)),
        length=draw(st.integers(4, 32)),
        truncate=draw(st.sampled_from([False, "left", "right"])),
        max_documents=draw(st.none() | st.integers(1, 4)),
        batch=draw(st.integers(1, 16)),
        shards=draw(st.none() | st.integers(1, 16)),
    )
    return found if found.epoch() else replace(found, lengths=(2, 2, *found.lengths[2:]), stages=())


def tokens_of(batches: Iterable[rd.LLMBatch]) -> Counter[int]:
    """Counts the deliveries of each token."""
    found: Counter[int] = Counter()
    for batch in batches:
        found.update(batch.targets[batch.targets_segmentation != 0].tolist())
    return found


def rows_of(batches: Iterable[rd.LLMBatch]) -> list[tuple[int, ...]]:
    """Returns the text of every row that is not only padding."""
    return [
        tuple(row)
        for batch in batches
        for row, numbers in zip(batch.targets.tolist(), batch.targets_segmentation.tolist(), strict=True)
        if any(numbers)
    ]


def segments(batches: Iterable[rd.LLMBatch]) -> Iterator[list[list[int]]]:
    """Yields the tokens of each segment of every row."""
    for batch in batches:
        for row, numbers in zip(batch.targets.tolist(), batch.targets_segmentation.tolist(), strict=True):
            cells = [cell for cell in zip(numbers, row, strict=True) if cell[0]]
            yield [[token for _, token in segment] for _, segment in groupby(cells, key=lambda cell: cell[0])]


def records_of(row: list[list[int]]) -> list[int]:
    """Returns the record of each segment."""
    return [(segment[0] - 1) // PLACES for segment in row]


def often(epoch: Counter[int], epochs: int | None) -> Counter[int]:
    """Returns every token of an epoch, once for each epoch."""
    assert epochs is not None
    return Counter(dict.fromkeys(epoch, epochs))


@given(data())
def test_every_document_is_delivered_once_an_epoch(data: Data) -> None:
    assert tokens_of(data.dataset()) == often(data.epoch(), data.epochs)


@few
@given(data(most=5000, epochs=[1, 2]))
def test_every_document_of_a_large_set_is_delivered_once_an_epoch(data: Data) -> None:
    data = replace(data, batch=16 * data.batch)

    assert tokens_of(data.dataset()) == often(data.epoch(), data.epochs)


@fewer
@given(data(epochs=[2, 3]))
def test_an_epoch_is_whole_before_the_next_begins(data: Data) -> None:
    delivered, epoch, whole = Counter[int](), data.epoch(), 0
    for batch in replace(data, batch=1).dataset():
        delivered += tokens_of([batch])
        assert max(delivered.values()) <= whole + 1
        whole += delivered == often(epoch, whole + 1)

    assert whole == data.epochs


@fewer
@given(data(epochs=[1, 2]), st.sampled_from([3, None]))
def test_more_epochs_do_not_change_earlier_epochs(data: Data, epochs: int | None) -> None:
    before = rows_of(replace(data, batch=1, shards=data.shards or 4).dataset())
    longer = replace(data, batch=1, shards=data.shards or 4, epochs=epochs)

    assert rows_of(islice(iter(longer.dataset()), len(before))) == before


@given(data())
def test_less_than_one_batch_is_left_out_at_the_end(data: Data) -> None:
    data = replace(data, shards=data.shards or 4)
    rows = rows_of(replace(data, batch=1).dataset())
    iterator = iter(replace(data, drop_remainder=True).dataset())
    batches = list(iterator)

    assert len(batches) == len(rows) // data.batch
    assert len(rows_of(batches)) == len(batches) * data.batch
    assert iterator.progress().dropped_rows == len(rows) % data.batch


@given(data())
def test_rows_of_padding_stand_only_at_the_end_of_the_last_batch(data: Data) -> None:
    batches = list(data.dataset())
    is_padding = [not any(numbers) for batch in batches for numbers in batch.targets_segmentation.tolist()]
    count = is_padding.count(False)

    assert len(is_padding) == -(-count // data.batch) * data.batch
    assert not any(is_padding[:count])


@fewer
@given(data(epochs=[1, 3, None]))
def test_no_row_holds_one_document_twice(data: Data) -> None:
    for row in segments(islice(iter(data.dataset()), 40)):
        assert len(set(records_of(row))) == len(row)


@fewer
@given(st.lists(data(), min_size=1, max_size=3), st.sampled_from(STRATEGIES), st.data())
def test_no_row_of_a_mix_holds_a_document_twice(parts: list[Data], strategy: str, draw: st.DataObject) -> None:
    # Windows of 16 documents have at least 4 different ones, of 3 tokens or more. A row has no room for so many,
    # so copies can always be kept apart.
    documents = {
        name: replace(
            part, lengths=_longer(part.lengths), stages=(), seed=place, epochs=None, first=1000 * place
        ).documents()
        for place, (name, part) in enumerate(zip("abc", parts, strict=False))
    }
    rows = rd.mix(documents).pack(10, eod_id=0, strategy=strategy, window=16)
    shards = draw.draw(st.integers(1, 6))
    for row in segments(islice(iter(rows.batch(4, shards=shards)), 20)):
        assert len(set(records_of(row))) == len(row)


def _longer(lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Draws at least as many documents as a window has, each of 3 to 10 tokens."""
    return tuple(3 + length % 8 for length in (lengths * 20)[:20])


@fewer
@given(data(epochs=[1, 2]), st.integers(1, 16))
def test_rows_have_one_order_whatever_the_batches(data: Data, batch: int) -> None:
    data = replace(data, batch=batch, shards=data.shards or 4)
    sequence = rows_of(replace(data, batch=1).dataset())
    batches = rows_of(data.dataset())

    assert len(batches) == len(sequence)
    for first in range(0, len(sequence), batch):  # the batch decides the slots, not the order
        assert Counter(batches[first : first + batch]) == Counter(sequence[first : first + batch])


@fewer
@given(data(epochs=[1, 2]), data(epochs=[1, 2, None]), st.integers(1, 3), st.integers(1, 3))
def test_rows_of_a_component_do_not_depend_on_the_mix(one: Data, other: Data, weight: int, batch: int) -> None:
    shards, other = one.shards or 4, replace(other, length=one.length, first=1000)
    alone = rows_of(rd.mix({"a": one.rows()}).batch(1, shards=shards))
    parts = {"a": one.rows(), "b": other.rows()}
    mixed = rd.mix(parts, {"a": weight, "b": 1}, stop="renormalize").batch(batch, shards=shards, drop_remainder=False)
    found = rows_of(islice(iter(mixed), 100))
    own = [row for row in found if row[0] <= 1000 * PLACES]

    if batch == 1:
        assert own == alone[: len(own)]
    assert Counter(own) <= Counter(alone)


@fewer
@given(data(), st.lists(st.tuples(st.integers(1, 8), st.integers(0, 6)), min_size=1, max_size=4))
def test_any_processes_in_turn_deliver_every_document_once_an_epoch(data: Data, turns: list[tuple[int, int]]) -> None:
    data = replace(data, batch=24, shards=data.shards or 5)
    whole = data.dataset()
    alone, state, delivered = iter(whole), iter(whole).get_state(), Counter[int]()
    for count, steps in turns:
        count = count if 24 % count == 0 else 1
        processes = [at_state(whole.shard(index, count), state) for index in range(count)]
        for parts in islice(zip(*processes, strict=True), steps):
            batch = joined(parts)
            assert raw(batch) == raw(next(alone))
            delivered += tokens_of([batch])
        states = [json.dumps(process.get_state()) for process in processes]
        assert states == [json.dumps(alone.get_state())] * count
        state = json.loads(states[0])
    delivered += tokens_of(at_state(whole, state))

    assert delivered == often(data.epoch(), data.epochs)


@fewer
@given(data(), st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=5))
def test_interruptions_lose_and_repeat_nothing(data: Data, interruptions: list[tuple[int, bool]]) -> None:
    iterator, delivered = iter(data.dataset()), Counter[int]()
    for steps, used in interruptions:
        delivered += tokens_of(islice(iterator, steps))
        state = through_json(iterator.get_state())
        iterator = iter(data.dataset())
        if used:
            take(iterator, 3)
        iterator.set_state(state)
    delivered += tokens_of(iterator)

    assert delivered == often(data.epoch(), data.epochs)


@given(data(), st.lists(st.tuples(st.integers(0, 4), st.integers(1, 40)), min_size=1, max_size=4))
def test_a_batch_of_another_size_goes_on_after_any_step(data: Data, edits: list[tuple[int, int]]) -> None:
    # Shards are not set, so their number is that of the first batch from then on.
    sequence = rows_of(replace(data, batch=1, shards=data.shards or default_shards(data.batch)).dataset())
    iterator, found = iter(data.dataset()), list[tuple[int, ...]]()
    for steps, size in edits:
        found += rows_of(islice(iterator, steps))
        state = through_json(iterator.get_state())
        data = replace(data, batch=size)
        iterator = iter(data.dataset())
        iterator.set_state(state, allow={"batch"})
        assert Counter(found) == Counter(sequence[: len(found)])
    found += rows_of(iterator)

    assert Counter(found) == Counter(sequence)
    assert len(found) == len(sequence)


@pytest.mark.parametrize("shards", [1, 64])
def test_the_size_of_a_state_does_not_depend_on_the_shards(shards: int) -> None:
    def size(shards: int) -> int:
        source = Unmeasured(rd.InMemorySource([[1] * (n % 9 + 1) for n in range(500)]))
        rows = rd.Dataset.from_source(source).shuffle(3).repeat().pack(16, eod_id=0, window=4)
        iterator = iter(rows.batch(8, shards=shards))
        take(iterator, 10)
        return len(json.dumps(iterator.get_state()))

    assert abs(size(shards) - size(8)) < 20
