"""Misuses of sources, and of the beginning of a pipeline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter

import resumable_data as rd

TOKENS = rd.InMemorySource([[1, 2, 3], [4, 5]])
TABLE = datasets.Dataset.from_dict({"tokens": [[1, 2], [3]], "text": ["one", "two"]})
FROM: Any = rd.Dataset.from_source
ARRAY: Any = rd.ArrayRecordSource
MEMORY: Any = rd.InMemorySource
SYNTHETIC: Any = rd.SyntheticSource
HF: Any = rd.HuggingFaceSource
GRAIN: Any = rd.GrainSource
PARSE = rd.parse_int32_tokens


@pytest.fixture
def shard(tmp_path: Path) -> str:
    path = str(tmp_path / "a.arecord")
    writer = ArrayRecordWriter(path, "group_size:1")
    writer.write(np.arange(5, dtype=np.int32).tobytes())
    writer.close()
    return path


MISUSES: dict[str, tuple[Callable[[], object], str, str]] = {
    "from a path": (lambda: FROM("corpus/*.arecord"), "is not a source", "ArrayRecordSource(path, parse=…)"),
    "from a Path": (lambda: FROM(Path("a.parquet")), "is not a source", "HuggingFaceSource.from_files(path, column)"),
    "from a list": (lambda: FROM([[1, 2], [3]]), "(a list) is not a source", "InMemorySource(records)"),
    "from a tuple": (lambda: FROM(([1, 2], [3])), "(a tuple) is not a source", "InMemorySource(records)"),
    "from a dataset of Hugging Face": (lambda: FROM(TABLE), "is not a source", "HuggingFaceSource(dataset, column)"),
    "from its splits": (
        lambda: FROM(datasets.DatasetDict({"train": TABLE})),
        "is not a source",
        "HuggingFaceSource(dataset['train'], column)",
    ),
    "from its stream": (lambda: FROM(TABLE.to_iterable_dataset()), "is not a source", "HuggingFaceIterableSource("),
    "from None": (lambda: FROM(None), "None", "it needs __len__, read(indices) and fingerprint()"),
    "from a number": (lambda: FROM(5), "5 (an int) is not a source", "read(indices)"),
    "from an array": (lambda: FROM(np.arange(4)), "is not a source", "InMemorySource"),
    "from the class of a source": (lambda: FROM(rd.ArrayRecordSource), "is not a source", "an object of the class"),
    "from a pipeline": (lambda: FROM(FROM(TOKENS)), "is not a source", "it is a pipeline already"),
    "a name that is a number": (lambda: FROM(TOKENS, name=5), "from_source: name=5", "must be a name (str)"),
    "no name": (lambda: FROM(TOKENS, name=None), "from_source: name=None", "must be a name (str)"),
    "an empty name": (lambda: FROM(TOKENS, name=""), "from_source: name=''", "not empty"),
    "a name with a slash": (lambda: FROM(TOKENS, name="web/en"), "without / and *", "web/en"),
    "retries as a number": (lambda: FROM(TOKENS, retries=3), "retries=3", "Retries(attempts=…"),
    "no retries": (lambda: FROM(TOKENS, retries=False), "retries=False", "Retries(attempts=…"),
    "half an attempt": (lambda: rd.Retries(attempts=2.5), "Retries: attempts=2.5", "must be an integer"),
    "no attempt": (lambda: rd.Retries(attempts=0), "attempts=0", "at least one attempt"),
    "a wait of text": (lambda: rd.Retries(longest_wait="1s"), "longest_wait='1s'", "must be a number"),
    "no records": (lambda: MEMORY([]), "has no records", "in-memory source"),
    "one text as records": (lambda: MEMORY("some text"), "records='some text'", "[record] for one alone"),
    "bytes as records": (lambda: MEMORY(b"some"), "records=b'some'", "must be a list of records"),
    "a generator as records": (lambda: MEMORY(x for x in [[1], [2]]), "a generator", "list(records)"),
    "a set as records": (lambda: MEMORY({1, 2}), "not a set", "list(records)"),
    "a dictionary as records": (lambda: MEMORY({"a": [1]}), "not a dict", "[record] for one alone"),
    "None as records": (lambda: MEMORY(None), "records=None", "must be a list of records"),
    "a source named by a number": (lambda: MEMORY([[1]], name=3), "InMemorySource: name=3", "must be a name"),
    "synthetic of no size": (lambda: SYNTHETIC(0, [4]), "size=0", "at least one document"),
    "synthetic of a float": (lambda: SYNTHETIC(1e6, [4]), "size=1000000.0", "must be an integer"),
    "synthetic of one length": (lambda: SYNTHETIC(10, 5), "lengths", "list of document lengths"),
    "synthetic of float lengths": (lambda: SYNTHETIC(10, [4.5]), "lengths=[4.5]", "integers alone"),
    "synthetic without lengths": (lambda: SYNTHETIC(10, []), "lengths", "non-empty"),
    "synthetic of negative lengths": (lambda: SYNTHETIC(10, [-4]), "lengths", "none of them negative"),
    "synthetic of one token": (lambda: SYNTHETIC(10, [4], vocabulary=1), "vocabulary=1", "[1, vocabulary)"),
    "synthetic with a text as seed": (lambda: SYNTHETIC(10, [4], seed="7"), "seed='7'", "must be an integer"),
    "Grain's source of a number": (lambda: GRAIN(5), "has no random access", "source[index]"),
    "Grain's source of a path": (lambda: GRAIN("a.arecord"), "has no random access", "source[index]"),
    "Grain's source of a generator": (lambda: GRAIN(iter([1])), "has no random access", "len(source)"),
    "Grain's source with a number as name": (lambda: GRAIN([1], name=1), "GrainSource: name=1", "a name (str)"),
    "Grain's source with one length": (lambda: GRAIN([1, 2], lengths=[1]), "length", "2"),
    "Hugging Face by a path": (
        lambda: HF("data/train.parquet"),
        "is a path or a name",
        "HuggingFaceSource.from_files",
    ),
    "Hugging Face by a name": (lambda: HF("wikitext"), "is a path or a name", "datasets.load_dataset(name"),
    "Hugging Face with all splits": (lambda: HF(datasets.DatasetDict({"train": TABLE})), "train", "pass one"),
    "Hugging Face of a list": (
        lambda: HF([{"text": "one"}]),
        "is not a datasets.Dataset",
        "HuggingFaceIterableSource",
    ),
    "Hugging Face of a stream": (
        lambda: HF(TABLE.to_iterable_dataset()),
        "is not a datasets.Dataset",
        "HuggingFaceIterableSource",
    ),
    "a column that is not there": (lambda: HF(TABLE, "txt"), "'txt'", "text"),
    "a column by its number": (lambda: HF(TABLE, 0), "HuggingFaceSource: column=0", "must be a name (str)"),
    "several columns": (lambda: HF(TABLE, ["text"]), "column=['text']", "must be a name (str)"),
    "files that are missing": (lambda: HF.from_files("missing/*.parquet"), "missing/*.parquet", "no file matches"),
    "a file that is missing": (lambda: HF.from_files("missing.parquet"), "missing.parquet", "does not exist"),
    "no files": (lambda: HF.from_files([]), "no files were given", "empty"),
    "files as a number": (lambda: HF.from_files(5), "paths=5", "must be a path, a pattern"),
    "a folder that is missing": (lambda: HF.from_disk("missing"), "missing", "cannot be read as a dataset"),
    "a stream of a dataset": (
        lambda: rd.HuggingFaceIterableSource([1]),
        "is not a datasets.IterableDataset",
        "streaming=True",
    ),
    "array records of no file": (lambda: ARRAY([], PARSE), "no files were given", "the list of paths is empty"),
    "array records of None": (lambda: ARRAY(None, PARSE), "paths=None", "must be a path, a pattern"),
    "array records of a number": (lambda: ARRAY(5, PARSE), "paths=5", "must be a path, a pattern"),
    "array records of numbers": (lambda: ARRAY([5], PARSE), "paths: 5", "not a path or a pattern"),
    "array records in no order": (lambda: ARRAY({"a", "b"}, PARSE), "in their order", "not a set"),
    "array records by an empty path": (lambda: ARRAY("", PARSE), "''", "not a path or a pattern"),
    "array records that are missing": (lambda: ARRAY("missing/*.arecord", PARSE), "no file matches", "missing/"),
    "array records in all folders": (
        lambda: ARRAY("x/**/*.arecord", PARSE),
        "** is not supported",
        "list the folders",
    ),
}

ON_A_SHARD: dict[str, tuple[Callable[[str], object], str, str]] = {
    "no parser": (lambda path: ARRAY(path, None), "parse=None", "must be a function"),
    "a parser by its name": (lambda path: ARRAY(path, "int32"), "parse='int32'", "must be a function"),
    "a lambda as parser": (
        lambda path: ARRAY(path, lambda record: np.frombuffer(record, np.int32)),
        "a lambda has no lasting name",
        "with def",
    ),
    "a version that is a number": (lambda path: ARRAY(path, PARSE, version=2), "version=2", "must be a name (str)"),
    "a folder": (lambda path: ARRAY(str(Path(path).parent), PARSE), "is a folder", "a pattern of the files in it"),
    "the wrong parser": (
        lambda path: next(iter(FROM(ARRAY(path, rd.parse_int64_tokens, progress=False)).pack(8, eod_id=0))),
        "20 bytes are not a multiple of 8",
        "int32 would fit",
    ),
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_misuse_of_a_source_is_refused(misuse: str, refused: Any) -> None:
    refused(*MISUSES[misuse])


@pytest.mark.parametrize("misuse", ON_A_SHARD)
def test_a_misuse_of_a_file_is_refused(misuse: str, shard: str, refused: Any) -> None:
    call, wrong, instead = ON_A_SHARD[misuse]

    refused(lambda: call(shard), wrong, instead)


def test_paths_may_come_from_a_generator(shard: str) -> None:
    found = ARRAY(Path(shard).parent.glob("*.arecord"), PARSE, progress=False)

    assert found.fingerprint() == ARRAY(shard, PARSE, progress=False).fingerprint()
