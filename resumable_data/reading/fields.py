"""Fields that are aligned with a document's tokens, such as a loss mask, and taken into rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from resumable_data.arguments import as_text, shown
from resumable_data.arrays import AnyArray, Ragged, as_tokens, offsets_of
from resumable_data.errors import PipelineError, RecordError
from resumable_data.opaque import Document, JsonObject
from resumable_data.sources.source import Column

TOKENS = "tokens"
"""The default key of a document's tokens."""

LOSS_MASK = "loss_mask"
"""The field whose zeros take targets out of the loss."""

SOURCE = "source"
"""The field of a batch for the numbers of the components that its tokens come from."""

Fields = Sequence[str] | Mapping[str, npt.DTypeLike]
"""Fields as users name them."""

FieldDtypes = tuple[tuple[str, str], ...]
"""Names of fields, sorted, and of their dtypes."""

# The dtypes that JAX keeps if 64 bits are not enabled.
_DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "float16", "float32")


@dataclass(frozen=True)
class TokenFields:
    """What rows take from documents that are mappings.

    Attributes:
        tokens: The key of the tokens.
        dtypes: The keys of the fields, each with the dtype it has in a batch.
        present: Keys that each hold an array, which is not taken.
    """

    tokens: str
    dtypes: FieldDtypes
    present: tuple[str, ...] = ()

    def aligned(self, documents: Sequence[Document], name: Callable[[int], str]) -> Ragged:
        """Returns the tokens of documents, with the fields aligned.

        Args:
            documents: Mappings.
            name: Names the document at a place, for errors.

        Raises:
            RecordError: A document is not a mapping or lacks a key, a field is not as long as the tokens, or a value
                does not fit its dtype.

        >>> documents = [{"tokens": [5, 6], "loss_mask": [0, 1]}, {"tokens": [7], "loss_mask": [1]}]
        >>> found = TokenFields("tokens", (("loss_mask", "int32"),)).aligned(documents, "document {}".format)
        >>> found.values.tolist(), found.fields["loss_mask"].tolist()
        ([5, 6, 7], [0, 1, 1])
        """

        def column(key: str) -> list[Document]:
            return [value_of(document, key, name(place)) for place, document in enumerate(documents)]

        tokens = Ragged.from_records(column(self.tokens), name)
        fields: dict[str, AnyArray] = {}
        for key, dtype in self.dtypes:
            arrays: list[AnyArray] = [np.zeros(0, dtype)]
            for place, (given, length) in enumerate(zip(column(key), tokens.lengths.tolist(), strict=True)):
                arrays.append(as_field(given, np.dtype(dtype), length, f"{name(place)}: field {key!r}"))
            fields[key] = np.concatenate(arrays)
        for key in self.present:
            for place, given in enumerate(column(key)):
                as_flat(given, f"{name(place)}: field {key!r}")
        return replace(tokens, fields=fields)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that documents must have, the tokens first."""
        return (self.tokens, *(key for key, _ in self.dtypes), *self.present)

    def of_columns(self, columns: Mapping[str, Column]) -> Ragged | None:
        """Returns the tokens of documents, with the fields aligned and a free cell after each document.

        Args:
            columns: The values of all documents, for each of ``keys``.

        Returns:
            The same as ``aligned``; None if a document is bad. Then ``aligned`` says which one, and why.

        >>> two = np.array([2])
        >>> columns = {"tokens": Column(np.array([5, 6, 0]), two), "weight": Column(np.array([0.5, 1, 0]), two)}
        >>> found = TokenFields("tokens", (("weight", "float32"),)).of_columns(columns)
        >>> found[0].tolist(), found.fields["weight"].tolist()
        ([5, 6], [0.5, 1.0, 0.0])
        """
        given, lengths = columns[self.tokens]
        if any(not np.array_equal(columns[key].lengths, lengths) for key, _ in self.dtypes):
            return None
        try:
            tokens = as_tokens(given, 0, lambda _: self.tokens)
            fields = {
                key: as_field(columns[key].values, np.dtype(dtype), len(tokens), key) for key, dtype in self.dtypes
            }
        except RecordError:
            return None
        return Ragged(tokens, offsets_of(lengths + 1)[:-1], lengths, spare=1, fields=fields)


def value_of(document: Document, key: str, name: str) -> Document:
    """Returns the value of a document under a key.

    Raises:
        RecordError: It is not a mapping, or does not have the key; the error calls it ``name``.
    """
    if not isinstance(document, Mapping):
        raise RecordError(
            f"{name} is a {type(document).__name__}, not a mapping with a {key!r}. Make one of it in a map, as in "
            "{'tokens': tokens, 'loss_mask': np.ones(len(tokens))}"
        )
    mapping = cast(JsonObject, document)
    if key not in mapping:
        raise RecordError(f"{name} has no {key!r}; its keys are {', '.join(map(repr, mapping))}")
    return mapping[key]


def as_array(given: Any, name: str) -> AnyArray:
    """Returns a value of a document as an array.

    Raises:
        RecordError: It is not one; the error calls it ``name``.
    """
    try:
        return np.asarray(given)
    except ValueError as error:
        raise RecordError(f"{name} is not an array: {error}") from error


def as_flat(given: Any, name: str) -> AnyArray:
    """Returns a value of a document as an array of one dimension.

    Raises:
        RecordError: It is not one; the error calls it ``name``.
    """
    array = as_array(given, name)
    if array.ndim != 1:
        raise RecordError(f"{name} has the shape {array.shape}; it needs one value for each token")
    return array


def as_field(given: Any, dtype: np.dtype[np.generic], length: int, name: str) -> AnyArray:
    """Casts a field of a document to its dtype. Rounding is allowed, no other change of a value.

    Args:
        given: Its values.
        dtype: Its dtype in a batch.
        length: Number of tokens of the document.
        name: Its name in errors.

    Raises:
        RecordError: It is not an array of that length, or a value does not fit the dtype.
    """
    array = as_array(given, name)
    if array.shape != (length,):
        has = f"{array.shape[0]} values" if array.ndim == 1 else f"the shape {array.shape}"
        raise RecordError(
            f"{name} has {has}, but the document has {length} tokens: it needs one value for each. What appends "
            "to the tokens has to append to it too, as in append_eod(…, fields={'loss_mask': 1})"
        )
    if array.dtype == dtype or length == 0:
        return array.astype(dtype, copy=False)
    if array.dtype.kind not in ("biuf" if dtype.kind == "f" else "biu"):
        raise RecordError(
            f"{name} holds {array.dtype}, which {dtype} cannot: say its dtype, as in fields={{'weight': 'float32'}}"
        )
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    changed = np.isinf(converted) & ~np.isinf(array) if array.dtype.kind == "f" else converted != array
    if changed.any():
        raise RecordError(f"{name} holds the value {array[changed][0]}, which {dtype} cannot hold")
    return converted


def field_dtypes(stage: str, fields: Fields) -> FieldDtypes:
    """Checks fields as users name them.

    Args:
        stage: The name of the stage in errors.
        fields: Names, which are int32, or dtypes by name.

    Raises:
        PipelineError: They are not a list of names, or a dtype is not one that JAX keeps.

    >>> field_dtypes("pack", ["loss_mask"]), field_dtypes("pack", {"weight": np.float32})
    ((('loss_mask', 'int32'),), (('weight', 'float32'),))
    """
    if isinstance(fields, str):
        raise PipelineError(
            f"{stage}: fields={fields!r} is one text; give a list of names, as in fields=[{fields!r}]"
        )
    if not isinstance(cast(object, fields), Iterable):
        raise PipelineError(f"{stage}: fields={shown(fields)} must be a list of names, or their dtypes by name")
    fields = fields if isinstance(fields, Mapping) else list(fields)
    for name in fields:
        as_text(f"{stage}: the name of a field", name)
    given = fields if isinstance(fields, Mapping) else dict.fromkeys(fields, "int32")
    if len(given) != len(fields):
        raise PipelineError(f"{stage}: fields={list(fields)!r} names a field twice")
    return tuple((name, _dtype_name(stage, name, given[name])) for name in sorted(given))


def token_fields(stage: str, tokens: str | None, dtypes: FieldDtypes) -> TokenFields | None:
    """Returns what a stage takes from documents; None if these are tokens, not mappings.

    Raises:
        PipelineError: A field is the tokens themselves.
    """
    if tokens is None and not dtypes:
        return None
    found = TokenFields(TOKENS if tokens is None else tokens, dtypes)
    if found.tokens in dict(dtypes):
        raise PipelineError(f"{stage}: {found.tokens!r} are the tokens themselves; leave them out of fields")
    return found


def _dtype_name(stage: str, name: str, given: npt.DTypeLike) -> str:
    try:
        found = np.dtype(given).name
    except TypeError as error:
        raise PipelineError(f"{stage}: fields: {name!r} has no dtype: {error}") from error
    if found not in _DTYPES:
        raise PipelineError(f"{stage}: fields: {name!r} is {found}; a field is one of {', '.join(_DTYPES)}")
    return found
