"""The same corpus in the form of Hugging Face: Parquet files of text, and a tokenizer that `transformers` loads."""

from __future__ import annotations

from pathlib import Path

import datasets
from corpus import EOD_TOKEN, read_documents, train_tokenizer
from transformers import PreTrainedTokenizerFast


def write_parquet_corpus(folder: Path, *, shards: int, max_bytes: int) -> int:
    """Writes `train_0.parquet`, `train_1.parquet`, … with a column `text`, and a folder `tokenizer`.

    Args:
        folder: Where to write; created if it does not exist.
        shards: Number of files, filled with consecutive documents.
        max_bytes: Bound on the text that is used.

    Returns:
        The number of documents.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = read_documents(max_bytes)
    dataset = datasets.Dataset.from_dict({"text": documents})
    datasets.disable_progress_bars()
    for shard in range(shards):
        part = dataset.shard(shards, shard, contiguous=True)
        part.to_parquet(folder / f"train_{shard}.parquet")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=train_tokenizer(documents), eos_token=EOD_TOKEN)
    tokenizer.save_pretrained(folder / "tokenizer")
    return len(documents)
