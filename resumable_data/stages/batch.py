"""The batch stage: rows into global batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import jax
import numpy as np
from typing_extensions import override

from resumable_data.arguments import shown
from resumable_data.arrays import Int32Array
from resumable_data.assembly.as_dict import DictForm, Names, dict_form
from resumable_data.assembly.make_batch import type_with_fields
from resumable_data.batch import LLMBatch, LLMFieldsBatch, LLMIndexedBatch
from resumable_data.engines.batches import BatchEngine
from resumable_data.engines.worker import ALONE, Worker
from resumable_data.errors import PipelineError
from resumable_data.opaque import PyTree
from resumable_data.order.schedule import BatchSchedule
from resumable_data.order.shards import default_shards
from resumable_data.placement.views import View, WholeBatch
from resumable_data.reading.fields import SOURCE
from resumable_data.reading.measuring import Measuring
from resumable_data.run_history import NEW_RUN, RunHistory
from resumable_data.stages.catalog import Catalog
from resumable_data.stages.measure import Sharing
from resumable_data.stages.open_context import OpenContext
from resumable_data.stages.stage import RowStage, Stage
from resumable_data.state import Settings
from resumable_data.state_form import MOST_SHARDS


@dataclass(frozen=True)
class Batch(Stage):
    """Consecutive rows as global batches.

    Attributes:
        parent: The rows.
        schedule: Rows of each global batch.
        drop_remainder: Whether rows that do not fill the last batch are left out. Otherwise rows without a scored
            token fill it.
        batch_type: ``LLMBatch`` or ``LLMIndexedBatch``.
        shards: Number of logical shards, or None for the default. A resumed run keeps its number.
        sources: Whether batches say the component of each token. It is not a setting: the order is the same.
        as_dict: Whether batches are dictionaries: True, the name of a preset, or the name of a field for each key. It
            is not a setting either.
        functions: Functions applied to each batch, in this order. They are not settings either.
        view: The part of a batch that this process gets.
        sharing: How processes measure documents whose lengths are not known. It is not a setting either.
    """

    parent: RowStage
    schedule: BatchSchedule
    drop_remainder: bool
    batch_type: type[LLMBatch]
    shards: int | None = None
    sources: bool = False
    as_dict: bool | str | Names = False
    functions: tuple[Callable[[PyTree], PyTree], ...] = ()
    view: View = field(default_factory=WholeBatch)
    sharing: Sharing = field(default_factory=Sharing)

    def __post_init__(self) -> None:
        given = cast(object, self.batch_type)
        if not (isinstance(given, type) and issubclass(given, LLMBatch)):
            name = given.__name__ if isinstance(given, type) else shown(given)
            raise PipelineError(f"batch: batch_type={name} is not an LLMBatch; for dictionaries pass as_dict=True")
        if issubclass(self.batch_type, LLMIndexedBatch) and not self.parent.one_document_a_row:
            raise PipelineError("batch: an LLMIndexedBatch has one document a row; use pad(…) instead of pack(…)")
        if self.dtypes:
            type_with_fields(self.batch_type)
        if self.sources and SOURCE in dict(self.parent.format.fields):
            raise PipelineError(f"batch: sources=True gives a field {SOURCE!r}, as the documents do; rename theirs")
        _ = self.form  # raises if the form is impossible
        if self.shards is not None and not 1 <= self.shards <= MOST_SHARDS:
            raise PipelineError(f"batch: shards={self.shards} must be from 1 to {MOST_SHARDS}")

    @property
    @override
    def name(self) -> str:
        return "batch"

    @property
    @override
    def component(self) -> str:
        """The path of the component or mix of the rows."""
        return self.parent.component

    @override
    def below(self, path: str) -> Mapping[str, Stage]:
        return {path: self.parent}

    @property
    def dtypes(self) -> dict[str, str]:
        """The fields beside the tokens, with their dtypes."""
        return dict(self.parent.format.fields) | ({SOURCE: "int32"} if self.sources else {})

    @property
    def delivered_type(self) -> type[LLMBatch]:
        """The requested type, with room for fields if there are any."""
        return type_with_fields(self.batch_type) if self.dtypes else self.batch_type

    @property
    def form(self) -> DictForm | None:
        """The form of the dictionary that a batch becomes; None if it stays as it is."""
        return dict_form(self.as_dict, self.delivered_type, self.dtypes, self.parent.format.shift)

    @override
    def settings(self) -> Settings:
        """Returns each size with its first step, and what happens to the remainder."""
        stretches = self.schedule.stretches
        size = stretches[0].size if len(stretches) == 1 else [[s.step, s.size] for s in stretches]
        return {"size": size, "drop_remainder": self.drop_remainder}

    def struct(self, step: int) -> PyTree:
        """Returns shapes and dtypes of the batch that this process gets at a step."""
        size, length = self.schedule.size(step), self.parent.format.length
        struct = self.delivered_type.get_dtype_struct(size, length)
        if isinstance(struct, LLMFieldsBatch):
            fields = {name: jax.ShapeDtypeStruct((size, length), dtype) for name, dtype in self.dtypes.items()}
            struct = struct.replace(fields=fields)
        delivered: PyTree = self.view.struct(struct if self.form is None else self.form.struct(struct))
        for function in self.functions:
            delivered = mapped_struct(function, delivered)
        return delivered

    def shards_of(self, saved: int | None) -> int | None:
        """Returns the logical shards of a run; None if it does not measure documents, and never did.

        Args:
            saved: The number of the run that is resumed; None for a new run, or one that has not measured. A number
                that was given to this stage wins, unless the lengths of all documents are known.
        """
        if self.parent.lengths_known:
            # A run keeps its number when the last component whose documents are measured is removed.
            return saved
        if self.shards is not None:
            return self.shards
        return default_shards(max(self.schedule.sizes)) if saved is None else saved

    def open_engine(
        self, catalog: Catalog, history: RunHistory = NEW_RUN, worker: Worker = ALONE, *, with_epochs: bool = False
    ) -> BatchEngine:
        """Opens the engine of an iterator of these batches.

        Args:
            catalog: Collects components, descriptions and algorithms.
            history: What the run has decided that its pipeline does not say.
            worker: The worker of this process that drives it.
            with_epochs: Whether its plans say the epoch of each document.
        """
        of_run = self.shards_of(history.shards)
        shards = of_run or 1
        exchange = self.sharing.exchange(self.view, max(self.schedule.sizes), shards, worker)
        measuring = Measuring(exchange, self.sharing.kept_bytes)
        context = OpenContext(
            measuring, shards, history.growth, first_row=self.schedule.first_row, with_epochs=with_epochs
        )
        rows = self.parent.open(context, catalog, self.parent.component)
        catalog.describe("*", self.name, {**self.settings(), "shards": of_run})
        return BatchEngine(
            rows=rows,
            readers=catalog.readers,
            schedule=self.schedule,
            drop_remainder=self.drop_remainder,
            row_format=self.parent.format,
            delivered_type=self.delivered_type,
            form=self.form,
            functions=self.functions,
            view=self.view,
            lengths_known=self.parent.lengths_known,
            source_numbers=source_numbers(catalog.numbers) if self.sources else None,
            shards=shards,
            measuring=measuring,
        )


def source_numbers(readers: Mapping[str, int]) -> Int32Array:
    """Returns int32[n_readers], the number of each reader's component: its place among the sorted paths, from 1.

    >>> source_numbers({"web": 0, "code": 1}).tolist()
    [2, 1]
    """
    numbers = np.zeros(len(readers), np.int32)
    numbers[[readers[path] for path in sorted(readers)]] = np.arange(1, len(readers) + 1)
    return numbers


def mapped_struct(function: Callable[[PyTree], PyTree], struct: PyTree) -> PyTree:
    """Returns shapes and dtypes of the result of a function of a batch.

    Args:
        function: One that JAX can trace. Otherwise it is called with NumPy arrays of zeros.
        struct: Shapes and dtypes of the batch.

    >>> struct = jax.ShapeDtypeStruct((2, 3), np.int32)
    >>> mapped_struct(lambda batch: batch.astype("float32").sum(-1), struct).shape
    (2,)
    """

    def zeros(leaf: PyTree) -> PyTree:
        return np.zeros(leaf.shape, leaf.dtype)

    def shaped(leaf: PyTree) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)

    made: PyTree
    try:
        made = jax.eval_shape(function, struct)
    except (jax.errors.JAXTypeError, TypeError):
        made = jax.tree.map(np.asarray, function(jax.tree.map(zeros, struct)))
    return jax.tree.map(shaped, made)
