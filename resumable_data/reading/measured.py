"""Documents whose lengths show only when they are read, as those of text that is tokenised on the fly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from resumable_data.arrays import AnyArray, Int32Array, Int64Array, Ragged, offsets_of
from resumable_data.reading.reader import DocumentReader, Sizes

_KEPT_BYTES = 2**28
_BYTES_A_DOCUMENT = 100  # what an array costs beside its tokens


class _Document(NamedTuple):
    """A document that was read."""

    tokens: Int32Array
    fields: dict[str, AnyArray]
    cut: int


class Measured:
    """Reads documents to plan them, and keeps them until they are assembled, so that each is read once.

    What is kept is bounded; a document that had to go is read again, which changes nothing but the time it takes.

    Args:
        documents: What reads them.
        kept_bytes: Bound on the memory of those kept.
    """

    def __init__(self, documents: DocumentReader, kept_bytes: int = _KEPT_BYTES) -> None:
        self._documents = documents
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[int, _Document | None] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def measure(self, records: Int64Array) -> Sizes:
        """How long the documents of int64[n] records are, which are read for it; nothing is cut off a dropped one."""
        found = self._found(records)
        lengths = np.fromiter((-1 if one is None else len(one.tokens) for one in found), np.int64, len(found))
        cut = np.fromiter((0 if one is None else one.cut for one in found), np.int64, len(found))
        return Sizes(lengths, cut)

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The documents, whatever they are."""
        return self._documents.read(records)

    def read_tokens(self, records: Int64Array) -> Ragged:
        """The documents' tokens, with the fields aligned; none of one that is dropped."""
        found = self._found(records)
        kept = [document for document in found if document is not None]
        lengths = np.fromiter((0 if one is None else len(one.tokens) for one in found), np.int64, len(found))
        values = np.concatenate([np.zeros(0, np.int32), *(document.tokens for document in kept)])
        names = kept[0].fields if kept else ()
        fields = {name: np.concatenate([document.fields[name] for document in kept]) for name in names}
        return Ragged(values, offsets_of(lengths)[:-1], lengths, fields=fields or None)

    def name_of(self, record: int) -> str:
        """What an error calls a record."""
        return self._documents.name_of(record)

    def _found(self, records: Int64Array) -> list[_Document | None]:
        """Each document, or None for one that is dropped."""
        wanted = records.tolist()
        found: dict[int, _Document | None] = {}
        with self._lock:
            for record in wanted:
                if record in self._kept:
                    self._kept.move_to_end(record)
                    found[record] = self._kept[record]
        missing = np.array([record for record in dict.fromkeys(wanted) if record not in found], np.int64)
        if missing.size:
            documents = self._documents.read_tokens(missing)
            for place, record in enumerate(missing.tolist()):
                found[record] = _document_at(documents, place)
            self._keep({record: found[record] for record in missing.tolist()})
        return [found[record] for record in wanted]

    def _keep(self, read: dict[int, _Document | None]) -> None:
        with self._lock:
            for record, document in read.items():
                if record not in self._kept:
                    self._kept[record] = document
                    self._bytes += _size(document)
            while self._bytes > self._kept_bytes and self._kept:
                _, document = self._kept.popitem(last=False)
                self._bytes -= _size(document)


def _document_at(documents: Ragged, place: int) -> _Document | None:
    if documents.dropped is not None and documents.dropped[place]:
        return None
    start = int(documents.starts[place])
    cells = slice(start, start + int(documents.lengths[place]))
    # Copies, so that one document does not keep the memory of all that were read with it.
    fields = {name: values[cells].copy() for name, values in (documents.fields or {}).items()}
    return _Document(
        documents.values[cells].copy(), fields, 0 if documents.cut is None else int(documents.cut[place])
    )


def _size(document: _Document | None) -> int:
    if document is None:
        return _BYTES_A_DOCUMENT
    arrays = (document.tokens, *document.fields.values())
    return sum(_BYTES_A_DOCUMENT + array.nbytes for array in arrays)
