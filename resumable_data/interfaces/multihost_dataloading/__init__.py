"""Joins the batches of all processes to global arrays on a mesh. The iterator has epochs and resumes exactly."""

from resumable_data.interfaces.multihost_dataloading.functions import (
    _build_global_shape_and_sharding,
    _form_global_array,
    _pad_array_to_shape,
    get_next_batch_sharded,
)
from resumable_data.interfaces.multihost_dataloading.iterator import LOGGER, MultiHostDataLoadIterator

__all__ = [
    "LOGGER",
    "MultiHostDataLoadIterator",
    "_build_global_shape_and_sharding",
    "_form_global_array",
    "_pad_array_to_shape",
    "get_next_batch_sharded",
]
