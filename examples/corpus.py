"""A small real corpus: the sources of Python's standard library, tokenized into ArrayRecord shards."""

from __future__ import annotations

import ast
import io
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

EOD_TOKEN = "<eod>"
VOCABULARY_SIZE = 2048

# Test suites, installed packages, and modules that are tables written by a program.
SKIPPED_FOLDERS = frozenset(
    {"__pycache__", "dist-packages", "encodings", "idle_test", "pydoc_data", "site-packages", "test", "tests"}
)


@dataclass(frozen=True)
class CorpusSummary:
    """The size of a corpus that `write_corpus` has written.

    Attributes:
        documents: Number of records in all shards.
        tokens: Number of tokens in all records; none of them is the end-of-document token.
        text_bytes: Size of the text before it is tokenized.
        shards: Number of shard files.
    """

    documents: int
    tokens: int
    text_bytes: int
    shards: int


def stdlib_files() -> Iterator[Path]:
    """Yields the standard library's Python files, in the order of their paths below its folder."""
    root = Path(sysconfig.get_paths()["stdlib"])
    relative_paths = (path.relative_to(root) for path in root.rglob("*.py"))
    wanted = (path for path in relative_paths if SKIPPED_FOLDERS.isdisjoint(path.parts))
    for path in sorted(wanted, key=Path.as_posix):
        yield root / path


def first_lines(body: list[ast.stmt]) -> Iterator[int]:
    """Returns the lines at which the functions, classes and methods of a body begin, with decorators, from 0."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield min(part.lineno for part in (node, *node.decorator_list)) - 1
        if isinstance(node, ast.ClassDef):
            yield from first_lines(node.body)


def split_at_definitions(source: str) -> list[str]:
    r"""Cuts a module before each of its functions, classes and methods.

    Args:
        source: Text of a Python module, with newlines as line ends.

    Returns:
        The pieces that are not blank, in order. The text before the first definition is also a piece.

    Raises:
        SyntaxError: The text is not Python.

    >>> split_at_definitions("import os\n@cache\ndef f(): pass\nclass C:\n  def g(self): pass\n")
    ['import os\n', '@cache\ndef f(): pass\n', 'class C:\n', '  def g(self): pass\n']
    """
    lines = io.StringIO(source).readlines()
    starts = list(first_lines(ast.parse(source).body))
    pieces = ("".join(lines[start:end]) for start, end in zip([0, *starts], [*starts, None], strict=True))
    return [piece for piece in pieces if piece.strip()]


def read_documents(max_bytes: int) -> list[str]:
    """Yields documents of the standard library, one for each definition, up to a total size.

    Args:
        max_bytes: The first file that would exceed this many bytes of UTF-8 text ends the corpus.

    Returns:
        The documents, in the order of their files.
    """
    documents: list[str] = []
    size = 0
    for path in stdlib_files():
        try:
            source = path.read_text(encoding="utf-8")
            pieces = split_at_definitions(source)
        except (SyntaxError, UnicodeDecodeError):
            continue  # a template, or a module in an older encoding
        size += len(source.encode())
        if size > max_bytes:
            break
        documents += pieces
    return documents


def train_tokenizer(documents: Iterable[str]) -> Tokenizer:
    """Trains a byte-level BPE tokenizer whose token 0 is the end-of-document token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=[EOD_TOKEN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def write_shard(path: Path, records: Iterable[np.ndarray]) -> None:
    """Writes one ArrayRecord file; a record is the little-endian int32 bytes of its tokens."""
    writer = ArrayRecordWriter(str(path), "group_size:1")
    for tokens in records:
        writer.write(tokens.astype("<i4").tobytes())
    writer.close()


def write_corpus(folder: Path, *, shards: int, max_bytes: int) -> CorpusSummary:
    """Writes `train_0.arecord`, `train_1.arecord`, … and `tokenizer.json` into a folder.

    Args:
        folder: The folder to write; created if it does not exist.
        shards: Number of files, filled with consecutive documents.
        max_bytes: The most bytes of text to use.

    Returns:
        The size of the corpus.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = read_documents(max_bytes)
    tokenizer = train_tokenizer(documents)
    tokenizer.save(str(folder / "tokenizer.json"))
    records = [np.array(encoding.ids, np.int32) for encoding in tokenizer.encode_batch(documents)]
    bounds = [shard * len(records) // shards for shard in range(shards + 1)]
    for shard in range(shards):
        write_shard(folder / f"train_{shard}.arecord", records[bounds[shard] : bounds[shard + 1]])
    return CorpusSummary(
        documents=len(records),
        tokens=sum(map(len, records)),
        text_bytes=sum(len(document.encode()) for document in documents),
        shards=shards,
    )
