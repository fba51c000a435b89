import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.threads import threads

PATIENCE = 20  # seconds after which a test that hangs fails


class Watched:
    """Ten thousand documents of four tokens. Reading can be watched, made to wait and made to fail."""

    def __init__(self) -> None:
        self.reads = 0
        self.bad_record = -1
        self.on_read = lambda: None

    def __len__(self) -> int:
        return 10_000

    def read(self, indices: np.ndarray) -> list[list[int]]:
        self.reads += 1
        self.on_read()
        if self.bad_record in indices:
            raise rd.RecordError(f"record {self.bad_record} is bad")
        return [[int(index)] * 4 for index in indices]

    def lengths(self, indices: np.ndarray) -> np.ndarray:
        return np.full(len(indices), 4)

    def fingerprint(self) -> str:
        return "watched"


def batches(source: Watched, buffer_size: int = 2) -> rd.Dataset[rd.LLMBatch]:
    return rd.Dataset.from_source(source).pad(4, eod_id=0).batch(2).prefetch(buffer_size)


@pytest.fixture
def new_threads():
    before = threads()
    return lambda: threads() - before


@pytest.mark.parametrize("buffer_size", [1, 2, 100])
@pytest.mark.parametrize("kind", ["documents", "rows", "batches"])
def test_the_elements_are_the_same(buffer_size: int, kind: str) -> None:
    documents = rd.Dataset.from_source(rd.SyntheticSource(50, [3, 0, 9])).shuffle(1).append_eod(0)
    plain = {
        "documents": documents,
        "rows": documents.pack(8, eod_id=0),
        "batches": documents.pack(8, eod_id=0).batch(3),
    }[kind]

    for element, prefetched in zip(plain, plain.prefetch(buffer_size), strict=True):
        np.testing.assert_array_equal(getattr(prefetched, "inputs", prefetched), getattr(element, "inputs", element))


@pytest.mark.parametrize("begin", ["next", "start", "set_state"])
def test_nothing_starts_before_the_first_next_start_or_restore(begin: str, new_threads) -> None:
    source = Watched()
    iterator = iter(batches(source))
    state = iterator.get_state()
    iterator.reset()
    iterator.progress()

    assert source.reads == 0
    assert not new_threads()

    {"next": lambda: next(iterator), "start": iterator.start, "set_state": lambda: iterator.set_state(state)}[begin]()
    assert new_threads()
    iterator.close()
    assert not new_threads()


def test_the_state_is_that_of_what_was_handed_over() -> None:
    prefetched, plain = (
        iter(batches(Watched(), 50)),
        iter(rd.Dataset.from_source(Watched()).pad(4, eod_id=0).batch(2)),
    )
    for _ in range(5):
        next(prefetched), next(plain)
        assert prefetched.get_state() == plain.get_state()
    prefetched.close()


@pytest.mark.parametrize("end", ["close", "with", "set_state", "drop", "the end of the data", "an error"])
def test_the_threads_end(end: str, new_threads) -> None:
    source = Watched()
    iterator = iter(batches(source))
    next(iterator)
    threads = new_threads()
    assert threads

    if end == "close":
        iterator.close()
    elif end == "with":
        with iterator:
            next(iterator)
    elif end == "set_state":
        iterator.set_state(iterator.get_state())
        assert not threads & new_threads()  # Those that it begins anew are others.
        iterator.close()
    elif end == "drop":
        gone = weakref.ref(iterator)
        del iterator
        gc.collect()
        assert gone() is None
    elif end == "the end of the data":
        for _ in iterator:
            pass
    else:
        source.bad_record = 9000
        with pytest.raises(rd.RecordError, match="record 9000 is bad"):
            list(iterator)

    assert not new_threads()
    assert not any(thread.is_alive() for thread in threads)


def test_an_iterator_dropped_in_a_cycle_may_be_collected_by_its_own_thread() -> None:
    source = Watched()
    dropped, collected = threading.Event(), threading.Event()

    def collect_when_dropped() -> None:
        if source.reads == 3:
            dropped.wait(PATIENCE)
            gc.collect()
            collected.set()

    source.on_read = collect_when_dropped
    iterator = iter(batches(source, buffer_size=50))
    next(iterator)
    cycle: list[object] = [iterator]
    cycle.append(cycle)
    gc.collect()
    gc.disable()
    try:
        del iterator, cycle
        dropped.set()
        assert collected.wait(PATIENCE), "the thread waits for itself"
    finally:
        gc.enable()


def test_closing_does_not_wait_for_the_buffer_to_empty(new_threads) -> None:
    source = Watched()
    iterator = iter(batches(source, buffer_size=1))
    next(iterator)
    iterator.close()
    reads = source.reads

    assert not new_threads()
    with pytest.raises(ValueError, match="closed"):
        next(iterator)
    assert source.reads == reads


def test_elements_in_front_of_an_error_are_delivered_and_iteration_goes_on_behind_it() -> None:
    source = Watched()
    source.bad_record = 9
    iterator = iter(batches(source, buffer_size=3))
    delivered = [next(iterator).targets[:, 0].tolist() for _ in range(4)]
    for _ in range(3):
        with pytest.raises(rd.RecordError, match="record 9 is bad"):
            next(iterator)
        assert iterator.step == 4
    source.bad_record = -1
    delivered += [next(iterator).targets[:, 0].tolist() for _ in range(3)]
    iterator.close()

    assert delivered == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11], [12, 13]]


def test_an_interpreter_exits_quietly_while_prefetching() -> None:
    script = (
        "import resumable_data as rd\n"
        "documents = rd.Dataset.from_source(rd.SyntheticSource(1000, [5]))\n"
        "iterator = iter(documents.repeat().pack(8, eod_id=0).batch(4).prefetch(8))\n"
        "print(next(iterator).inputs.shape)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "(4, 8)\n", "")


@pytest.mark.parametrize("buffer_size", [0, -1])
def test_a_buffer_holds_something(buffer_size: int) -> None:
    with pytest.raises(rd.PipelineError, match=f"buffer_size={buffer_size} must be at least 1"):
        batches(Watched(), buffer_size)


def test_prefetching_twice_is_refused() -> None:
    with pytest.raises(rd.PipelineError, match="prefetches already"):
        batches(Watched()).prefetch()
