"""Iterators of configs on real processes: one order, and a checkpoint of two restored on one and on four."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing import toy_tokenizer
from property_tests.testing.array_record_shards import to_bytes, write_records
from property_tests.testing.processes import ROOT, completed
from property_tests.testing.programs.grain_iterator import KINDS, epochs, iterator

PROGRAM = ROOT / "property_tests" / "testing" / "programs" / "grain_iterator.py"


def write_corpus(folder: Path) -> None:
    """Writes the same documents as text and as tokens, and the tokenizer."""
    toy_tokenizer.with_names().save_pretrained(folder / "tokenizer")
    words = " ".join(toy_tokenizer.TEXT).split()
    texts = [" ".join(words[place % 40 : place % 40 + 1 + place % 3]) for place in range(90)]
    tokens = [to_bytes(toy_tokenizer.alone(text)) for text in texts]
    for name, records in (("text", [text.encode() for text in texts]), ("tokens", tokens)):
        for shard in range(3):
            write_records(folder / name / "train" / f"train_{shard:06d}.arecord", records[shard::3])


def run(action: str, corpus: Path, directory: Path, count: int) -> list[dict[str, Any]]:
    ended = completed(PROGRAM, [action, str(corpus), str(directory)], count=count)
    return [{report["kind"]: report["batches"] for report in process.reports} for process in ended]


def test_the_order_and_the_checkpoint_are_those_of_the_whole_run(tmp_path: Path) -> None:
    corpus, directory = tmp_path / "corpus", tmp_path / "runs"
    write_corpus(corpus)
    mesh = Mesh(np.array(jax.devices()), "data")
    # One process runs first: it builds the lengths index that several processes need.
    alone = {kind: list(islice(epochs(iterator(kind, corpus, mesh)), 7)) for kind in KINDS}

    assert run("save", corpus, directory, count=2) == [alone] * 2
    after = {kind: batches[3:] for kind, batches in alone.items()}
    assert run("restore", corpus, directory, count=4) == [after] * 4
    for kind in KINDS:
        with ocp.CheckpointManager(directory / kind) as manager:
            batches = iterator(kind, corpus, mesh)
            manager.restore(3, args=ocp.args.Composite(data=rd.checkpoint.DataRestore(batches)))
            assert list(islice(epochs(batches), 4)) == after[kind]
