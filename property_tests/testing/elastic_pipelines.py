"""Pipelines that some processes save and others continue, and the parts of them that are compared."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from property_tests.testing import toy_tokenizer
from property_tests.testing.array_record_shards import write_documents
from property_tests.testing.running import FIELDS

STEP = 3
"""The step of the save."""
STEPS = 7
"""The number of compared batches, with those before the save."""
OTHER_BATCH, OTHER_STEPS = 3, 2
"""The factor of the batch size after a change, and the number of compared batches after it."""
LENGTH = 32

Place = list[list[int]]
Shards = list[tuple[Place, str]]


def write_corpus(folder: Path) -> None:
    """Writes real ArrayRecord shards with their lengths indexes, which runs of several processes do not build."""
    for shard, count in {"web_0": 170, "web_1": 130, "code_0": 60}.items():
        documents = [np.arange(1 + record * 37 % 83) * (record + 3) % 997 + 1 for record in range(count)]
        write_documents(folder / f"{shard}.arecord", documents)
    for kind in ("web", "code"):
        source_of(folder, kind).build_index()
    for kind, count in {"books": 200, "notes": 90}.items():
        texts = [" ".join(f"{kind} {record * n % 61}" for n in range(record * 29 % 23)) for record in range(count)]
        datasets.Dataset.from_dict({"text": texts}).save_to_disk(folder / kind, num_shards=2)
    toy_tokenizer.trained().save(str(folder / "tokenizer.json"))


def source_of(corpus: Path, kind: str) -> rd.ArrayRecordSource:
    """Makes the documents of one kind."""
    return rd.ArrayRecordSource(str(corpus / f"{kind}_*.arecord"), parse=rd.parse_int32_tokens, progress=False)


def is_wanted(text: str) -> bool:
    """Says whether a text is kept: two of three are."""
    return len(text) % 3 > 0


def pipelines(corpus: Path, times: int = 1) -> dict[str, rd.Dataset[rd.LLMBatch]]:
    """Makes one pipeline of each kind, by name. The batches of all fit on eight devices.

    Args:
        corpus: The corpus of ``write_corpus``.
        times: The factor of the batch size.
    """
    eight = 8 * times

    def documents(kind: str, eod_id: int = 0) -> rd.Dataset[Any]:
        return rd.Dataset.from_source(source_of(corpus, kind), name=kind).shuffle(7).repeat().append_eod(eod_id)

    def packed(kind: str, eod_id: int = 0) -> rd.Dataset[rd.LLMBatch]:
        return documents(kind, eod_id).pack(LENGTH, window=64, eod_id=eod_id)

    def texts(kind: str) -> rd.Dataset[Any]:
        source = rd.HuggingFaceSource.from_disk(corpus / kind, "text")
        return rd.Dataset.from_source(source, name=kind).shuffle(7).repeat()

    def tokenized(documents: rd.Dataset[Any]) -> rd.Dataset[Any]:
        return documents.tokenize(corpus / "tokenizer.json", eod_id=toy_tokenizer.EOS_ID)

    def text(kind: str) -> rd.Dataset[rd.LLMBatch]:
        return tokenized(texts(kind)).pack(LENGTH, window=16)

    weights = rd.WeightSchedule({0: {"web": 3, "code": 1}, 4: {"web": 1, "code": 1}}, between="linear")
    mixed_documents = rd.mix({"web": documents("web"), "code": documents("code")}, {"web": 2, "code": 1})
    mixed_text = rd.mix({kind: tokenized(texts(kind)) for kind in ("books", "notes")}, {"books": 3, "notes": 1})
    return {
        "packed": packed("web").batch(eight),
        "mixed": rd.mix({"web": packed("web"), "code": packed("code")}, weights).batch(2 * eight),
        "ramped": packed("web").batch(rd.BatchSchedule(eight, factors={2: 2, 4: 2})),
        "sequence-sharded": mixed_documents.pack(LENGTH, strategy="concat_split", window=64, eod_id=0).batch(
            2 * eight
        ),
        "text": text("books").batch(eight),
        "filtered text": tokenized(texts("books").filter(is_wanted)).pack(LENGTH, window=8).batch(eight, shards=6),
        "mixed text": rd.mix({"books": text("books"), "notes": text("notes")}, {"books": 3, "notes": 1}).batch(
            rd.BatchSchedule(eight, factors={4: 2})
        ),
        "mixed texts": mixed_text.pack(LENGTH, window=8).batch(eight, shards=5),
        "text and tokens": rd.mix(
            {"web": packed("web", toy_tokenizer.EOS_ID), "books": text("books")}, {"web": 1, "books": 2}
        ).batch(eight),
    }


def shardings() -> dict[str, NamedSharding]:
    """Returns the sharding of each pipeline's batches, over all devices of the run."""
    devices = np.array(jax.devices())
    with_tensor = Mesh(devices.reshape(-1, 2), ("fsdp", "tensor"))
    reversed_data = Mesh(devices[::-1], ("data",))
    sequence = Mesh(devices.reshape(2, -1).T, ("data", "sequence"))
    return {
        "packed": NamedSharding(Mesh(devices, ("data",)), PartitionSpec("data")),
        "mixed": NamedSharding(with_tensor, PartitionSpec("fsdp")),
        "ramped": NamedSharding(reversed_data, PartitionSpec("data")),
        "sequence-sharded": NamedSharding(sequence, PartitionSpec("data", "sequence")),
        "text": NamedSharding(Mesh(devices, ("data",)), PartitionSpec("data")),
        "filtered text": NamedSharding(Mesh(devices, ("data",)), PartitionSpec("data")),
        "mixed text": NamedSharding(reversed_data, PartitionSpec("data")),
        "mixed texts": NamedSharding(sequence, PartitionSpec("data", "sequence")),
        "text and tokens": NamedSharding(with_tensor, PartitionSpec("fsdp")),
    }


def shards_of(batch: rd.LLMBatch) -> Shards:
    """Returns the place of each part of a batch on this process, and a digest of its bytes in all fields."""
    shape = batch.inputs.shape
    parts = zip(*(getattr(batch, name).addressable_shards for name in FIELDS), strict=True)
    return [(place_of(part[0].index, shape), digest_of([np.asarray(s.data) for s in part])) for part in parts]


def place_of(index: tuple[slice, ...], shape: tuple[int, ...]) -> Place:
    """Returns the first and the last but one of its rows, and of its columns."""
    return [list(part.indices(size)[:2]) for part, size in zip(index, shape, strict=True)]


def digest_at(batch: rd.LLMBatch, place: Place) -> str:
    """Returns the digest that a part of a plain batch should have."""
    (top, bottom), (left, right) = place
    return digest_of([getattr(batch, name)[top:bottom, left:right] for name in FIELDS])


def digest_of(arrays: Sequence[np.ndarray[Any, Any]]) -> str:
    """Returns a digest of dtypes, shapes and bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
