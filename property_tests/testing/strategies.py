"""Random pipelines, small enough to meet their corner cases often."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import resumable_data as rd
from property_tests.testing.array_record_shards import write_documents
from property_tests.testing.oracle.batches import default_shards
from property_tests.testing.oracle.packing import PACKERS
from property_tests.testing.oracle.pipeline import Oracle

LIMIT = 30
"""The number of elements that are compared, if a pipeline has more."""

PLACES = 64
"""A token of a document is ``1 + record * PLACES + place``, so it says where it comes from."""

RAISE = 4096
"""The number that ``raised`` adds to a token. No record has tokens as large."""

SOURCES = ("memory", "arrays", "synthetic", "array_record", "unmeasured")
LEVELS = ("documents", "rows", "batches")


DROPPING = ("filter", "filter_lengths", "bad")
"""Stages that leave documents out."""


def raised(document: Sequence[int]) -> list[int]:
    """A map that keeps lengths."""
    return [int(token) + RAISE for token in document]


def kept(document: Sequence[int]) -> bool:
    """A predicate of the content of a document."""
    return sum(map(int, document)) % 3 != 1


def kept_lengths(lengths: np.ndarray) -> np.ndarray:
    """A predicate of the length of a document."""
    return lengths % 4 != 2


def fussy(document: Sequence[int]) -> Sequence[int]:
    """A map that fails on some records."""
    if sum(map(int, document)) % 5 == 2:
        raise ValueError("bad")
    return document


class Unmeasured:
    """A source whose lengths are not known before reading."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __repr__(self) -> str:
        return "unmeasured source"

    def read(self, indices: Any) -> Any:
        return self._source.read(indices)

    def fingerprint(self) -> str:
        return self._source.fingerprint()

    def fingerprint_of_first(self, records: int) -> str | None:
        return self._source.fingerprint_of_first(records)


@dataclass(frozen=True)
class Pipeline:
    """The settings of a pipeline. The package's pipeline and the oracle's are built from them.

    ``stages`` are the stages of documents in their order: "shuffle", "repeat", "map", "append_eod", "filter",
    "filter_lengths", and "bad", which skips the bad records of a map.
    """

    lengths: tuple[int, ...]
    source_kind: str = "memory"
    stages: tuple[str, ...] = ()
    level: str = "batches"
    seed: int = 0
    block: int | None = None
    epochs: int | None = 1
    strategy: str = "best_fit"
    window: int = 4096
    length: int = 8
    truncate: str | bool = False
    max_documents: int | None = None
    eod_id: int = 0
    pad_id: int = 0
    shift: str | None = None
    batch_size: int = 1
    drop_remainder: bool = True
    prefetch: int | None = None
    shards: int | None = 1

    def source(self) -> Any:
        """Makes the source of the records."""
        return _source(self.source_kind, self.lengths)

    def dataset(self, source: Any = None, *, process: tuple[int, int] | None = None) -> rd.Dataset[Any]:
        """Makes the pipeline, on request over another source, or as one process of several."""
        data = self._documents(self.source() if source is None else source)
        if self.level != "documents":
            data = self._rows(data)
        if self.level == "batches":
            data = data.batch(self.batch_size, drop_remainder=self.drop_remainder, shards=self.shards)
        if process is not None:
            data = data.shard(*process)
        return data if self.prefetch is None else data.prefetch(self.prefetch)

    def with_prefetch(self, prefetch: int | None) -> Pipeline:
        """Makes the same pipeline with a prefetch of a number of elements."""
        return replace(self, prefetch=prefetch)

    def documents(self) -> list[list[int]]:
        """Returns the documents of an epoch after the stages, in the source's order. Dropped ones have no tokens."""
        return [document or [] for document in self._made()]

    @property
    def dropped(self) -> frozenset[int]:
        """Returns the records that are left out."""
        return frozenset(record for record, document in enumerate(self._made()) if document is None)

    def _made(self) -> list[list[int] | None]:
        records = _records(self.source(), len(self.lengths))
        return [self._document([int(token) for token in record]) for record in records]

    def _document(self, document: list[int]) -> list[int] | None:
        for stage in self.stages:
            if stage == "map":
                document = raised(document)
            elif stage == "append_eod":
                document = [*document, self.eod_id]
            elif stage in DROPPING and _LEAVES_OUT[stage](document):
                return None
        return document

    def oracle(self) -> Oracle:
        """Makes the oracle."""
        return Oracle(
            documents=self.documents(),
            dropped=self.dropped,
            known=self.known,
            dropping=bool({*DROPPING} & {*self.stages}),
            seed=self.seed if "shuffle" in self.stages else None,
            block=self.block,
            epochs=self.epochs if "repeat" in self.stages else 1,
            strategy=self.strategy,
            window=self._oracle_window,
            length=self.length,
            truncate=self.truncate,
            max_documents=self.max_documents,
            eod_id=self.eod_id,
            pad_id=self.pad_id,
            shift=self.shift or "inputs",
            batch_size=self.batch_size,
            drop_remainder=self.drop_remainder,
            shards=self.logical_shards,
        )

    @property
    def known(self) -> bool:
        """Says whether lengths are known before reading."""
        return self.source_kind != "unmeasured" and not {"filter", "bad"} & {*self.stages}

    @property
    def logical_shards(self) -> int:
        """Returns the number of logical shards."""
        if self.level != "batches" or self.known:
            return 1
        return self.shards or default_shards(self.batch_size)

    @property
    def _oracle_window(self) -> int:
        """Returns the number of documents planned at once. ``pad`` decides it itself."""
        if self.strategy != "pad":
            return self.window
        return 1024 if self.known else 64

    def _documents(self, source: Any) -> rd.Dataset[Any]:
        data = rd.Dataset.from_source(source)
        for stage in self.stages:
            if stage == "shuffle":
                data = data.shuffle(self.seed, self.block)
            elif stage == "repeat":
                data = data.repeat(self.epochs)
            elif stage == "map":
                data = data.map(raised, preserves_length=True)
            elif stage == "filter":
                data = data.filter(kept)
            elif stage == "filter_lengths":
                data = data.filter(on_lengths=kept_lengths)
            elif stage == "bad":
                data = data.map(fussy).skip_bad_records(at_most=len(self.lengths))
            else:
                data = data.append_eod(self.eod_id)
        return data

    def _rows(self, documents: rd.Dataset[Any]) -> rd.Dataset[rd.LLMBatch]:
        tokens = {"eod_id": self.eod_id, "pad_id": self.pad_id, "truncate": self.truncate}
        if self.strategy == "pad":
            rows = documents.pad(self.length, **tokens)
        else:
            packed = {"strategy": self.strategy, "window": self.window, "max_documents": self.max_documents}
            rows = documents.pack(self.length, **packed, **tokens)
        return rows if self.shift is None else rows.shift(self.shift)


@st.composite
def pipelines(
    draw: st.DrawFn,
    levels: Sequence[str] = ("batches",),
    sources: Sequence[str] = SOURCES,
    *,
    finite: bool = False,
    dropping: bool = True,
) -> Pipeline:
    """Draws a pipeline of given levels and sources; on request finite, or without dropped documents."""
    left_out = draw(st.lists(st.sampled_from(DROPPING), unique=True)) if dropping else []
    stages = draw(st.permutations([stage for stage in _STAGES if draw(st.booleans())] + left_out))
    if "repeat" in stages and "shuffle" in stages:
        before_repeat = [stage for stage in stages[: stages.index("repeat")] if stage != "shuffle"]
        after_it = [stage for stage in stages[stages.index("repeat") :] if stage != "shuffle"]
        stages = [*before_repeat, "shuffle", *after_it]
    epochs = draw(st.integers(1, 4) if finite else st.sampled_from([None, 1, 2, 3, 4]))
    count = draw(st.integers(1, 60))
    lengths = draw(st.lists(st.integers(0, 50), min_size=count, max_size=count))
    pipeline = Pipeline(
        lengths=tuple(lengths),
        source_kind=draw(st.sampled_from(list(sources))),
        stages=tuple(stages),
        level=draw(st.sampled_from(list(levels))),
        seed=draw(st.integers(-(2**70), 2**70) | st.integers(0, 3)),
        block=draw(st.none() | st.integers(1, 20)),
        epochs=epochs,
        strategy=draw(st.sampled_from([*PACKERS])),
        window=draw(st.integers(1, 70)),
        length=draw(st.integers(1, 40)),
        truncate=draw(st.sampled_from([False, True, "left", "right"])),
        max_documents=draw(st.none() | st.integers(1, 5)),
        eod_id=draw(st.sampled_from([0, 99_999])),
        pad_id=draw(st.sampled_from([0, 99_998])),
        shift=draw(st.sampled_from([None, "inputs", "targets", "none"])),
        batch_size=draw(st.integers(1, 4) | st.integers(1, 12)),
        drop_remainder=draw(st.booleans()),
        prefetch=draw(st.none() | st.integers(1, 5)),
        shards=draw(st.none() | st.integers(1, 8)),
    )
    if not any(pipeline.documents()):
        # An epoch without any token makes no row, which is an error.
        plain = tuple(stage for stage in stages if stage not in DROPPING)
        pipeline = replace(pipeline, lengths=(1, *pipeline.lengths[1:]), stages=plain)
    return pipeline


_LEAVES_OUT: dict[str, Callable[[list[int]], bool]] = {
    "filter": lambda document: sum(document) % 3 == 1,
    "filter_lengths": lambda document: len(document) % 4 == 2,
    "bad": lambda document: sum(document) % 5 == 2,
}
_STAGES = ("shuffle", "repeat", "map", "append_eod")


@cache
def _directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="property_tests_")


@lru_cache(maxsize=8)  # each keeps its files open
def _source(kind: str, lengths: tuple[int, ...]) -> Any:
    if kind == "synthetic":
        return rd.SyntheticSource(len(lengths), lengths, vocabulary=1000)
    documents = [[1 + record * PLACES + place for place in range(length)] for record, length in enumerate(lengths)]
    if kind == "memory":
        return rd.InMemorySource(documents)
    if kind == "unmeasured":
        return Unmeasured(rd.InMemorySource(documents))
    if kind == "arrays":
        return rd.InMemorySource([np.array(document, np.int64) for document in documents])
    return _array_record_source(documents)


def _array_record_source(documents: list[list[int]]) -> rd.ArrayRecordSource:
    folder = Path(tempfile.mkdtemp(dir=_directory().name))
    per_shard = -(-len(documents) // 2)
    for number, first in enumerate(range(0, len(documents), per_shard)):
        write_documents(folder / f"tokens_{number}.arecord", documents[first : first + per_shard])
    return rd.ArrayRecordSource(f"{folder}/*.arecord", parse=rd.parse_int32_tokens, progress=False)


def _records(source: Any, count: int) -> Sequence[Any]:
    return source.read(np.arange(count))
