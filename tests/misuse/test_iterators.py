"""Misuses of iterators, of their states and of checkpoints."""

import os
import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from etils import epath
from orbax.checkpoint import v1

import resumable_data as rd
from resumable_data.checkpoint.stateful import Checkpointable

# Untyped, as in a notebook.
DOCUMENTS: Any = rd.Dataset.from_source(rd.InMemorySource([[i + 1] * 4 for i in range(64)]))
BATCHES: Any = DOCUMENTS.repeat().pack(8, eod_id=0).batch(4)
SAVE: Any = rd.checkpoint.DataSave
RESTORE: Any = rd.checkpoint.DataRestore
CHECKPOINTABLE: Any = Checkpointable


def iterator(data: Any = BATCHES, steps: int = 3) -> Any:
    found = iter(data)
    for _ in range(steps):
        next(found)
    return found


def state() -> Any:
    return iterator().get_state()


def restored(given: Any, **settings: Any) -> object:
    return iterator().set_state(given, **settings)


class Reader:
    """An iterator of somebody else's."""

    step = 0

    def get_state(self) -> bytes:
        return b""


MISUSES: dict[str, tuple[Callable[[], object], str, str]] = {
    "skip nothing": (lambda: iterator().skip(0), "skip: 0 batches", "leaves out 1 to"),
    "skip back": (lambda: iterator().skip(-5), "skip: -5 batches", "leaves out 1 to"),
    "skip a float": (lambda: iterator().skip(2.0), "skip: count=2.0", "must be an integer"),
    "skip True": (lambda: iterator().skip(True), "skip: count=True", "must be an integer, not a bool"),
    "skip a text": (lambda: iterator().skip("200"), "skip: count='200'", "must be an integer"),
    "skip too many": (lambda: iterator().skip(10**7), "skip: 10000000 batches", "leaves out 1 to"),
    "skip before a text": (lambda: iterator().skip(5, at="now"), "skip: at='now'", "must be an integer"),
    "skip what is delivered": (lambda: iterator().skip(5, at=1), "before step 1, but 3 are delivered", "skip"),
    "a state of None": (lambda: restored(None), "a state is a JSON object", "NoneType"),
    "a state of bytes": (lambda: restored(b"{}"), "a state is a JSON object", "bytes"),
    "a state of a list": (lambda: restored([]), "a state is a JSON object", "list"),
    "a state of a path": (lambda: restored("ckpt/5/data/state.json"), "a state is a JSON object", "str"),
    "a state of nothing": (lambda: restored({}), "not a state of resumable_data", "format"),
    "a state of something else": (lambda: restored({"step": 5}), "not a state of resumable_data", "format"),
    "a state of another release": (
        lambda: restored({**state(), "version": 99}),
        "version 99",
        "the release that wrote",
    ),
    "a state with a part missing": (
        lambda: restored({key: value for key, value in state().items() if key != "edits"}),
        "keys missing ['edits']",
        "damaged",
    ),
    "a state that was edited": (
        lambda: restored({**state(), "step": 4}),
        "checksum is wrong",
        "an earlier checkpoint",
    ),
    "a state with a text as step": (lambda: restored({**state(), "step": "3"}), "damaged", "step"),
    "a state of another length": (
        lambda: iter(DOCUMENTS.repeat().pack(16, eod_id=0).batch(4)).set_state(state()),
        "pack.length was 8, is 16",
        "allow={'length'}",
    ),
    "a state of another window": (
        lambda: iter(DOCUMENTS.repeat().pack(8, eod_id=0, window=16).batch(4)).set_state(state()),
        "pack.window was",
        "Restore it into the pipeline that it was saved from",
    ),
    "a state of other data": (
        lambda: iter(
            rd.Dataset.from_source(rd.InMemorySource([[1] * 4] * 64)).repeat().pack(8, eod_id=0).batch(4)
        ).set_state(state()),
        "source.content was",
        "Restore it into the pipeline that it was saved from",
    ),
    "a state of another batch": (
        lambda: iter(DOCUMENTS.repeat().pack(8, eod_id=0).batch(8)).set_state(state()),
        "batch.size was 4, is 8",
        "allow={'batch'}",
    ),
    "a state of a component of another name": (
        lambda: iter(rd.mix({"crawl": DOCUMENTS.repeat()}).pack(8, eod_id=0).batch(4)).set_state(
            iter(rd.mix({"web": DOCUMENTS.repeat()}).pack(8, eod_id=0).batch(4)).get_state()
        ),
        "Component 'crawl' has the data of 'web'",
        "Name it 'web' again",
    ),
    "allow what there is not": (lambda: restored(state(), allow={"batches"}), "allow=['batches']", "there are batch"),
    "allow a stage": (lambda: restored(state(), allow=["pack"]), "allow=['pack']", "there are batch"),
    "allow a text": (lambda: restored(state(), allow="all"), "allow=['all']", "there are batch"),
    "allow everything": (lambda: restored(state(), allow=True), "allow=True", "give names, of batch"),
    "allow None": (lambda: restored(state(), allow=None), "allow=None", "give names, of batch"),
    "allow a number": (lambda: restored(state(), allow=[1]), "allow=[1]", "there are batch"),
    "the epochs of a mix": (
        lambda: iter(rd.mix({"a": DOCUMENTS}).pack(8, eod_id=0).batch(4)).epochs(),
        "epochs: a mix",
        "have no epochs of their own",
    ),
    "save a dataset": (
        lambda: SAVE(BATCHES),
        "DataSave takes the iterator",
        "not a BatchDataset: make it once with iter(data)",
    ),
    "save nothing": (lambda: SAVE(None), "DataSave takes the iterator", "not None: make it once with iter(data)"),
    "save a batch": (lambda: SAVE(next(iter(BATCHES))), "LLMBatch", "make it once with iter(data)"),
    "save a state": (
        lambda: SAVE(state()),
        "DataSave takes the iterator",
        "not a dict: make it once with iter(data)",
    ),
    "save another's iterator": (lambda: SAVE(Reader()), "not a Reader", "make it once with iter(data)"),
    "save a generator": (lambda: SAVE(batch for batch in BATCHES), "not a generator", "make it once with iter(data)"),
    "save and expect a text": (lambda: SAVE(iter(BATCHES), expect_step="3"), "expect_step='3'", "must be an integer"),
    "restore a dataset": (
        lambda: RESTORE(BATCHES),
        "DataRestore takes the iterator",
        "not a BatchDataset: make it once with iter(data)",
    ),
    "restore a state": (lambda: RESTORE(state()), "DataRestore takes the iterator", "not a dict"),
    "restore with a text": (lambda: RESTORE(iter(BATCHES), allow="all"), "allow=['all']", "there are batch"),
    "restore with True": (lambda: RESTORE(iter(BATCHES), allow=True), "allow=True", "give names, of batch"),
    "an item of a dataset": (
        lambda: CHECKPOINTABLE(BATCHES),
        "Checkpointable takes the iterator",
        "make it once with iter(data)",
    ),
    "an item that allows all": (
        lambda: CHECKPOINTABLE(iter(BATCHES), allow="all"),
        "allow=['all']",
        "there are batch",
    ),
    "an item of a float": (lambda: CHECKPOINTABLE(iter(BATCHES), expect_step=3.0), "expect_step=3.0", "an integer"),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_misuse_of_an_iterator_is_refused(misuse: str, refused: Any) -> None:
    refused(*MISUSES[misuse])


def test_a_name_that_is_allowed_may_be_given_alone() -> None:
    given, set_ = (iter(DOCUMENTS.repeat().pack(8, eod_id=0).batch(8)) for _ in range(2))
    given.set_state(state(), allow="batch")
    set_.set_state(state(), allow={"batch"})

    assert given.get_state() == set_.get_state()
    assert RESTORE(given, allow="batch").allow == {"batch"}


def test_a_number_of_numpy_may_be_skipped() -> None:
    skipped, same = iterator(), iterator()
    skipped.skip(np.int64(2), at=np.int32(5))
    same.skip(2, at=5)

    assert skipped.get_state() == same.get_state()


def test_an_iterator_is_not_sent_to_another_process() -> None:
    with pytest.raises(TypeError, match=r"Send the pipeline and get_state\(\)"):
        pickle.dumps(iterator())


def test_an_iterator_that_is_closed_says_so() -> None:
    closed = iterator()
    closed.close()

    with pytest.raises(ValueError, match="this iterator is closed"):
        next(closed)


def test_a_checkpoint_of_another_step_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(rd.StateError, match="is at step 3, but step 7"):
        rd.checkpoint.DataCheckpointHandler().save(epath.Path(tmp_path), SAVE(iterator(), expect_step=7))


SAVED: dict[str, Callable[[Path, int, Any], object]] = {
    "a Checkpointer": lambda path, step, item: _checkpointer(path, step, item),
    "functions": lambda path, step, item: v1.save_checkpointables(path / str(step), {"data": item}),
}


def _checkpointer(path: Path, step: int, item: Any) -> None:
    with v1.training.Checkpointer(path) as checkpointer:
        checkpointer.save_checkpointables(step, {"data": item})


@pytest.mark.parametrize("how", SAVED)
@pytest.mark.parametrize(("step", "words"), [(2, "is 1 less than"), (5, "is 2 more than")])
def test_a_checkpoint_of_another_step_is_warned_of(how: str, step: int, words: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=rf"the checkpoint's step {words} the number of batches.*expect_step="):
        SAVED[how](tmp_path, step, iterator())


@pytest.mark.parametrize("how", SAVED)
@pytest.mark.parametrize(("step", "expected"), [(3, None), (7, 3)])
def test_a_checkpoint_of_the_step_that_is_meant_is_not(
    how: str, step: int, expected: int | None, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*the checkpoint's step")
        SAVED[how](
            tmp_path, step, iterator() if expected is None else CHECKPOINTABLE(iterator(), expect_step=expected)
        )


IN_A_FORK: dict[str, Callable[[Any], object]] = {
    "next": next,
    "peek": lambda iterator: iterator.peek(),
    "set_state": lambda iterator: iterator.set_state(iterator.get_state()),
    "skip": lambda iterator: iterator.skip(1),
}


@pytest.fixture
def started() -> Iterator[Any]:
    with iter(BATCHES.prefetch(2)) as iterator:
        next(iterator)
        yield iterator


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:.*fork.*:RuntimeWarning")
@pytest.mark.parametrize("call", IN_A_FORK)
def test_an_iterator_in_a_fork_says_that_it_is_one(call: str, started: Any) -> None:
    child = os.fork()
    if child == 0:
        try:
            IN_A_FORK[call](started)
        except rd.PipelineError as error:
            started.close()
            del started
            os._exit(0 if "Make an iterator of its own in each process" in str(error) else 1)
        os._exit(2)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
