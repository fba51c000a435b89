"""Fields go where their tokens go: whatever packs, shards, mixes and interrupts them, and bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.running import FIELDS, at_state
from property_tests.strategies import Unmeasured

LIMIT = 8
EOD_ID = 4_001
DTYPES = {"loss_mask": "bool", "hashed": "int32", "weight": "float32"}
"""Fields whose values follow from the token, so that a batch shows whether they stand where it does."""


def fields_of(tokens: Any) -> dict[str, Any]:
    """The fields of any array of tokens."""
    tokens = np.asarray(tokens)
    return {"loss_mask": tokens % 3 != 0, "hashed": tokens * 7919 % 1009 - 500, "weight": tokens / 4}


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that can be built with fields and without; ``lengths`` are those of each component's documents."""

    lengths: tuple[tuple[int, ...], ...]
    mixed: str
    method: str
    options: dict[str, Any]
    length: int
    shift: str
    batch_size: int
    shards: int
    seed: int
    epochs: int | None
    drop_remainder: bool

    def rows(self, component: int, fields: bool) -> rd.Dataset[Any]:
        """The documents of a component. A token says of which it is."""
        tokens = [np.arange(n) * 2 + component + record % 7 * 100 for record, n in enumerate(self.lengths[component])]
        records = [{"ids": one, **fields_of(one)} for one in tokens] if fields else tokens
        data = rd.Dataset.from_source(Unmeasured(rd.InMemorySource(records))).shuffle(self.seed).repeat(self.epochs)
        if not fields:
            return data.append_eod(EOD_ID - component)
        eod = {name: value.item() for name, value in fields_of(EOD_ID - component).items()}
        return data.append_eod(EOD_ID - component, fields=eod, tokens="ids")

    def packed(self, documents: rd.Dataset[Any], fields: bool) -> rd.Dataset[Any]:
        """Its rows."""
        given = {"fields": DTYPES, "tokens": "ids"} if fields else {}
        rows = getattr(documents, self.method)(self.length, eod_id=0, **self.options, **given)
        return rows.shift(self.shift)

    def batches(self, *, fields: bool) -> rd.Dataset[rd.LLMBatch]:
        """The batches."""
        if self.mixed == "none":
            rows = self.packed(self.rows(0, fields), fields)
        elif self.mixed == "documents":
            mixed = {name: self.rows(number, fields) for number, name in enumerate("ab")}
            rows = self.packed(rd.mix(mixed, stop="renormalise"), fields)
        else:
            mixed = {name: self.packed(self.rows(number, fields), fields) for number, name in enumerate("ab")}
            rows = rd.mix(mixed, stop="renormalise")
        return rows.batch(self.batch_size, shards=self.shards, drop_remainder=self.drop_remainder, sources=fields)


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    """Any of them."""
    method = draw(st.sampled_from(["pack", "pad"]))
    options: dict[str, Any] = {"truncate": draw(st.booleans()), "pad_id": draw(st.sampled_from([0, 9]))}
    if method == "pack":
        options |= {
            "strategy": draw(st.sampled_from(["best_fit", "first_fit", "concat_split"])),
            "window": draw(st.integers(1, 20)),
        }
    shards = draw(st.sampled_from([1, 2, 4]))
    counts = st.lists(st.integers(0, 20), min_size=shards, max_size=25).map(tuple)
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
    """All arrays of a batch, those of its fields too."""
    arrays = {name: getattr(batch, name) for name in FIELDS} | dict(batch.fields)
    return [(name, array.dtype.str, array.shape, array.tobytes()) for name, array in sorted(arrays.items())]


def joined(parts: Sequence[Any]) -> Any:
    """The batches of several processes as the global batch."""
    fields = {name: np.concatenate([part.fields[name] for part in parts]) for name in parts[0].fields}
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}
    return rd.LLMFieldsBatch(**arrays, fields=fields)


@settings(max_examples=40)
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
    """The number of each target's component, which its parity and its record say."""
    tokens = batch.targets
    return np.where(tokens >= EOD_ID - 1, EOD_ID - tokens, tokens % 2) + 1


@settings(max_examples=15)
@given(pipelines(), st.integers(0, LIMIT), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]), st.integers(0, 3))
def test_any_number_of_processes_goes_on_with_them(
    pipeline: Pipeline, stop: int, before: int, after: int, prefetch: int
) -> None:
    data = pipeline.batches(fields=True)
    expected = [raw(batch) for batch in islice(data, LIMIT)]
    iterators = [iter(data.shard(index, before)) for index in range(before)]
    for wanted in expected[:stop]:
        assert raw(joined([next(iterator) for iterator in iterators])) == wanted
    state = rd.merge_states([iterator.get_state() for iterator in iterators])
    parts = [data.shard(index, after) for index in range(after)]
    resumed = [at_state(part.prefetch(prefetch) if prefetch else part, state) for part in parts]
    for wanted in expected[stop:]:
        assert raw(joined([next(iterator) for iterator in resumed])) == wanted
    for iterator in resumed:
        iterator.close()
