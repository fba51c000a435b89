"""Reference pipelines and digests of their batches; run as a script it prints the digests as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import islice

import resumable_data as rd

_STEPS = 20
_FIELDS = (
    "inputs",
    "targets",
    "inputs_position",
    "inputs_segmentation",
    "targets_position",
    "targets_segmentation",
)
_LENGTHS = [length * length // 7 for length in range(1, 60)]  # 0 to 497 tokens, most of them few


def shuffled_best_fit() -> rd.Dataset[rd.LLMBatch]:
    source = rd.SyntheticSource(10_000, _LENGTHS, vocabulary=50_000, seed=3)
    documents = rd.Dataset.from_source(source, name="web").shuffle(seed=7).repeat().append_eod(0)
    return documents.pack(length=512, strategy="best_fit", window=4096, eod_id=0).batch(32)


def first_fit_over_two_epochs() -> rd.Dataset[rd.LLMBatch]:
    records = [[100 * record + place for place in range(record * 37 % 101)] for record in range(150)]
    documents = rd.Dataset.from_source(rd.InMemorySource(records)).repeat(2)
    rows = documents.pack(length=64, strategy="first_fit", window=40, eod_id=50_000, pad_id=50_001)
    return rows.batch(16, drop_remainder=False)


def block_shuffled_concat_split() -> rd.Dataset[rd.LLMBatch]:
    source = rd.SyntheticSource(3000, _LENGTHS, seed=11)
    documents = rd.Dataset.from_source(source, name="books").shuffle(seed=2**70, block=64).repeat(3)
    rows = documents.pack(length=96, strategy="concat_split", window=256, eod_id=1, truncate=True)
    return rows.shift("targets").batch(24)


def shuffled_pad() -> rd.Dataset[rd.LLMBatch]:
    source = rd.SyntheticSource(500, _LENGTHS, seed=5)
    documents = rd.Dataset.from_source(source, name="eval").shuffle(seed=-1).append_eod(2)
    return documents.pad(length=200, eod_id=2, pad_id=3).batch(10)


PIPELINES: dict[str, Callable[[], rd.Dataset[rd.LLMBatch]]] = {
    pipeline.__name__: pipeline
    for pipeline in (
        shuffled_best_fit,
        first_fit_over_two_epochs,
        block_shuffled_concat_split,
        shuffled_pad,
    )
}


def digest(batches: rd.Dataset[rd.LLMBatch]) -> str:
    """SHA-256 of the fields of the first batches, as little-endian int32."""
    found = hashlib.sha256()
    for batch in islice(iter(batches), _STEPS):
        for name in _FIELDS:
            found.update(getattr(batch, name).astype("<i4").tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    enabled = [feature for feature in __cpu_dispatch__ if __cpu_features__[feature]]
    digests = {name: digest(pipeline()) for name, pipeline in PIPELINES.items()}
    print(json.dumps({"enabled": enabled, "digests": digests}))
