"""The source stage: where a component begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from resumable_data.arrays import Int64Array, Ragged
from resumable_data.errors import PipelineError, SourceError
from resumable_data.reading.fields import TokenFields
from resumable_data.sources.retries import Retries
from resumable_data.sources.source import Source, SourceWithColumns, SourceWithLengths
from resumable_data.stages.documents import ChainStage, RootStage, check_component_name
from resumable_data.state import Settings


@dataclass(frozen=True)
class SourceStage(RootStage):
    """Records of a source in their own order, one epoch.

    Attributes:
        source: The records.
        retries: How often storage that fails is asked again; it decides no data.
    """

    source: Source
    retries: Retries

    @classmethod
    def of(cls, source: Source, name: str, retries: Retries) -> SourceStage:
        """The stage of a source.

        Raises:
            PipelineError: It is no source, or the name is empty.
            SourceError: It has no records.
        """
        if not isinstance(cast(object, source), Source):
            raise PipelineError(
                f"{type(source).__name__} is no source: it needs __len__, read(indices) and fingerprint(). "
                "Wrap a list in InMemorySource"
            )
        check_component_name(name)
        if len(source) == 0:
            raise SourceError(f"component {name!r}: {source!r} has no records")
        return cls(cast(ChainStage, None), name, source.fingerprint(), source, retries)

    def settings(self) -> Settings:
        """Fingerprint and record count."""
        return {"content": self.content, "records": len(self.source)}

    @property
    def epoch_size(self) -> int:
        """Number of records."""
        return len(self.source)

    @property
    def epochs(self) -> int | None:
        """One."""
        return 1

    @property
    def lengths_known(self) -> bool:
        """Whether the source knows them."""
        return isinstance(self.source, SourceWithLengths)

    @property
    def random_access(self) -> bool:
        """True."""
        return True

    def records(self, path: str, epoch: int, positions: Int64Array, epoch_size: int) -> Int64Array:
        """The positions themselves."""
        return positions

    def lengths(self, records: Int64Array) -> Int64Array:
        """The source's lengths."""
        return cast(SourceWithLengths, self.source).lengths(records)

    def read(self, records: Int64Array) -> Sequence[Any]:
        """The source's records.

        Raises:
            SourceError: Storage fails however often it is asked.
        """
        return self.retries.read(lambda: self.source.read(records), repr(self.source))

    def read_fields(self, records: Int64Array, fields: TokenFields) -> Ragged:
        """The same as tokens with fields: from columns, if the source has such and no record is amiss.

        Raises:
            SourceError: Storage fails however often it is asked.
            RecordError: A record has not what is to be taken, or a field is not aligned.
        """
        source = self.source
        if isinstance(source, SourceWithColumns):
            columns = self.retries.read(lambda: source.read_columns(records, fields.keys), repr(source))
            found = None if columns is None else fields.of_columns(columns)
            if found is not None:
                return found
        return super().read_fields(records, fields)

    def name_of(self, record: int) -> str:
        """Source and index."""
        return f"{self.source!r}, record {record}"
