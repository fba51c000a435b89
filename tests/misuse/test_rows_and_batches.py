"""Misuses of rows and batches, and of who gets which rows."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd

# Untyped, as in a notebook.
DOCUMENTS: Any = rd.Dataset.from_source(rd.InMemorySource([[1, 2, 3], [4, 5], [6]]))
MASKED: Any = rd.Dataset.from_source(rd.InMemorySource([{"tokens": [1, 2], "mask": [0, 1]}]))
ROWS: Any = DOCUMENTS.pack(4, eod_id=0)
BATCHES: Any = ROWS.batch(2)
SCHEDULE: Any = rd.BatchSchedule
MESH = Mesh(np.array(jax.devices()[:2]), ("data",))


def first(data: Any) -> object:
    return next(iter(data))


def pad(*given: Any, **settings: Any) -> object:
    return DOCUMENTS.pad(*given, **({"eod_id": 0} | settings))


def pack(*given: Any, **settings: Any) -> object:
    return DOCUMENTS.pack(*given, **({"eod_id": 0} | settings))


ROW_MISUSES: dict[str, tuple[Callable[[], object], str, str]] = {
    "pack into a float": (lambda: pack(8.0), "pack: length=8.0", "must be an integer, not a float"),
    "pack into a text": (lambda: pack("2048"), "pack: length='2048'", "must be an integer, not a str"),
    "pack into None": (lambda: pack(None), "pack: length=None", "must be an integer"),
    "pack into True": (lambda: pack(True), "pack: length=True", "must be an integer, not a bool"),
    "pack into nothing": (lambda: pack(0), "pack: length=0", "at least 1 token a row"),
    "pack into less": (lambda: pack(-8), "pack: length=-8", "at least 1 token a row"),
    "pack into a tuple": (lambda: pack((8, 2)), "pack: length=(8, 2)", "must be an integer, not a tuple"),
    "pack without an end": (lambda: DOCUMENTS.pack(8), "there is no end-of-document token", "pass eod_id=… to pack"),
    "pack with a text as end": (lambda: pack(8, eod_id="<eod>"), "pack: eod_id='<eod>'", "must be an integer"),
    "pack with a float as end": (lambda: pack(8, eod_id=1.0), "pack: eod_id=1.0", "must be an integer"),
    "pack with a negative end": (lambda: pack(8, eod_id=-1), "eod_id=-1", "not a token that int32 can hold"),
    "pack with True as end": (lambda: pack(8, eod_id=False), "pack: eod_id=False", "must be an integer"),
    "pack with no padding": (lambda: pack(8, pad_id=None), "pack: pad_id=None", "must be an integer"),
    "pack with negative padding": (lambda: pack(8, pad_id=-100), "pad_id=-100", "not a token that int32 can hold"),
    "pack by another strategy": (
        lambda: pack(8, strategy="bestfit"),
        "strategy='bestfit'",
        "'best_fit', 'first_fit'",
    ),
    "pack by no strategy": (lambda: pack(8, strategy=None), "strategy=None", "there are 'best_fit'"),
    "pack by True": (lambda: pack(8, strategy=True), "strategy=True", "'concat_split'"),
    "pack no window": (lambda: pack(8, window=0), "window=0", "at least 1 document"),
    "pack a float window": (lambda: pack(8, window=1e3), "pack: window=1000.0", "must be an integer"),
    "pack with a cut at the end": (lambda: pack(8, truncate="end"), "truncate='end'", "'left', 'right'"),
    "pack with a cut of 1": (lambda: pack(8, truncate=1), "pack: truncate=1", "True or False"),
    "pack no document": (lambda: pack(8, max_documents=0), "max_documents=0", "at least 1 document a row"),
    "pack half a document": (lambda: pack(8, max_documents=0.5), "max_documents=0.5", "must be an integer"),
    "pack with one field as text": (lambda: pack(8, fields="mask"), "fields='mask' is one text", "fields=['mask']"),
    "pack with fields by number": (lambda: pack(8, fields=[0]), "the name of a field=0", "must be a name (str)"),
    "pack with fields True": (lambda: pack(8, fields=True), "pack: fields=True", "a list of names"),
    "pack with a field twice": (lambda: pack(8, fields=["a", "a"]), "fields=['a', 'a']", "names a field twice"),
    "pack with a field of int64": (lambda: pack(8, fields={"a": "int64"}), "'a' is int64", "a field is one of"),
    "pack with a field of nothing": (lambda: pack(8, fields={"a": "tokens"}), "'a' has no dtype", "tokens"),
    "pack with the tokens as field": (lambda: pack(8, fields=["tokens"]), "the tokens themselves", "leave them out"),
    "pack with a mask True": (lambda: pack(8, loss_mask=True), "pack: loss_mask=True", "must be a name (str)"),
    "pack with a mask array": (lambda: pack(8, loss_mask=np.ones(8)), "pack: loss_mask=", "must be a name (str)"),
    "pack with two masks": (lambda: pack(8, loss_mask="a", labels="b"), "give one of loss_mask='a'", "labels='b'"),
    "pack with tokens by number": (lambda: pack(8, tokens=0), "pack: tokens=0", "must be a name (str)"),
    "pack drops what is unscored, without a mask": (
        lambda: pack(8, drop_unscored=True),
        "drop_unscored=True needs a field",
        "loss_mask=…",
    ),
    "pack drops 1": (lambda: pack(8, drop_unscored=1), "drop_unscored=1", "True or False"),
    "pack for no token": (lambda: pack(8, vocab_size=0), "vocab_size=0", "the number of the model's tokens"),
    "pack for a float of tokens": (lambda: pack(8, vocab_size=5e4), "vocab_size=50000.0", "must be an integer"),
    "pack with an end beyond all": (lambda: pack(8, eod_id=9, vocab_size=9), "eod_id=9", "0 to 8 (vocab_size)"),
    "pack ids beyond all": (lambda: first(pack(8, vocab_size=4)), "holds the id 4", "ids are 0 to 3 (vocab_size=4)"),
    "pack a field that is not there": (
        lambda: first(MASKED.pack(4, eod_id=0, fields=["weight"])),
        "'weight'",
        "mask",
    ),
    "pack rows": (lambda: ROWS.pack(8, eod_id=0), "pack works on documents", "before pack and batch"),
    "pad into a float": (lambda: pad(8.0), "pad: length=8.0", "must be an integer, not a float"),
    "pad into nothing": (lambda: pad(0), "pad: length=0", "at least 1 token a row"),
    "pad without an end": (lambda: DOCUMENTS.pad(8), "there is no end-of-document token", "pass eod_id=… to pad"),
    "pad with a text as padding": (lambda: pad(8, pad_id="0"), "pad: pad_id='0'", "must be an integer"),
    "pad with a cut": (lambda: pad(8, truncate="middle"), "pad: truncate='middle'", "'left', 'right'"),
    "shift both": (lambda: ROWS.shift("both"), "shift: what='both'", "'inputs', 'targets', 'none'"),
    "shift nothing": (lambda: ROWS.shift(None), "shift: what=None", "'inputs', 'targets', 'none'"),
    "shift by 1": (lambda: ROWS.shift(1), "shift: what=1", "'inputs', 'targets', 'none'"),
    "shift documents": (lambda: DOCUMENTS.shift(), "shift works on rows", "comes after pack or pad"),
    "packing of no window": (lambda: ROWS.packing(0), "packing: windows=0", "at least 1"),
    "packing of a float": (lambda: ROWS.packing(1.5), "packing: windows=1.5", "must be an integer"),
    "packing of documents": (lambda: DOCUMENTS.packing(), "packing works on rows", "comes after pack or pad"),
}

BATCH_MISUSES: dict[str, tuple[Callable[[], object], str, str]] = {
    "batch of True": (lambda: ROWS.batch(True), "batch: size=True", "must be an integer, not a bool"),
    "batch of a float": (lambda: ROWS.batch(8.0), "batch: size=8.0", "must be an integer, not a float"),
    "batch of a text": (lambda: ROWS.batch("8"), "batch: size='8'", "must be an integer, not a str"),
    "batch of None": (lambda: ROWS.batch(None), "batch: size=None", "must be an integer"),
    "batch of sizes": (lambda: ROWS.batch({0: 8, 100: 16}), "batch: size={0: 8, 100: 16}", "must be an integer"),
    "batch of nothing": (lambda: ROWS.batch(0), "has 0 rows", "the batch from step 0 on"),
    "batch of less": (lambda: ROWS.batch(-8), "has -8 rows", "the batch from step 0 on"),
    "batch of documents": (lambda: DOCUMENTS.batch(8), "batch works on rows", "comes after pack or pad"),
    "batch of batches": (lambda: BATCHES.batch(8), "batch works on rows", "not after batch"),
    "batch as dict by type": (lambda: ROWS.batch(2, batch_type=dict), "batch_type=dict", "as_dict=True"),
    "batch as a text of a type": (lambda: ROWS.batch(2, batch_type="dict"), "batch_type='dict'", "as_dict=True"),
    "batch as None": (lambda: ROWS.batch(2, batch_type=None), "batch_type=None", "is not an LLMBatch"),
    "batch with an index of documents": (
        lambda: ROWS.batch(2, batch_type=rd.LLMIndexedBatch),
        "has one document a row",
        "pad(…) instead of pack(…)",
    ),
    "batch for another trainer": (lambda: ROWS.batch(2, as_dict="nanodo"), "as_dict='nanodo'", "maxtext, flax"),
    "batch as dict 1": (lambda: ROWS.batch(2, as_dict=1), "as_dict=1", "True, the name of a preset, or a mapping"),
    "batch as a list of names": (
        lambda: ROWS.batch(2, as_dict=["inputs"]),
        "as_dict=['inputs']",
        "a mapping of names",
    ),
    "batch with a field that is not there": (
        lambda: ROWS.batch(2, as_dict={"x": "input"}),
        "{'x': 'input'}",
        "the fields are inputs, targets",
    ),
    "batch keeps the rest 0": (lambda: ROWS.batch(2, drop_remainder=0), "drop_remainder=0", "True or False"),
    "batch with sources as names": (lambda: ROWS.batch(2, sources=["web"]), "sources=['web']", "True or False"),
    "batch in no shard": (lambda: ROWS.batch(2, shards=0), "shards=0", "from 1 to"),
    "batch in a float of shards": (lambda: ROWS.batch(2, shards=2.0), "batch: shards=2.0", "must be an integer"),
    "a schedule of no size": (lambda: SCHEDULE(0), "has 0 rows", "BatchSchedule"),
    "a schedule of a text": (lambda: SCHEDULE("8"), "BatchSchedule: size='8'", "must be an integer"),
    "a schedule of pairs": (lambda: SCHEDULE(8, factors=[(10, 2)]), "factors=[(10, 2)]", "as {1000: 2}"),
    "a schedule of text": (lambda: SCHEDULE(8, factors={10: "2"}), "boundary 10 is '2'", "not a number"),
    "a schedule before 0": (lambda: SCHEDULE(8, factors={-1: 2}), "boundary -1", "not a natural number"),
    "a schedule at 1.5": (lambda: SCHEDULE(8, factors={1.5: 2}), "boundary=1.5", "must be an integer"),
    "a schedule to nothing": (lambda: SCHEDULE(8, factors={10: 0}), "from step 10 on has 0 rows", "BatchSchedule"),
    "a schedule by epochs": (lambda: SCHEDULE(8, factors={1: 2}, by="epochs"), "by='epochs'", "'steps', 'rows'"),
    "a schedule by tokens of no row": (lambda: SCHEDULE(8, factors={1: 2}, by="tokens"), "by tokens", "length="),
    "a ramp that does not fit": (lambda: SCHEDULE.linear(8, 30, 100, multiple_of=8), "stop=30", "multiples of"),
    "a ramp of floats": (lambda: SCHEDULE.linear(8.0, 32, 100), "start=8.0", "must be an integer"),
    "map_batches of nothing": (lambda: BATCHES.map_batches(None), "map_batches: function=None", "must be a function"),
    "map_batches of rows": (lambda: ROWS.map_batches(len), "map_batches works on batches", "comes after batch"),
    "map_batches after prefetch": (
        lambda: BATCHES.prefetch().map_batches(len),
        "map_batches comes before",
        "prefetch",
    ),
    "shard a float": (lambda: BATCHES.shard(0.0, 2), "shard: process_index=0.0", "must be an integer"),
    "shard among a text": (lambda: BATCHES.shard(0, "2"), "shard: process_count='2'", "must be an integer"),
    "shard True": (lambda: BATCHES.shard(True, 2), "shard: process_index=True", "must be an integer"),
    "shard a process too far": (lambda: BATCHES.shard(2, 2), "process_index=2", "not in [0, 2)"),
    "shard among none": (lambda: BATCHES.shard(0, 0), "process_index=0", "not in [0, 0)"),
    "shard what cannot be divided": (lambda: BATCHES.shard(0, 3), "cannot be divided among 3", "can among 1, 2"),
    "shard documents": (lambda: DOCUMENTS.shard(0, 2), "shard works on batches", "comes after batch"),
    "shard twice": (lambda: BATCHES.shard(0, 2).shard(0, 2), "shard", "sharded or placed already"),
    "shard after prefetch": (lambda: BATCHES.prefetch().shard(0, 2), "shard comes before", "prefetch"),
    "shard by one process": (lambda: BATCHES.shard_by_jax_process(0), "processes=0", "a list of process indices"),
    "shard by text": (lambda: BATCHES.shard_by_jax_process(["0"]), "processes='0'", "must be an integer"),
    "shard by others": (lambda: BATCHES.shard_by_jax_process([3]), "process 0 is not among", "[3]"),
    "place on a spec": (
        lambda: BATCHES.place(PartitionSpec("data")),
        "place takes a Mesh, or a NamedSharding on one, not",
        "place(NamedSharding(mesh, ",
    ),
    "place on an axis": (
        lambda: BATCHES.place("data"),
        "place takes a Mesh, or a NamedSharding",
        "not a str ('data')",
    ),
    "place nowhere": (lambda: BATCHES.place(None), "place takes a Mesh, or a NamedSharding", "not None"),
    "place on a device": (lambda: BATCHES.place(jax.devices()[0]), "place takes a Mesh", "jax.devices()), ('data',)"),
    "place on devices": (lambda: BATCHES.place(jax.devices()), "place takes a Mesh", "not a list"),
    "place on one device": (
        lambda: BATCHES.place(jax.sharding.SingleDeviceSharding(jax.devices()[0])),
        "not a SingleDeviceSharding",
        "place(NamedSharding(mesh, PartitionSpec('data')))",
    ),
    "place on an abstract mesh": (lambda: BATCHES.place(MESH.abstract_mesh), "not an AbstractMesh", "a Mesh"),
    "place what does not fit": (
        lambda: ROWS.batch(3).place(MESH),
        "a batch of shape (3, 4) cannot be laid out",
        "on a mesh of {'data': 2}",
    ),
    "place three axes": (
        lambda: BATCHES.place(NamedSharding(MESH, PartitionSpec(None, None, "data"))),
        "a batch of shape (2, 4) cannot be laid out",
        "on a mesh of {'data': 2}",
    ),
    "place rows": (lambda: ROWS.place(MESH), "place works on batches", "comes after batch"),
    "measure with less than nothing": (lambda: BATCHES.measure(kept_bytes=-1), "kept_bytes=-1", "not negative"),
    "measure for a text": (lambda: BATCHES.measure(timeout_seconds="60"), "timeout_seconds='60'", "must be a number"),
    "measure for ever": (
        lambda: BATCHES.measure(timeout_seconds=float("inf")),
        "timeout_seconds=inf",
        "a finite number",
    ),
    "measure in True": (lambda: BATCHES.measure(True), "measure: directory=True", "must be a path"),
    "measure rows": (lambda: ROWS.measure(), "measure works on batches", "comes after batch"),
    "unbatch no step": (lambda: BATCHES.unbatch(0), "unbatch", "0"),
    "unbatch a float": (lambda: BATCHES.unbatch(1.5), "unbatch: steps=1.5", "must be an integer"),
    "unbatch rows": (lambda: ROWS.unbatch(), "unbatch works on batches", "comes after batch"),
    "prefetch nothing": (lambda: BATCHES.prefetch(0), "buffer_size=0", "at least 1"),
    "prefetch True": (lambda: BATCHES.prefetch(True), "prefetch: buffer_size=True", "must be an integer"),
    "prefetch a float": (lambda: BATCHES.prefetch(2.0), "prefetch: buffer_size=2.0", "must be an integer"),
    "prefetch twice": (lambda: BATCHES.prefetch().prefetch(), "prefetches already", "prefetch"),
    "the struct of a text": (lambda: BATCHES.batch_struct("0"), "batch_struct: step='0'", "must be an integer"),
    "the struct before the first": (lambda: BATCHES.batch_struct(-1), "there is no step -1", "-1"),
    "the length of rows": (lambda: ROWS.length(), "length works on batches", "comes after batch"),
    "the length of a text": (lambda: BATCHES.length("all"), "length: at_most='all'", "must be an integer"),
    "the length of nothing": (lambda: BATCHES.length(0), "length: at_most=0", "at least 1 document"),
}


@pytest.mark.parametrize("misuse", ROW_MISUSES)
def test_a_misuse_of_rows_is_refused(misuse: str, refused: Any) -> None:
    refused(*ROW_MISUSES[misuse])


@pytest.mark.parametrize("misuse", BATCH_MISUSES)
def test_a_misuse_of_batches_is_refused(misuse: str, refused: Any) -> None:
    refused(*BATCH_MISUSES[misuse])


@pytest.mark.parametrize("prefetch", [False, True])
def test_a_batch_that_is_larger_than_the_data_is_warned_of(prefetch: bool) -> None:
    data = ROWS.batch(10**5)

    with pytest.warns(UserWarning, match=r"there is no batch: the data has 2 rows.*drop_remainder=False"):
        assert list(data.prefetch() if prefetch else data) == []
