"""Real text: the sources of Python's standard library, cut into documents, and a tokenizer trained on them."""

from __future__ import annotations

import sysconfig
from collections.abc import Sequence
from pathlib import Path

from array_record.python.array_record_module import ArrayRecordWriter
from corpus import WRITER_OPTIONS
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

EOD_ID = 0
_TRAINED_ON_CHARACTERS = 1_000_000
_BETWEEN_DEFINITIONS = "\n\n\n"


def read_texts(at_most_bytes: int) -> list[str]:
    """Yields the texts between two blank lines in the library's files, in the order of their paths.

    Args:
        at_most_bytes: The most bytes of text.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    texts: list[str] = []
    size = 0
    for path in sorted(folder.rglob("*.py")):
        if "site-packages" in path.parts:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        size += len(text.encode())
        if size > at_most_bytes:
            break
        texts += [part for part in text.split(_BETWEEN_DEFINITIONS) if part.strip()]
    return texts


def train_tokenizer(texts: Sequence[str], vocabulary: int = 16_384) -> Tokenizer:
    """Trains a byte-level BPE tokenizer. Its token 0 ends a document."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=["<eod>"], initial_alphabet=alphabet, show_progress=False
    )
    sample = texts[:: max(1, sum(map(len, texts)) // _TRAINED_ON_CHARACTERS)]
    tokenizer.train_from_iterator(sample, trainer)
    return tokenizer


def write_texts(texts: Sequence[str], path: Path) -> str:
    """Writes the texts as UTF-8 records of one ArrayRecord file, and returns its path."""
    writer = ArrayRecordWriter(str(path), WRITER_OPTIONS)
    for text in texts:
        writer.write(text.encode())
    writer.close()
    return str(path)
