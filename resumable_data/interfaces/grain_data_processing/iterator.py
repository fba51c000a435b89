"""Makes the iterator of a training or evaluation loop from configs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from etils import epath
from jax.sharding import Mesh

from resumable_data.batch import LLMBatch
from resumable_data.dataset import BatchDataset, RowDataset, mix
from resumable_data.errors import PipelineError
from resumable_data.interfaces.grain_data_processing.configs import (
    DataConfig,
    GrainArrayRecordsDataConfig,
    HFHubDataConfig,
    SyntheticDataConfig,
    TextDataConfig,
)
from resumable_data.interfaces.grain_data_processing.loading import (
    load_array_record_dataset,
    load_huggingface_dataset,
)
from resumable_data.interfaces.grain_data_processing.preprocess import Processing, packing_bins
from resumable_data.interfaces.grain_data_processing.special_tokens import eod_token
from resumable_data.interfaces.grain_data_processing.tokenizer import find_tokenizer
from resumable_data.interfaces.multihost_dataloading import MultiHostDataLoadIterator
from resumable_data.interfaces.multihost_dataloading.global_arrays import processes_of
from resumable_data.opaque import Indexable
from resumable_data.order.schedule import BatchSchedule
from resumable_data.placement.sharding import as_sharding, check_shape
from resumable_data.sources.synthetic import SyntheticSource

LOGGER = logging.getLogger("resumable_data.grain_data_processing")

_OF_THE_FIRST = (
    "global_batch_size",
    "worker_count",
    "worker_buffer_size",
    "drop_remainder",
    "batch_rampup_factors",
    "max_steps_per_epoch",
)


_WINDOWS = 256
"""If an epoch has more packing windows, its length is estimated from so many."""


def make_grain_iterator(
    configs: DataConfig | Sequence[DataConfig],
    global_mesh: Mesh,
    process_indices: Sequence[int],
    dataset_weights: Sequence[float] | None = None,
) -> MultiHostDataLoadIterator:
    """Makes an iterator over the global batches of one data set, or of several in proportion.

    A config that does not shuffle and does not drop its remainder is for evaluation. Then every epoch is one pass
    over the data, the same each time, and its last batch is filled up with rows that score nothing. Any other config
    is for training. Then the data is endless, every epoch has its own order, and a batch may hold rows of two epochs.

    The length of an epoch is counted by planning, with packing and ramp-up. If it is not known before tokenizing, a
    training epoch has as many batches as with one document a row, the most possible. An evaluation epoch then has no
    known length and ends with its data.

    Args:
        configs: One data set, or several, whose rows are mixed. Batch size, workers, remainder, ramp-up and steps an
            epoch of the first config hold for all; a warning names other values.
        global_mesh: The rows of a batch are divided among all its devices.
        process_indices: The processes that load data: those that own devices of the mesh, in any order.
        dataset_weights: The rows of each data set, in proportion; equal by default. For a single data set they are
            ignored.

    Returns:
        The iterator. Its position can be saved and restored.

    Raises:
        PipelineError: A setting is impossible, or configs do not fit together.
        SourceError: A data set cannot be opened.
        PipelineMismatchError: The processes do not agree.

    >>> import jax, numpy as np
    >>> mesh = Mesh(np.array(jax.devices()), "data")
    >>> config = SyntheticDataConfig(global_batch_size=8, max_target_length=16, num_batches=3)
    >>> batches = make_grain_iterator(config, mesh, [0])
    >>> len(batches), [batch.inputs.shape for batch in batches]
    (3, [(8, 16), (8, 16), (8, 16)])
    """
    given = _consistent([configs] if isinstance(configs, DataConfig) else list(configs))
    weights = _weights(given, dataset_weights)
    processes = _loading(process_indices, global_mesh)
    first = next(iter(given.values()))
    schedule = _schedule(first)
    for size in schedule.sizes:
        check_shape(as_sharding(global_mesh), (size, _row_length(first)))
    opened = {name: _Opened.of(given[name], schedule) for name in weights}
    documents = {name: data.processing.documents(data.dataset, name) for name, data in opened.items()}
    drop_remainder = _drops_remainder(first)

    def components(epochs: int | None) -> dict[str, RowDataset]:
        return {name: data.processing.rows(documents[name], epochs) for name, data in opened.items()}

    def batches(rows: dict[str, RowDataset]) -> BatchDataset[LLMBatch]:
        mixed = mix(rows, weights, "all_exhausted") if len(given) > 1 else next(iter(rows.values()))
        return mixed.batch(schedule, drop_remainder=drop_remainder)

    epoch = components(1)
    sizes = {name: len(data.dataset) for name, data in opened.items()}
    evaluation = not drop_remainder and not any(config.shuffle_data for config in given.values())
    if evaluation:
        data = batches(epoch)
        length = _evaluation_length(data)
    else:
        data = batches(components(None))
        rows = {name: _epoch_rows(epoch[name], size) for name, size in sizes.items()}
        length = _training_length(_mixed_size(rows, weights), schedule, drop_remainder=drop_remainder)
    loader, ahead = data.shard_by_jax_process(processes), _loaded_ahead(first)
    return MultiHostDataLoadIterator(
        loader.prefetch(ahead) if ahead else loader,
        global_mesh,
        iterator_length=_limited(length, first),
        dataset_size=_mixed_size(sizes, weights),
        reset_after_epoch=evaluation,
    )


@dataclass(frozen=True)
class _Opened:
    """An opened data set and its processing."""

    dataset: Indexable
    processing: Processing

    @classmethod
    def of(cls, config: DataConfig, schedule: BatchSchedule) -> _Opened:
        """Opens the data set of a config."""
        seed = config.data_shuffle_seed if config.shuffle_data else None
        length = _row_length(config)
        plain = Processing(
            column="text",
            length=length,
            eod_id=0,
            tokenizer=None,
            add_bos=False,
            add_eos=False,
            add_eod=False,
            shuffle_seed=seed,
            bins=None,
            schedule=schedule,
            shift=True,
        )
        if isinstance(config, SyntheticDataConfig):
            rows = schedule.first_row(config.num_batches)
            return cls(SyntheticSource(rows, [length], vocabulary=2), plain)
        if not isinstance(config, GrainArrayRecordsDataConfig | HFHubDataConfig):
            raise PipelineError(
                f"{type(config).__name__} is not a known config: give HFHubDataConfig, GrainArrayRecordsDataConfig "
                "or SyntheticDataConfig"
            )
        tokenizer, tokenize = None, isinstance(config, HFHubDataConfig) or config.tokenize_data
        if config.tokenizer_path is not None:
            tokenizer = find_tokenizer(config.tokenizer_path, config.hf_access_token, config.hf_cache_dir)
        elif tokenize:
            raise PipelineError(f"{_called(config)} is text: set tokenizer_path")
        if isinstance(config, HFHubDataConfig):
            dataset = load_huggingface_dataset(config)
        else:
            dataset = load_array_record_dataset(epath.Path(config.data_path) / config.split)
        processing = replace(
            plain,
            column=config.data_column,
            eod_id=eod_token(tokenizer, config.eod_token_id),
            tokenizer=tokenizer if tokenize else None,
            add_bos=config.add_bos,
            add_eos=config.add_eos,
            add_eod=config.add_eod,
            bins=packing_bins(config.grain_packing, config.grain_packing_bin_count, config.global_batch_size),
        )
        return cls(dataset, processing)


def _consistent(configs: list[DataConfig]) -> dict[str, DataConfig]:
    """Returns the configs by the names of their components. Shared settings are replaced by those of the first."""
    if not configs:
        raise PipelineError("configs is empty: give at least one data set")
    first = configs[0]
    lengths = {_row_length(config) for config in configs}
    if len(lengths) > 1:
        raise PipelineError(f"mixed data sets need the same max_target_length, but it is {sorted(lengths)}")
    together: dict[str, DataConfig] = {}
    for place, config in enumerate(configs):
        name = config.name or (f"data{place}" if len(configs) > 1 else "data")
        if name in together:
            raise PipelineError(f"two data sets of the mix have the name {name!r}: give each its own name")
        common = [setting for setting in _OF_THE_FIRST if hasattr(first, setting) and hasattr(config, setting)]
        for setting in common:
            own, used = getattr(config, setting), getattr(first, setting)
            if own != used:
                LOGGER.warning("data set %s: %s=%s is ignored; the first data set sets %s", name, setting, own, used)
        together[name] = replace(config, **{setting: getattr(first, setting) for setting in common})
    return together


def _weights(configs: Mapping[str, DataConfig], given: Sequence[float] | None) -> dict[str, float]:
    """Returns the weights of the data sets by name. A data set of weight 0 is left out, and is not even opened."""
    if given is not None and len(given) != len(configs):
        raise PipelineError(f"there are {len(given)} dataset_weights for {len(configs)} data sets")
    if given is None or len(configs) == 1:
        return dict.fromkeys(configs, 1)
    weights = {name: weight for name, weight in zip(configs, given, strict=True) if weight != 0}
    if not weights:
        raise PipelineError("all dataset_weights are 0: give at least one data set a weight")
    return weights


def _loading(process_indices: Sequence[int], mesh: Mesh) -> tuple[int, ...]:
    """Returns the processes that load data, in the order of their rows."""
    processes = processes_of(mesh)
    if sorted(process_indices) != list(processes):
        raise PipelineError(
            f"process_indices={list(process_indices)}, but the processes that own devices of the mesh are "
            f"{list(processes)}: give exactly these"
        )
    return processes


def _schedule(config: DataConfig) -> BatchSchedule:
    factors = config.batch_rampup_factors if isinstance(config, TextDataConfig) else None
    return BatchSchedule(config.global_batch_size, factors=factors)


def _row_length(config: DataConfig) -> int:
    if config.max_target_length is None:
        raise PipelineError(f"{_called(config)} has no max_target_length: set the tokens a row")
    return config.max_target_length


def _drops_remainder(config: DataConfig) -> bool:
    return config.drop_remainder if isinstance(config, TextDataConfig) else True


def _loaded_ahead(config: DataConfig) -> int:
    return config.worker_count * config.worker_buffer_size if isinstance(config, TextDataConfig) else 0


def _called(config: DataConfig) -> str:
    return f"the data set {config.name}" if config.name else f"a {type(config).__name__}"


def _mixed_size(sizes: Mapping[str, int], weights: Mapping[str, float]) -> int:
    """Counts the records until the data set that lasts longest was seen once.

    >>> _mixed_size({"web": 20, "code": 10}, {"web": 3, "code": 1})
    40
    """
    exact = {name: Fraction(str(weight)) for name, weight in weights.items()}
    total = sum(exact.values())
    return max(int(sizes[name] * total / weight) for name, weight in exact.items())


def _epoch_rows(rows: RowDataset, documents: int) -> int:
    """Counts the rows of an epoch, or estimates many. If lengths are not known, it assumes one document a row."""
    if not rows.node.lengths_known:
        LOGGER.info("lengths are not known before reading, so the length of an epoch assumes one document a row")
        return documents
    report = rows.packing(_WINDOWS)
    return report.rows * documents // report.documents


def _training_length(rows: int, schedule: BatchSchedule, *, drop_remainder: bool) -> int:
    """Counts the batches of a number of rows."""
    steps = schedule.step_of(rows)
    return steps if drop_remainder or schedule.first_row(steps) == rows else steps + 1


def _evaluation_length(epoch: BatchDataset[LLMBatch]) -> int | None:
    """Counts the batches of an epoch. None if that needs reading: then the epoch ends with its data."""
    if not epoch.node.parent.lengths_known:
        return None
    length = epoch.length()
    return length.steps if length.exact else None


def _limited(steps: int | None, config: DataConfig) -> int | None:
    most = config.max_steps_per_epoch if isinstance(config, TextDataConfig) else None
    return steps if most is None or (steps is not None and steps < most) else most
