from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.data_sets import CannotBeLoadedThere, Raises, Squares, Stuck, TornImages
from property_tests.testing.scripts import run_script
from resumable_data.interfaces.loaders.order import PassOrder
from resumable_data.interfaces.loaders.workers import Workers, cannot_load, load_here
from resumable_data.loaders import DataLoader

ORDER = PassOrder(12, 4, drop_last=True, seed=None)
ONE_BY_ONE = PassOrder(4, 1, drop_last=True, seed=None)


def add_up(samples: list[Any]) -> int:
    return sum(int(sample["index"]) for sample in samples)


def test_workers_load_what_this_process_loads() -> None:
    workers = Workers[int](Squares(12), add_up, 1)
    assert list(workers.load(ORDER, 1)) == list(load_here(Squares(12), add_up, ORDER, 1)) == [22, 38]
    workers.close()
    workers.close()


def test_workers_start_with_the_first_minibatch() -> None:
    before = set(multiprocessing.active_children())
    workers = Workers[int](Squares(12), add_up, 1)
    workers.load(ORDER, 0)
    assert set(multiprocessing.active_children()) == before


def test_of_many_samples_the_first_are_named() -> None:
    error = cannot_load(0, PassOrder(9, 9, drop_last=True, seed=None).samples_of(0), ValueError("torn"))
    assert str(error) == "minibatch 0 (samples 0, 1, 2, 3, 4, 5, 6, 7 …) cannot be loaded: ValueError: torn"


def test_a_worker_that_is_killed_is_an_error_and_the_pass_can_go_on() -> None:
    with DataLoader[Any](Squares(12, deadly=9), minibatch_size=4, num_workers=1) as loader:
        iterator = iter(loader.minibatches(None))
        with pytest.raises(rd.SourceError, match=r'a worker process was killed.*or could not start.*"__main__"'):
            list(iterator)
        assert iterator.step < 3
        # Workers start anew, and what comes before the sample that kills is there.
        iterator = iter(loader.minibatches(None))
        assert next(iterator)["index"].tolist() == [0, 1, 2, 3]


def test_an_error_that_cannot_be_sent_arrives_by_its_name_and_traceback() -> None:
    with DataLoader[Any](TornImages(4), minibatch_size=2, num_workers=1) as loader:
        iterator = iter(loader.minibatches(None))
        for _ in range(2):
            with pytest.raises(
                rd.RecordError, match=r"minibatch 0 .*TornImageError: a.png is torn: no header"
            ) as error:
                next(iterator)
            assert "data_sets.py" in str(error.value.__cause__.__cause__)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt: "),
        (BrokenProcessPool("its own pool"), "BrokenProcessPool: its own pool"),
        (CancelledError(), "CancelledError: "),
    ],
)
def test_an_error_that_would_mean_something_else_here_arrives_as_any_other(error: BaseException, words: str) -> None:
    others = set(multiprocessing.active_children())
    with DataLoader[Any](Raises(error), minibatch_size=2, num_workers=1) as loader:
        iterator = iter(loader.minibatches(None))
        with pytest.raises(rd.RecordError, match=rf"minibatch 0 \(samples 0, 1\) .*{words}") as found:
            next(iterator)
        assert "data_sets.py" in str(found.value.__cause__.__cause__)
        (worker,) = set(multiprocessing.active_children()) - others
        with pytest.raises(rd.RecordError):
            next(iterator)
        assert set(multiprocessing.active_children()) - others == {worker}


def test_an_interrupt_by_the_user_stays_one() -> None:
    with pytest.raises(KeyboardInterrupt):
        next(iter(DataLoader[Any](Raises(KeyboardInterrupt()), minibatch_size=2).minibatches(None)))


def test_a_killed_worker_stops_each_pass_once() -> None:
    """The pass that hears of it last leaves alone the workers that another one has started."""
    others = set(multiprocessing.active_children())
    with DataLoader[Any](Squares(24), minibatch_size=2, num_workers=1) as loader:
        first, second, late = (iter(loader.minibatches(None)) for _ in range(3))
        for iterator in (first, second, late):
            assert next(iterator)["index"].tolist() == [0, 1]
        (worker,) = set(multiprocessing.active_children()) - others
        os.kill(worker.pid or 0, signal.SIGKILL)
        worker.join()
        with pytest.raises(rd.SourceError, match="a worker process was killed"):
            list(first)
        at = first.step
        assert next(first)["index"].tolist() == [2 * at, 2 * at + 1]
        for iterator in (second, late):
            with pytest.raises(rd.SourceError, match="one was killed, and another pass has met that") as found:
                next(iterator)
            assert "close()" not in str(found.value)
            assert next(iterator)["index"].tolist() == [2, 3]
        assert [batch["index"][0] for batch in first] == list(range(2 * at + 2, 24, 2))


def test_close_during_a_pass_is_an_error_that_says_so_and_the_pass_can_go_on() -> None:
    others = set(multiprocessing.active_children())
    with DataLoader[Any](Squares(24), minibatch_size=2, num_workers=1) as loader:
        iterator = iter(loader.minibatches(None))
        next(iterator)
        loader.close()
        assert set(multiprocessing.active_children()) == others
        with pytest.raises(rd.SourceError, match=r"workers of this pass have ended: close\(\) was called\."):
            next(iterator)
        assert next(iterator)["index"].tolist() == [2, 3]


KILLED = """
import os, signal
from property_tests.testing.data_sets import Squares
from resumable_data.loaders import DataLoader

if __name__ == "__main__":
    loader = DataLoader(Squares(40), minibatch_size=2, num_workers=1)
    iterator = iter(loader.minibatches(None))
    next(iterator)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_where_the_process_that_trains_is_killed(tmp_path: Path) -> None:
    assert run_script(tmp_path, KILLED).returncode == -signal.SIGKILL


UNCLOSED = """
from property_tests.testing.data_sets import Squares, Stuck
from resumable_data.loaders import DataLoader

if __name__ == "__main__":
    loaders = [DataLoader(data, minibatch_size=1, num_workers=1) for data in (Stuck(), Squares(4))]
    passes = [iter(loader.minibatches(None)) for loader in loaders]
    for iterator in passes:
        next(iterator)
    print("done")
"""


def test_a_script_that_closes_nothing_ends_although_a_worker_is_stuck(tmp_path: Path) -> None:
    run = run_script(tmp_path, UNCLOSED)
    assert (run.returncode, run.stdout, run.stderr) == (0, "done\n", "")


def test_closing_does_not_wait_for_a_sample_that_never_comes() -> None:
    before = set(multiprocessing.active_children())
    workers = Workers[int](Stuck(), sum, 1, seconds_to_end=0.1)
    assert next(workers.load(ONE_BY_ONE, 0)) == 0
    workers.close()
    assert set(multiprocessing.active_children()) == before


FORKED = """
import multiprocessing

from property_tests.testing.data_sets import Squares
from resumable_data.loaders import DataLoader

if __name__ == "__main__":
    with DataLoader(Squares(40), minibatch_size=1, num_workers=1) as loader:
        iterator = iter(loader.minibatches(None))
        next(iterator)
        child = multiprocessing.get_context("fork").Process(target=print)
        child.start()
        child.join()
        print(child.exitcode, len(list(iterator)))
"""


def test_a_forked_process_leaves_the_workers_alone_when_it_ends(tmp_path: Path) -> None:
    assert run_script(tmp_path, FORKED).stdout.split() == ["0", "39"]


def test_a_pass_that_another_thread_closes_says_so_although_its_worker_is_killed() -> None:
    workers = Workers[int](Stuck(), sum, 1, seconds_to_end=0.1)
    iterator = workers.load(ONE_BY_ONE, 0)
    next(iterator)
    closing = Thread(target=workers.close)
    closing.start()
    with pytest.raises(rd.SourceError, match=r"close\(\) was called\.") as found:
        next(iterator)
    assert "killed" not in str(found.value)
    closing.join()


def test_a_data_set_that_does_not_arrive_says_why() -> None:
    with (
        DataLoader[Any](CannotBeLoadedThere(), minibatch_size=2, num_workers=1) as loader,
        pytest.raises(rd.RecordError, match="invalid literal for int"),
    ):
        next(iter(loader.minibatches(None)))


def test_a_loader_that_is_dropped_leaves_nothing_behind() -> None:
    before = set(multiprocessing.active_children())
    loader = DataLoader[Any](Squares(40), minibatch_size=2, num_workers=1)
    iterator = iter(loader.minibatches(None))
    next(iterator)
    assert len(set(multiprocessing.active_children()) - before) == 1
    del loader, iterator
    gc.collect()
    assert set(multiprocessing.active_children()) == before
