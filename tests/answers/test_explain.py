import json
import time

import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.array_record_shards import write_documents
from property_tests.testing.running import Watched


def data(n=12, batch=2, **settings):
    return rd.Dataset.from_source(rd.SyntheticSource(n, [3, 2])).shuffle(1).repeat().pack(4, eod_id=0).batch(batch)


def test_it_prints_as_a_table_and_goes_through_json():
    documents = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4], [5, 6]]), name="toy")
    why = documents.pad(4, eod_id=9).batch(2, drop_remainder=False).explain(1)

    assert str(why).splitlines() == [
        "step 1: 2 rows of 4 tokens, 1 spans, 25.00 % filled",
        "row  column  component  epoch  record  tokens  of",
        "  0       0  toy            0       2     0:2   2",
        "  1          (padding)",
    ]
    assert json.loads(json.dumps(why.to_json()))["rows"][0][0]["record"] == 2


def test_files_are_named(tmp_path):
    write_documents(tmp_path / "a.arecord", [[1, 2], [3]])
    write_documents(tmp_path / "b.arecord", [[4, 5, 6]])
    source = rd.ArrayRecordSource(f"{tmp_path}/*.arecord", parse=rd.parse_int32_tokens, progress=False)
    why = rd.Dataset.from_source(source).pad(3, eod_id=0).batch(3).explain(0)

    assert [row[0].file for row in why.rows] == [str(tmp_path / f"{name}.arecord") for name in "aab"]
    narrow = why.table(width=70).splitlines()
    assert max(map(len, narrow[1:])) <= 70
    assert narrow[2].endswith("a.arecord")


def test_lines_of_text_files_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"ids": [1, 2]}\n{"ids": [3]}\n')
    (tmp_path / "b.jsonl").write_text('{"ids": [4]}\n')
    source = rd.HuggingFaceSource.from_files(f"{tmp_path}/*.jsonl", column="ids")
    why = rd.Dataset.from_source(source).pad(3, eod_id=0).batch(3).explain(0)

    assert [row[0].file for row in why.rows] == [str(tmp_path / f"{name}.jsonl") for name in "aab"]


def test_an_iterator_explains_its_own_run():
    iterator = iter(data())
    expected = [data().explain(step) for step in range(4)]
    next(iterator)
    iterator.skip(1)
    next(iterator)

    assert iterator.explain(0) == expected[0]
    assert iterator.explain(1).rows == expected[2].rows
    assert iterator.explain(2).rows == expected[3].rows
    assert iterator.step == 2


def test_steps_before_an_edit_are_refused_with_what_to_give():
    narrow, wide = iter(data()), iter(data(batch=4))
    next(narrow), next(narrow)
    wide.set_state(narrow.get_state(), allow={"batch"})

    assert wide.explain(2).rows != narrow.explain(2).rows
    with pytest.raises(rd.PipelineError, match=r"step 1 is before step 2 of the state.*saved at step 1 or before"):
        wide.explain(1)


def test_what_is_not_there_is_said():
    finite = rd.Dataset.from_source(rd.SyntheticSource(5, [3])).pad(3, eod_id=0)
    with pytest.raises(rd.PipelineError, match="there is no step 2: the data ends after 2 batches"):
        finite.batch(2).explain(2)
    with pytest.raises(rd.PipelineError, match="step=-1 must not be negative"):
        finite.batch(2).explain(-1)
    with pytest.raises(rd.PipelineError, match="step"):
        finite.batch(2).explain("2")
    with pytest.raises(rd.PipelineError, match="explain works on batches and comes after batch, not after pad"):
        finite.explain(0)
    with pytest.raises(rd.PipelineError, match="iterators over batches"):
        iter(finite).explain(0)
    with pytest.raises(rd.PipelineMismatchError):
        finite.batch(2).explain(0, state=iter(data()).get_state())
    damaged = iter(data()).get_state() | {"step": 7}
    with pytest.raises(rd.StateError):
        data().explain(0, state=damaged)


def test_nothing_is_read_where_lengths_are_known():
    class Known(Watched):
        def lengths(self, indices):
            return np.array([3, 2] * 6)[indices]

    source = Known(rd.InMemorySource([[1, 2, 3], [4, 5]] * 6))
    rd.Dataset.from_source(source).repeat().pack(4, eod_id=0).batch(2).explain(5)
    assert source.seen == []


def test_streams_have_no_epochs():
    datasets = pytest.importorskip("datasets")
    stream = datasets.Dataset.from_dict({"ids": [[1, 2], [3]]}).to_iterable_dataset()
    why = (
        rd.Dataset.from_source(rd.HuggingFaceIterableSource(stream, column="ids"))
        .pad(3, eod_id=0)
        .batch(2)
        .explain(0)
    )

    assert [(span.epoch, span.record, span.file) for (span,) in why.rows] == [(None, 0, None), (None, 1, None)]


def test_a_step_in_the_middle_of_a_billion_documents_is_explained_from_a_state_nearby():
    source = rd.SyntheticSource(10**9, [300, 200, 700])
    endless = rd.Dataset.from_source(source).shuffle(7).repeat().pack(2048, eod_id=0).batch(64)
    iterator = iter(endless)
    for _ in range(3):
        next(iterator)
    state = iterator.get_state()

    began = time.perf_counter()
    why = endless.explain(5, state=state)
    print(f"explain took {time.perf_counter() - began:.3f} s")
    assert len(why.rows) == 64
