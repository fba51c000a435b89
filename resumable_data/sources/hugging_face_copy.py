"""Copies of streamed Hugging Face datasets: each reader has its own position and shares everything else."""

from __future__ import annotations

import copy

from resumable_data.compat import copy_position, has_graph
from resumable_data.errors import PipelineError
from resumable_data.opaque import HuggingFace


def own_copy(dataset: HuggingFace, name: str) -> HuggingFace:
    """Copies a dataset, so that it has its own position and shares functions, files and all else of the user.

    An object that does not keep its position in a graph of nodes is copied whole.

    Args:
        dataset: A ``datasets.IterableDataset``, or another object with ``state_dict`` and ``load_state_dict``.
        name: Its name in errors.

    Raises:
        PipelineError: The dataset has no graph of nodes and cannot be copied.
    """
    if not has_graph(dataset):
        try:
            return copy.deepcopy(dataset)
        except Exception as error:
            raise PipelineError(
                f"{name}: each reader needs a {type(dataset).__name__} of its own, and this one cannot be copied: "
                f"{error!r}. Give it a __deepcopy__ that shares what cannot be copied"
            ) from error
    return copy_position(dataset)
