"""Run by soak.py and test_preemption_processes.py: the example trainer, so small that it mostly starts.

It trains on a mix of tokens, whose lengths are known, and of the same documents as text. Some of the text is dropped.
The rest is tokenized when it is read: processes measure it by shares.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tokenizers import Tokenizer

from property_tests.testing.array_record_shards import write_records
from property_tests.testing.processes import ROOT, join_run

sys.path.insert(0, str(ROOT / "examples"))

import corpus
import trainer
from model import ModelConfig

import resumable_data as rd

STEPS = 100_000  # of the learning rate's schedule; no run trains for so long
LENGTH = 128
MAX_BYTES = 150_000
EOD_ID = 0

corpus.VOCABULARY_SIZE = 300
trainer.LENGTH = LENGTH
trainer.WINDOW = 64
trainer.ModelConfig = partial(ModelConfig, width=16, layers=1)


def decode(record: bytes) -> str:
    """Returns the text of a record."""
    return record.decode()


def is_wanted(text: str) -> bool:
    """Says whether a text is kept, as four of five are."""
    return len(text) % 5 > 0


def write_corpus(folder: Path) -> None:
    """Writes a few hundred documents, and the lengths index, which runs of many processes never build."""
    corpus.write_corpus(folder, shards=3, max_bytes=MAX_BYTES)
    write_records(folder / "text_0.arecord", [text.encode() for text in corpus.read_documents(MAX_BYTES)])
    with iter(build_pipeline(folder)) as batches:
        next(batches)


def build_pipeline(folder: Path) -> rd.Dataset[rd.LLMBatch]:
    """Makes endless batches. An epoch of the text is about 60 steps, of four groups."""
    tokens = rd.ArrayRecordSource(str(folder / "train_*.arecord"), parse=rd.parse_int32_tokens, progress=False)
    texts = rd.ArrayRecordSource(str(folder / "text_*.arecord"), parse=decode, progress=False)
    indexed = rd.Dataset.from_source(tokens).shuffle(7).repeat().append_eod(EOD_ID)
    read = rd.Dataset.from_source(texts).shuffle(7).repeat().filter(is_wanted)
    tokenized = read.tokenize(folder / "tokenizer.json", eod_id=EOD_ID)
    rows = {"tokens": indexed.pack(LENGTH, window=64, eod_id=EOD_ID), "text": tokenized.pack(LENGTH, window=8)}
    return rd.mix(rows, {"tokens": 1, "text": 2}).batch(trainer.BATCH_SIZE)


def train(folder: Path, checkpoints: Path, *, steps: int, save_every: int) -> None:
    """Trains as ``trainer.train`` does, on these batches."""
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    trainer.train_on(build_pipeline(folder), vocabulary, checkpoints, steps=steps, save_every=save_every)


def main() -> None:
    """Trains until it is stopped. Arguments: corpus, checkpoints, steps between checkpoints, number of processes."""
    folder, checkpoints, save_every, count = sys.argv[1:]
    if int(count) > 1:
        join_run()
    train(Path(folder), Path(checkpoints), steps=STEPS, save_every=int(save_every))


if __name__ == "__main__":
    main()
