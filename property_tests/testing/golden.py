"""Reference pipelines and digests of their batches; run as a script it prints the digests as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

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


class Text:
    """Documents of a synthetic source whose lengths are not known before reading."""

    def __init__(self, size: int, seed: int) -> None:
        self._source = rd.SyntheticSource(size, _LENGTHS, vocabulary=50_000, seed=seed)

    def __len__(self) -> int:
        return len(self._source)

    def read(self, indices: np.ndarray) -> Any:
        """Reads the tokens of documents."""
        return self._source.read(indices)

    def fingerprint(self) -> str:
        """Returns the fingerprint of the source, as text."""
        return f"text {self._source.fingerprint()}"


class TextStream:
    """The same documents without random access."""

    def __init__(self, size: int, seed: int) -> None:
        self._text = Text(size, seed)

    def open_at(self, state: Any) -> TextReader:
        """Opens a reader after a state."""
        return TextReader(self._text, state or 0)

    def fingerprint(self) -> str:
        """Returns the fingerprint of the text, as a stream."""
        return f"stream {self._text.fingerprint()}"


class TextReader:
    """A reader of a text from a place on."""

    def __init__(self, text: Text, place: int) -> None:
        self._text, self._place = text, place

    def __iter__(self) -> Iterator[Any]:
        while self._place < len(self._text):
            self._place += 1
            yield self._text.read(np.array([self._place - 1]))[0]

    def state(self) -> int:
        """Returns the number of documents read."""
        return self._place


def few(document: Any) -> bool:
    """Drops about one of thirty documents."""
    return int(document[:1].sum()) % 30 == 0 and len(document) > 0


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


def measured_text() -> rd.Dataset[rd.LLMBatch]:
    """Uses 48 logical shards, three groups, and the beginning of the second epoch."""
    documents = rd.Dataset.from_source(Text(4000, seed=13), name="text").shuffle(seed=7).repeat(2).append_eod(0)
    return documents.pack(length=512, strategy="best_fit", window=64, eod_id=0).batch(96)


def few_of_a_text() -> rd.Dataset[rd.LLMBatch]:
    """Uses groups that take windows many times, to the end, where the last batch is short."""
    documents = rd.Dataset.from_source(Text(20_000, seed=17), name="text").shuffle(seed=3).filter(few)
    rows = documents.pack(length=256, strategy="first_fit", window=16, eod_id=0)
    return rows.batch(32, shards=5, drop_remainder=False)


def mixed_documents() -> rd.Dataset[rd.LLMBatch]:
    """Uses small components. Their documents come several times in a group."""
    web = rd.Dataset.from_source(rd.SyntheticSource(3000, _LENGTHS, seed=19), name="web").shuffle(seed=1).repeat()
    code = rd.Dataset.from_source(Text(70, seed=23), name="code").shuffle(seed=2).repeat()
    mixed = rd.mix({"web": web, "code": code}, {"web": 3, "code": 1})
    return mixed.pack(length=300, strategy="concat_split", window=32, eod_id=0).batch(40)


def mixed_rows() -> rd.Dataset[rd.LLMBatch]:
    """Mixes rows of known lengths with rows of text, with weights that change at step 9."""
    web = rd.Dataset.from_source(rd.SyntheticSource(3000, _LENGTHS, seed=29), name="web").shuffle(seed=1)
    code = rd.Dataset.from_source(Text(900, seed=31), name="code").shuffle(seed=2).repeat(2)
    mail = rd.Dataset.from_source(Text(100, seed=37), name="mail")
    rows = {
        "web": web.pack(length=256, window=512, eod_id=0),
        "code": code.pack(length=256, strategy="first_fit", window=16, eod_id=0),
        "mail": mail.pad(length=256, eod_id=0),
    }
    weights = rd.WeightSchedule({0: {"web": 0.7, "code": 0.25, "mail": 0.05}, 9: {"web": 1, "code": 1, "mail": 0}})
    return rd.mix(rows, weights, stop="renormalize").batch(36, shards=6)


def streamed_text() -> rd.Dataset[rd.LLMBatch]:
    """Uses a source without random access."""
    documents = rd.Dataset.from_source(TextStream(900, seed=41), name="stream")
    return documents.pack(length=256, strategy="best_fit", window=100, eod_id=0).batch(16, drop_remainder=False)


PIPELINES: dict[str, Callable[[], rd.Dataset[rd.LLMBatch]]] = {
    pipeline.__name__: pipeline
    for pipeline in (
        shuffled_best_fit,
        first_fit_over_two_epochs,
        block_shuffled_concat_split,
        shuffled_pad,
        measured_text,
        few_of_a_text,
        mixed_documents,
        mixed_rows,
        streamed_text,
    )
}


def digest(batches: rd.Dataset[rd.LLMBatch]) -> str:
    """Returns the SHA-256 of the fields of the first batches, as little-endian int32."""
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
