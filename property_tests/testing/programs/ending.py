"""Run by test_ending_processes.py: text that ends, delivered by several processes up to its end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing import toy_tokenizer
from property_tests.testing.elastic_pipelines import LENGTH, Shards, digest_at, shards_of
from property_tests.testing.processes import join_run, report
from property_tests.testing.running import Watched

STEP = 40
"""The step of the save: in the middle of a group of windows."""
BATCH = 16
CASES = [  # Each two settings of a case occur together in one of them.
    ("placed", False, 0),
    ("placed", True, 3),
    ("by process", False, 3),
    ("by process", True, 0),
]
TEXTS = [" ".join(f"text {record * n % 61}" for n in range(record * 29 % 23)) for record in range(1000)]


def write_corpus(folder: Path) -> None:
    """Returns the tokenizer. The texts are in memory."""
    folder.mkdir()
    toy_tokenizer.trained().save(str(folder / "tokenizer.json"))


def texts() -> Watched:
    """Texts, and which of them were read."""
    return Watched(rd.InMemorySource(TEXTS))


def pipeline(corpus: Path, source: Any, *, drop_remainder: bool) -> rd.Dataset[rd.LLMBatch]:
    """Makes one epoch of texts, some of which are dropped."""
    documents = rd.Dataset.from_source(source, name="books").shuffle(7).filter(is_wanted)
    rows = documents.tokenize(corpus / "tokenizer.json", eod_id=toy_tokenizer.EOS_ID).pack(LENGTH, window=16)
    return rows.batch(BATCH, drop_remainder=drop_remainder)


def is_wanted(text: str) -> bool:
    """Says whether a text is kept, as most are."""
    return len(text) % 7 > 0


def seen_here(data: rd.Dataset[rd.LLMBatch], view: str) -> rd.Dataset[rd.LLMBatch]:
    """Makes the batches on the devices of all processes, or the rows of this one."""
    if view == "placed":
        return data.place(Mesh(np.array(jax.devices()), "data"))
    return data.shard_by_jax_process()


def held(batch: rd.LLMBatch, view: str) -> Shards:
    """Returns this process's parts of a batch: places and digests."""
    if view == "placed":
        return shards_of(batch)
    rows = len(batch.inputs)
    top = rows * jax.process_index()
    return [([[top, top + rows], [0, LENGTH]], digest_at(batch, [[0, rows], [0, LENGTH]]))]


def counted(iterator: rd.DataIterator[Any]) -> list[int]:
    """Counts what was delivered and dropped."""
    progress = iterator.progress()
    return [progress.documents, progress.tokens, progress.dropped, progress.dropped_rows]


def main(action: str, corpus: Path, checkpoints: Path) -> None:
    """Saves each case in the middle, or restores it there, and goes on to the end. Reports all batches."""
    join_run()
    for case in CASES:
        view, drop_remainder, prefetch = case
        source = texts()
        data = seen_here(pipeline(corpus, source, drop_remainder=drop_remainder), view)
        directory = checkpoints / "-".join(map(str, case))
        with (
            iter(data.prefetch(prefetch) if prefetch else data) as batches,
            ocp.CheckpointManager(directory) as manager,
        ):
            if action == "restore":
                manager.restore(STEP, args=ocp.args.Composite(data=rd.checkpoint.DataRestore(batches)))
            found: list[Shards] = []
            for batch in batches:
                found.append(held(batch, view))
                if action == "save" and batches.step == STEP:
                    manager.save(STEP, args=ocp.args.Composite(data=rd.checkpoint.DataSave(batches)))
            report(case=case, shards=found, read=source.seen, counted=counted(batches), state=batches.get_state())


if __name__ == "__main__":
    # The fingerprint has the filter's module name, which must be the one that the test uses.
    from property_tests.testing.programs import ending

    ending.main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
