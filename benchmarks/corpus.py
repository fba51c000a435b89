"""A deterministic corpus of token documents in ArrayRecord files.

The documents are int32 token arrays of log-normal length. They are written to several shard files, with
``group_size:1`` (the setting that Grain asks for) and ArrayRecord's default compression. Tokens are drawn uniformly
from 1 on, so that 0 is always padding.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from array_record.python.array_record_module import ArrayRecordWriter
from throughput import progress

WRITER_OPTIONS = "group_size:1"


@dataclass(frozen=True)
class CorpusSpec:
    """The settings of a corpus. Equal settings give equal records.

    Attributes:
        documents: Number of documents.
        shards: Number of files that they are spread over.
        mean_length: Mean of the log-normal lengths, before clipping.
        sigma: Standard deviation of the logarithm of the lengths.
        max_length: Lengths are clipped to [1, max_length].
        vocabulary: Tokens are drawn from [1, vocabulary).
        seed: Seed of lengths and tokens.
    """

    documents: int = 200_000
    shards: int = 4
    mean_length: int = 540
    sigma: float = 1.0
    max_length: int = 20_000
    vocabulary: int = 32_000
    seed: int = 0

    def lengths(self) -> npt.NDArray[np.int64]:
        """Returns the length of every document, in record order: int64[documents]."""
        rng = np.random.default_rng(self.seed)
        drawn = rng.lognormal(np.log(self.mean_length) - self.sigma**2 / 2, self.sigma, self.documents)
        return np.clip(drawn.astype(np.int64), 1, self.max_length)

    @property
    def folder_name(self) -> str:
        """Returns a name that changes with everything that changes the files."""
        text = json.dumps([asdict(self), WRITER_OPTIONS], sort_keys=True)
        return f"tokens-{self.documents}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def ensure_corpus(spec: CorpusSpec, data_dir: Path, *, show_progress: bool) -> list[str]:
    """Writes the corpus, unless it is already there.

    The files are written to a scratch folder, which is renamed when complete. So a later run never takes the rest of
    an interrupted run for a corpus.

    Args:
        spec: The settings of the corpus.
        data_dir: Cache folder; the corpus gets its own folder in it.
        show_progress: Whether to draw a progress bar.

    Returns:
        The shard files, in record order.
    """
    folder = data_dir / spec.folder_name
    if not folder.exists():
        scratch = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        _write_shards(spec, scratch, show_progress=show_progress)
        scratch.rename(folder)
    return sorted(str(path) for path in folder.glob("*.arecord"))


def _write_shards(spec: CorpusSpec, folder: Path, *, show_progress: bool) -> None:
    shards = np.array_split(spec.lengths(), spec.shards)
    description = f"Writing {spec.documents:,} documents"
    for number, lengths in enumerate(progress(shards, description, enabled=show_progress)):
        rng = np.random.default_rng([spec.seed, number])
        tokens = rng.integers(1, spec.vocabulary, lengths.sum(), dtype=np.int32)
        path = folder / f"tokens-{number:05d}-of-{spec.shards:05d}.arecord"
        writer = ArrayRecordWriter(str(path), WRITER_OPTIONS)
        for document in np.split(tokens, np.cumsum(lengths)[:-1]):
            writer.write(document.tobytes())
        writer.close()
