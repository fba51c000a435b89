import gzip
import json
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from datasets.table import InMemoryTable
from hypothesis import given
from hypothesis import strategies as st

import resumable_data as rd
from resumable_data.sources.hugging_face import HuggingFaceSource
from resumable_data.sources.source import SourceWithLengths

DOCUMENTS = [[1, 2, 3], [], [4], [5, 6], [7, 8, 9, 10], [11]]
TEXTS = ["one", "", "drei", "four\n", "5", "six"]


@pytest.fixture(autouse=True, scope="module")
def no_progress_bars() -> Iterator[None]:
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def dataset_of(documents: Sequence[Sequence[int]] = DOCUMENTS) -> datasets.Dataset:
    return datasets.Dataset.from_dict(
        {"tokens": documents, "id": range(len(documents))},
        features=datasets.Features({"tokens": datasets.List(datasets.Value("int32")), "id": datasets.Value("int64")}),
    )


def read(source: HuggingFaceSource, indices: Sequence[int] | None = None) -> list[Any]:
    wanted = range(len(source)) if indices is None else indices
    records = source.read(np.array(wanted, np.int64))
    return [record.tolist() if isinstance(record, np.ndarray) else record for record in records]


def write_parquet(path: Path, texts: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table({"text": pyarrow.array(texts, pyarrow.string())}), path)
    return path


def write_lines(path: Path, lines: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


# Any dataset, against a list.


def by_selection(data: st.DataObject, dataset: datasets.Dataset) -> datasets.Dataset:
    indices = st.lists(st.integers(0, len(dataset) - 1), min_size=1, max_size=20)
    return dataset.select(data.draw(indices))


def by_range(data: st.DataObject, dataset: datasets.Dataset) -> datasets.Dataset:
    start = data.draw(st.integers(0, len(dataset) - 1))
    return dataset.select(range(start, data.draw(st.integers(start + 1, len(dataset)))))


def by_shuffle(data: st.DataObject, dataset: datasets.Dataset) -> datasets.Dataset:
    return dataset.shuffle(seed=data.draw(st.integers(0, 9)))


def by_shard(data: st.DataObject, dataset: datasets.Dataset) -> datasets.Dataset:
    return dataset.shard(min(2, len(dataset)), 0, contiguous=data.draw(st.booleans()))


def by_sort(data: st.DataObject, dataset: datasets.Dataset) -> datasets.Dataset:
    return dataset.sort("id", reverse=True)


def by_concatenation(data: st.DataObject, dataset: datasets.Dataset) -> datasets.Dataset:
    return datasets.concatenate_datasets([dataset, dataset_of([[100]]), dataset])


CHANGES = [by_selection, by_range, by_shuffle, by_shard, by_sort, by_concatenation]


@given(
    st.data(),
    st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=4), min_size=1, max_size=20),
    st.lists(st.sampled_from(CHANGES), max_size=4),
)
def test_a_dataset_made_in_any_way_gives_its_records(
    data: st.DataObject, documents: list[list[int]], changes: list[Callable[..., datasets.Dataset]]
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(documents)), max_size=3)))
    table = dataset_of(documents).data.table.combine_chunks()
    pieces = [
        table.slice(start, stop - start) for start, stop in zip([0, *cuts], [*cuts, len(documents)], strict=True)
    ]
    dataset = datasets.Dataset(InMemoryTable(pyarrow.concat_tables(pieces)))
    for change in changes:
        dataset = change(data, dataset)
    expected = [record["tokens"] for record in dataset]

    source = HuggingFaceSource(dataset, "tokens")

    assert len(source) == len(expected)
    indices = data.draw(st.lists(st.integers(0, len(expected) - 1), max_size=30))
    assert read(source, indices) == [expected[index] for index in indices]
    assert source.lengths(np.array(indices, np.int64)).tolist() == [len(expected[index]) for index in indices]
    assert source.fingerprint() == HuggingFaceSource(dataset_of(expected), "tokens").fingerprint()


def test_a_saved_dataset_in_many_files_and_chunks(tmp_path: Path) -> None:
    documents = [[index] * (index % 4) for index in range(2500)]
    dataset_of(documents).save_to_disk(tmp_path / "saved", num_shards=2)
    source = HuggingFaceSource.from_disk(tmp_path / "saved", "tokens")
    indices = np.random.default_rng(0).integers(0, 2500, 1000)
    assert read(source, indices.tolist()) == [documents[index] for index in indices]
    assert source.lengths(indices).tolist() == [index % 4 for index in indices.tolist()]


def test_an_indices_mapping_in_a_file(tmp_path: Path) -> None:
    dataset_of([[index] for index in range(3000)]).save_to_disk(tmp_path / "saved")
    dataset = datasets.load_from_disk(tmp_path / "saved")
    shuffled = dataset.shuffle(seed=3, indices_cache_file_name=str(tmp_path / "indices.arrow"), writer_batch_size=100)
    assert shuffled._indices.column(0).num_chunks > 1
    assert read(HuggingFaceSource(shuffled, "tokens")) == [[index] for index in shuffled["id"]]


@pytest.mark.parametrize("kind", ["numpy", "arrow", "pandas"])
@pytest.mark.parametrize("column", ["tokens", None])
def test_the_format_of_the_dataset_changes_nothing(kind: str, column: str | None) -> None:
    formatted = dataset_of().with_format(kind, columns=["id"])
    assert read(HuggingFaceSource(formatted, column)) == read(HuggingFaceSource(dataset_of(), column))


# What is refused.


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (datasets.DatasetDict(train=dataset_of(), test=dataset_of()), "toy has the splits train, test: pass one"),
        (dataset_of().to_iterable_dataset(), "IterableDataset is no datasets.Dataset. One that streams"),
        ([[1, 2]], "list is no datasets.Dataset"),
        (dataset_of().with_transform(lambda batch: batch), "toy has a transform (with_transform)"),
    ],
)
def test_other_objects_are_refused(dataset: Any, message: str) -> None:
    with pytest.raises(rd.PipelineError, match=re.escape(message)):
        HuggingFaceSource(dataset, "tokens", name="toy")


@pytest.mark.parametrize("empty", [dataset_of([]), dataset_of().select([])])
def test_a_dataset_without_records_is_refused(empty: datasets.Dataset) -> None:
    with pytest.raises(rd.SourceError, match="toy has no records"):
        HuggingFaceSource(empty, "tokens", name="toy")


@pytest.mark.parametrize("column", ["tokens", None])
@pytest.mark.parametrize("outside", [-1, 2])
def test_an_index_outside_is_refused(column: str | None, outside: int) -> None:
    source = HuggingFaceSource(dataset_of().select([3, 0]), column)
    with pytest.raises(IndexError, match=f"has records 0 to 1; asked for {outside}"):
        source.read(np.array([0, outside]))
    if isinstance(source, SourceWithLengths):
        with pytest.raises(IndexError, match=f"has records 0 to 1; asked for {outside}"):
            source.lengths(np.array([0, outside]))


def test_a_bad_record_is_named_as_the_dataset_numbers_it() -> None:
    dataset = datasets.Dataset.from_dict({"text": ["a", None, "c"]}).select([2, 1, 0])
    with pytest.raises(rd.RecordError, match=re.escape("toy, column 'text' (3 records), record 1 is null")):
        HuggingFaceSource(dataset, "text", name="toy").read(np.array([0, 1]))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dataset_of()
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(rd.PipelineError, match=r"needs the package datasets: pip install 'resumable_data\[hugging-"):
        HuggingFaceSource(dataset, "tokens")
    with pytest.raises(rd.PipelineError, match="needs the package datasets"):
        HuggingFaceSource.from_disk("saved")


def test_the_library_does_not_import_datasets() -> None:
    code = "import sys, resumable_data as rd; rd.HuggingFaceSource; sys.exit('datasets' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# Fingerprints.


def fingerprint(dataset: datasets.Dataset, column: str | None = "tokens") -> str:
    return HuggingFaceSource(dataset, column).fingerprint()


def test_the_same_records_have_the_same_fingerprint_wherever_they_lie(tmp_path: Path) -> None:
    dataset_of().save_to_disk(tmp_path / "one")
    dataset_of().save_to_disk(tmp_path / "other", num_shards=3)
    one = HuggingFaceSource.from_disk(tmp_path / "one", "tokens")
    other = HuggingFaceSource.from_disk(tmp_path / "other", "tokens")
    wide = dataset_of().cast_column("tokens", datasets.LargeList(datasets.Value("int64")))
    expected = fingerprint(dataset_of())
    assert [one.fingerprint(), other.fingerprint(), fingerprint(wide)] == [expected] * 3
    assert fingerprint(dataset_of().select([5, 3]).flatten_indices()) == fingerprint(dataset_of().select([5, 3]))


def test_folder_and_time_of_a_file_do_not_count(tmp_path: Path) -> None:
    found = []
    for folder, time in (("a", 10**9), ("b", 2 * 10**9)):
        path = write_parquet(tmp_path / folder / "part.parquet", TEXTS)
        os.utime(path, (time, time))
        source = HuggingFaceSource.from_files(path, "text", cache_dir=tmp_path / "cache" / folder)
        found.append(source.fingerprint())
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "changed",
    [
        [[1, 2, 3], [], [4], [5, 6], [7, 8, 9, 10], [12]],
        [[1, 2, 3], [], [4], [5, 6], [7, 8, 10, 10], [11]],
        [[1, 2, 3], [], [4], [5, 6], [7, 8, 9, 10]],
        [[1, 2, 3], [4], [], [5, 6], [7, 8, 9, 10], [11]],
        [[1, 2], [3], [4], [5, 6], [7, 8, 9, 10], [11]],
        [*DOCUMENTS, []],
    ],
)
def test_other_records_have_another_fingerprint(changed: list[list[int]]) -> None:
    assert fingerprint(dataset_of(changed)) != fingerprint(dataset_of())


def test_another_order_or_column_has_another_fingerprint() -> None:
    dataset = datasets.Dataset.from_dict({"text": TEXTS, "title": ["t"] * len(TEXTS)})
    found = [fingerprint(dataset.shuffle(seed=seed), "text") for seed in (1, 2)]
    found += [fingerprint(dataset, column) for column in ("text", "title", None)]
    found += [fingerprint(dataset.select(range(5)), None)]
    assert len(set(found)) == 6


def test_the_size_of_records_that_are_not_sampled_counts() -> None:
    documents = [[1, 2]] * 5000
    changed = [*documents[:3], [1], *documents[4:]]
    rows = range(5000)
    assert fingerprint(dataset_of(changed)) != fingerprint(dataset_of(documents))
    assert fingerprint(dataset_of([*changed, []]).select([*rows])) != fingerprint(
        dataset_of([*documents, []]).select([*rows])
    )


def test_data_replaced_under_the_fingerprint_of_the_dataset_is_noticed(tmp_path: Path) -> None:
    dataset_of().save_to_disk(tmp_path / "saved")
    dataset_of([*DOCUMENTS[:5], [12]]).save_to_disk(tmp_path / "other")
    before = datasets.load_from_disk(tmp_path / "saved")
    state = iter(packed(HuggingFaceSource(before, "tokens"))).get_state()
    arrow = "data-00000-of-00001.arrow"
    (tmp_path / "other" / arrow).replace(tmp_path / "saved" / arrow)

    after = datasets.load_from_disk(tmp_path / "saved")

    assert after._fingerprint == before._fingerprint
    with pytest.raises(rd.PipelineMismatchError, match=r"source\.content was"):
        iter(packed(HuggingFaceSource(after, "tokens"))).set_state(state)


# Files.


def test_files_come_in_natural_order_and_a_list_keeps_its_own(tmp_path: Path) -> None:
    paths = [write_parquet(tmp_path / f"part_{n}.parquet", [f"{n} a", f"{n} b"]) for n in (1, 2, 10)]
    pattern = HuggingFaceSource.from_files(f"{tmp_path}/part_*.parquet", "text", cache_dir=tmp_path / "cache")
    assert read(pattern) == ["1 a", "1 b", "2 a", "2 b", "10 a", "10 b"]
    listed = HuggingFaceSource.from_files([paths[2], str(paths[0])], "text", cache_dir=tmp_path / "cache")
    assert read(listed) == ["10 a", "10 b", "1 a", "1 b"]
    assert repr(listed) == "part_10.parquet …, column 'text' (4 records)"


@pytest.mark.parametrize("name", ["a.jsonl", "a.JSON", "a.ndjson", "a [1] name*?.jsonl"])
def test_json_lines_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    write_lines(tmp_path / "f[o]lder" / name, [{"tokens": document} for document in DOCUMENTS])
    source = HuggingFaceSource.from_files(f"{tmp_path}/f*/a*", "tokens", cache_dir=tmp_path / "cache")
    assert read(source) == DOCUMENTS
    assert isinstance(source, SourceWithLengths)


def test_text_files_have_a_record_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\nthree", encoding="utf-8")
    source = HuggingFaceSource.from_files(tmp_path / "a.txt", "text", cache_dir=tmp_path / "cache")
    assert read(source) == ["one", "", "three"]


def test_compressed_files(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert read(HuggingFaceSource.from_files(tmp_path / "a.jsonl.gz", "text", cache_dir=tmp_path / "cache")) == TEXTS


def test_a_file_written_anew_is_converted_anew(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": "old"}])
    HuggingFaceSource.from_files(path, "text", cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").rglob("*.arrow"))
    write_lines(path, [{"text": "new"}])
    os.utime(path, (2 * 10**9, 2 * 10**9))
    assert read(HuggingFaceSource.from_files(path, "text", cache_dir=tmp_path / "cache")) == ["new"]


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "no files were given"),
        (["absent.parquet"], "absent.parquet does not exist"),
        (["a.csv"], "files of one kind are read, out of .parquet, .jsonl, .ndjson, .json, .txt; these are .csv"),
        (["a.jsonl", "b.txt"], "files of one kind are read, out of .+; these are .jsonl, .txt"),
        (["empty.jsonl"], "empty.jsonl is empty (0 bytes, no records)"),
        (["damaged.parquet"], "damaged.parquet cannot be read: ArrowInvalid('Parquet file size is 4 bytes"),
        (["latin.txt"], "latin.txt cannot be read: UnicodeDecodeError('utf-8', b'"),
        (["no.jsonl"], "no.jsonl cannot be read: "),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, paths: list[str], message: str) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    (tmp_path / "a.csv").write_text("text\na\n")
    (tmp_path / "b.txt").write_text("b\n")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "damaged.parquet").write_bytes(b"oops")
    (tmp_path / "latin.txt").write_bytes(b"\xff\n\xfe\n")
    (tmp_path / "no.jsonl").write_text("neither\nnor\n")
    with pytest.raises(rd.SourceError, match=re.escape(message).replace(r"\.\+", ".+")):
        HuggingFaceSource.from_files([tmp_path / path for path in paths], "text", cache_dir=tmp_path / "cache")


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_a_folder_without_a_dataset_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(rd.SourceError, match=f"{name} cannot be read as a dataset of save_to_disk"):
        HuggingFaceSource.from_disk(tmp_path / name)


def test_local_files_need_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: asked.append(address))
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: asked.append(address))
    write_parquet(tmp_path / "a.parquet", TEXTS)
    write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    (tmp_path / "a.txt").write_text("a\n")
    dataset_of().save_to_disk(tmp_path / "saved")
    for name in ("a.parquet", "a.jsonl", "a.txt"):
        read(HuggingFaceSource.from_files(tmp_path / name, "text", cache_dir=tmp_path / "cache"))
    read(HuggingFaceSource.from_disk(tmp_path / "saved", "tokens"))
    assert asked == []


# In a program.


def test_a_source_says_what_it_is(tmp_path: Path) -> None:
    dataset_of().save_to_disk(tmp_path / "saved")
    assert repr(HuggingFaceSource.from_disk(tmp_path / "saved")) == "saved (6 records)"
    assert repr(HuggingFaceSource(dataset_of(), "tokens")) == "Hugging Face dataset, column 'tokens' (6 records)"


@pytest.mark.parametrize("column", ["tokens", None])
def test_a_pickled_source_gives_the_same_records(tmp_path: Path, column: str | None) -> None:
    dataset_of().save_to_disk(tmp_path / "saved")
    mapped = HuggingFaceSource(datasets.load_from_disk(tmp_path / "saved").shuffle(seed=1), column, name="toy")
    for source in (HuggingFaceSource(dataset_of(), column, name="toy"), mapped):
        copy = pickle.loads(pickle.dumps(source))
        assert read(copy) == read(source)
        assert (repr(copy), copy.fingerprint()) == (repr(source), source.fingerprint())
        assert isinstance(copy, SourceWithLengths) == isinstance(source, SourceWithLengths)


@pytest.mark.parametrize("column", ["tokens", "id", None])
def test_threads_may_read_at_the_same_time(column: str | None) -> None:
    dataset = dataset_of([[index] * (index % 50) for index in range(2000)]).shuffle(seed=1)
    if column == "id":
        dataset = dataset.cast_column("id", datasets.Value("string"))
    source = HuggingFaceSource(dataset, column)
    requests = [np.random.default_rng(seed).integers(0, 2000, 500).tolist() for seed in range(16)]
    expected = [read(source, request) for request in requests]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda request: read(source, request), requests)) == expected


def test_the_memory_outlives_the_dataset(tmp_path: Path) -> None:
    dataset_of().save_to_disk(tmp_path / "saved")
    source = HuggingFaceSource.from_disk(tmp_path / "saved", "tokens")
    shutil.rmtree(tmp_path / "saved")
    assert read(source) == DOCUMENTS


# In a pipeline.


def packed(source: Any) -> rd.Dataset[rd.LLMBatch]:
    documents = rd.Dataset.from_source(source, name="web").shuffle(seed=7).repeat(3).append_eod(99)
    return documents.pack(8, strategy="best_fit", window=4, eod_id=99).batch(2)


def raw(batches: Iterator[rd.LLMBatch]) -> list[Any]:
    return [
        [(array.dtype.str, array.tobytes()) for array in (b.inputs, b.targets, b.inputs_position)] for b in batches
    ]


def test_a_pipeline_resumes_and_equals_the_one_over_the_same_records_in_memory() -> None:
    documents = [[10 * index + place for place in range(index * 5 % 11)] for index in range(30)]
    order = dataset_of(documents).shuffle(seed=3)
    source = HuggingFaceSource(order, "tokens", name="toy")
    expected = raw(iter(packed(rd.InMemorySource([documents[index] for index in order["id"]]))))
    assert raw(iter(packed(source))) == expected

    first = iter(packed(source))
    used = iter(packed(source))
    next(used)
    for taken in range(len(expected)):
        state = json.loads(json.dumps(first.get_state()))
        fresh = iter(packed(pickle.loads(pickle.dumps(source))))
        for iterator in (fresh, used):
            iterator.set_state(state)
            assert raw(islice(iterator, 3)) == expected[taken : taken + 3]
        next(first)


def test_a_pipeline_over_text_tokenizes_it() -> None:
    source = HuggingFaceSource(datasets.Dataset.from_dict({"text": TEXTS}), "text")
    documents = rd.Dataset.from_source(source).map(encoded)
    assert [list(document) for document in documents] == [list(text.encode()) for text in TEXTS]


def encoded(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8).astype(np.int32)


@pytest.mark.parametrize(("count", "bad"), [(7, 0), (300, 299), (2100, 1049), (2100, 2099)])
def test_a_bad_record_is_left_out_whether_or_not_it_is_sampled(count: int, bad: int) -> None:
    texts = [None if number == bad else f"text {number}" for number in range(count)]
    source = HuggingFaceSource(datasets.Dataset.from_dict({"text": texts}), "text")
    iterator = iter(rd.Dataset.from_source(source).skip_bad_records(at_most=1))

    assert list(iterator) == [text for text in texts if text is not None]
    assert iterator.progress().dropped == 1


# Files with bad lines.


def lines_of(*bad: tuple[int, str], count: int = 500) -> str:
    lines = [json.dumps({"text": f"line {number}", "other": number}) for number in range(count)]
    for number, line in bad:
        lines[number] = line
    return "".join(f"{line}\n" for line in lines)


BAD_FILES: dict[str, tuple[dict[str, bytes], list[int], list[str]]] = {
    "a line that is cut": (
        {"a.jsonl": lines_of((31, '{"text": "li')).encode()},
        [31],
        ["a.jsonl, line 32: Unterminated string"],
    ),
    "lines of other kinds": (
        {"a.jsonl": lines_of((0, "5"), (7, "[1]"), (9, "null"), (499, "{}{}")).encode()},
        [0, 7, 9, 499],
        [
            "line 1: it is not a JSON object",
            "line 8: it is",
            "line 10: it is",
            "line 500: Extra data, at character 3",
        ],
    ),
    "half a character": (
        {"a.jsonl": lines_of((3, '{"text": "\\ud800"}'), (8, "{")).encode()},
        [3, 8],
        ["line 4: it is JSON that Arrow cannot read", "line 9: Expecting property name"],
    ),
    "empty lines count as lines": (
        {"a.jsonl": b"\n\n" + lines_of((2, "oops")).encode()},
        [2],
        ["a.jsonl, line 5: Expecting value"],
    ),
    "the second of two files": (
        {"a.jsonl": lines_of(count=40).encode(), "b.jsonl": lines_of((1, "oops"), count=40).encode()},
        [41],
        ["b.jsonl, line 2: Expecting value"],
    ),
    "an empty file": (
        {"a.jsonl": lines_of(count=3).encode(), "b.jsonl": b"", "c.jsonl": lines_of(count=4).encode()},
        [3],
        ["b.jsonl is empty (0 bytes), after line 0"],
    ),
    "text that is no UTF-8": (
        {"a.txt": b"one\ntwo \xff\n\nthree"},
        [1],
        ["a.txt, line 2: 'utf-8' codec can't decode byte 0xff"],
    ),
}


@pytest.mark.parametrize("column", ["text", None])
@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_line_is_a_bad_record_in_its_place(
    kind: str, column: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files, bad, reasons = BAD_FILES[kind]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    open_ = lambda: HuggingFaceSource.from_files(  # noqa: E731
        [tmp_path / name for name in files], column, cache_dir=tmp_path / "cache"
    )
    source = open_()
    assert f"{len(bad)} of {len(source)} records are bad, the first is" in caplog.messages[-1]

    iterator = iter(rd.Dataset.from_source(source).skip_bad_records(at_most=len(bad)))
    texts = list(iterator)
    assert iterator.progress().dropped == len(bad)
    assert len(texts) == len(source) - len(bad)
    assert [left_out.record for left_out in iterator.bad_records] == bad
    for left_out, reason in zip(iterator.bad_records, reasons, strict=True):
        assert reason in left_out.reason
    places = [record for record in range(len(source)) if record not in bad]
    assert source.read(np.array(places)) == texts
    # It is the same when it is opened again, from the copies, and when it is sent to another process.
    for other in (open_(), pickle.loads(pickle.dumps(source))):
        assert other.fingerprint() == source.fingerprint()
        with pytest.raises(rd.RecordError, match=f"record {bad[0]} is bad: "):
            other.read(np.array([bad[0]]))


def test_whole_records_of_bad_lines_are_bad(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"tokens": [1, 2], "loss_mask": [0, 1]}\noops\n{"tokens": [3], "loss_mask": [1]}\n'
    )
    source = HuggingFaceSource.from_files(tmp_path / "a.jsonl", cache_dir=tmp_path / "cache")
    rows = rd.Dataset.from_source(source).skip_bad_records(at_most=1).pad(2, eod_id=0, fields=["loss_mask"])

    assert [row.targets.tolist() for row in rows] == [[1, 2], [3, 0]]


def test_tokens_of_bad_lines_are_bad(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"tokens": [1, 2]}\noops\n{"tokens": [3]}\n')
    source = HuggingFaceSource.from_files(tmp_path / "a.jsonl", "tokens", cache_dir=tmp_path / "cache")

    assert [row.targets.tolist() for row in rd.Dataset.from_source(source).skip_bad_records(1).pad(2, eod_id=0)] == [
        [1, 2],
        [3, 0],
    ]
    with pytest.raises(rd.RecordError, match=r"a\.jsonl, line 2"):
        list(rd.Dataset.from_source(source).pad(2, eod_id=0))


def test_what_stands_before_the_cut_of_a_file_is_read_and_the_rest_is_one_bad_record(tmp_path: Path) -> None:
    whole = lines_of(count=4000)
    packed = gzip.compress(whole.encode())
    (tmp_path / "a.jsonl.gz").write_bytes(packed[: len(packed) * 2 // 3])
    (tmp_path / "b.jsonl").write_text(lines_of(count=2))

    def source() -> HuggingFaceSource:
        files = [tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"]
        return HuggingFaceSource.from_files(files, "text", cache_dir=tmp_path / "cache")

    iterator = iter(rd.Dataset.from_source(source()).skip_bad_records(at_most=1))
    texts = list(iterator)
    before = len(texts) - 2
    assert 1000 < before < 4000
    assert texts == [f"line {number}" for number in [*range(before), 0, 1]]
    assert [left_out.record for left_out in iterator.bad_records] == [before]
    assert iterator.bad_records[0].reason.endswith(f"what follows is lost, after line {before}")

    strict = iter(rd.Dataset.from_source(source()))
    assert [next(strict) for _ in range(before)] == texts[:before]
    with pytest.raises(rd.RecordError, match=rf"a\.jsonl\.gz is cut short or damaged .*after line {before}$"):
        next(strict)


def test_sound_files_are_not_copied(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.jsonl").write_text(lines_of())
    HuggingFaceSource.from_files(tmp_path / "a.jsonl", "text", cache_dir=tmp_path / "cache")

    assert not list((tmp_path / "cache").rglob("lines_of_*"))
    assert caplog.messages == []
