"""One small corpus in every form: a trained tokenizer, ArrayRecord shards of text and of tokens, and JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from property_tests.testing.array_record_shards import write_records

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


@dataclass(frozen=True)
class Corpus:
    """A corpus in every form.

    Attributes:
        texts: The documents.
        tokens: The same, tokenized.
        tokenizer: Folder of the tokenizer.
        eod: Its EOS token.
        bos: Its BOS token.
        text: Folder of ArrayRecord files of text, in the splits train and validation.
        pretokenized: The same of int32 tokens.
        json: JSON Lines.
    """

    texts: list[str]
    tokens: list[list[int]]
    tokenizer: Path
    eod: int
    bos: int
    text: Path
    pretokenized: Path
    json: Path


def write_shards(folder: Path, records: Sequence[bytes], shards: int = 3) -> None:
    for shard, part in enumerate(np.array_split(np.arange(len(records)), shards)):
        write_records(folder / f"{folder.name}_{shard:06d}.arecord", [records[place] for place in part.tolist()])


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(5)
    texts = [" ".join(random.choice(WORDS, random.integers(1, 14))) for _ in range(90)]
    backend = Tokenizer(models.WordLevel(unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=["?", "<bos>", "<eos>"]))
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?", bos_token="<bos>", eos_token="<eos>")
    fast.save_pretrained(folder / "tokenizer")
    tokens = [backend.encode(text).ids for text in texts]
    for split, part in (("train", slice(0, 70)), ("validation", slice(70, 90))):
        write_shards(folder / "text" / split, [text.encode() for text in texts[part]])
        write_shards(folder / "tokens" / split, [np.array(ids, "<i4").tobytes() for ids in tokens[part]])
    lines = [
        json.dumps({"text": text, "ids": ids, "n": n})
        for n, (text, ids) in enumerate(zip(texts, tokens, strict=True))
    ]
    (folder / "corpus.jsonl").write_text("\n".join(lines[:70]))
    eod, bos = backend.token_to_id("<eos>"), backend.token_to_id("<bos>")
    return Corpus(
        texts, tokens, folder / "tokenizer", eod, bos, folder / "text", folder / "tokens", folder / "corpus.jsonl"
    )


@pytest.fixture(scope="session")
def mesh() -> Mesh:
    return Mesh(np.array(jax.devices()), "data")


@pytest.fixture(scope="session")
def content() -> Callable[[Any], list[bytes]]:
    """The bytes of every field of a batch."""
    return lambda batch: [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(batch)]
