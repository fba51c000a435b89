"""Small Hugging Face datasets, and files that are read as datasets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet

from resumable_data.sources.hugging_face import HuggingFaceSource

DOCUMENTS = [[1, 2, 3], [], [4], [5, 6], [7, 8, 9, 10], [11]]
TEXTS = ["one", "", "drei", "four\n", "5", "six"]


def dataset_of(documents: Sequence[Sequence[int]] = DOCUMENTS) -> datasets.Dataset:
    """Makes a dataset with a column of int32 tokens, and one with the number of each record."""
    return datasets.Dataset.from_dict(
        {"tokens": documents, "id": range(len(documents))},
        features=datasets.Features({"tokens": datasets.List(datasets.Value("int32")), "id": datasets.Value("int64")}),
    )


def write_parquet(path: Path, texts: Sequence[str | None]) -> Path:
    """Writes a Parquet file with a column of text, and makes its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table({"text": pyarrow.array(texts, pyarrow.string())}), path)
    return path


def write_lines(path: Path, lines: Sequence[Any]) -> Path:
    """Writes a file of JSON Lines, and makes its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def open_files(paths: Any, tmp_path: Path, column: str | None = "text") -> HuggingFaceSource:
    """Makes a source over files, with its cache in ``tmp_path``."""
    return HuggingFaceSource.from_files(paths, column, cache_dir=tmp_path / "cache")


def read(source: HuggingFaceSource, indices: Sequence[int] | None = None) -> list[Any]:
    """Reads records, by default all, with tokens as lists."""
    wanted = range(len(source)) if indices is None else indices
    records = source.read(np.array(wanted, np.int64))
    return [record.tolist() if isinstance(record, np.ndarray) else record for record in records]
