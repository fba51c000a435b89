"""The components of a pipeline by their paths, and what their records are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from resumable_data.arrays import Int64Array
from resumable_data.order.occurrences import records_of
from resumable_data.sources.source import SourceWithFiles
from resumable_data.stages.component import Component
from resumable_data.stages.mix import MixDocuments, MixRows


def components_of(node: Any, path: str | None = None) -> Mapping[str, Component]:
    """The components from which a stage takes its documents.

    Args:
        node: The stage.
        path: Its path; None for the last stage of a pipeline.

    >>> import resumable_data as rd
    >>> toy = rd.Dataset.from_source(rd.InMemorySource([[1]]))
    >>> inner = rd.mix({"b": toy, "c": toy}, {"b": 1, "c": 1})
    >>> list(components_of(rd.mix({"a": toy, "in": inner}, {"a": 1, "in": 1}).pad(4, eod_id=0).node))
    ['a', 'in/b', 'in/c']
    """
    path = cast(str, node.component) if path is None else path
    if isinstance(node, Component):
        return {path: node}
    if not isinstance(node, MixDocuments | MixRows):
        return components_of(node.parent, path)
    found: dict[str, Component] = {}
    for parent, child in zip(node.parents, node.mix.paths(node, path), strict=True):
        found.update(components_of(parent, child))
    return found


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
