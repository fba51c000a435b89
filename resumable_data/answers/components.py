"""The records of a component: their indices, files and number."""

from __future__ import annotations

from resumable_data.arrays import Int64Array
from resumable_data.order.occurrences import records_of
from resumable_data.sources.source import SourceWithFiles, SourceWithLines
from resumable_data.stages.component import Component


def source_records(component: Component, named: Int64Array) -> Int64Array:
    """Returns the indices in the source, int64[n], of records or occurrences as plans name them, int64[n]."""
    return records_of(named) if component.epoch_dependent else named


def file_of(component: Component, record: int) -> str | None:
    """Returns the path of the file of a record; None if the source has no files, or does not say."""
    source: object = component.source.source
    return source.file_of(record) if isinstance(source, SourceWithFiles) else None


def line_of(component: Component, record: int) -> int | None:
    """Returns the line of a record in its file, from 1; None if records are not lines, or the source does not say."""
    source: object = component.source.source
    return source.line_of(record) if isinstance(source, SourceWithLines) else None


def record_count(component: Component) -> int | None:
    """Returns the number of records of the source; None if it has no random access: they show as it is read."""
    return component.source.epoch_size if component.random_access else None
