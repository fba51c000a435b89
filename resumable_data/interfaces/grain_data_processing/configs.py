"""What a data set is and how it is processed, as settings: frozen, by keyword."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from resumable_data.errors import PipelineError


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What all data sets have in common.

    Attributes:
        global_batch_size: Rows a batch, over all processes.
        max_target_length: Tokens a row.
        shuffle_data: Whether every epoch has an order of its own.
        data_shuffle_seed: Seed of these orders.
        name: The component's name in a mix, where it enters the keys of the orders. Give every component one that
            stays, so that another can be added before it.
    """

    global_batch_size: int
    max_target_length: int | None = None
    shuffle_data: bool = False
    data_shuffle_seed: int = 42
    name: str | None = None

    @classmethod
    def create_train_eval_configs(
        cls,
        train_kwargs: Mapping[str, Any] | None = None,
        eval_kwargs: Mapping[str, Any] | None = None,
        **shared: Any,
    ) -> tuple[Self, Self]:
        """Two configs, for training and for evaluation, of settings that are mostly the same.

        What is given for one of them wins over what is shared, and that over the defaults: training shuffles, drops
        the remainder and reads the split ``train``; evaluation does neither and reads ``validation``.

        Args:
            train_kwargs: Settings for training alone.
            eval_kwargs: Settings for evaluation alone.
            **shared: Settings of both.

        Raises:
            PipelineError: There is no such setting, or one is missing.

        >>> train, evaluation = HFHubDataConfig.create_train_eval_configs(
        ...     {"grain_packing": True}, {"split": "test"}, hf_path="text", global_batch_size=8)
        >>> train.split, train.shuffle_data, train.drop_remainder, train.grain_packing
        ('train', True, True, True)
        >>> evaluation.split, evaluation.shuffle_data, evaluation.drop_remainder, evaluation.grain_packing
        ('test', False, False, False)
        """
        train = {"shuffle_data": True, "drop_remainder": True, "split": "train"}
        evaluation = {"shuffle_data": False, "drop_remainder": False, "split": "validation"}
        return cls._of(train, shared, train_kwargs), cls._of(evaluation, shared, eval_kwargs)

    @classmethod
    def _of(cls, defaults: dict[str, Any], shared: dict[str, Any], own: Mapping[str, Any] | None) -> Self:
        names = {field.name for field in fields(cls)}
        given = {name: value for name, value in defaults.items() if name in names} | shared | dict(own or {})
        if unknown := sorted(given.keys() - names):
            raise PipelineError(
                f"{cls.__name__} has no setting {', '.join(unknown)}; it has {', '.join(sorted(names))}"
            )
        try:
            return cls(**given)
        except TypeError as error:
            raise PipelineError(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class SyntheticDataConfig(DataConfig):
    """Rows full of ones, to time a run without data.

    Attributes:
        num_batches: Batches an epoch.
    """

    num_batches: int = 100


@dataclass(frozen=True, kw_only=True)
class TextDataConfig(DataConfig):
    """What data sets of documents have in common.

    Attributes:
        split: The split; the folder below ``data_path``, or what ``load_dataset`` takes.
        data_column: The column of the documents.
        max_steps_per_epoch: Most batches an epoch.
        tokenizer_path: Folder, ``tokenizer.json`` or name of the tokenizer, which also has the end-of-document token.
        eod_token_id: The end-of-document token where no tokenizer supplies it; then ``tokenizer_path`` is None.
        add_bos: Whether documents begin with the tokenizer's BOS token.
        add_eos: Whether they end with its EOS token.
        add_eod: Whether they end with the end-of-document token.
        grain_packing: Whether rows hold several documents, rather than one each.
        grain_packing_bin_count: How many documents are packed together, in bins of 32; see ``preprocess_dataset``.
        worker_count: With ``worker_buffer_size`` how many batches threads load ahead: the product of both. Nothing of
            the order depends on it.
        worker_buffer_size: See ``worker_count``.
        drop_remainder: Whether rows that do not fill the last batch of an epoch are left out.
        batch_rampup_factors: From a step to the factor of the batch size that applies from there on.
        hf_access_token: Token for what is not public on the Hugging Face Hub.
        hf_cache_dir: Where downloads from it are kept.
    """

    split: str = "train"
    data_column: str = "text"
    max_steps_per_epoch: int | None = None
    tokenizer_path: str | None = "gpt2"
    eod_token_id: int | None = None
    add_bos: bool = False
    add_eos: bool = False
    add_eod: bool = True
    grain_packing: bool = False
    grain_packing_bin_count: int | None = None
    worker_count: int = 1
    worker_buffer_size: int = 1
    drop_remainder: bool = False
    batch_rampup_factors: Mapping[int, float] | None = None
    hf_access_token: str | None = None
    hf_cache_dir: Path | str | None = None

    def __post_init__(self) -> None:
        for name, least in (("max_steps_per_epoch", 1), ("worker_count", 0), ("worker_buffer_size", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise PipelineError(f"{type(self).__name__}: {name}={value} must be at least {least}")


@dataclass(frozen=True, kw_only=True)
class HFHubDataConfig(TextDataConfig):
    """Text of a Hugging Face dataset, from the Hub or from local files.

    Attributes:
        hf_path: What ``datasets.load_dataset`` calls the path: a name on the Hub, a folder, or with local
            ``hf_data_files`` their kind, such as ``"json"``, ``"parquet"`` or ``"text"``.
        hf_data_dir: The folder of the data within it.
        hf_data_files: The files.
        hf_num_data_processes: Processes that convert the files.
    """

    hf_path: str
    hf_data_dir: str | None = None
    hf_data_files: Any = None
    hf_num_data_processes: int | None = None


@dataclass(frozen=True, kw_only=True)
class GrainArrayRecordsDataConfig(TextDataConfig):
    """ArrayRecord files, in the folder ``split`` of a folder.

    Attributes:
        data_path: The folder.
        tokenize_data: Whether the records are UTF-8 text, rather than int32 tokens.
    """

    data_path: Path | str
    tokenize_data: bool = True
