"""Plans of different pipelines as arrays: the arrays are equal exactly if the batches are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from resumable_data.arrays import Int64Array
from resumable_data.digest import canonical_json
from resumable_data.packing.plan import RowPlan
from resumable_data.state import Description, StageDescription

_ORDER_STAGES = ("filter", "repeat", "shuffle", "skip_bad_records", "slice", "split")
"""Stages that decide when a document comes, not what is in it."""

_ORDER_SETTINGS = ("strategy", "window", "max_documents", "drop_unscored", "size", "drop_remainder", "shards")
"""Settings of ``pack``, ``pad`` and ``batch`` that decide when a document comes."""

_FORM_STAGES = ("pack", "pad", "shift", "batch")


def name_contents(description: Description) -> Mapping[str, str]:
    """Returns, by component path, a text that says what its documents hold in rows, whatever their order."""
    form = _names([stage for stage in description.shared if stage.stage in _FORM_STAGES])
    return {path: form + _names(stages) for path, stages in description.components.items()}


def named_as(description: Description, other: Description) -> Description:
    """Returns the description in which each source that only got more records than another run's is named as that.

    >>> def of(count, content):
    ...     source = StageDescription("source", {"content": content, "records": count})
    ...     return Description({"web": (source,)}, (), {}, {"web": lambda records: f"first {records}"})
    >>> named_as(of(12, "first 12"), of(9, "first 9")) == of(9, "first 9")
    True
    >>> named_as(of(12, "first 12"), of(9, "others")) == of(12, "first 12")
    True
    """
    components = {
        path: (other.components[path][0], *stages[1:])
        if path in other.components and _begins_with(description, other, path)
        else stages
        for path, stages in description.components.items()
    }
    return replace(description, components=components)


def _begins_with(description: Description, other: Description, path: str) -> bool:
    """Tells whether the source of a component has the records of the other's first, and more after them."""
    source, others = description.components[path][0].settings, other.components[path][0].settings
    records, fewer = source.get("records"), others.get("records")
    if path not in description.sources or not (isinstance(records, int) and isinstance(fewer, int)):
        return False
    return fewer < records and description.sources[path](fewer) == others.get("content")


def comparable(plan: RowPlan, contents: Mapping[int, int]) -> Sequence[Int64Array]:
    """Returns the arrays that decide what a batch holds: two batches are equal if these arrays are.

    Args:
        plan: The rows of a batch.
        contents: From the number of a reader to the number of its content. Both pipelines number contents alike.
    """
    numbers = np.zeros(max(contents, default=-1) + 1, np.int64)
    numbers[list(contents)] = list(contents.values())
    return (plan.rows, numbers[plan.reader], plan.record, plan.offset, plan.length)


def _names(stages: Sequence[StageDescription]) -> str:
    said: list[object] = []
    for stage in stages:
        kind = stage.stage.split(" ")[0]
        if kind not in _ORDER_STAGES:
            # A packed row and a padded row differ only in the order.
            settings = {key: value for key, value in stage.settings.items() if key not in _ORDER_SETTINGS}
            said.append(["rows" if kind in ("pack", "pad") else kind, settings])
    return canonical_json(said)  # pyright: ignore[reportArgumentType]
