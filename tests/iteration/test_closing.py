"""However an iterator of real files ends: no thread, no open file, and no word on standard error remains."""

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing.array_record_shards import write_documents
from property_tests.testing.threads import threads

PATIENCE = 20  # seconds after which a test that hangs fails
KINDS = ("documents", "rows", "measured rows", "batches", "placed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    draw = np.random.default_rng(0)
    for shard in range(3):
        documents = [draw.integers(1, 100, length) for length in draw.integers(1, 90, 300)]
        write_documents(folder / f"{shard}.arecord", documents)
    return folder


def first_half(document: np.ndarray) -> np.ndarray:
    """A map after which lengths are known only once the documents are read."""
    return document[: len(document) // 2 + 1]


def pipelines(source: rd.ArrayRecordSource) -> dict[str, rd.Dataset]:
    documents = rd.Dataset.from_source(source).shuffle(seed=1).repeat()
    rows = documents.pack(length=64, eod_id=0, window=128)
    measured_rows = documents.map(first_half).pack(length=64, eod_id=0, window=128)
    batches = rows.batch(8)
    placed = batches.place(Mesh(np.array(jax.devices()), "data"))
    return dict(zip(KINDS, (documents, rows, measured_rows, batches, placed), strict=True))


def open_corpus(folder: Path) -> rd.ArrayRecordSource:
    return rd.ArrayRecordSource(f"{folder}/*.arecord", parse=rd.parse_int32_tokens, progress=False)


def open_files(folder: Path) -> list[str]:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("open files can only be seen under /proc")
    targets = [str(link.readlink()) for link in descriptors.iterdir() if link.is_symlink()]
    return sorted(target for target in targets if target.startswith(str(folder)))


@pytest.fixture
def new_threads() -> Iterator[Callable[[], object]]:
    before = threads()
    return lambda: threads() - before


@pytest.fixture
def interrupt() -> Iterator[Callable[[], object]]:
    """Ctrl-C, also where the tests are run by a process that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    # To the main thread: sent to the process, it may come late.
    yield lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def end_iteration(data: rd.Dataset, end: str, interrupt: Callable[[], object]) -> None:
    """Iterates into the middle of prefetching, and ends in one of the ways in which loops end."""
    iterator = iter(data)
    for _ in range(5):
        next(iterator)
    if end == "close":
        iterator.close()
    elif end == "with":
        with iterator:
            next(iterator)
    elif end == "garbage collection":
        cycle: list[object] = [iterator]
        cycle.append(cycle)
        del iterator, cycle
        gc.collect()
    elif end == "an exception in the loop":
        with pytest.raises(KeyError):
            with_each(iterator, {}.pop, "lost")
    else:
        with pytest.raises(KeyboardInterrupt):
            with_each(iterator, interrupt)


def with_each(iterator: rd.DataIterator, call: Callable[..., object], *arguments: object) -> None:
    with iterator:
        for _ in iterator:
            call(*arguments)


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("end", ["close", "with", "garbage collection", "an exception in the loop", "Ctrl-C"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_thread_and_no_file_stays(folder, new_threads, interrupt, kind, end, prefetch) -> None:
    source = open_corpus(folder)
    data = pipelines(source)[kind]
    if prefetch:
        data = data.prefetch(4)
    end_iteration(data, end, interrupt)
    assert not new_threads()
    files = open_files(folder)
    end_iteration(data, end, interrupt)
    assert open_files(folder) == files  # those of the source, which other iterators may be reading from

    source.close()
    assert open_files(folder) == []
    del source, data
    gc.collect()
    assert open_files(folder) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_is_dropped_closes_its_files(folder, new_threads, kind) -> None:
    iterator = iter(pipelines(open_corpus(folder))[kind].prefetch(4))
    next(iterator)
    assert open_files(folder)
    del iterator
    gc.collect()

    assert not new_threads()
    assert open_files(folder) == []


def test_a_run_that_is_left_for_one_of_other_shards_ends_its_threads(folder, new_threads) -> None:
    documents = rd.Dataset.from_source(open_corpus(folder)).repeat().map(first_half)
    rows = documents.pack(length=64, eod_id=0, window=16)
    other = iter(rows.batch(8))
    next(other)
    with iter(rows.batch(4).prefetch(2)) as iterator:
        next(iterator)
        iterator.set_state(other.get_state(), allow={"batch"})
        other.close()
        iterator.set_state(iter(rows.batch(4)).get_state())
        next(iterator)
        iterator.set_state(iter(rows.batch(4, shards=2)).get_state())
    gc.collect()

    assert not new_threads()


class Waiting:
    """A source whose reads wait in a thread until they are let go."""

    def __init__(self) -> None:
        self.reads = 0
        self.first = 0
        self.waits = threading.Event()
        self.go = threading.Event()

    def __len__(self) -> int:
        return 1000

    def read(self, indices: np.ndarray) -> list[list[int]]:
        self.reads += 1
        if self.reads == 1:
            self.first = len(indices)
        if self.reads == 2:
            self.waits.set()
            assert self.go.wait(PATIENCE)
        return [[int(index)] * 4 for index in indices]

    def lengths(self, indices: np.ndarray) -> np.ndarray:
        return np.full(len(indices), 4)

    def fingerprint(self) -> str:
        return "waiting"


def wait_for_main_thread_in(function: str, at: str | None = None) -> None:
    """Returns once the main thread is inside a function of that name of this package.

    Args:
        function: The name.
        at: The function that this one is calling, or None for any.
    """
    main = threading.main_thread().ident
    for _ in range(PATIENCE * 1000):
        frame, called = sys._current_frames()[main], None
        while frame is not None:
            if (
                frame.f_code.co_name == function
                and "resumable_data" in frame.f_code.co_filename
                and at in (None, called)
            ):
                return
            frame, called = frame.f_back, frame.f_code.co_name
        threading.Event().wait(0.001)


def test_a_ctrl_c_while_waiting_for_data_loses_nothing(new_threads, interrupt) -> None:
    source = Waiting()
    iterator = iter(rd.Dataset.from_source(source).pad(4, eod_id=0).batch(1).prefetch(1))

    def interrupt_twice() -> None:
        source.waits.wait(PATIENCE)
        # Until everything that was read is delivered, the main thread may leave __next__ at any time.
        while iterator.step < source.first:
            threading.Event().wait(0.001)
        wait_for_main_thread_in("__next__", at="wait_for")
        interrupt()
        wait_for_main_thread_in("join_all")
        interrupt()
        source.go.set()

    helper = threading.Thread(target=interrupt_twice)
    helper.start()
    delivered: list[rd.LLMBatch] = []
    with pytest.raises(KeyboardInterrupt):
        delivered.extend(iterator)
    helper.join()
    delivered += [next(iterator) for _ in range(10)]

    assert [int(batch.targets[0, 0]) for batch in delivered] == list(range(len(delivered)))
    assert iterator.step == len(delivered)
    iterator.close()
    assert not new_threads()


ENDS = {
    "the script ends": ("", 0, ""),
    "sys.exit": ("sys.exit(3)", 3, ""),
    "an exception": ("raise KeyError('lost')", 1, "KeyError: 'lost'"),
    "Ctrl-C": (
        "signal.signal(signal.SIGINT, signal.default_int_handler); signal.raise_signal(signal.SIGINT)",
        -signal.SIGINT,
        "KeyboardInterrupt",
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_an_interpreter_exits_quietly_with_iterators_that_nobody_closed(folder, end) -> None:
    last_line, code, complaint = ENDS[end]
    script = (
        "import signal, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_closing\n"
        f"source = test_closing.open_corpus({str(folder)!r})\n"
        "iterators = [iter(data.prefetch(4)) for data in test_closing.pipelines(source).values()]\n"
        "for iterator in iterators:\n"
        "    for _ in range(5):\n"
        "        next(iterator)\n"
        f"{last_line}\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)

    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    # Python's own report of the error, and nothing else.
    assert done.stderr.count("Traceback") == bool(complaint)
    assert done.stderr.splitlines()[-1:] == [complaint] * bool(complaint)
