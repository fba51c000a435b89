"""Fields go where their tokens go, bit for bit, through packing, sharding, mixing and interruptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import datasets
import numpy as np
import pyarrow
import pytest
from datasets.table import InMemoryTable
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.running import FIELDS, at_state
from property_tests.testing.strategies import Unmeasured
from resumable_data.arrays import ranges
from resumable_data.reading.documents import Documents
from resumable_data.reading.fields import TokenFields

pytestmark = pytest.mark.filterwarnings("ignore:there is no batch")  # of data that is drawn at random

LIMIT = 8
EOD_ID = 4_001
DTYPES = {"loss_mask": "bool", "hashed": "int32", "weight": "float32"}
"""Fields whose values follow from the token, so that a batch shows whether they stand at their tokens."""


def fields_of(tokens: Any) -> dict[str, Any]:
    """Makes the fields of an array of tokens."""
    tokens = np.asarray(tokens)
    return {"loss_mask": tokens % 3 != 0, "hashed": tokens * 7919 % 1009 - 500, "weight": tokens / 4}


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that can be built with and without fields. ``lengths`` are those of each component's documents."""

    lengths: tuple[tuple[int, ...], ...]
    mixed: str
    method: str
    options: dict[str, Any]
    length: int
    shift: str
    batch_size: int
    shards: int | None
    seed: int
    epochs: int | None
    drop_remainder: bool

    def rows(self, component: int, fields: bool) -> rd.Dataset[Any]:
        """Makes the documents of a component. A token says which component it is of."""
        tokens = [np.arange(n) * 2 + component + record % 7 * 100 for record, n in enumerate(self.lengths[component])]
        records = [{"ids": one, **fields_of(one)} for one in tokens] if fields else tokens
        data = rd.Dataset.from_source(Unmeasured(rd.InMemorySource(records))).shuffle(self.seed).repeat(self.epochs)
        if not fields:
            return data.append_eod(EOD_ID - component)
        eod = {name: value.item() for name, value in fields_of(EOD_ID - component).items()}
        return data.append_eod(EOD_ID - component, fields=eod, tokens="ids")

    def packed(self, documents: rd.Dataset[Any], fields: bool) -> rd.Dataset[Any]:
        given = {"fields": DTYPES, "tokens": "ids"} if fields else {}
        rows = getattr(documents, self.method)(self.length, eod_id=0, **self.options, **given)
        return rows.shift(self.shift)

    def batches(self, *, fields: bool) -> rd.Dataset[rd.LLMBatch]:
        if self.mixed == "none":
            rows = self.packed(self.rows(0, fields), fields)
        elif self.mixed == "documents":
            mixed = {name: self.rows(number, fields) for number, name in enumerate("ab")}
            rows = self.packed(rd.mix(mixed, stop="renormalize"), fields)
        else:
            mixed = {name: self.packed(self.rows(number, fields), fields) for number, name in enumerate("ab")}
            rows = rd.mix(mixed, stop="renormalize")
        return rows.batch(self.batch_size, shards=self.shards, drop_remainder=self.drop_remainder, sources=fields)


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    """Draws a pipeline."""
    method = draw(st.sampled_from(["pack", "pad"]))
    options: dict[str, Any] = {"truncate": draw(st.booleans()), "pad_id": draw(st.sampled_from([0, 9]))}
    if method == "pack":
        options |= {
            "strategy": draw(st.sampled_from(["best_fit", "first_fit", "concat_split"])),
            "window": draw(st.integers(1, 20)),
        }
    shards = draw(st.none() | st.integers(1, 6))
    counts = st.lists(st.integers(0, 20), min_size=1, max_size=25).map(tuple)
    return Pipeline(
        lengths=(draw(counts), draw(counts)),
        mixed=draw(st.sampled_from(["none", "documents", "rows"])),
        method=method,
        options=options,
        length=draw(st.integers(1, 16)),
        shift=draw(st.sampled_from(["inputs", "targets", "none"])),
        batch_size=4 * draw(st.integers(1, 2)),
        shards=shards,
        seed=draw(st.integers(0, 3)),
        epochs=draw(st.sampled_from([1, 2, None])),
        drop_remainder=draw(st.booleans()),
    )


def raw(batch: Any) -> list[Any]:
    """Returns all arrays of a batch, with those of its fields."""
    arrays = {name: getattr(batch, name) for name in FIELDS} | dict(getattr(batch, "fields", {}))
    return [(name, array.dtype.str, array.shape, array.tobytes()) for name, array in sorted(arrays.items())]


def joined(parts: Sequence[Any]) -> Any:
    """Joins the batches of several processes to the global batch."""
    fields = {name: np.concatenate([part.fields[name] for part in parts]) for name in parts[0].fields}
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}
    return rd.LLMFieldsBatch(**arrays, fields=fields)


@settings(max_examples=settings.default.max_examples // 2)
@given(pipelines())
def test_fields_stand_where_their_tokens_do_and_change_nothing_else(pipeline: Pipeline) -> None:
    plain = list(islice(pipeline.batches(fields=False), LIMIT))
    batches = list(islice(pipeline.batches(fields=True), LIMIT))

    assert len(batches) == len(plain)
    for batch, expected in zip(batches, plain, strict=True):
        has_target = expected.targets_segmentation != 0
        for name, value in fields_of(expected.targets).items():
            assert batch.fields[name].dtype == DTYPES[name]
            np.testing.assert_array_equal(batch.fields[name], np.where(has_target, value, 0))
        for name in set(FIELDS) - {"targets_segmentation"}:
            np.testing.assert_array_equal(getattr(batch, name), getattr(expected, name))
        scored = has_target & fields_of(expected.targets)["loss_mask"]
        np.testing.assert_array_equal(batch.targets_segmentation, np.where(scored, expected.targets_segmentation, 0))
        component = _component_of(expected)
        np.testing.assert_array_equal(batch.fields["source"][has_target], component[has_target])
        np.testing.assert_array_equal(batch.fields["source"] != 0, expected.inputs_segmentation != 0)


def _component_of(batch: rd.LLMBatch) -> Any:
    """Returns the number of each target's component, which follows from its parity and its record."""
    tokens = batch.targets
    return np.where(tokens >= EOD_ID - 1, EOD_ID - tokens, tokens % 2) + 1


@settings(max_examples=settings.default.max_examples // 6)
@given(pipelines(), st.integers(0, LIMIT), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]), st.integers(0, 3))
def test_any_number_of_processes_goes_on_with_fields(
    pipeline: Pipeline, stop: int, before: int, after: int, prefetch: int
) -> None:
    data = pipeline.batches(fields=True)
    expected = [raw(batch) for batch in islice(data, LIMIT)]
    iterators = [iter(data.shard(index, before)) for index in range(before)]
    for wanted in expected[:stop]:
        assert raw(joined([next(iterator) for iterator in iterators])) == wanted
    state = iterators[-1].get_state()
    parts = [data.shard(index, after) for index in range(after)]
    resumed = [at_state(part.prefetch(prefetch) if prefetch else part, state) for part in parts]
    for wanted in expected[stop:]:
        assert raw(joined([next(iterator) for iterator in resumed])) == wanted
    for iterator in resumed:
        iterator.close()


# Columns of Arrow are compared with the dictionaries made of them.

NUMBERS: dict[Any, st.SearchStrategy[Any]] = {
    pyarrow.int8(): st.integers(-2, 2),
    pyarrow.uint8(): st.integers(0, 2) | st.just(255),
    pyarrow.int16(): st.integers(0, 2),
    pyarrow.int64(): st.integers(0, 3) | st.sampled_from([2**24 + 1, 2**31, -(2**63)]),
    pyarrow.uint64(): st.integers(0, 3) | st.sampled_from([2**31, 2**64 - 1]),
    pyarrow.bool_(): st.booleans(),
    pyarrow.float16(): st.sampled_from([0.0, 0.5, 65504.0, float("inf")]),
    pyarrow.float32(): st.sampled_from([0.0, 1.0, float(np.float32(0.1)), float("nan")]),
    pyarrow.float64(): st.sampled_from([0.0, 1.0, 0.1, 1e300]),
    pyarrow.string(): st.just("1"),
}
LISTS = [pyarrow.list_, pyarrow.large_list]
TAMED = {pyarrow.int8(): st.integers(0, 1), pyarrow.int64(): st.integers(0, 3), pyarrow.bool_(): st.booleans()}


class Dictionaries:
    """A source of the same records that can only make dictionaries of them."""

    def __init__(self, source: rd.HuggingFaceSource) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return repr(self._source)

    def read(self, indices: Any) -> Any:
        return self._source.read(indices)

    def fingerprint(self) -> str:
        return self._source.fingerprint()


@st.composite
def tables(draw: st.DrawFn) -> datasets.Dataset:
    """Draws a dataset of ``ids``, ``loss_mask`` and ``weight``. Most are good, in any chunks and order."""
    wild = draw(st.booleans())
    lengths = draw(st.lists(st.integers(0, 5), min_size=2, max_size=20))
    columns = {}
    for name in ("ids", "loss_mask", "weight"):
        kinds = NUMBERS if wild else TAMED
        kind = draw(st.sampled_from(list(kinds)))
        number = kinds[kind]
        values = [draw(st.lists(number, min_size=length, max_size=length)) for length in lengths]
        for _ in range(draw(st.integers(0, 2)) if draw(st.booleans()) else 0):
            place = draw(st.integers(0, len(lengths) - 1))
            values[place] = draw(
                st.sampled_from([None, [None] * lengths[place], [draw(number), *(values[place] or [])]])
            )
        columns[name] = pyarrow.array(values, draw(st.sampled_from(LISTS))(kind))
    whole = pyarrow.table(columns)
    cuts = sorted(draw(st.lists(st.integers(0, len(lengths)), max_size=3)))
    pieces = [whole.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(lengths)], strict=True)]
    dataset = datasets.Dataset(InMemoryTable(pyarrow.concat_tables(pieces)))
    change = draw(st.sampled_from(["none", "select", "shard", "concatenate"]))
    if change == "select":
        return dataset.select(draw(st.lists(st.integers(0, len(dataset) - 1), min_size=1, max_size=20)))
    if change == "shard":
        return dataset.shard(2, 1, contiguous=draw(st.booleans()))
    return datasets.concatenate_datasets([dataset, dataset]) if change == "concatenate" else dataset


def odd_id(document: dict[str, Any]) -> bool:
    """A predicate that does not fail on bad records."""
    return document["ids"] is None or len(document["ids"]) % 2 == 1


STAGES: dict[str, Any] = {
    "shuffle": lambda data: data.shuffle(5),
    "skip": lambda data: data.skip_bad_records(at_most=100),
    "skip two": lambda data: data.skip_bad_records(at_most=2),
    "filter": lambda data: data.filter(odd_id),
    "append": lambda data: data.append_eod(7, fields={"loss_mask": 1, "weight": 0.25}, tokens="ids"),
    "append whole": lambda data: data.append_eod(7, fields={"loss_mask": 1, "weight": 1}, tokens="ids"),
    "append one": lambda data: data.append_eod(7, fields={"loss_mask": 1}, tokens="ids"),
}
TAKEN: list[Any] = [
    {"loss_mask": "int32", "weight": "float32"},
    {"loss_mask": "bool", "weight": "float16"},
    {"loss_mask": "uint8"},
    {"weight": "int32"},
    {},
]


def outcome(build: Any, source: Any, batches: int) -> tuple[list[Any], Any]:
    """Returns the elements of a pipeline, with its last state or its error."""
    iterator = iter(build(source))
    delivered: list[Any] = []
    try:
        delivered.extend((raw(batch), iterator.progress().dropped) for batch in islice(iterator, batches))
        return delivered, iterator.get_state()
    except rd.ResumableDataError as error:
        return delivered, (type(error), str(error))


@given(
    tables(),
    st.lists(st.sampled_from(list(STAGES)), max_size=4, unique=True),
    st.sampled_from(TAKEN),
    st.sampled_from([1, 2]),
    st.sampled_from(["pack", "pad"]),
)
def test_columns_of_arrow_equal_their_dictionaries(
    dataset: datasets.Dataset, stages: list[str], taken: Any, shards: int, method: str
) -> None:
    def build(source: Any) -> rd.Dataset[Any]:
        data = rd.Dataset.from_source(source)
        for stage in stages:
            data = STAGES[stage](data)
        options = {"window": 3} if method == "pack" else {}
        rows = getattr(data, method)(4, eod_id=0, fields=taken, tokens="ids", **options)
        return rows.batch(2, shards=shards if len(source) >= shards else 1, drop_remainder=False)

    source = rd.HuggingFaceSource(dataset, name="toy")

    assert outcome(build, source, 30) == outcome(build, Dictionaries(source), 30)


@given(tables(), st.lists(st.sampled_from(list(STAGES)), max_size=4, unique=True), st.sampled_from(TAKEN))
def test_fields_read_together_are_those_of_the_documents_or_left_out(
    dataset: datasets.Dataset, stages: list[str], taken: Any
) -> None:
    data = rd.Dataset.from_source(rd.HuggingFaceSource(dataset, name="toy"))
    for stage in stages:
        data = STAGES[stage](data)
    fields = TokenFields("ids", tuple(sorted(taken.items())))
    reader = data.node.reader(fields)

    for record in range(len(dataset)):
        one = np.array([record])
        try:
            expected = reader.read(one).as_tokens(fields, str)
        except rd.RecordError:
            expected = None
        try:
            found = reader.read_tokens(one)
        except rd.RecordError:
            assert expected is None or _rounds(stages, taken)
            continue
        if expected is None or (_rounds(stages, taken) and _cells(found) != _cells(expected)):
            assert found.dropped is not None
            assert any(stage.startswith("skip") for stage in stages)
        else:
            assert _cells(found) == _cells(expected)


def _rounds(stages: Sequence[str], taken: Any) -> bool:
    """Says whether appended values turn integers into floats, so that a too large one is rounded, not refused."""
    return "append" in stages and "weight" in taken


def _cells(documents: Documents) -> list[Any]:
    tokens = documents.tokens
    cells = ranges(tokens.starts, tokens.lengths)
    arrays = {"tokens": tokens.values, **(tokens.fields or {})}
    dropped = None if documents.dropped is None else documents.dropped.tolist()
    return [dropped, *((name, array.dtype, array[cells].tobytes()) for name, array in sorted(arrays.items()))]
