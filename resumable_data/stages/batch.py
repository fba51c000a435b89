"""The batch stage: rows into global batches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import jax
import numpy as np

from resumable_data.arrays import Int32Array
from resumable_data.assembly.make_batch import type_with_fields
from resumable_data.batch import LLMBatch, LLMFieldsBatch, LLMIndexedBatch
from resumable_data.engines.batches import BatchEngine
from resumable_data.errors import PipelineError
from resumable_data.order.schedule import BatchSchedule
from resumable_data.order.shards import Share
from resumable_data.placement.views import View, WholeBatch
from resumable_data.planning.shards import ShardedRows
from resumable_data.reading.fields import SOURCE
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.stage import RowStage
from resumable_data.state import Settings


@dataclass(frozen=True)
class Batch:
    """Consecutive rows as global batches.

    Attributes:
        parent: The rows.
        schedule: Rows of each global batch.
        drop_remainder: Whether rows that do not fill the last batch are left out, rather than filled up with
            rows that carry no scored token.
        batch_type: ``LLMBatch`` or ``LLMIndexedBatch``.
        shards: Number of logical shards, which divides every batch size.
        sources: Whether batches say which component each token is of. It is no setting: the order is the same.
        view: What this process sees of a batch.
    """

    parent: RowStage
    schedule: BatchSchedule
    drop_remainder: bool
    batch_type: type[LLMBatch]
    shards: int
    sources: bool = False
    view: View = field(default_factory=WholeBatch)

    def __post_init__(self) -> None:
        if issubclass(self.batch_type, LLMIndexedBatch) and not self.parent.one_document_a_row:
            raise PipelineError("batch: an LLMIndexedBatch has one document a row; use pad(…) instead of pack(…)")
        if self.dtypes:
            type_with_fields(self.batch_type)
        if self.sources and SOURCE in dict(self.parent.format.fields):
            raise PipelineError(f"batch: sources=True gives a field {SOURCE!r}, as the documents do; rename theirs")
        if self.shards < 1 or any(size % self.shards for size in self.schedule.sizes):
            sizes = ", ".join(map(str, self.schedule.sizes))
            raise PipelineError(
                f"batch: batches of {sizes} rows cannot be divided among shards={self.shards} logical shards; "
                f"they can among the divisors of {math.gcd(*self.schedule.sizes)}"
            )

    @property
    def name(self) -> str:
        """The stage's name."""
        return "batch"

    @property
    def dtypes(self) -> dict[str, str]:
        """The fields beside the tokens, with their dtypes."""
        return dict(self.parent.format.fields) | ({SOURCE: "int32"} if self.sources else {})

    @property
    def delivered_type(self) -> type[LLMBatch]:
        """The type that was asked for, with room for fields if there are any."""
        return type_with_fields(self.batch_type) if self.dtypes else self.batch_type

    def settings(self) -> Settings:
        """Sizes by the step from which they apply, the remainder, and logical shards if there are several."""
        stretches = self.schedule.stretches
        size = stretches[0].size if len(stretches) == 1 else [[s.step, s.size] for s in stretches]
        shards = self.shards if self.shards > 1 else None
        return {"size": size, "drop_remainder": self.drop_remainder, "shards": shards}

    def struct(self, step: int) -> LLMBatch:
        """Shapes and dtypes of the batch of a step that this process is handed."""
        size, length = self.schedule.size(step), self.parent.format.length
        struct = self.delivered_type.get_dtype_struct(size, length)
        if isinstance(struct, LLMFieldsBatch):
            fields = {name: jax.ShapeDtypeStruct((size, length), dtype) for name, dtype in self.dtypes.items()}
            struct = struct.replace(fields=fields)
        return self.view.struct(struct)

    def open_engine(self, catalog: Catalog) -> BatchEngine:
        """What an iterator of these batches drives."""
        schedule, shards, path = self.schedule, self.shards, self.parent.component

        def first_row(step: int) -> int:
            return schedule.first_row(step) // shards

        context = OpenContext(share=Share(0, shards), first_row=first_row)
        first = self.parent.open(context, catalog, path)
        catalog.describe("*", self.name, self.settings())
        # Where data ends, a process has to know when the shards of the others do: they say so, or it plans them all.
        endless, together = first.extent(first.start()) is None, bool(self.view.processes)
        here = self.shards_of(self.view) if endless or together else range(shards)
        others = {
            shard: self.parent.open(replace(context, share=Share(shard, shards)), catalog.of_open_components(), path)
            for shard in here
            if shard != 0
        }
        planners = {0: first, **others} if 0 in here else others
        return BatchEngine(
            rows=ShardedRows(planners, first.encode(first.start()), shards, drop_remainder=self.drop_remainder),
            readers=catalog.readers,
            schedule=schedule,
            drop_remainder=self.drop_remainder,
            row_format=self.parent.format,
            delivered_type=self.delivered_type,
            view=self.view,
            lengths_known=self.parent.lengths_known,
            source_numbers=source_numbers(catalog.numbers) if self.sources else None,
            ends_with_others=together and not endless and shards > 1,
        )

    def shards_of(self, view: View) -> Sequence[int]:
        """The logical shards whose rows a process sees, ascending; the same for every batch size."""
        size = self.schedule.sizes[0]
        return cast(list[int], np.unique(view.rows(size) * self.shards // size).tolist())


def source_numbers(readers: Mapping[str, int]) -> Int32Array:
    """By reader the number of its component: its place among the sorted paths, from 1.

    >>> source_numbers({"web": 0, "code": 1}).tolist()
    [2, 1]
    """
    numbers = np.zeros(len(readers), np.int32)
    numbers[[readers[path] for path in sorted(readers)]] = np.arange(1, len(readers) + 1)
    return numbers
