"""The source stage: where a component begins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from resumable_data.arguments import kind_of, shown
from resumable_data.arrays import Int64Array
from resumable_data.differences import ContentOfFirst
from resumable_data.errors import PipelineError, ResumableDataError, SourceError
from resumable_data.reading.documents import Documents
from resumable_data.reading.fields import TokenFields
from resumable_data.sources.retries import Retries
from resumable_data.sources.source import GrowingSource, Source, SourceWithColumns, SourceWithLengths, knows_lengths
from resumable_data.stages.stage import check_component_name
from resumable_data.state import Settings
from resumable_data.timing import Work
from resumable_data.waits import Doing

# Keyed by the names of package and class, so that none of these packages is imported.
_WRAPPED = {
    ("datasets", "Dataset"): "give HuggingFaceSource(dataset, column)",
    ("datasets", "DatasetDict"): "give HuggingFaceSource(dataset['train'], column), of one split",
    ("datasets", "IterableDataset"): "give HuggingFaceIterableSource(dataset, column)",
    ("datasets", "IterableDatasetDict"): "give HuggingFaceIterableSource(dataset['train'], column), of one split",
    ("resumable_data", "Dataset"): "it is a pipeline already; call its methods",
}


@dataclass(frozen=True)
class SourceStage:
    """Records of a source in their own order, one epoch.

    Attributes:
        component: The component's name, unless a mix gives it another.
        content: The source's fingerprint.
        source: The records.
        size: Number of records. It is asked once, so that a pipeline never sees two numbers.
        retries: How often a failed read is tried again. It does not affect the data.
    """

    component: str
    content: str
    source: Source
    size: int
    retries: Retries

    @classmethod
    def of(cls, source: Source, name: str, retries: Retries) -> SourceStage:
        """Returns the stage of a source.

        Raises:
            PipelineError: It is not a source, or the name is empty.
            SourceError: It has no records.
        """
        given = cast(object, source)
        if isinstance(given, type) or not isinstance(given, Source):
            raise PipelineError(f"from_source: {shown(given)} ({kind_of(given)}) is not a source: {_advice(given)}")
        check_component_name(name)
        size = len(source)
        if size == 0:
            raise SourceError(f"component {name!r}: {source!r} has no records")
        return cls(name, source.fingerprint(), source, size, retries)

    @property
    def name(self) -> str:
        """The stage's name."""
        return "source"

    def settings(self) -> Settings:
        """Returns fingerprint and record count."""
        return {"content": self.content, "records": self.size}

    def algorithms(self) -> dict[str, int]:
        """Returns nothing: no algorithm has a version here."""
        return {}

    @property
    def epoch_size(self) -> int:
        """Number of records."""
        return self.size

    @property
    def epochs(self) -> int | None:
        """One: a repeat adds more."""
        return 1

    @property
    def lengths_known(self) -> bool:
        """Whether the source knows token counts without reading."""
        return knows_lengths(self.source)

    @property
    def random_access(self) -> bool:
        """True: any record can be read at any time."""
        return True

    @property
    def reads_together(self) -> bool:
        """Whether one call for many records is faster than many calls."""
        return getattr(self.source, "reads_together", True)

    def records(self) -> SourceStage:
        """Returns what reads the records: itself, for all iterators."""
        return self

    def lengths(self, records: Int64Array) -> Int64Array:
        """Returns the token counts of records, from the source."""
        return cast(SourceWithLengths, self.source).lengths(records)

    def read(self, records: Int64Array) -> Documents:
        """Reads records from the source.

        Raises:
            SourceError: Storage fails at every try.
        """
        with Doing(partial(self._reading, len(records)), Work.READING):
            found = self.retries.read(lambda: self.source.read(records), repr(self.source))
        return found if isinstance(found, Documents) else Documents(found)

    def read_columns(self, records: Int64Array, fields: TokenFields) -> Documents | None:
        """Reads the same as tokens with fields, from columns; None if the source has none, or if a record is bad.

        Raises:
            SourceError: Storage fails at every try.
        """
        source = self.source
        if not isinstance(source, SourceWithColumns):
            return None
        with Doing(partial(self._reading, len(records)), Work.READING):
            columns = self.retries.read(lambda: source.read_columns(records, fields.keys), repr(source))
        found = None if columns is None else fields.of_columns(columns)
        return None if found is None else Documents(found)

    @property
    def content_of_first(self) -> ContentOfFirst | None:
        """What tells the content of the source's first records; None if the source cannot tell it."""
        source = self.source
        if not isinstance(source, GrowingSource):
            return None

        def tell(records: int) -> str | None:
            try:
                return self.retries.read(lambda: source.fingerprint_of_first(records), repr(source))
            except ResumableDataError:
                raise
            except Exception as error:
                raise SourceError(
                    f"component {self.component!r}: fingerprint_of_first({records}) of {source!r} raises "
                    f"{type(error).__name__}: {error}. It tells whether this is the old data with more at its end"
                ) from error

        return tell

    def _reading(self, count: int) -> str:
        return f"reading {count} records of component {self.component!r} from {self.source!r}"

    def name_of(self, record: int) -> str:
        """Returns what errors call a record: its source and index."""
        return f"{self.source!r}, record {record}"


def _advice(given: object) -> str:
    """Returns advice on the source to use for an object that is not one."""
    if isinstance(given, str | os.PathLike):
        return (
            "give ArrayRecordSource(path, parse=…) for ArrayRecord files, HuggingFaceSource.from_files(path, column) "
            "for Parquet, JSON Lines or text files, HuggingFaceSource.from_disk(path, column) for a saved dataset"
        )
    if isinstance(given, type):
        return "give an object of the class"
    for kind in type(given).__mro__:
        package = kind.__module__.partition(".")[0]
        if (package, kind.__name__) in _WRAPPED:
            return _WRAPPED[package, kind.__name__]
    if type(given).__module__.partition(".")[0] == "grain":
        return "give GrainSource(dataset) of a MapDataset or a data source"
    if isinstance(given, Sequence):
        return "give InMemorySource(records)"
    return "it needs __len__, read(indices) and fingerprint(). InMemorySource wraps a list"
