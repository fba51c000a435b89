"""What an iterator counts. No test depends on how long anything takes: some have a clock that counts its calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from itertools import count, islice
from threading import get_ident
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.iteration.meter import Meter
from resumable_data.iteration.stats import Stats
from resumable_data.timing import Clocks, Work
from resumable_data.waits import Doing

DOCUMENTS = 40
WORKS = ("planning", "exchanging", "reading", "tokenizing", "mapping", "assembling", "placing")


def documents() -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.SyntheticSource(DOCUMENTS, [7]), name="web")


def rows() -> rd.Dataset[rd.LLMBatch]:
    return documents().shuffle(seed=1).pack(14, eod_id=0, strategy="first_fit")


def mesh() -> Mesh:
    return Mesh(np.array(jax.devices()), "data")


class Letters:
    """A tokenizer, of the smallest kind."""

    vocab_size = 300
    eos_token_id = 0

    def encode(self, text: str) -> list[int]:
        return list(text.encode())


def taken(data: rd.Dataset[Any]) -> Stats:
    with iter(data) as iterator:
        for _ in iterator:
            pass
        return iterator.stats()


def busy(stats: Stats) -> set[str]:
    return {name for name, seconds in stats.loading.items() if seconds > 0}


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_it_counts_what_is_handed_over(prefetch: int) -> None:
    data = rows().batch(4)
    iterator = iter(data.prefetch(prefetch) if prefetch else data)
    counted = [iterator.stats(), *(iterator.stats() for _ in iterator)]
    iterator.close()

    assert [stats.batches for stats in counted] == list(range(6))
    assert [stats.tokens for stats in counted] == [4 * 14 * number for number in range(6)]
    assert {stats.prefetch for stats in counted} == {prefetch}
    assert all(0 <= stats.ready <= prefetch for stats in counted)
    # The end is asked for too, and is not ready either.
    assert 0 <= counted[-1].not_ready <= 5 + 1


def test_what_was_peeked_counts_when_it_is_handed_over() -> None:
    iterator = iter(rows().batch(4))
    iterator.peek()
    assert iterator.stats().batches == 0
    next(iterator)

    assert iterator.stats().batches == 1


def test_elements_that_are_no_batches_count_too() -> None:
    assert (taken(documents()).batches, taken(documents()).tokens) == (DOCUMENTS, 0)
    assert (taken(rows()).batches, taken(rows()).tokens) == (20, DOCUMENTS * 7)


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize(
    ("data", "works"),
    [
        (lambda: rows().batch(4), {"planning", "reading", "assembling"}),
        (lambda: rows().batch(4).map_batches(dict), {"planning", "reading", "assembling", "mapping"}),
        (lambda: rows().batch(8).place(mesh()), {"planning", "reading", "assembling", "placing"}),
        (rows, {"planning", "reading", "assembling"}),
        (lambda: documents().map(np.negative), {"planning", "reading", "mapping"}),
        (
            lambda: documents().map(np.abs).filter(np.any).pack(14, eod_id=0).batch(4),
            {"planning", "reading", "assembling", "mapping"},
        ),
        (
            lambda: (
                rd.Dataset.from_source(rd.InMemorySource(["some", "text"] * 20))
                .tokenize(Letters())
                .pack(14, eod_id=0)
                .batch(1)
            ),
            {"planning", "reading", "tokenizing", "assembling"},
        ),
    ],
)
def test_each_part_of_a_pipeline_has_its_time(
    data: Callable[[], rd.Dataset[Any]], works: set[str], prefetch: bool
) -> None:
    assert busy(taken(data().prefetch(2) if prefetch else data())) == works


def test_without_threads_the_trainer_waits_for_all_of_it() -> None:
    stats = taken(rows().batch(4))

    assert 0 < sum(stats.loading.values()) <= stats.waited <= stats.elapsed


def test_they_are_no_part_of_a_state() -> None:
    data = rows().batch(4)
    watched, other = iter(data), iter(data)
    watched.on_batch(lambda stats: None)
    for _ in islice(zip(watched, other, strict=True), 3):
        watched.stats()

    assert json.dumps(watched.get_state()) == json.dumps(other.get_state())
    assert watched.stats() != other.stats()


def test_a_restore_does_not_set_them_back() -> None:
    iterator = iter(rows().batch(4))
    state = iterator.get_state()
    before = iterator.stats()
    next(iterator)
    iterator.set_state(through_json(state))
    next(iterator)

    assert (iterator.stats() - before).batches == 2


def test_a_difference_is_what_came_between() -> None:
    iterator = iter(rows().batch(4))
    next(iterator)
    before = iterator.stats()
    next(iterator)
    next(iterator)
    between = iterator.stats() - before

    assert (between.batches, between.tokens) == (2, 2 * 4 * 14)
    assert between.reading >= 0
    assert between.elapsed <= iterator.stats().elapsed
    assert Stats(ready=3, prefetch=4) - Stats(ready=1, prefetch=4) == Stats(ready=3, prefetch=4)


def test_callbacks_hear_of_each_batch_in_the_thread_that_takes_it() -> None:
    heard: list[tuple[str, int, bool]] = []
    iterator, here = iter(rows().batch(4).prefetch(2)), get_ident()
    for name in "ab":
        iterator.on_batch(lambda stats, name=name: heard.append((name, stats.batches, get_ident() == here)))
    for _ in islice(iterator, 2):
        pass
    iterator.peek()
    iterator.close()

    assert heard == [("a", 1, True), ("b", 1, True), ("a", 2, True), ("b", 2, True)]


class Fails:
    """A callback that fails at each batch of some numbers, once."""

    def __init__(self, error: BaseException, *numbers: int) -> None:
        self.error, self.numbers = error, list(numbers)
        self.heard: list[int] = []

    def __call__(self, stats: Stats) -> None:
        self.heard.append(stats.batches)
        if stats.batches in self.numbers:
            self.numbers.remove(stats.batches)
            raise self.error


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("error", [KeyError("gone"), KeyboardInterrupt()])
def test_a_callback_that_fails_loses_no_batch(error: BaseException, prefetch: bool) -> None:
    data = rows().batch(4)
    expected = [batch.targets.tolist() for batch in data]
    iterator = iter(data.prefetch(3) if prefetch else data)
    fails = Fails(error, 1, 3, 5)
    iterator.on_batch(fails)
    found: list[Any] = []
    states: list[Any] = []
    while len(found) < 5:
        try:
            found.append(next(iterator).targets.tolist())
        except type(error):
            states.append(iterator.get_state())
            assert iterator.step == iterator.stats().batches == len(found)
    iterator.close()

    assert found == expected
    assert fails.heard == [1, 1, 2, 3, 3, 4, 5, 5]
    resumed = iter(data)
    for state, step in zip(states, (0, 2, 4), strict=True):
        resumed.set_state(through_json(state))
        assert next(resumed).targets.tolist() == expected[step]


@pytest.mark.parametrize(
    "move",
    [
        next,
        lambda iterator: iterator.set_state(iterator.get_state()),
        lambda iterator: iterator.skip(1),
        lambda iterator: iterator.seek(0),
        lambda iterator: iterator.reset(),
    ],
)
def test_a_callback_cannot_move_its_iterator(move: Callable[[rd.DataIterator[Any]], Any]) -> None:
    expected = [batch.targets.tolist() for batch in rows().batch(4)]
    iterator = iter(rows().batch(4))
    moves = [True]
    iterator.on_batch(lambda stats: move(iterator) if moves.pop() else None)
    with pytest.raises(rd.PipelineError, match="on_batch: a callback must not move its iterator"):
        next(iterator)
    moves += [False] * 5

    assert [batch.targets.tolist() for batch in iterator] == expected
    move(iterator) if move is not next else iterator.reset()


def test_a_callback_may_look_and_close() -> None:
    iterator = iter(rows().batch(4).prefetch(2))
    seen: list[Any] = []

    def look(stats: Stats) -> None:
        seen.append((iterator.step, iterator.peek().targets.tolist(), iterator.stats().batches))
        iterator.start()
        iterator.close()

    iterator.on_batch(look)
    batch = next(iterator)

    assert seen == [(0, batch.targets.tolist(), 1)]
    assert iterator.step == 1


def test_a_callback_is_a_function() -> None:
    with pytest.raises(rd.PipelineError, match="on_batch: callback=3 must be"):
        iter(rows()).on_batch(3)  # type: ignore[arg-type]


def test_a_callback_cannot_end_a_loop() -> None:
    iterator = iter(rows().batch(4))
    iterator.on_batch(Fails(StopIteration(), 2))

    with pytest.raises(RuntimeError, match="on_batch: the callback raises StopIteration"):
        list(iterator)
    assert len(list(iterator)) == 4


def test_a_profile_has_a_mark_for_each_part(tmp_path: Any) -> None:
    data = documents().map(np.abs).pack(14, eod_id=0).batch(8).place(mesh()).prefetch(2)
    with jax.profiler.trace(tmp_path), iter(data) as iterator:
        list(iterator)
    (profile,) = tmp_path.rglob("*.xplane.pb")
    found = profile.read_bytes()

    for part in ("planning", "reading", "mapping", "assembling", "placing", "waiting for a batch"):
        assert f"resumable_data: {part}".encode() in found


NUMBERS = Stats(batches=100, tokens=10**6, elapsed=10.0, waited=3.8, reading=6.0, planning=1.0, prefetch=4, ready=1)


@pytest.mark.parametrize(
    ("stats", "words"),
    [
        (Stats(), "No batch was handed over."),
        (NUMBERS, "The trainer waits 38 % of the time for data; reading takes most of the loading."),
        (
            replace(NUMBERS, tokenizing=5.0, planning=2.0),
            "The trainer waits 38 % of the time for data; reading takes the largest part (46 %) of the loading.",
        ),
        (
            replace(NUMBERS, exchanging=20.0),
            "The trainer waits 38 % of the time for data; waiting for other processes takes most of the loading.",
        ),
        (
            replace(NUMBERS, prefetch=0),
            "The trainer waits 38 % of the time for data; reading takes most of the loading. "
            "Nothing is loaded while it works: add prefetch().",
        ),
        (
            replace(NUMBERS, waited=0.09),
            "The trainer waits less than 1 % of the time for data: loading keeps up with it.",
        ),
        (Stats(batches=1, elapsed=1.0, waited=0.5, prefetch=1), "The trainer waits 50 % of the time for data."),
        # The clock of a thread may be ahead of that which is read for the whole.
        (replace(NUMBERS, waited=11.0), "The trainer waits 100 % of the time for data; reading takes most of the"),
    ],
)
def test_it_says_in_words_which_part_is_slow(stats: Stats, words: str) -> None:
    assert stats.words.startswith(words)
    assert str(stats).endswith(stats.words)


def test_the_table_leaves_out_what_took_no_time() -> None:
    lines = str(NUMBERS).splitlines()

    assert [line[:28].strip() for line in lines[:5]] == ["", "time", "the trainer waits", "planning", "reading"]
    assert lines[5] == (
        "100 batches, 1,000,000 tokens; 1 of up to 4 batches are ready, 0 were not when they were asked for"
    )
    assert max(map(len, lines)) <= 100
    assert all(name not in str(NUMBERS) for name in ("placing", "mapping"))


def test_json_has_all_numbers() -> None:
    found = json.loads(json.dumps(NUMBERS.to_json()))

    assert Stats(**{field.name: found.pop(field.name) for field in fields(Stats)}) == NUMBERS
    assert found == {"waited_share": pytest.approx(0.38), "words": NUMBERS.words}


def test_they_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        NUMBERS.batches = 3  # type: ignore[misc]


def test_every_work_has_a_number() -> None:
    assert tuple(NUMBERS.loading) == WORKS


def test_a_counting_clock_adds_up() -> None:
    ticks = count()
    meter = Meter(0, Clocks(lambda: float(next(ticks))))
    with meter.waiting(), Doing(str, Work.PLANNING), Doing(str, Work.READING):
        pass
    stats = meter.stats(0)

    # Began at 0, waits from 1, plans from 2, reads from 3 to 4, plans to 5, waits to 6; asked at 7.
    assert (stats.elapsed, stats.waited, stats.planning, stats.reading) == (7.0, 5.0, 2.0, 1.0)
