"""Iterators that several threads use, that are forked, pickled, or closed while storage does not answer."""

import os
import pickle
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.arrays import Int64Array
from resumable_data.state import State


@pytest.fixture
def often_switched() -> Iterator[None]:
    """Threads take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def pipeline() -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(rd.InMemorySource([[i + 1] * 4 for i in range(900)]))
    return documents.repeat().pack(8, eod_id=0).batch(4)


@pytest.mark.usefixtures("often_switched")
def test_a_state_that_another_thread_takes_is_of_one_position() -> None:
    iterator, taken = iter(pipeline()), list[State]()

    def take() -> None:
        for _ in range(400):
            next(iterator)

    thread = threading.Thread(target=take)
    thread.start()
    while thread.is_alive():
        taken.append(iterator.get_state())
    thread.join()

    assert [state for state in taken if state["rows"] != 4 * state["step"]] == []
    assert len({state["step"] for state in taken}) > 1


@pytest.mark.usefixtures("often_switched")
def test_threads_share_the_batches_of_an_iterator() -> None:
    iterator, taken = iter(pipeline()), list[bytes]()

    def take() -> None:
        for _ in range(50):
            taken.append(next(iterator).targets.tobytes())

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert iterator.step == 150
    assert sorted(taken) == sorted(batch.targets.tobytes() for _, batch in zip(range(150), pipeline(), strict=False))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*fork.*:RuntimeWarning")
def test_a_fork_is_told_to_make_an_iterator_of_its_own() -> None:
    data = pipeline().prefetch(2)
    with iter(data) as iterator:
        first = next(iterator).targets.tobytes()
        child = os.fork()
        if child == 0:
            try:
                next(iterator)
            except rd.PipelineError as error:
                os._exit(0 if "fork" in str(error) and next(iter(data)).targets.tobytes() == first else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_iterator_is_not_pickled() -> None:
    with pytest.raises(TypeError, match=r"get_state\(\)"):
        pickle.dumps(iter(pipeline()))


class Silent:
    """Storage that stops answering at a record, until it is told to."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.asked = threading.Event()
        self.goes_on = threading.Event()

    def __len__(self) -> int:
        return 4096

    def fingerprint(self) -> str:
        return "silent"

    def lengths(self, indices: Int64Array) -> Int64Array:
        return np.full(len(indices), 8)

    def read(self, indices: Int64Array) -> list[list[int]]:
        if indices.max(initial=0) >= self.answers:
            self.asked.set()
            self.goes_on.wait()
        return [[index + 1] * 8 for index in indices.tolist()]


@pytest.mark.parametrize("leave", ["close", "set_state", "with"])
def test_who_leaves_does_not_wait_for_storage_that_does_not_answer(
    leave: str, caplog: pytest.LogCaptureFixture
) -> None:
    storage = Silent(answers=64)
    iterator = iter(rd.Dataset.from_source(storage).pad(8, eod_id=0).batch(8).prefetch(4))
    next(iterator)
    storage.asked.wait()

    if leave == "with":
        with pytest.raises(RuntimeError, match="loss is nan"), iterator:
            raise RuntimeError("loss is nan")
    elif leave == "close":
        iterator.close()
    else:
        iterator.set_state(iterator.get_state())

    assert not storage.goes_on.is_set()
    assert "keeps running" in caplog.text
    storage.goes_on.set()
