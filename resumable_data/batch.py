"""Batches as a training step receives them: frozen pytrees of arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import repeat
from typing import Any, Self, TypeAlias, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from resumable_data.opaque import JsonDict, JsonObject, PyTree
from resumable_data.table import Shown

Array: TypeAlias = "np.ndarray[Any, Any] | jax.Array"

BatchT = TypeVar("BatchT")
"""A batch in any form: a pytree of arrays whose first axis is the batch."""

dataclass_kwonly: Any = partial(dataclass, frozen=True, eq=False, kw_only=True)
"""Decorator of batch classes: frozen, the fields declared in the class by keyword only."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Batch(Shown):
    """Inputs and the targets to be predicted from them.

    ``batch[key]`` applies one index to every field: an integer, a slice, an index array or list, or a tuple
    of these, of which a field of lower rank takes as many as it has axes. Iteration gives the rows. ``batch[name]``
    is a field, so that ``dict(batch)`` and ``**batch`` work.

    Attributes:
        inputs: The input data, first axis the batch.
        targets: The target data, first axis the batch.

    >>> batch = Batch(np.array([[1, 2], [3, 4]]), np.array([[2, 3], [4, 5]]))
    >>> batch[0].targets.tolist(), len(batch), [row.inputs.tolist() for row in batch]
    ([2, 3], 2, [[1, 2], [3, 4]])
    """

    inputs: Array
    targets: Array

    def replace(self, **changes: Any) -> Self:
        """Returns the same batch with other fields."""
        return replace(self, **changes)

    def __len__(self) -> int:
        return self.inputs.shape[0]

    def __iter__(self) -> Iterator[Self]:
        whole = self._before_cut()
        names = [one.name for one in fields(self)]
        columns = [_rows_of(getattr(whole, name), len(self)) for name in names]
        return (whole.replace(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))

    def keys(self) -> list[str]:
        """Returns the names of the fields: ``dict(batch)`` and ``**batch`` use the batch as a mapping of these."""
        return [one.name for one in fields(self) if not one.name.startswith("_")]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return self._field(key)
        if isinstance(key, int | np.integer) and not -len(self) <= key < len(self):
            raise IndexError(f"row {key} of a batch of {len(self)}")
        whole = self._before_cut()
        return whole.replace(**{f.name: _index(getattr(whole, f.name), key) for f in fields(self)})

    def _before_cut(self) -> Self:
        """Returns the batch with all that its parts could not find out alone."""
        return self

    def _field(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(f"{name!r}; the fields are {', '.join(self.keys())}")
        return getattr(self, name)


def _index(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _index(one, key) for name, one in cast(JsonObject, value).items()}
    if not isinstance(value, np.ndarray | jax.Array):
        return value
    keys = cast(tuple[Any, ...], key) if isinstance(key, tuple) else (key,)
    usable = tuple(np.asarray(cast(Any, k)) if isinstance(k, list) else k for k in keys[: value.ndim])
    return cast(Any, value)[usable]


def _rows_of(value: Any, count: int) -> Iterator[Any]:
    """Returns the rows of an array; of a value without rows the value itself, for each row.

    An array on many devices copies itself to the host once for that. An index into it is a program for all these
    devices, with a collective, for each row: slow, and XLA may end the process if many of them wait on a CPU.
    """
    if isinstance(value, Mapping):
        columns = {name: _rows_of(one, count) for name, one in cast(JsonObject, value).items()}
        return ({name: next(column) for name, column in columns.items()} for _ in range(count))
    if not isinstance(value, np.ndarray | jax.Array):
        return repeat(value, count)
    array = cast("np.ndarray[Any, Any]", value)
    if not array.ndim:
        return repeat(array, count)
    if isinstance(value, jax.Array) and not isinstance(value, Tracer) and not value.is_fully_addressable:
        return (array[row] for row in range(count))  # Other processes have some of the rows.
    return iter(array)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, kw_only=True)
class LLMBatch(Batch):
    """Packed rows of documents for a language model; every field is int32[batch, length].

    The documents ``1 2 3``, ``4 5`` and ``6 7``, each closed by the end-of-document token E, in rows of 8:

    ===================  ===================  ===================
    field                row 0                row 1
    ===================  ===================  ===================
    targets              1 2 3 E 4 5 E 0      6 7 E 0 0 0 0 0
    inputs               E 1 2 3 E 4 5 E      E 6 7 E 0 0 0 0
    both segmentations   1 1 1 1 2 2 2 0      1 1 1 0 0 0 0 0
    both positions       0 1 2 3 0 1 2 0      0 1 2 0 0 0 0 0
    document borders     1 0 0 0 1 0 0 1      1 0 0 1 0 0 0 0
    ===================  ===================  ===================

    Attributes:
        inputs_position: Place of each input within its document; 0 on padding.
        inputs_segmentation: Number of the document in its row, from 1; 0 on padding.
        targets_position: The same for the targets.
        targets_segmentation: The same for the targets; a target counts in the loss where this is not 0.
    """

    inputs_position: Array
    inputs_segmentation: Array
    targets_position: Array
    targets_segmentation: Array
    _document_borders: Array | None = field(default=None)

    def get_document_borders(self) -> jax.Array:
        """Returns where a recurrent model resets its state: bool[batch, length].

        True in column 0 and wherever the input segmentation differs from the column before, the first cell
        of padding included.
        """
        if self._document_borders is not None:
            return jnp.asarray(self._document_borders)
        segmentation = jnp.asarray(self.inputs_segmentation)
        changes = segmentation[..., 1:] != segmentation[..., :-1]
        return jnp.concatenate([jnp.ones_like(changes, shape=(*changes.shape[:-1], 1)), changes], axis=-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_described(self)})"

    @property
    def weights(self) -> Array:
        """float32[batch, length], 1 where a target counts in the loss, else 0."""
        return (self.targets_segmentation != 0).astype(np.float32)

    def _before_cut(self) -> Self:
        # A slice along the row has no border where it was cut.
        return self.replace(_document_borders=self.get_document_borders())

    @staticmethod
    def from_inputs(inputs: Array, targets: Array | None = None) -> LLMBatch:
        """Makes a batch of unpacked rows in which every cell is scored.

        Args:
            inputs: int[batch, length].
            targets: int[batch, length]; if left out, ``inputs`` are the targets, and the inputs the same
                shifted right by one with a 0 in front.

        Raises:
            ValueError: ``inputs`` is not two-dimensional.

        >>> LLMBatch.from_inputs(np.array([[5, 6, 7]])).inputs.tolist()
        [[0, 5, 6]]
        """
        return LLMBatch(**_unpacked_fields(inputs, targets))

    @classmethod
    def get_dtype_struct(cls, batch_size: int, max_length: int) -> Self:
        """Returns the batch's shapes and dtypes, as ``jax.ShapeDtypeStruct``."""
        shapes = {
            f.name: (batch_size,) if f.name in ("document_idx", "sequence_idx") else (batch_size, max_length)
            for f in fields(cls)
            if f.name not in ("_document_borders", "fields")
        }
        structs: JsonDict = {name: jax.ShapeDtypeStruct(shape, np.int32) for name, shape in shapes.items()}
        return cls(**structs)

    @classmethod
    def get_sample(cls, batch_size: int, max_length: int) -> Self:
        """Makes a real batch of padding of that shape, for compilation that needs more than shapes."""
        struct = cls.get_dtype_struct(batch_size, max_length)

        def zeros(leaf: PyTree) -> jax.Array:
            return jnp.zeros(leaf.shape, leaf.dtype)

        return jax.tree.map(zeros, struct)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LLMIndexedBatch(LLMBatch):
    """Rows of one document each, with the document's number.

    Attributes:
        document_idx: int32[batch], number of the document, from 1; 0 for a row of padding.
        sequence_idx: int32[batch], which chunk of the document the row is, from 0.
    """

    document_idx: Array
    sequence_idx: Array

    @staticmethod
    def from_inputs(  # pyright: ignore[reportIncompatibleMethodOverride]
        inputs: Array, document_idx: Array, sequence_idx: Array, targets: Array | None = None
    ) -> LLMIndexedBatch:
        """Makes a batch of unpacked rows; ``document_idx`` and ``sequence_idx`` are int[batch]."""
        unpacked = _unpacked_fields(inputs, targets)
        return LLMIndexedBatch(**unpacked, document_idx=document_idx, sequence_idx=sequence_idx)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LLMFieldsBatch(LLMBatch):
    """An ``LLMBatch`` of documents that have more than tokens.

    It is a type of its own so that the structure of an ``LLMBatch`` is always the same.

    Attributes:
        fields: By name [batch, length], what the documents say of each target; 0 on padding. With
            ``batch(…, sources=True)`` also ``"source"``, int32: the number of the component that the token is of,
            from 1 in the order of ``iterator.components``. Where ``"loss_mask"`` is 0, so is
            ``targets_segmentation``.
    """

    fields: Mapping[str, Array] = field(default_factory=dict[str, Array])

    def keys(self) -> list[str]:
        """Returns the names of the fields, also of those in ``fields``."""
        names = super().keys()
        return [*(name for name in names if name != "fields"), *(name for name in self.fields if name not in names)]

    def _field(self, name: str) -> Any:
        return super()._field(name) if name not in self.fields or hasattr(self, name) else self.fields[name]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LLMIndexedFieldsBatch(LLMIndexedBatch, LLMFieldsBatch):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Rows of one document each, with its number and with fields."""


def _unpacked_fields(inputs: Array, targets: Array | None) -> dict[str, Array]:
    if inputs.ndim != 2:
        raise ValueError(f"inputs have shape {inputs.shape}; expected (batch, length)")
    if targets is None:
        targets = inputs
        inputs = np.pad(np.asarray(targets), ((0, 0), (1, 0)))[:, :-1]
    position = jnp.broadcast_to(jnp.arange(inputs.shape[1], dtype=jnp.int32), inputs.shape)
    segmentation = jnp.ones(inputs.shape, jnp.int32)
    return {
        "inputs": inputs,
        "targets": targets,
        "inputs_position": position,
        "inputs_segmentation": segmentation,
        "targets_position": position,
        "targets_segmentation": segmentation,
    }


def _described(batch: LLMBatch) -> str:
    """Describes the shape of a batch, and how full it is if its numbers are here: not in ``jit``, not elsewhere."""
    shape = getattr(batch.inputs, "shape", None)
    dtype = getattr(batch.inputs, "dtype", None)
    size = f"{dtype}{list(shape)}" if shape is not None else type(batch.inputs).__name__
    segmentations = (batch.inputs_segmentation, batch.targets_segmentation)
    if not shape or not all(map(_is_here, segmentations)):
        return size
    inputs, targets = map(np.asarray, segmentations)
    filled, scored = np.count_nonzero(inputs) / max(1, inputs.size), np.count_nonzero(targets)
    # In each row the segments are numbered from 1.
    documents = int(inputs.max(axis=-1, initial=0).sum())
    return f"{size}, {100 * filled:.2f} % filled, {documents} documents, {scored} scored tokens"


def _is_here(array: Any) -> bool:
    if isinstance(array, np.ndarray):
        return True
    # A tracer is an array for JAX too, but without devices.
    ready = isinstance(array, jax.Array) and not isinstance(array, Tracer)
    return ready and array.is_fully_addressable and not array.is_deleted()
