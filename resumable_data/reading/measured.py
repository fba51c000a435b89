"""Documents whose lengths show only when they are read, as those of text that is tokenised on the fly."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

import numpy as np

from resumable_data.arrays import AnyArray, Int32Array, Int64Array, Ragged, offsets_of
from resumable_data.reading.documents import Documents, Sizes
from resumable_data.reading.reader import Reader

_KEPT_BYTES = 2**28
_BYTES_A_DOCUMENT = 100  # what an array costs beside its tokens


class _Document(NamedTuple):
    """A document that was read.

    Attributes:
        tokens: int32[n], none if it is dropped.
        fields: By name [n] what is aligned with them.
        size: Its row of ``Sizes``.
    """

    tokens: Int32Array
    fields: dict[str, AnyArray]
    size: tuple[int, ...]


class Measured:
    """Reads documents to plan them, and keeps them until they are assembled, so that each is read once.

    What is kept is bounded; a document that had to go is read again, which changes nothing but the time it takes.

    Args:
        documents: What reads them.
        kept_bytes: Bound on the memory of those kept.
    """

    def __init__(self, documents: Reader, kept_bytes: int = _KEPT_BYTES) -> None:
        self._documents = documents
        self._kept_bytes = kept_bytes
        self._kept: OrderedDict[int, _Document] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def measure(self, indices: Int64Array) -> Sizes:
        """How long the documents at int64[n] indices are, which are read for it; a dropped one lost no token."""
        return Sizes.of_rows([document.size for document in self._found(indices)])

    def read(self, indices: Int64Array) -> Documents:
        """The documents, whatever they are."""
        return self._documents.read(indices)

    def read_tokens(self, indices: Int64Array) -> Documents:
        """The documents' tokens, with the fields aligned; none of one that is dropped."""
        found = self._found(indices)
        sizes = Sizes.of_rows([document.size for document in found])
        kept, lengths = sizes.lengths >= 0, np.maximum(sizes.lengths, 0)
        values = np.concatenate([np.zeros(0, np.int32), *(document.tokens for document in found)])
        names = found[0].fields if found else ()
        fields = {name: np.concatenate([document.fields[name] for document in found]) for name in names}
        tokens = Ragged(values, offsets_of(lengths)[:-1], lengths, fields=fields or None)
        return Documents(tokens, truncated=sizes.truncated).keep(kept)

    def name_of(self, index: int) -> str:
        """What an error calls the document at an index."""
        return self._documents.name_of(index)

    def _found(self, records: Int64Array) -> list[_Document]:
        wanted = records.tolist()
        found: dict[int, _Document] = {}
        with self._lock:
            for record in wanted:
                if record in self._kept:
                    self._kept.move_to_end(record)
                    found[record] = self._kept[record]
        missing = np.array([record for record in dict.fromkeys(wanted) if record not in found], np.int64)
        if missing.size:
            documents = self._documents.read_tokens(missing)
            for place, (record, size) in enumerate(zip(missing.tolist(), documents.sizes.rows(), strict=True)):
                found[record] = _document_at(documents.tokens, place, size)
            self._keep({record: found[record] for record in missing.tolist()})
        return [found[record] for record in wanted]

    def _keep(self, read: dict[int, _Document]) -> None:
        with self._lock:
            for record, document in read.items():
                if record not in self._kept:
                    self._kept[record] = document
                    self._bytes += _size(document)
            while self._bytes > self._kept_bytes and self._kept:
                _, document = self._kept.popitem(last=False)
                self._bytes -= _size(document)


def _document_at(tokens: Ragged, place: int, size: tuple[int, ...]) -> _Document:
    start = int(tokens.starts[place])
    cells = slice(start, start + int(tokens.lengths[place]))
    # Copies, so that one document does not keep the memory of all that were read with it.
    fields = {name: values[cells].copy() for name, values in (tokens.fields or {}).items()}
    return _Document(tokens.values[cells].copy(), fields, size)


def _size(document: _Document) -> int:
    arrays = (document.tokens, *document.fields.values())
    return sum(_BYTES_A_DOCUMENT + array.nbytes for array in arrays)
