"""Records that are a Python sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import cast

import numpy as np

from resumable_data.arguments import as_text, kind_of, shown
from resumable_data.arrays import Int64Array
from resumable_data.digest import content_digest, digest
from resumable_data.errors import PipelineError, RecordError, SourceError
from resumable_data.opaque import Record
from resumable_data.sources.source import RandomAccess, check_indices, evenly_spaced

_SAMPLED_RECORDS = 1024


class InMemorySource:
    """A list of records, or anything with ``len`` and ``[index]`` that is cheap to index.

    Args:
        records: The records; token documents are one-dimensional integer sequences. The lengths of mappings are not
            known.
        name: The name of this source in error messages.

    Raises:
        SourceError: There are no records.
        PipelineError: They are not a list, nor like one.

    >>> source = InMemorySource([[1, 2, 3], [4, 5]])
    >>> source.read(np.array([1, 0])), source.lengths(np.array([1, 0])).tolist()
    ([[4, 5], [1, 2, 3]], [2, 3])
    """

    def __init__(self, records: Sequence[Record], name: str = "in-memory source") -> None:
        if isinstance(records, type | str | bytes | Mapping | Set) or not isinstance(
            cast(object, records), RandomAccess
        ):
            raise PipelineError(
                f"InMemorySource: records={shown(records)} must be a list of records, not {kind_of(records)}: pass "
                "list(records), or [record] for one alone"
            )
        as_text("InMemorySource: name", name)
        if len(records) == 0:
            raise SourceError(f"{name} has no records")
        self._records = records
        self._name = name

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"{self._name} ({len(self)} records)"

    def read(self, indices: Int64Array) -> list[Record]:
        """Returns the records at int64[n] indices."""
        check_indices(indices, len(self), self._name)
        return [self._records[index] for index in indices.tolist()]

    @property
    def lengths_known(self) -> bool:
        """Whether records are sequences of tokens; the lengths of mappings are not known."""
        return not isinstance(self._records[0], Mapping)

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Returns the number of tokens of each record: int64[n].

        Raises:
            RecordError: A record has no length.
        """
        records = self.read(indices)
        try:
            return np.fromiter(map(len, records), np.int64, len(records))
        except TypeError as error:
            bad = next(
                i for i, record in zip(indices.tolist(), records, strict=True) if not hasattr(record, "__len__")
            )
            raise RecordError(f"{self._name}, record {bad}: {error}; a document is a sequence of tokens") from error

    def fingerprint(self) -> str:
        """Digests the record count and up to 1,024 records, spread evenly."""
        return self.fingerprint_of_first(len(self))

    def fingerprint_of_first(self, records: int) -> str:
        """Returns the fingerprint of the first records alone."""
        sampled = self.read(evenly_spaced(records, _SAMPLED_RECORDS))
        return digest("in-memory", str(records), *map(content_digest, sampled))
