"""The example that pretrains on text resumes from a checkpoint of two processes, each of which reads its share."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
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

SAVED, AFTER = 3, 4


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


def test_one_process_resumes_from_a_checkpoint_of_two(folder: Path, tmp_path: Path) -> None:
    whole, pipeline = opened(folder)
    iterator = iter(pipeline)
    expected = take(iterator, SAVED)
    read = whole.read_documents
    expected += take(iterator, AFTER)

    def share(process: int) -> tuple[list[rd.LLMBatch], Any, int]:
        """Returns the batches and states of one of two processes, and how much it reads."""
        source, same = opened(folder)
        with iter(same.measure(tmp_path / "lengths").shard(process, 2)) as iterator:
            delivered = [next(iterator) for _ in range(SAVED)]
            return delivered, iterator.get_state(), source.read_documents

    with ThreadPoolExecutor(2) as processes:
        batches, states, shares = zip(*processes.map(share, range(2)), strict=True)

    assert [raw(joined(parts)) for parts in zip(*batches, strict=True)] == expected[:SAVED]
    assert states[0] == states[1]
    assert take(at_state(pipeline, states[0]), AFTER) == expected[SAVED:]
    assert max(shares) < 0.75 * read
