"""ArrayRecord shards for tests, and a corpus of three small shards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter

from resumable_data.sources.array_record import ArrayRecordSource
from resumable_data.sources.parse import parse_int32_tokens

Documents = list[list[int]]

SHARDS: dict[str, Documents] = {
    "shard_1.arecord": [[1, 2, 3], [4]],
    "shard_2.arecord": [[], [5, 6]],
    "shard_10.arecord": [[7], [8, 9, 10, 11], [12]],
}
DOCUMENTS = [document for documents in SHARDS.values() for document in documents]
LENGTHS = [len(document) for document in DOCUMENTS]


def to_bytes(document: Sequence[int] | np.ndarray) -> bytes:
    """Reads a document as ``parse_int32_tokens`` does."""
    return np.asarray(document, "<i4").tobytes()


def write_records(path: Path, records: Iterable[bytes], options: str = "group_size:1") -> Path:
    """Writes a shard, and makes its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = ArrayRecordWriter(str(path), options)
    for record in records:
        writer.write(record)
    writer.close()
    return path


def write_documents(path: Path, documents: Iterable[Sequence[int] | np.ndarray]) -> Path:
    """Writes a shard of documents of int32 tokens."""
    return write_records(path, map(to_bytes, documents))


def write_shards(folder: Path) -> Path:
    """Writes ``SHARDS``."""
    for name, documents in SHARDS.items():
        write_documents(folder / name, documents)
    return folder


def open_tokens(paths: object, **settings: object) -> ArrayRecordSource:
    """Makes documents of int32 tokens in shards."""
    return ArrayRecordSource(paths, parse_int32_tokens, progress=False, **settings)


def read(source: ArrayRecordSource, indices: Sequence[int]) -> Documents:
    """Converts documents to lists, whatever they were parsed to."""
    return [[int(token) for token in document] for document in source.read(np.array(indices, np.int64))]


def manifests(folder: Path) -> list[Path]:
    """Returns the manifests in a folder."""
    return sorted(folder.glob("*lengths.manifest"))
