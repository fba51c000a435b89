"""Delivers text that processes measure by shares, while a fault occurs. Run by failing_measures.py.

``main`` names the fault. Processes report the batches that they got, as digests of their own rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np

import resumable_data as rd
from property_tests.testing import toy_tokenizer
from property_tests.testing.processes import join_run, report
from property_tests.testing.programs.faults import attempt, checkpoints, save
from property_tests.testing.running import Watched
from resumable_data.processes.service_carrier import ServiceCarrier

WORDS = " ".join(toy_tokenizer.TEXT).split()
TEXTS = [" ".join(WORDS[place * 7 % 43 : place * 7 % 43 + 2 + place * 11 % 17]) for place in range(500)]
BROKEN = 245
"""A text in the share of the second process, in the second group. The process cannot read it for a while."""
LENGTH, BATCH, WINDOW = 32, 8, 8
SAVED = 3
SOON = 2.0
"""Seconds that a process waits for the lengths of another that does not come."""
LONG = 60.0
"""Seconds that a process waits for the lengths of another that comes."""
FAR = 60
"""Batches of five groups."""
ONE_GROUP = 11
NEAR = 26
"""Batches of two groups; the third, the last of the epoch, is measured ahead."""


class Breaking(Watched):
    """Texts, with a function that is called before they are read.

    Attributes:
        before_read: The function; it gets the records.
    """

    def __init__(self, texts: list[str] = TEXTS) -> None:
        super().__init__(rd.InMemorySource(texts))
        self.before_read: Callable[[list[int]], None] = lambda records: None

    def read(self, indices: Any) -> Any:
        self.before_read(indices.tolist())
        return super().read(indices)

    def __repr__(self) -> str:
        return "texts"


def is_wanted(text: str) -> bool:
    """Says whether a text is kept, as most are."""
    return len(text) % 5 > 0


def pipeline(
    directory: Path, source: Breaking | None = None, *steps: Callable[[str], str]
) -> rd.Dataset[rd.LLMBatch]:
    """Endless batches of 8 rows; the first group of 8 windows makes about 14 of them.

    Args:
        directory: The folder of the tokenizer.
        source: The texts.
        steps: The stages before the tokenizer.
    """
    documents = rd.Dataset.from_source(source or Breaking(), name="texts").shuffle(7).repeat().filter(is_wanted)
    for step in steps:
        documents = documents.map(step, name="step")
    tokens = documents.tokenize(directory / "tokenizer.json", eod_id=toy_tokenizer.EOS_ID)
    return tokens.pack(LENGTH, window=WINDOW).batch(BATCH)


def everywhere(data: rd.Dataset[rd.LLMBatch], seconds: float = SOON) -> rd.DataIterator[rd.LLMBatch]:
    """Makes an iterator over batches on the devices of all processes."""
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    return iter(data.measure(timeout_seconds=seconds).place(mesh))


def take(iterator: rd.DataIterator[rd.LLMBatch], count: int) -> list[str]:
    """Returns digests of this process's rows of the next batches."""
    return [digest_of(batch) for batch in islice(iterator, count)]


def digest_of(batch: rd.LLMBatch) -> str:
    """Returns a digest of this process's rows."""
    digest = hashlib.blake2b(digest_size=16)
    for array in (batch.inputs, batch.targets, batch.targets_segmentation):
        if isinstance(array, np.ndarray):
            digest.update(array.tobytes())
        else:
            for shard in sorted(array.addressable_shards, key=lambda shard: shard.index[0].start):
                digest.update(np.asarray(shard.data).tobytes())
    return digest.hexdigest()


def meet(place: str) -> None:
    """Waits until both processes are here."""
    ServiceCarrier.here().client.wait_at_barrier(place, 60_000)


def leave() -> None:
    """Ends at once: no other process is left for an orderly end."""
    sys.stderr.flush()
    os._exit(0)


def lost(directory: Path, victim: str, how: str) -> None:
    """Stops where it is to measure its share of the next group, and is killed or stopped there."""
    join_run(heartbeat_timeout=30 if how == "killed" else 100, shutdown_timeout=4)
    source = Breaking()
    iterator = everywhere(pipeline(directory, source))
    batches = take(iterator, SAVED)
    with checkpoints(directory / "run") as (manager, _):
        save(manager, iterator)
    if jax.process_index() == int(victim):
        standing = threading.Event()

        def stand_still(records: list[int]) -> None:
            if not standing.is_set():
                standing.set()
                report(at="measuring")
                if how == "stopped":
                    os.kill(os.getpid(), signal.SIGSTOP)
                else:
                    signal.pause()

        source.before_read = stand_still
    batches += take(iterator, FAR - SAVED)
    report(batches=batches)
    if how == "stopped":
        meet("both are done")
    leave()


def alone(directory: Path) -> None:
    """Goes ahead, restores and skips on one process while the other does nothing; then the other does the same."""
    join_run(heartbeat_timeout=60)
    first = jax.process_index() == 0
    with iter(pipeline(directory)) as whole:
        list(islice(whole, FAR + 9))
        later = whole.get_state()
    iterator = everywhere(pipeline(directory))
    both = take(iterator, SAVED)

    def together(what: Callable[[], Any]) -> Any:
        """Does the steps of the first process, and after it of the second."""
        found = what() if first else None
        meet("the first is done")
        found = found if first else what()
        meet("the second is done")
        return found

    def peeked() -> list[str]:
        ahead = take(iterator, FAR - SAVED)
        assert digest_of(iterator.peek()) == digest_of(iterator.peek())
        return ahead

    def evaluated() -> list[str]:
        with iter(pipeline(directory)) as evaluation:
            return take(evaluation, 5)

    report(ahead=both + together(peeked))
    report(evaluated=len(together(evaluated)))
    together(lambda: iterator.set_state(later))
    report(restored=take(iterator, 5))
    together(lambda: iterator.skip(FAR))
    report(skipped=take(iterator, 5))


def unreadable(directory: Path) -> None:
    """Makes a text unreadable for a while on one of two processes."""
    join_run(heartbeat_timeout=60)
    source = Breaking()
    broken = threading.Event()

    def fail(records: list[int]) -> None:
        if broken.is_set() and BROKEN in records:
            raise rd.RecordError(f"text {BROKEN} is torn")

    source.before_read = fail
    if jax.process_index() == 1:
        broken.set()
    iterator = everywhere(pipeline(directory, source), LONG)
    batches: list[str] = []
    attempt(lambda: batches.extend(map(digest_of, islice(iterator, FAR))))
    report(step=iterator.step)
    meet("both have heard")
    broken.clear()
    tries = 0
    while len(batches) < FAR:
        # An error of the background, or of the first try, may be raised once more.
        tries += 1
        assert tries < 4
        try:
            batches.extend(map(digest_of, islice(iterator, FAR - len(batches))))
        except rd.PeerError:
            continue
    report(batches=batches)
    meet("both are done")


def differing(directory: Path, what: str) -> None:
    """Lets two processes make different tokens of a text."""
    join_run(heartbeat_timeout=60)
    second = jax.process_index() == 1
    if what == "tokenizer":
        iterator = everywhere(pipeline(directory / "other" if second else directory), LONG)
    else:
        iterator = everywhere(pipeline(directory, None, longer if second else same), LONG)
    batches: list[str] = []
    attempt(lambda: batches.extend(map(digest_of, islice(iterator, ONE_GROUP))))
    report(step=iterator.step, batches=batches)
    meet("both have seen")


def same(text: str) -> str:
    return text


def longer(text: str) -> str:
    """Makes another text, as code of another release would."""
    return f"{text} and more"


def shared(directory: Path, facts: str, count: str, saved: str = "") -> None:
    """Runs one of two processes that share only a directory. The other may never start."""
    process = int(os.environ["RESUMABLE_DATA_TEST_PROCESS_INDEX"])
    source = Breaking()
    data = pipeline(directory, source).measure(directory / facts, timeout_seconds=SOON if count == "1" else LONG)
    with iter(data.shard(process, max(2, int(count)))) as iterator:
        if saved:
            iterator.set_state(json.loads((directory / saved).read_text()))
        batches: list[str] = []
        documents = 0

        def go_on() -> None:
            nonlocal documents
            for batch in islice(iterator, NEAR - iterator.step):
                batches.append(digest_of(batch))
                documents += int(batch.targets_segmentation.max(axis=1).sum())

        attempt(go_on)
        report(batches=batches, read=source.seen, documents=documents)


if __name__ == "__main__":
    # The fingerprint has the functions' module name, which must be the one that the test uses.
    from property_tests.testing.programs import measuring

    action, directory, *more = sys.argv[1:]
    getattr(measuring, action)(Path(directory), *more)
