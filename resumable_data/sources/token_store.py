"""Documents of tokens in one flat file with an index beside it, as Megatron-LM writes them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
from etils import epath

from resumable_data.arguments import as_choice, as_path, kind_of, shown
from resumable_data.arrays import AnyArray, Int64Array, Ragged, offsets_of, ranges
from resumable_data.digest import content_digest, digest
from resumable_data.errors import PipelineError, RecordError, SourceError
from resumable_data.sources.shards import find_shards
from resumable_data.sources.source import check_indices, evenly_spaced
from resumable_data.system_errors import explain

_MAGIC, _VERSION = b"MMIDIDX\x00\x00", 1
_HEADER = struct.Struct("<9sQBQQ")  # magic, version, code of the dtype, sequences, document borders
_DTYPES = {1: "<u1", 2: "<i1", 3: "<i2", 4: "<i4", 5: "<i8", 8: "<u2"}
_SAMPLED_RECORDS = 1024


class TokenStoreSource:
    """Documents of token stores: pairs of files ``web.bin`` and ``web.idx``, mapped into memory.

    The ``.bin`` file holds the tokens of all documents, one after the other. The ``.idx`` file says where each one
    begins. This is the format of indexed datasets of Megatron-LM, NeMo and datatrove, and their files can be read as
    they are. ``write_token_store`` writes it too. Lengths are known without reading.

    Args:
        paths: The ``.bin`` file, a pattern such as ``corpus/*.bin``, or a list of either. The files of a
            pattern come in natural order.

    Raises:
        SourceError: A file is missing, cannot be read, or is not a token store; or there are no documents.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_token_store(f"{folder}/web.bin", [[5, 6, 7], [], [8]])
    ...     source = TokenStoreSource(path)
    ...     [document.tolist() for document in source.read(np.array([2, 0]))], source.lengths(np.arange(3)).tolist()
    ([[8], [5, 6, 7]], [3, 0, 1])
    """

    def __init__(self, paths: epath.PathLike | Sequence[epath.PathLike]) -> None:
        self._stores = [_Store.open(path) for path in find_shards(paths)]
        self._first = offsets_of(np.array([len(store) for store in self._stores]))
        if not self._first[-1]:
            raise SourceError(f"{self._stores[0].path} has no documents")

    def __len__(self) -> int:
        return int(self._first[-1])

    def __repr__(self) -> str:
        more = " …" if len(self._stores) > 1 else ""
        return f"token store {self._stores[0].path.name}{more} ({len(self)} records)"

    def __reduce__(self) -> tuple[object, ...]:
        return TokenStoreSource, ([store.path for store in self._stores],)

    def read(self, indices: Int64Array) -> Ragged:
        """Reads the documents at int64[n] indices, with a free cell after each.

        Raises:
            RecordError: int32 cannot hold a token.
        """
        check_indices(indices, len(self), repr(self))
        lengths = self.lengths(indices)
        starts = offsets_of(lengths + 1)[:-1]
        values = np.zeros(int(lengths.sum()) + len(lengths), np.int32)
        for store, places, documents in self._by_store(indices):
            own = lengths[places]
            found = store.tokens[ranges(store.begins[documents], own)]
            values[ranges(starts[places], own)] = _as_int32(store.path, found)
        return Ragged(values, starts, lengths, spare=1)

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Returns the number of tokens of each document, from the index: int64[n]."""
        check_indices(indices, len(self), repr(self))
        found = np.zeros(len(indices), np.int64)
        for store, places, documents in self._by_store(indices):
            found[places] = store.begins[documents + 1] - store.begins[documents]
        return found

    def file_of(self, index: int) -> str:
        """Returns the path of the ``.bin`` file that holds a document."""
        return os.fspath(self._stores[int(self._store_of(np.array([index]))[0])].path)

    def fingerprint(self) -> str:
        """Digests the number of documents and tokens, and up to 1,024 documents, spread evenly."""
        return self.fingerprint_of_first(len(self))

    def fingerprint_of_first(self, records: int) -> str:
        """Returns the fingerprint of the first documents alone."""
        sampled = self.read(evenly_spaced(records, _SAMPLED_RECORDS))
        tokens = 0
        for store, first in zip(self._stores, self._first.tolist(), strict=False):
            documents = min(max(records - first, 0), len(store.begins) - 1)
            tokens += int(store.begins[documents])
        return digest("token store", str(records), str(tokens), *map(content_digest, sampled))

    def _store_of(self, indices: Int64Array) -> Int64Array:
        return np.searchsorted(self._first, indices, side="right") - 1

    def _by_store(self, indices: Int64Array) -> Iterable[tuple[_Store, Int64Array, Int64Array]]:
        """Yields each store with its places among the indices, and its documents at them: int64[m] each."""
        stores = self._store_of(indices)
        for number in np.unique(stores).tolist():
            places = np.flatnonzero(stores == number)
            yield self._stores[number], places, indices[places] - self._first[number]


@dataclass(frozen=True, eq=False)
class _Store:
    """One pair of files.

    Attributes:
        path: The ``.bin`` file.
        tokens: [n_tokens], the tokens of all documents, mapped.
        begins: int64[n_documents + 1], the first token of each document.
    """

    path: epath.Path
    tokens: AnyArray
    begins: Int64Array

    def __len__(self) -> int:
        return len(self.begins) - 1

    @classmethod
    def open(cls, path: epath.Path) -> _Store:
        """Maps the files.

        Raises:
            SourceError: One is missing, cannot be read, or is not what it should be.
        """
        index_path = path.with_suffix(".idx")
        if path.suffix != ".bin":
            raise SourceError(f"{path} is not a token store: give the .bin file, with its .idx file beside it")
        try:
            index = index_path.read_bytes()
            size = path.stat().length
            dtype, begins = _parse_index(index, index_path)
            if size != begins[-1] * dtype.itemsize:
                raise SourceError(
                    f"{path} has {size} bytes, but {index_path.name} says {int(begins[-1]) * dtype.itemsize}: one of "
                    "them is truncated or of another corpus. Copy both again"
                )
            tokens = np.memmap(path, dtype, "r") if size else np.zeros(0, dtype)
        except OSError as error:
            raise SourceError(f"token store {path}: {explain(error)}") from error
        return cls(path, tokens, begins)


def _as_int32(path: epath.Path, tokens: AnyArray) -> AnyArray:
    if tokens.dtype.itemsize > 4 and len(tokens):
        for token in (int(tokens.min()), int(tokens.max())):
            if not -(2**31) <= token < 2**31:
                raise RecordError(f"{path}: int32 cannot hold the token {token}")
    return tokens.astype(np.int32, copy=False)


def _parse_index(index: bytes, path: epath.Path) -> tuple[np.dtype[np.generic], Int64Array]:
    """Returns the dtype of the tokens, and int64[n_documents + 1], the first token of each document.

    Raises:
        SourceError: It is not such an index.
    """
    if len(index) < _HEADER.size or index[: len(_MAGIC)] != _MAGIC:
        raise SourceError(f"{path} is not the index of a token store")
    _, version, code, n_sequences, n_borders = _HEADER.unpack_from(index)
    if version != _VERSION or code not in _DTYPES:
        raise SourceError(f"{path}: version {version} with tokens of type {code} cannot be read")
    if len(index) != _HEADER.size + 12 * n_sequences + 8 * n_borders or not n_borders:
        raise SourceError(f"{path} is truncated. Copy it again")
    dtype = np.dtype(_DTYPES[code])
    at = _HEADER.size
    sizes = np.frombuffer(index, "<i4", n_sequences, at).astype(np.int64)
    pointers = np.frombuffer(index, "<i8", n_sequences, at + 4 * n_sequences)
    borders = np.frombuffer(index, "<i8", n_borders, at + 12 * n_sequences)  # sequences before each document
    first_token = offsets_of(sizes)
    if (pointers != first_token[:-1] * dtype.itemsize).any() or (np.diff(borders) < 0).any():
        raise SourceError(f"{path}: documents do not follow one another in the file. Write the store anew")
    if borders[0] != 0 or borders[-1] != n_sequences:
        raise SourceError(f"{path}: its documents do not hold all its sequences. Write the store anew")
    return dtype, first_token[borders]


def write_token_store(
    path: epath.PathLike, documents: Iterable[Sequence[int] | npt.NDArray[np.integer]], dtype: str = "uint16"
) -> epath.Path:
    """Writes documents as a token store. The index appears only after everything is written.

    Args:
        path: The ``.bin`` file; its folder exists.
        documents: The tokens of each document, one-dimensional.
        dtype: ``"uint16"`` for vocabularies of up to 65,536 tokens, else ``"int32"``.

    Returns:
        The path.

    Raises:
        PipelineError: The path does not end in ``.bin``, there is no such dtype, or ``documents`` are not a list
            or the like.
        RecordError: A document is not a list of tokens, or one does not fit the dtype.
        SourceError: A file cannot be written.
    """
    place = epath.Path(as_path("write_token_store: path", path))
    codes = {np.dtype(name).name: code for code, name in _DTYPES.items()}
    as_choice("write_token_store: dtype", dtype, ("uint16", "int32"))
    if place.suffix != ".bin":
        raise PipelineError(f"write_token_store: path={str(path)!r} must end in .bin")
    if isinstance(documents, type) or not isinstance(cast(object, documents), Iterable):
        raise PipelineError(
            f"write_token_store: documents={shown(documents)} must be lists of tokens, not {kind_of(documents)}"
        )
    limits = np.iinfo(dtype)
    lengths: list[int] = []
    try:
        with cast(BinaryIO, place.open("wb")) as file:
            for number, document in enumerate(documents):
                try:
                    tokens = np.asarray(document)
                except ValueError as error:
                    raise RecordError(f"write_token_store: document {number} is not a list of tokens") from error
                if tokens.ndim != 1 or (tokens.size and not np.issubdtype(tokens.dtype, np.integer)):
                    raise RecordError(f"write_token_store: document {number} is not a list of tokens")
                if tokens.size and not limits.min <= tokens.min() <= tokens.max() <= limits.max:
                    raise RecordError(f"write_token_store: document {number} has a token that {dtype} cannot hold")
                file.write(tokens.astype(np.dtype(dtype).newbyteorder("<")).tobytes())
                lengths.append(tokens.size)
        sizes = np.array(lengths, np.int64)
        parts = [
            _HEADER.pack(_MAGIC, _VERSION, codes[dtype], len(sizes), len(sizes) + 1),
            sizes.astype("<i4").tobytes(),
            (offsets_of(sizes)[:-1] * np.dtype(dtype).itemsize).astype("<i8").tobytes(),
            np.arange(len(sizes) + 1, dtype="<i8").tobytes(),
        ]
        unfinished = place.with_suffix(".idx.tmp")
        unfinished.write_bytes(b"".join(parts))
        unfinished.replace(place.with_suffix(".idx"))
    except OSError as error:
        raise SourceError(f"{place} cannot be written: {explain(error)}") from error
    return place
