"""Copies of streamed Hugging Face datasets: each reader has a position of its own, and all else is shared."""

from __future__ import annotations

import copy
from typing import Any, cast

from resumable_data.errors import PipelineError


def own_copy(dataset: Any, name: str) -> Any:
    """A dataset with a position of its own, which shares functions, files and whatever else users put into it.

    A dataset keeps its position in the nodes of its graph, each of which has a ``_state_dict``: these are copied. One
    without a graph is copied whole.

    Args:
        dataset: A ``datasets.IterableDataset``, or another object with ``state_dict`` and ``load_state_dict``.
        name: What an error calls it.

    Raises:
        PipelineError: An object without a graph cannot be copied.
    """
    if not hasattr(dataset, "_ex_iterable"):
        try:
            return copy.deepcopy(dataset)
        except Exception as error:
            raise PipelineError(
                f"{name}: each reader needs a {type(dataset).__name__} of its own, and this one cannot be copied: "
                f"{error!r}. Give it a __deepcopy__ that shares what cannot be copied"
            ) from error
    own: Any = object.__new__(dataset.__class__)  # copy.copy would share its attributes, by __setstate__
    own.__dict__.update(dataset.__dict__)
    own._ex_iterable = _copied(dataset._ex_iterable)
    formatting = getattr(dataset, "_formatting", None)
    if formatting is not None and formatting.is_table:
        own._formatting = None  # records, not tables of one record
    return own


def _copied(examples: Any) -> Any:
    """A node and those below it.

    A shuffle with a buffer of one record shuffles nothing, and is left out: it would warn at every resume.
    """
    if type(examples).__name__ == "BufferShuffledExamplesIterable" and examples.buffer_size == 1:
        return _copied(examples.ex_iterable)
    node: Any = copy.copy(examples)
    for name, value in cast(dict[str, Any], vars(examples)).items():
        if _is_node(value):
            setattr(node, name, _copied(value))
        elif isinstance(value, list):
            setattr(node, name, [_copied(part) if _is_node(part) else part for part in cast(list[Any], value)])
    return node


def _is_node(value: Any) -> bool:
    return hasattr(value, "_init_state_dict")
