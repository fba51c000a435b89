"""The append_eod stage for documents that are mappings: a token after the tokens, a value after each field."""

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
    """Appends a token to the tokens of every document, and to each field its value.

    Attributes:
        tokens: The key of the tokens.
        fields: The value appended to each field, by key.
    """

    tokens: str
    fields: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tokens in dict(self.fields):
            raise PipelineError(f"append_eod: {self.tokens!r} are the tokens; leave them out of fields")

    def settings(self) -> Settings:
        """Returns all settings."""
        return {"eod_id": self.eod_id, "tokens": self.tokens, "fields": dict(self.fields) or None}

    def takes_tokens(self, fields: TokenFields | None) -> bool:
        """Returns True if each field that is taken gets a value that its dtype can hold.

        Otherwise each document is closed by itself. A field that gets no value may be aligned after this stage, and
        a value that its dtype cannot hold is an error of one document.
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
        """Returns the same: tokens and fields become longer by one."""
        return self.takes_tokens(fields)

    def present(self, fields: TokenFields) -> tuple[str, ...]:
        """Returns the fields that get a value but are not taken; documents need them too."""
        return tuple(key for key, _ in self.fields if key not in dict(fields.dtypes))

    def apply(self, documents: Documents, indices: Int64Array, name: NameOf) -> Documents:
        """Returns the documents, closed.

        Raises:
            RecordError: A document lacks one of these keys, or its value is not an array.
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
    """Returns the pairs of key and appended value in ``append_eod(fields=…)``, sorted by key; none for None.

    Raises:
        PipelineError: It is not a mapping of names to numbers.

    >>> appended_values({"loss_mask": 1})
    (('loss_mask', 1),)
    """
    if fields is None:
        return ()
    if not isinstance(fields, Mapping):
        raise PipelineError(
            f"append_eod: fields={shown(fields)} must be a mapping from the name of a field to the value "
            "appended to it, such as {'loss_mask': 1}"
        )
    given = cast(Mapping[object, Any], fields)
    names = sorted(as_text("append_eod: the name of a field", name) for name in given)
    for name in names:
        if not isinstance(given[name], Real | np.bool_):
            raise PipelineError(f"append_eod: fields={{{name!r}: {shown(given[name])}}}: it must be a number")
    return tuple((name, given[name]) for name in names)


def _appended(given: Any, value: float, name: str) -> AnyArray:
    array = as_flat(given, name)
    # NumPy gives an empty list a float dtype, which may not be the dtype of the value.
    return np.append(array, value) if array.size else np.array([value])
