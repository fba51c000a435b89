"""Records of a Grain dataset, or of any object with random access."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy.typing as npt

from resumable_data.arguments import as_integers, as_text, kind_of, optional, shown
from resumable_data.arrays import Int64Array
from resumable_data.digest import content_digest, digest
from resumable_data.errors import PipelineError, RecordError, SourceError
from resumable_data.opaque import Record
from resumable_data.sources.retries import is_of_storage
from resumable_data.sources.source import RandomAccess, check_indices, digests_or_bad, evenly_spaced

_SAMPLED_RECORDS = 1024
# An endless repeat of Grain has a length of about 2**63, and later stages divide it.
_ENDLESS = 2**48
_BATCHED_READS = ("__getitems__", "_getitems")


class GrainSource:
    """A ``grain.MapDataset``, or any object with ``len`` and ``[index]``, such as Grain's data sources.

    The dataset's own stages belong to the source: its length is the epoch, and its shuffle is the order of the
    records. An object with ``__getitems__`` reads hundreds of records in one call. So pass a data source itself,
    not ``MapDataset.source`` of it, which reads one by one.

    Args:
        source: The records, of any kind.
        lengths: Number of tokens of each record, int[n], if it is known. With it, packing plans without reading.
        fingerprint: Stands for the content instead of sampled records. Change it whenever the records change.
        name: The name of this source in error messages.

    Raises:
        PipelineError: ``source`` has no random access, or ``lengths`` is not one natural number a record.
        SourceError: There are no records, or they never end.

    >>> import numpy as np
    >>> source = GrainSource(range(10, 20), lengths=[1] * 10)
    >>> source.read(np.array([3, 0])), source.lengths(np.array([3, 0])).tolist()
    ([13, 10], [1, 1])
    """

    def __init__(
        self,
        source: RandomAccess,
        *,
        lengths: npt.ArrayLike | None = None,
        fingerprint: str | None = None,
        name: str | None = None,
    ) -> None:
        given = cast(object, source)
        if isinstance(given, type | str | bytes | dict) or not isinstance(given, RandomAccess):
            raise PipelineError(
                f"GrainSource: {shown(source)} ({kind_of(source)}) has no random access: it needs "
                "len(source) and source[index]. "
                "A grain.IterDataset has none; give the MapDataset that it is made from"
            )
        self._source = source
        self._name = optional(as_text, "GrainSource: name", name) or f"Grain source {type(source).__name__}"
        self._given_fingerprint = optional(as_text, "GrainSource: fingerprint", fingerprint)
        self._count = len(source)
        if self._count == 0:
            raise SourceError(f"{self._name} has no records")
        if self._count >= _ENDLESS:
            raise SourceError(
                f"{self._name} is endless: its length is {self._count}. Leave out its .repeat(), and call "
                ".repeat() of the pipeline that is built from the source"
            )
        self._known_lengths = None if lengths is None else _checked_lengths(lengths, self._count)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"{self._name} ({len(self)} records)"

    @property
    def lengths_known(self) -> bool:
        """Whether lengths were given."""
        return self._known_lengths is not None

    @property
    def reads_together(self) -> bool:
        """Whether the source reads many records in one call. The call of Grain's own datasets reads one by one."""
        return hasattr(self._source, "__getitems__")

    def read(self, indices: Int64Array) -> list[Record]:
        """Reads the records at int64[n] indices.

        Raises:
            RecordError: A record is bad. So is None, which Grain gives for a record that a filter drops.
            SourceError: The storage fails.
        """
        check_indices(indices, len(self), repr(self))
        wanted = indices.tolist()
        records = self._read_together(wanted)
        if records is None:
            records = [self._read_one(index) for index in wanted]
        for index, record in zip(wanted, records, strict=True):
            if record is None:
                raise RecordError(
                    f"{self!r}, record {index} is None, because a filter of Grain dropped it. Take the "
                    "filter out of the Grain dataset, or let its source hold only the wanted records"
                )
        return records

    def fingerprint(self) -> str:
        """Digests the record count, up to 1,024 records spread evenly, and the given lengths.

        A bad record counts as one.

        Raises:
            SourceError: A record holds an object whose content cannot be seen, or the storage fails.
        """
        if self._given_fingerprint is not None:
            return digest("grain", str(len(self)), self._lengths_of_first(len(self)), self._given_fingerprint)
        return self._content_of_first(len(self))

    def fingerprint_of_first(self, records: int) -> str | None:
        """Returns the fingerprint of the first records alone; None if one was given, which says nothing of them."""
        return self._content_of_first(records) if self._given_fingerprint is None else None

    def _lengths_of_first(self, records: int) -> bytes:
        return b"" if self._known_lengths is None else self._known_lengths[:records].astype("<i8").tobytes()

    def _content_of_first(self, records: int) -> str:
        def digests(sample: Int64Array) -> list[str]:
            return list(map(self._content_digest, sample.tolist(), self.read(sample)))

        contents = digests_or_bad(evenly_spaced(records, _SAMPLED_RECORDS), digests)
        return digest("grain", str(records), self._lengths_of_first(records), *contents)

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Returns the given lengths of int64[n] records: int64[n]."""
        check_indices(indices, len(self), repr(self))
        assert self._known_lengths is not None
        return self._known_lengths[indices]

    def _read_together(self, indices: list[int]) -> list[Record] | None:
        """Reads all records in one call; returns None if the source has no such call, or if the call fails."""
        read_many = next(
            (getattr(self._source, name) for name in _BATCHED_READS if hasattr(self._source, name)), None
        )
        if read_many is None:
            return None
        try:
            records = list(cast(Callable[[list[int]], Sequence[Record]], read_many)(indices))
        except Exception:
            return None  # Reading one by one tells which is bad.
        if len(records) != len(indices):
            raise SourceError(f"{self!r} gave {len(records)} records where {len(indices)} were asked for")
        return records

    def _read_one(self, index: int) -> Record:
        try:
            return self._source[index]
        except Exception as error:
            if is_of_storage(error):
                raise SourceError(f"{self!r}, record {index} cannot be read: {error!r}") from error
            raise RecordError(f"{self!r}, record {index} is bad: {error!r}") from error

    def _content_digest(self, index: int, record: object) -> str:
        def refuse(unseen: object) -> str:
            raise SourceError(
                f"{self!r}, record {index} holds a {type(unseen).__qualname__}, whose content cannot be seen to tell "
                "data that changed: pass fingerprint='…' with a name of the data, and another when they change"
            )

        return content_digest(record, refuse)


def _checked_lengths(lengths: npt.ArrayLike, count: int) -> Int64Array:
    given = as_integers("GrainSource: lengths", lengths)
    if given.shape != (count,) or given.min() < 0:
        raise PipelineError(
            f"GrainSource: lengths={shown(lengths)} must hold one natural number for each of {count} records"
        )
    return given
