"""What the records of a component are called."""

from __future__ import annotations

from resumable_data.arrays import Int64Array
from resumable_data.order.occurrences import records_of
from resumable_data.sources.source import SourceWithFiles
from resumable_data.stages.component import Component


def source_records(component: Component, named: Int64Array) -> Int64Array:
    """The indices in the source of int64[n] records, or occurrences, as plans name them."""
    return records_of(named) if component.epoch_dependent else named


def file_of(component: Component, record: int) -> str | None:
    """The path of the file of a record of the source; None where the source has none, or does not say."""
    source: object = component.source.source
    return source.file_of(record) if isinstance(source, SourceWithFiles) else None


def record_count(component: Component) -> int | None:
    """How many records the source has; None for a stream, whose records show as it is read."""
    return component.source.epoch_size if component.random_access else None
