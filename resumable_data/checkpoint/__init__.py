"""Orbax front ends over the state codec."""

from resumable_data.checkpoint.handler import DataCheckpointHandler, DataRestore, DataSave

__all__ = ["DataCheckpointHandler", "DataRestore", "DataSave"]
