import gzip
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grain
import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.array_record_shards import write_records
from property_tests.testing.running import through_json
from resumable_data.sources.grain_source import GrainSource
from resumable_data.sources.source import knows_lengths

DOCUMENTS = [[1, 2, 3], [4, 5], [6], [7, 8, 9, 10]]


class Shelf:
    """A data source that notes how it is read."""

    def __init__(self, records: Sequence[Any]) -> None:
        self.records = records
        self.calls: list[object] = []

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Any:
        self.calls.append(index)
        if isinstance(self.records[index], Exception):
            raise self.records[index]
        return self.records[index]


class BatchedShelf(Shelf):
    def __getitems__(self, indices: list[int]) -> list[Any]:
        records = [self[index] for index in indices]
        self.calls = [list(indices)]
        return records


class GrainsBatchedShelf(Shelf):
    def _getitems(self, indices: list[int]) -> list[Any]:
        self.calls.append(list(indices))
        return [self.records[index] for index in indices]


def doubled(document: list[int]) -> list[int]:
    return [2 * token for token in document]


def at(*indices: int) -> np.ndarray:
    return np.array(indices, np.int64)


@pytest.mark.parametrize(
    "source",
    [
        DOCUMENTS,
        Shelf(DOCUMENTS),
        BatchedShelf(DOCUMENTS),
        GrainsBatchedShelf(DOCUMENTS),
        grain.MapDataset.source(DOCUMENTS),
        grain.MapDataset.source(BatchedShelf(DOCUMENTS)),
        grain.MapDataset.source(GrainsBatchedShelf(DOCUMENTS)).map(list),
    ],
    ids=lambda source: type(source).__name__,
)
def test_records_come_in_the_order_asked_for(source: Any) -> None:
    records = GrainSource(source)

    assert len(records) == 4
    assert records.read(at(3, 0, 0)) == [DOCUMENTS[3], DOCUMENTS[0], DOCUMENTS[0]]
    assert records.read(at()) == []


def test_grains_own_transformations_belong_to_the_source() -> None:
    dataset = grain.MapDataset.source(DOCUMENTS).map(doubled).shuffle(seed=3).repeat(2)
    documents = rd.Dataset.from_source(GrainSource(dataset))

    assert list(documents) == [dataset[index] for index in range(8)]


def test_a_pipeline_over_grain_is_packed_and_resumed() -> None:
    dataset = grain.MapDataset.source(DOCUMENTS).map(np.array)
    lengths = [len(document) for document in DOCUMENTS]
    shuffled = rd.Dataset.from_source(GrainSource(dataset, lengths=lengths), name="web").shuffle(1).repeat(5)
    batches = shuffled.pack(5, eod_id=0, window=4).batch(2)
    in_memory = rd.Dataset.from_source(rd.InMemorySource(DOCUMENTS), name="web").shuffle(1).repeat(5)
    expected = [batch.targets.tobytes() for batch in in_memory.pack(5, eod_id=0, window=4).batch(2)]
    assert len(expected) > 3

    iterator = iter(batches)
    found = [next(iterator).targets.tobytes() for _ in range(2)]
    resumed = iter(batches)
    resumed.set_state(through_json(iterator.get_state()))
    found += [batch.targets.tobytes() for batch in resumed]

    assert found == expected


@pytest.mark.parametrize("kind", [BatchedShelf, GrainsBatchedShelf])
def test_records_are_read_together_where_the_source_can(kind: type[Shelf]) -> None:
    shelf = kind(DOCUMENTS)
    GrainSource(shelf).read(at(2, 1))
    assert shelf.calls == [[2, 1]]


def test_array_records_are_read_as_grain_reads_them(tmp_path: Path) -> None:
    records = [bytes([number]) * 3 for number in range(20)]
    write_records(tmp_path / "a.arecord", records)

    source = GrainSource(grain.sources.ArrayRecordDataSource([str(tmp_path / "a.arecord")]))

    assert source.read(at(19, 0, 7)) == [records[19], records[0], records[7]]


@pytest.mark.parametrize(
    "endless", [lambda d: d.repeat(), lambda d: d.repeat().batch(1000), lambda d: d.repeat()[::3]]
)
def test_an_endless_dataset_is_refused_with_what_to_do_instead(endless: Callable[..., grain.MapDataset]) -> None:
    dataset = endless(grain.MapDataset.source(DOCUMENTS))
    with pytest.raises(rd.SourceError, match=rf"Grain source {type(dataset).__name__} is endless.*Leave out its"):
        GrainSource(dataset)


def test_a_source_without_records_is_refused() -> None:
    with pytest.raises(rd.SourceError, match="empty shelf has no records"):
        GrainSource(Shelf([]), name="empty shelf")


def test_a_dataset_without_random_access_is_refused() -> None:
    with pytest.raises(rd.PipelineError, match=r"no random access.*give the MapDataset that it is made from"):
        GrainSource(grain.MapDataset.range(4).to_iter_dataset())  # type: ignore[arg-type]


@pytest.mark.parametrize("outside", [-1, 4])
def test_an_index_outside_is_refused(outside: int) -> None:
    with pytest.raises(IndexError, match=rf"Grain source list \(4 records\) has records 0 to 3; asked for {outside}"):
        GrainSource(DOCUMENTS).read(at(0, outside))


def test_a_record_that_grain_leaves_out_is_named() -> None:
    source = GrainSource(grain.MapDataset.source(DOCUMENTS).filter(lambda document: len(document) > 1), name="kept")
    assert source.read(at(0, 3)) == [DOCUMENTS[0], DOCUMENTS[3]]
    with pytest.raises(rd.RecordError, match=r"kept \(4 records\), record 2 is None, .*Take the filter out"):
        source.read(at(0, 2))


@pytest.mark.parametrize("kind", [Shelf, BatchedShelf])
@pytest.mark.parametrize(("error", "raised"), [(KeyError("x"), rd.RecordError), (OSError("x"), rd.SourceError)])
def test_a_failing_record_is_named(kind: type[Shelf], error: Exception, raised: type[Exception]) -> None:
    source = GrainSource(kind([1, 2, error, 4]), name="shelf")
    with pytest.raises(raised, match=r"shelf \(4 records\), record 2 .*Error\('x'\)") as caught:
        source.read(at(1, 2, 3))
    assert caught.value.__cause__ is error
    assert source.read(at(3, 1)) == [4, 2]


def test_a_source_that_gives_too_few_records_is_refused() -> None:
    class Short(Shelf):
        def __getitems__(self, indices: list[int]) -> list[Any]:
            return [1]

    with pytest.raises(rd.SourceError, match="gave 1 records where 2 were asked for"):
        GrainSource(Short([1, 2, 3])).read(at(0, 1))


def test_lengths_are_known_where_they_are_given() -> None:
    assert not knows_lengths(GrainSource(DOCUMENTS))

    source = GrainSource(DOCUMENTS, lengths=[3, 2, 1, 4])

    assert knows_lengths(source)
    assert source.lengths(at(3, 0)).tolist() == [4, 3]
    assert source.lengths(at(3, 0)).dtype == np.int64


@pytest.mark.parametrize("lengths", [[1, 2, 3], [1, 2, 3, -4], [1.0, 2.0, 3.0, 4.0], [[1, 2, 3, 4]]])
def test_impossible_lengths_are_refused(lengths: list[Any]) -> None:
    with pytest.raises(rd.PipelineError, match=r"one natural number for each of 4|integers alone"):
        GrainSource(DOCUMENTS, lengths=lengths)


def test_a_wrong_length_is_noticed_when_the_document_is_read() -> None:
    documents = rd.Dataset.from_source(GrainSource(DOCUMENTS, lengths=[3, 2, 2, 4]))
    with pytest.raises(rd.RecordError, match="record 2 has 1 tokens, but was planned with 2"):
        list(documents.pack(4, eod_id=0).batch(1))


def test_equal_records_have_equal_fingerprints_however_they_are_held() -> None:
    one = GrainSource(DOCUMENTS).fingerprint()
    assert GrainSource(Shelf([list(document) for document in DOCUMENTS]), name="other").fingerprint() == one
    assert GrainSource(grain.MapDataset.source(DOCUMENTS)).fingerprint() == one
    assert GrainSource(grain.MapDataset.source(DOCUMENTS).shuffle(1).seed(3).map(tuple)[0:4]).fingerprint() != one


@pytest.mark.parametrize(
    "changed",
    [
        GrainSource([[1, 2, 3], [4, 5], [6], [7, 8, 9, 11]]),
        GrainSource([[1, 2, 3], [4, 5], [6]]),
        GrainSource(grain.MapDataset.source(DOCUMENTS).map(doubled)),
        GrainSource(grain.MapDataset.source(DOCUMENTS).repeat(2)),
        GrainSource(DOCUMENTS, lengths=[3, 2, 1, 4]),
        GrainSource(DOCUMENTS, fingerprint="a"),
        GrainSource(DOCUMENTS, fingerprint="b"),
        GrainSource(DOCUMENTS, fingerprint="b", lengths=[3, 2, 1, 4]),
        GrainSource(DOCUMENTS, fingerprint="b", lengths=[3, 2, 1, 5]),
        GrainSource([*DOCUMENTS, []], fingerprint="b"),
    ],
)
def test_other_records_have_another_fingerprint(changed: GrainSource) -> None:
    others = [GrainSource(DOCUMENTS), GrainSource(DOCUMENTS, fingerprint="c")]
    assert changed.fingerprint() not in [other.fingerprint() for other in others]


def test_a_fingerprint_given_reads_nothing() -> None:
    shelf = Shelf(DOCUMENTS)
    GrainSource(shelf, fingerprint="books of May").fingerprint()
    assert shelf.calls == []


def test_the_fingerprint_samples_a_large_source_evenly() -> None:
    shelf = Shelf(range(10**9))
    GrainSource(shelf).fingerprint()
    assert len(shelf.calls) == 1024
    assert {0, 10**9 - 1} <= set(shelf.calls)


@pytest.mark.parametrize("record", [object(), {"image": [object()]}, lambda: 1])
def test_content_that_cannot_be_seen_needs_a_fingerprint(record: Any) -> None:
    with pytest.raises(rd.SourceError, match=r"shelf.*, record 1 holds a (object|function), .*pass fingerprint="):
        GrainSource([1, record], name="shelf").fingerprint()
    assert GrainSource([1, record], fingerprint="a").fingerprint()


def test_records_of_any_kind_are_seen_into() -> None:
    records = [{"image": np.zeros((2, 2)), "label": i, "text": "é", "raw": b"\0", "tags": {"a"}} for i in range(3)]
    copies = [{**record, "image": np.zeros((2, 2))} for record in records]
    assert GrainSource(copies).fingerprint() == GrainSource(records).fingerprint()
    copies[1]["image"][1, 1] = 1
    assert GrainSource(copies).fingerprint() != GrainSource(records).fingerprint()


def test_a_pickled_source_gives_the_same_records() -> None:
    for source in (GrainSource(DOCUMENTS), GrainSource(grain.MapDataset.source(DOCUMENTS), lengths=[3, 2, 1, 4])):
        copy = pickle.loads(pickle.dumps(source))
        assert copy.read(at(3, 1)) == source.read(at(3, 1))
        assert copy.fingerprint() == source.fingerprint()
        assert knows_lengths(copy) == knows_lengths(source)


def test_the_library_does_not_import_grain() -> None:
    code = (
        "import sys, resumable_data as rd; "
        "rd.Dataset.from_source(rd.GrainSource([[1]])).map(abs); "
        "sys.exit('grain' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("bad", [0, 50, 99])
def test_a_bad_record_of_the_sample_is_left_out_like_any_other(bad: int) -> None:
    records: list[Any] = [[number] for number in range(100)]
    records[bad] = ValueError("damaged")
    documents = rd.Dataset.from_source(GrainSource(Shelf(records))).skip_bad_records(at_most=1)
    iterator = iter(documents)

    assert [document[0] for document in iterator] == [number for number in range(100) if number != bad]
    assert iterator.progress().dropped == 1


def test_a_bad_record_counts_as_bad_in_the_fingerprint() -> None:
    def fingerprint(second: Any) -> str:
        return GrainSource(Shelf([[1], second, [3]])).fingerprint()

    assert fingerprint(ValueError("damaged")) == fingerprint(KeyError("damaged otherwise"))
    assert fingerprint(ValueError("damaged")) != fingerprint([2])
    # A file that is not a gzip is bad, though its error is one of the system's.
    assert fingerprint(gzip.BadGzipFile("no gzip")) == fingerprint(ValueError("damaged"))
    with pytest.raises(rd.SourceError, match="cannot be read"):
        fingerprint(OSError("the disk is gone"))
