"""Opening data sets: shard order, missing shards, local files, and errors that say what is wrong."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.array_record_shards import write_records
from resumable_data.grain_data_processing import (
    HFHubDataConfig,
    load_array_record_dataset,
    load_huggingface_dataset,
)


def test_shards_come_in_the_order_of_their_numbers_and_gaps_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_records(tmp_path / "train_10.arecord", [b"e"])
    write_records(tmp_path / "train_000002.arecord", [b"c", b"d"])
    write_records(tmp_path / "train_1.arecord", [b"a", b"b"])
    with caplog.at_level(logging.WARNING):
        dataset = load_array_record_dataset(tmp_path)
    assert [dataset[index] for index in range(len(dataset))] == [b"a", b"b", b"c", b"d", b"e"]
    assert "7 shards between the first and the last are missing: 3, 4, 5, 6, 7, 8, 9" in caplog.text


def test_a_folder_without_gaps_is_quiet_and_other_files_are_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_records(tmp_path / "a_0.records", [b"x"])
    write_records(tmp_path / "b_1.records", [b"y"])
    (tmp_path / "readme.txt").write_text("no data")
    dataset = load_array_record_dataset(tmp_path, file_extension=".records")
    assert list(dataset.read(np.array([1, 0]))) == [b"y", b"x"]
    with pytest.raises(IndexError):
        dataset[2]
    assert not caplog.records


def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(rd.SourceError, match="does not exist or is not a folder"):
        load_array_record_dataset(tmp_path / "missing")
    with pytest.raises(rd.SourceError, match=r"has no file \*\.arecord"):
        load_array_record_dataset(tmp_path)
    (tmp_path / "train_0.arecord").write_bytes(b"")
    with pytest.raises(rd.SourceError, match="is empty"):
        load_array_record_dataset(tmp_path)
    write_records(tmp_path / "train_0.arecord", [b"x"])
    write_records(tmp_path / "other_000.arecord", [b"x"])
    with pytest.raises(rd.SourceError, match="have the same shard number 0"):
        load_array_record_dataset(tmp_path)
    (tmp_path / "other_000.arecord").rename(tmp_path / "train.arecord")
    with pytest.raises(rd.SourceError, match=r"train\.arecord has no shard number"):
        load_array_record_dataset(tmp_path)


def config(corpus: Any, tmp_path: Path, **settings: Any) -> HFHubDataConfig:
    return HFHubDataConfig(
        **{"hf_path": "json", "hf_data_files": str(corpus.json), "hf_cache_dir": tmp_path, "global_batch_size": 8}
        | settings
    )


def test_local_files_are_a_data_set(corpus: Any, tmp_path: Path) -> None:
    dataset = load_huggingface_dataset(config(corpus, tmp_path))
    assert (len(dataset), dataset[3]["text"], dataset[3]["ids"]) == (70, corpus.texts[3], corpus.tokens[3])
    half = load_huggingface_dataset(config(corpus, tmp_path, split="train[:50%]", hf_num_data_processes=1))
    assert len(half) == 35
    files = {"validation": [corpus.json.name]}
    there = config(corpus, tmp_path, hf_data_dir=str(corpus.json.parent), hf_data_files=files, split="validation")
    assert load_huggingface_dataset(there)["n"][:2] == [0, 1]


def test_what_cannot_be_loaded_is_named(corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(rd.SourceError, match=r"hf_path='json', split='test' cannot be loaded: .*test"):
        load_huggingface_dataset(config(corpus, tmp_path, split="test"))
    with pytest.raises(rd.SourceError, match="cannot be loaded"):
        load_huggingface_dataset(config(corpus, tmp_path, hf_data_files=str(tmp_path / "none.jsonl")))
    with pytest.raises(rd.PipelineError, match="is a DatasetDict; name one split"):
        load_huggingface_dataset(config(corpus, tmp_path, split=None))
    (tmp_path / "datasets.py").write_text("raise ImportError('pyarrow is broken')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "datasets"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(rd.PipelineError, match="cannot be imported: pyarrow is broken"):
        load_huggingface_dataset(config(corpus, tmp_path))
