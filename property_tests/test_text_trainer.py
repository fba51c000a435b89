"""The example of pretraining on text goes on from what two processes saved, each of which reads its share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.processes import ROOT
from property_tests.testing.running import at_state, joined, raw, take

sys.path.append(str(ROOT / "examples"))

import corpus
import text_trainer
from parquet_corpus import write_parquet_corpus

SAVED, BEHIND = 3, 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    written = tmp_path_factory.mktemp("corpus")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "VOCABULARY_SIZE", 300)
        write_parquet_corpus(written, shards=2, max_bytes=2_000_000)
    return written


def opened(folder: Path) -> tuple[text_trainer.CountingSource, rd.Dataset[Any]]:
    source = text_trainer.open_source(folder)
    return source, text_trainer.build_pipeline(source, folder / "tokenizer")


def test_one_process_goes_on_from_what_two_saved(folder: Path) -> None:
    whole, pipeline = opened(folder)
    iterator = iter(pipeline)
    expected = take(iterator, SAVED)
    read = whole.read_documents
    expected += take(iterator, BEHIND)

    shares, states, batches = [], [], []
    for process in range(2):
        source, same = opened(folder)
        iterator = iter(same.shard(process, 2))
        batches.append([next(iterator) for _ in range(SAVED)])
        states.append(iterator.get_state())
        shares.append(source.read_documents)

    assert [raw(joined(parts)) for parts in zip(*batches, strict=True)] == expected[:SAVED]
    assert states[0] == states[1]
    assert take(at_state(pipeline, states[0]), BEHIND) == expected[SAVED:]
    assert max(shares) < 0.75 * read
