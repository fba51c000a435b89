"""Datasets made in any way: their records, what is refused, and what becomes of them in a program."""

import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
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
from property_tests.testing.hugging_face_data import DOCUMENTS, TEXTS, dataset_of, read
from property_tests.testing.running import through_json
from resumable_data.sources.hugging_face import HuggingFaceSource
from resumable_data.sources.source import knows_lengths

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
        (dataset_of().to_iterable_dataset(), "an IterableDataset is not a datasets.Dataset. One that streams"),
        ([[1, 2]], "a list is not a datasets.Dataset"),
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
    if knows_lengths(source):
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
        assert knows_lengths(copy) == knows_lengths(source)


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
        state = through_json(first.get_state())
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
