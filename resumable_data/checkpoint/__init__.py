"""Orbax front ends over the state codec."""

from resumable_data.checkpoint.handler import DataCheckpointHandler, DataRestore, DataSave
from resumable_data.checkpoint.stateful import Checkpointable

__all__ = ["Checkpointable", "DataCheckpointHandler", "DataRestore", "DataSave"]
