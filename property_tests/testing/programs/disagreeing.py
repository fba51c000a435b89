"""Run by test_agreement_processes.py: one of four processes differs, and each reports the error that it gets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing.elastic_pipelines import shards_of
from property_tests.testing.processes import join_run, report
from property_tests.testing.toy_tokenizer import EOS_ID


def pipeline(corpus: Path, seed: int = 7) -> rd.Dataset[rd.LLMBatch]:
    """Makes tokens whose lengths are known, and text, of which each process measures a share."""
    source = rd.ArrayRecordSource(str(corpus / "web_*.arecord"), parse=rd.parse_int32_tokens, progress=False)
    tokens = rd.Dataset.from_source(source).shuffle(seed).repeat().append_eod(EOS_ID)
    texts = rd.HuggingFaceSource.from_disk(corpus / "books", "text")
    read = rd.Dataset.from_source(texts).shuffle(7).repeat().tokenize(corpus / "tokenizer.json", eod_id=EOS_ID)
    rows = {"web": tokens.pack(32, window=64, eod_id=EOS_ID), "books": read.pack(32, window=16)}
    return rd.mix(rows, {"web": 1, "books": 1}).batch(8)


def everywhere(data: rd.Dataset[rd.LLMBatch]) -> rd.DataIterator[rd.LLMBatch]:
    """Makes an iterator over batches on the devices of all processes."""
    return iter(data.place(Mesh(np.array(jax.devices()), "data")))


def report_failure(case: str, iterator: rd.DataIterator[Any], action: Callable[[], object]) -> None:
    """Reports the error in which an action must end, and whether the iterator has moved."""
    before = iterator.get_state()
    try:
        action()
    except rd.ResumableDataError as error:
        message, lines = f"{type(error).__name__}: {error}", list(getattr(error, "differences", ()))
        report(case=case, error=message, differences=lines, moved=iterator.get_state() != before)


def start_up(corpus: Path, other_corpus: Path) -> None:
    """Makes differences that are found before the first batch."""
    index = jax.process_index()
    other_seed = everywhere(pipeline(corpus, seed=8 if index == 2 else 7))
    report_failure("seed", other_seed, lambda: next(other_seed))
    other_data = everywhere(pipeline(other_corpus if index == 1 else corpus))
    report_failure("data", other_data, lambda: next(other_data))


def in_the_run(corpus: Path) -> None:
    """Makes differences that are found before the next batch after a move, and goes on with the run."""
    index = jax.process_index()
    with everywhere(pipeline(corpus)) as iterator:
        states = [iterator.get_state() for _ in range(3) if next(iterator)]
        iterator.set_state(states[0 if index == 3 else 1])
        report_failure("step", iterator, lambda: next(iterator))
        iterator.set_state(states[1])
        if index == 1:
            iterator.skip(2)
        report_failure("edit", iterator, lambda: next(iterator))
        iterator.set_state(states[1])
        report(case="goes on", shards=shards_of(next(iterator)), step=iterator.step)


def restores(corpus: Path, copies: Path) -> None:
    """Gives each process its own copies of checkpoints. One of them is wrong."""
    own_disks = ocp.options.MultiprocessingOptions(primary_host=None)
    checkpointer = ocp.Checkpointer(rd.checkpoint.DataCheckpointHandler(own_disks), multiprocessing_options=own_disks)
    with everywhere(pipeline(corpus)) as iterator:
        next(iterator)

        def restore(case: str) -> None:
            directory = copies / str(jax.process_index()) / case / "data"
            checkpointer.restore(directory, args=rd.checkpoint.DataRestore(iterator))

        for case in ("damaged copy", "missing copy", "copy of another step", "copy of another pipeline"):
            report_failure(case, iterator, lambda case=case: restore(case))
        report(case="stays", shards=shards_of(next(iterator)), step=iterator.step)
        restore("sound")
        report(case="restored", shards=shards_of(next(iterator)), step=iterator.step)


def main(directory: Path) -> None:
    join_run()
    start_up(directory / "corpus", directory / "other corpus")
    in_the_run(directory / "corpus")
    restores(directory / "corpus", directory / "copies")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
