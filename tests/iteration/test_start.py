"""Loading that begins before a batch is asked for: by ``start``, and by itself where a position is restored."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import pytest
from orbax.checkpoint import v1

import resumable_data as rd
from property_tests.testing.running import raw, take, through_json
from property_tests.testing.threads import threads

PATIENCE = 20  # seconds after which a test that hangs fails
DOCUMENTS = 90


class Noting:
    """A source that notes what is read; it fails where it is told to, once."""

    def __init__(self) -> None:
        self.read_records: list[int] = []
        self.fails = False

    def __len__(self) -> int:
        return DOCUMENTS

    def read(self, indices: np.ndarray) -> list[list[int]]:
        self.read_records += indices.tolist()
        if self.fails:
            self.fails = False
            raise rd.RecordError("a record is torn")
        return [[int(index) + 1] * 4 for index in indices]

    def lengths(self, indices: np.ndarray) -> np.ndarray:
        return np.full(len(indices), 4)

    def fingerprint(self) -> str:
        return "noting"


def batches(source: Any = None, prefetch: int = 3) -> rd.Dataset[rd.LLMBatch]:
    data = rd.Dataset.from_source(source or Noting()).shuffle(seed=1).pack(8, eod_id=0).batch(5)
    return data.prefetch(prefetch) if prefetch else data


def measured() -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(Noting()).map(np.abs)
    return documents.pack(8, eod_id=0, window=16).batch(5).prefetch(2)


def state_at(step: int, data: rd.Dataset[rd.LLMBatch]) -> Any:
    with iter(data) as iterator:
        take(iterator, step)
        return through_json(iterator.get_state())


def wait_for(what: Callable[[], bool]) -> None:
    for _ in range(PATIENCE * 1000):
        if what():
            return
        threading.Event().wait(0.001)
    pytest.fail("it did not happen")


@pytest.fixture
def new_threads() -> Iterator[Callable[[], set[Any]]]:
    before = threads()
    yield lambda: threads() - before
    gc.collect()
    assert not threads() - before


def test_batches_are_ready_before_one_is_asked_for_and_the_position_stays() -> None:
    with iter(batches()) as iterator:
        state = json.dumps(iterator.get_state())
        iterator.start()
        wait_for(lambda: iterator.stats().ready == 3)

        assert (iterator.step, json.dumps(iterator.get_state())) == (0, state)
        assert iterator.stats().batches == 0
        assert take(iterator, 99) == [raw(batch) for batch in batches(prefetch=0)]
        assert iterator.stats().not_ready <= 9  # never the first


def test_starting_again_starts_nothing_more(new_threads: Callable[[], set[Any]]) -> None:
    with iter(batches(prefetch=99)) as iterator:
        for _ in range(3):
            iterator.start()
        wait_for(lambda: iterator.stats().ready == 9)
        iterator.start()
        expected = [raw(batch) for batch in batches(prefetch=0)]
        assert take(iterator, 2) == expected[:2]
        iterator.start()
        iterator.peek()
        iterator.start()
        assert take(iterator, 99) == expected[2:]
        iterator.start()
        assert not new_threads()


def test_without_prefetch_it_does_nothing(new_threads: Callable[[], set[Any]]) -> None:
    source = Noting()
    data = batches(source, prefetch=0)
    state = state_at(2, data)
    source.read_records.clear()
    iterator = iter(data)
    iterator.start()
    iterator.set_state(state)
    iterator.start()

    assert not new_threads()
    assert source.read_records == []


def test_a_closed_iterator_does_not_start(new_threads: Callable[[], set[Any]]) -> None:
    state = state_at(2, batches())
    iterator = iter(batches())
    iterator.close()

    with pytest.raises(ValueError, match="this iterator is closed"):
        iterator.start()
    iterator.set_state(state)
    assert not new_threads()


def by_set_state(iterator: rd.DataIterator[Any], folder: Path, state: Any) -> None:
    iterator.set_state(state)


def by_torch_name(iterator: rd.DataIterator[Any], folder: Path, state: Any) -> None:
    iterator.load_state_dict(state)


def by_older_orbax(iterator: rd.DataIterator[Any], folder: Path, state: Any) -> None:
    with ocp.CheckpointManager(folder) as manager:
        manager.restore(2, args=ocp.args.Composite(data=rd.checkpoint.DataRestore(iterator)))


def by_newer_orbax(iterator: rd.DataIterator[Any], folder: Path, state: Any) -> None:
    v1.load_checkpointables(folder / "2", {"data": iterator})


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    with ocp.CheckpointManager(folder) as manager, iter(batches()) as iterator:
        take(iterator, 2)
        manager.save(2, args=ocp.args.Composite(data=rd.checkpoint.DataSave(iterator)))
    return folder


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("restore", [by_set_state, by_torch_name, by_older_orbax, by_newer_orbax])
def test_a_restore_begins_by_itself(saved: Path, restore: Callable[..., None], used: bool) -> None:
    expected = [raw(batch) for batch in batches(prefetch=0)]
    with iter(batches()) as iterator:
        take(iterator, 4 if used else 0)
        restore(iterator, saved, state_at(2, batches()))
        wait_for(lambda: iterator.stats().ready == 3)

        assert iterator.step == 2
        assert take(iterator, 99) == expected[2:]


def test_other_ways_to_a_position_wait_until_a_batch_is_asked_for(new_threads: Callable[[], set[Any]]) -> None:
    iterator = iter(batches())
    take(iterator, 1)
    iterator.seek(3)
    assert not new_threads()
    take(iterator, 1)
    iterator.reset()
    assert not new_threads()


@pytest.mark.parametrize("make", [batches, measured])
def test_what_was_begun_is_dropped_where_the_position_changes_again(
    make: Callable[[], rd.Dataset[rd.LLMBatch]], new_threads: Callable[[], set[Any]]
) -> None:
    states = [state_at(step, make()) for step in range(4)]
    with iter(make()) as expecting, iter(make()) as iterator:
        expecting.set_state(states[1])
        expecting.skip(2)
        expected = take(expecting, 99)
        expecting.close()
        for step in (3, 0, 2, 1):
            iterator.set_state(states[step])
        iterator.skip(2)
        iterator.start()

        # Those of one position; where they come to the end of the data they end.
        assert len([thread for thread in new_threads() if "prefetch" in thread.name]) <= 3
        assert iterator.step == 1
        assert take(iterator, 99) == expected
    assert not new_threads()


def test_after_a_skip_loading_goes_on_by_itself_if_it_was_begun() -> None:
    with iter(batches()) as iterator:
        iterator.skip(1)
        assert iterator.stats().ready == 0
        iterator.start()
        iterator.skip(2, at=1)
        wait_for(lambda: iterator.stats().ready == 3)
        expected = [raw(batch) for batch in batches(prefetch=0)]

        assert take(iterator, 2) == [expected[1], expected[4]]


def test_a_state_that_is_refused_leaves_what_is_loaded() -> None:
    source = Noting()
    with iter(batches(source, prefetch=99)) as iterator:
        iterator.start()
        wait_for(lambda: iterator.stats().ready == 9)
        read = list(source.read_records)
        with pytest.raises(rd.StateError):
            iterator.set_state({**iterator.get_state(), "step": 5})

        assert iterator.stats().ready == 9
        assert len(take(iterator, 99)) == 9
        assert source.read_records == read


@pytest.mark.parametrize("begin", ["start", "restore"])
def test_what_fails_in_the_background_is_raised_when_a_batch_is_asked_for(begin: str) -> None:
    source = Noting()
    state = state_at(2, batches(source))
    with iter(batches(source, prefetch=2)) as iterator:
        source.read_records.clear()
        source.fails = True
        if begin == "start":
            iterator.start()
        else:
            iterator.set_state(state)
        wait_for(lambda: not source.fails)
        expected = iterator.step
        # The read of many fails, and each is read alone: so it is for the first batch, which has nothing before it.
        assert len(take(iterator, 1)) == 1
        assert iterator.step == expected + 1


def test_a_record_that_stays_bad_is_an_error_at_next_and_moves_nothing() -> None:
    class Torn(Noting):
        def read(self, indices: np.ndarray) -> list[list[int]]:
            self.read_records += indices.tolist()
            raise rd.RecordError("a record is torn")

    source = Torn()
    with iter(batches(source)) as iterator:
        iterator.start()
        wait_for(lambda: bool(source.read_records))
        for _ in range(2):
            with pytest.raises(rd.RecordError, match="a record is torn"):
                next(iterator)
            assert iterator.step == 0


@pytest.mark.parametrize("end", ["close", "garbage collection"])
@pytest.mark.parametrize("begin", ["start", "restore"])
@pytest.mark.parametrize("make", [batches, measured])
def test_no_thread_stays(
    make: Callable[[], rd.Dataset[Any]], begin: str, end: str, new_threads: Callable[[], set[Any]]
) -> None:
    state = state_at(2, make())
    iterator = iter(make())
    if begin == "start":
        iterator.start()
    else:
        iterator.set_state(state)
    assert new_threads()
    if end == "close":
        iterator.close()
    else:
        cycle: list[object] = [iterator]
        cycle.append(cycle)
        del iterator, cycle
        gc.collect()

    assert not new_threads()


def test_an_interpreter_exits_quietly_after_a_start() -> None:
    script = (
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_start\n"
        "started, restored = (iter(test_start.measured()) for _ in range(2))\n"
        "started.start()\n"
        "restored.set_state(started.get_state())\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
