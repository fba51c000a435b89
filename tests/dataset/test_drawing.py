from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd


def documents(name: str, **settings: Any) -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.SyntheticSource(100, [3], **settings), name=name)


def test_every_stage_is_a_line_with_what_matters() -> None:
    web = documents("web").take(50).shuffle(7).repeat(2).filter(len).append_eod(1).pack(8, window=4)
    code = documents("code").pad(8, eod_id=1, truncate=True).shift("inputs")
    mixed = rd.mix(
        {"web": web, "code": code}, rd.WeightSchedule({0: {"web": 1, "code": 0}, 9: {"web": 1, "code": 1}})
    )
    assert str(mixed.batch(8, drop_remainder=False).shard(1, 2).prefetch(3)).splitlines() == [
        "prefetch(buffer_size=3)",
        "└─ batch(size=8, shards=8) → rows of process 1 of 2",
        "   └─ mix(from 0: code=0 web=1, from 9: code=1 web=1, stop='first_exhausted')",
        "      ├─ code: shift(what='inputs')",
        "      │  └─ pad(length=8, eod_id=1, pad_id=0, truncate='right')",
        "      │     └─ code: synthetic source (100 records)",
        "      └─ web: pack(length=8, eod_id=1, pad_id=0, strategy='best_fit', window=4)",
        "         └─ web: synthetic source (100 records) → slice(start=0, stop=50) → shuffle(seed=7)"
        " → repeat(epochs=2) → filter(function='builtins.len') → append_eod(eod_id=1)",
    ]


def test_mixes_of_mixes_and_rows_one_by_one() -> None:
    inner = rd.mix({"a": documents("a"), "b": documents("b")}, {"a": 1, "b": 1})
    outer = rd.mix({"c": documents("c"), "in": inner}, {"c": 1, "in": 3}).pack(8, eod_id=0)
    sharding = NamedSharding(Mesh(np.array(jax.devices()[:2]), ("data",)), PartitionSpec("data"))
    assert "placed on a mesh of data=2, by" in str(outer.batch(2).place(sharding))
    assert str(outer.batch(2).unbatch(steps=3)).splitlines()[:6] == [
        "unbatch(rows=2, steps=3)",
        "└─ batch(size=2, drop_remainder=True)",
        "   └─ pack(length=8, eod_id=0, pad_id=0, strategy='best_fit', window=4096)",
        "      └─ mix(c=1 in=3, stop='first_exhausted')",
        "         ├─ c: synthetic source (100 records)",
        "         └─ in: mix(a=1 b=1, stop='first_exhausted')",
    ]


def test_logical_shards_are_said_where_documents_are_measured() -> None:
    text = rd.Dataset.from_source(rd.InMemorySource([[1]])).filter(bool).pad(4, eod_id=0)
    assert "batch(size=48, drop_remainder=True, shards=48)" in str(text.batch(48))
    assert "shards=4)" in str(text.batch(48, shards=4))
    assert "shards" not in str(documents("web").pad(4, eod_id=0).batch(48))


def test_nothing_is_read_and_a_stream_prints_too() -> None:
    class Unread(rd.InMemorySource):
        def read(self, indices: Any) -> Any:
            raise AssertionError("read")

        def fingerprint(self) -> str:
            return "unread"

    assert "in-memory source (1 records)" in repr(rd.Dataset.from_source(Unread([[1]])).pad(4, eod_id=0))


def test_a_notebook_shows_text_as_text() -> None:
    source = rd.InMemorySource([[1]], name="<script>alert(1)</script>")
    shown: Any = rd.Dataset.from_source(source)._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert shown.startswith("<pre>")
    assert "<script>" not in shown
    assert "&lt;script&gt;alert(1)" in shown


def batch() -> rd.LLMBatch:
    return next(iter(documents("web").append_eod(1).pack(9, window=100).batch(4)))


def test_a_batch_says_how_full_it_is() -> None:
    found = batch()
    assert repr(found) == "LLMBatch(int32[4, 9], 88.89 % filled, 8 documents, 32 scored tokens)"
    assert repr(jax.device_put(found)) == repr(found)


@pytest.mark.parametrize("kind", [rd.LLMIndexedBatch, rd.LLMFieldsBatch])
def test_other_batches_are_called_by_their_names(kind: type[rd.LLMBatch]) -> None:
    fields = (
        {"fields": {}} if kind is rd.LLMFieldsBatch else {"document_idx": np.zeros(1), "sequence_idx": np.zeros(1)}
    )
    made = kind(*[np.ones((1, 3), np.int32)] * 2, **dict.fromkeys(POSITIONS, np.ones((1, 3), np.int32)), **fields)
    assert repr(made) == f"{kind.__name__}(int32[1, 3], 100.00 % filled, 1 documents, 3 scored tokens)"


POSITIONS = ("inputs_position", "inputs_segmentation", "targets_position", "targets_segmentation")


def test_a_batch_prints_wherever_it_is() -> None:
    seen: list[str] = []

    @jax.jit
    def traced(given: rd.LLMBatch) -> Any:
        seen.append(repr(given))
        return given.inputs.sum()

    traced(batch())
    assert seen == ["LLMBatch(int32[4, 9])"]
    assert repr(rd.LLMBatch.get_dtype_struct(4, 9)) == "LLMBatch(int32[4, 9])"
    assert repr(jax.tree.map(lambda _: None, batch())) == "LLMBatch(NoneType)"
    assert repr(jax.tree.map(lambda leaf: leaf[0], batch())).startswith(
        "LLMBatch(int32[9], 88.89 % filled, 2 documents"
    )
    gone = jax.device_put(batch())
    jax.tree.map(lambda leaf: leaf.delete(), gone)
    assert repr(gone) == "LLMBatch(int32[4, 9])"
