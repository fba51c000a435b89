"""The append_eod stage where documents are mappings: a token after the tokens, a value after each field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, cast

import numpy as np

from resumable_data.arguments import as_text, shown
from resumable_data.arrays import AnyArray, Int64Array, Ragged, as_tokens
from resumable_data.errors import PipelineError, RecordError
from resumable_data.opaque import Document, JsonDict
from resumable_data.reading.documents import Documents, NameOf
from resumable_data.reading.fields import TokenFields, as_field, as_flat, value_of
from resumable_data.stages.append_eod import AppendEod, closed
from resumable_data.state import Settings


@dataclass(frozen=True)
class AppendEodFields(AppendEod):
    """Closes the tokens of every document with a token, and each field with the value that belongs to it.

    Attributes:
        tokens: The key of the tokens.
        fields: By key the value of each field.
    """

    tokens: str
    fields: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tokens in dict(self.fields):
            raise PipelineError(f"append_eod: {self.tokens!r} are the tokens; leave them out of fields")

    def settings(self) -> Settings:
        """Everything."""
        return {"eod_id": self.eod_id, "tokens": self.tokens, "fields": dict(self.fields) or None}

    def takes_tokens(self, fields: TokenFields | None) -> bool:
        """True where it appends to each field that is taken a value that the field's dtype holds.

        Otherwise a document has to be closed by itself: a field that nothing is appended to is aligned after this
        stage or not at all, and a value that its dtype does not hold is an error about a document.
        """
        own = dict(self.fields)
        if fields is None or fields.tokens != self.tokens or not own.keys() >= dict(fields.dtypes).keys():
            return False
        try:
            for key, dtype in fields.dtypes:
                as_field([own[key]], np.dtype(dtype), 1, key)
        except RecordError:
            return False
        return True

    def keeps_fields(self, fields: TokenFields | None) -> bool:
        """The same: tokens and fields become longer by one."""
        return self.takes_tokens(fields)

    def present(self, fields: TokenFields) -> tuple[str, ...]:
        """What is appended to, but not taken, has to be there all the same."""
        return tuple(key for key, _ in self.fields if key not in dict(fields.dtypes))

    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """The documents, closed.

        Raises:
            RecordError: A document has not these keys, or what it has there is no array.
        """
        if isinstance(documents.content, Ragged) and documents.content.fields is not None:
            return closed(documents, self.eod_id, dict(self.fields))
        return documents.map(lambda document, place: self._closed(document, name(place)))

    def _closed(self, document: Document, name: str) -> JsonDict:
        tokens = as_tokens(value_of(document, self.tokens, name), 0, lambda _: name)
        found = {**document, self.tokens: np.append(tokens, np.int32(self.eod_id))}
        for key, value in self.fields:
            found[key] = _appended(value_of(document, key, name), value, f"{name}: field {key!r}")
        return found


def appended_values(fields: object) -> tuple[tuple[str, float], ...]:
    """What ``append_eod(fields=…)`` names: by key, ascending, the value that is appended; nothing where it is None.

    Raises:
        PipelineError: It is not a mapping of names to numbers.

    >>> appended_values({"loss_mask": 1})
    (('loss_mask', 1),)
    """
    if fields is None:
        return ()
    if not isinstance(fields, Mapping):
        raise PipelineError(
            f"append_eod: fields={shown(fields)} must be a mapping from the name of a field to what is appended to "
            "it, as {'loss_mask': 1}"
        )
    given = cast(Mapping[object, Any], fields)
    names = sorted(as_text("append_eod: the name of a field", name) for name in given)
    for name in names:
        if not isinstance(given[name], Real | np.bool_):
            raise PipelineError(f"append_eod: fields={{{name!r}: {shown(given[name])}}}: it must be a number")
    return tuple((name, given[name]) for name in names)


def _appended(given: Document, value: float, name: str) -> AnyArray:
    array = as_flat(given, name)
    # An empty list has the dtype of floats, which the value need not have.
    return np.append(array, value) if array.size else np.array([value])
