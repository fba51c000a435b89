"""Makes the iterators of a training loop from configs and a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from jax.sharding import Mesh

from resumable_data.arguments import kind_of
from resumable_data.errors import PipelineError
from resumable_data.interfaces.grain_data_processing.configs import DataConfig
from resumable_data.interfaces.grain_data_processing.iterator import make_grain_iterator
from resumable_data.interfaces.multihost_dataloading import MultiHostDataLoadIterator
from resumable_data.interfaces.multihost_dataloading.global_arrays import processes_of

DataIterator = MultiHostDataLoadIterator
"""The type of every iterator of ``create_data_iterator``. ``resumable_data.DataIterator`` is another class."""


def create_data_iterator(config: DataConfig, mesh: Mesh) -> DataIterator:
    """Makes an iterator over the global batches of one data set, with ``make_grain_iterator``.

    The processes that own devices of the mesh load data.

    Args:
        config: The data set, of any kind.
        mesh: The rows of a batch are divided among all its devices.

    Raises:
        PipelineError: A setting is impossible, or this process owns no device of the mesh.
        SourceError: The data set cannot be opened.
        PipelineMismatchError: The processes do not agree.

    >>> import jax, numpy as np
    >>> from resumable_data.grain_data_processing import SyntheticDataConfig
    >>> mesh = Mesh(np.array(jax.devices()), "data")
    >>> batches = create_data_iterator(SyntheticDataConfig(global_batch_size=8, max_target_length=16), mesh)
    >>> len(batches), next(batches).inputs.shape
    (100, (8, 16))
    """
    given: object = config
    if isinstance(given, list | tuple):
        raise PipelineError("create_data_iterator takes one config: for several use create_mixed_data_iterator")
    return make_grain_iterator(_checked("create_data_iterator: config", given), mesh, _processes(mesh))


def create_mixed_data_iterator(
    configs: Sequence[DataConfig], mesh: Mesh, dataset_weights: Sequence[float] | None = None
) -> DataIterator:
    """Makes an iterator over the global batches of several data sets. Their rows are mixed in proportion.

    Args:
        configs: The data sets, of any kinds. Settings of the whole batch come from the first; see
            ``make_grain_iterator``.
        mesh: The rows of a batch are divided among all its devices.
        dataset_weights: The rows of each data set, in proportion; equal by default.

    Raises:
        PipelineError: As ``create_data_iterator``, or configs do not fit together.
        SourceError: A data set cannot be opened.
        PipelineMismatchError: The processes do not agree.
    """
    given: object = configs
    if not isinstance(given, list | tuple):
        raise PipelineError(
            f"create_mixed_data_iterator takes a list of configs, not {kind_of(given)}: for one config use "
            "create_data_iterator"
        )
    sets = cast(Sequence[object], given)
    checked = [_checked(f"create_mixed_data_iterator: configs[{place}]", one) for place, one in enumerate(sets)]
    return make_grain_iterator(checked, mesh, _processes(mesh), dataset_weights)


def _checked(what: str, config: object) -> DataConfig:
    if not isinstance(config, DataConfig):
        raise PipelineError(f"{what} must be a config, such as GrainArrayRecordsDataConfig(…), not {kind_of(config)}")
    return config


def _processes(mesh: Any) -> tuple[int, ...]:
    if not isinstance(mesh, Mesh):
        raise PipelineError(
            f"mesh must be a jax.sharding.Mesh, such as jax.make_mesh((8,), ('data',)), not {kind_of(mesh)}"
        )
    return processes_of(mesh)
