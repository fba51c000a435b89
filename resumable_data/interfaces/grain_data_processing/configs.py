"""The settings of a data set and of its processing: frozen, by keyword."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from resumable_data.errors import PipelineError
from resumable_data.opaque import JsonDict, JsonObject


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The settings of every data set.

    Attributes:
        global_batch_size: Rows a batch, over all processes.
        max_target_length: Tokens a row.
        shuffle_data: Whether every epoch has an order of its own.
        data_shuffle_seed: Seed of these orders.
        name: The component's name in a mix. It enters the keys of the orders. Give every component a fixed name, so
            that you can add another before it.
    """

    global_batch_size: int
    max_target_length: int | None = None
    shuffle_data: bool = False
    data_shuffle_seed: int = 42
    name: str | None = None

    @classmethod
    def create_train_eval_configs(
        cls,
        train_kwargs: JsonObject | None = None,
        eval_kwargs: JsonObject | None = None,
        **shared: Any,
    ) -> tuple[Self, Self]:
        """Makes two configs that share most settings, one for training and one for evaluation.

        By default training shuffles, drops the remainder and reads the split ``train``; evaluation does neither and
        reads ``validation``. Shared settings replace the defaults, and the settings of one config replace both.

        Args:
            train_kwargs: Settings only for training.
            eval_kwargs: Settings only for evaluation.
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
    def _of(cls, defaults: JsonDict, shared: JsonDict, own: JsonObject | None) -> Self:
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
    """The settings of every data set of documents.

    Attributes:
        split: The split: a folder in ``data_path``, or a split for ``load_dataset``.
        data_column: The column of the documents.
        max_steps_per_epoch: The most batches an epoch.
        tokenizer_path: Folder, ``tokenizer.json`` or name of the tokenizer, which also has the end-of-document token.
        eod_token_id: The end-of-document token, if no tokenizer supplies it; then ``tokenizer_path`` is None.
        add_bos: Whether documents begin with the tokenizer's BOS token.
        add_eos: Whether documents end with its EOS token.
        add_eod: Whether documents end with the end-of-document token.
        grain_packing: Whether a row can hold several documents; otherwise it holds one.
        grain_packing_bin_count: Packing bins, of 32 documents each; see ``preprocess_dataset``.
        worker_count: Threads load ``worker_count * worker_buffer_size`` batches ahead. The order does not depend on
            it.
        worker_buffer_size: See ``worker_count``.
        drop_remainder: Whether to leave out the rows that do not fill the last batch of an epoch.
        batch_rampup_factors: By step, the factor of the batch size from this step on.
        hf_access_token: Access token for private data on the Hugging Face Hub.
        hf_cache_dir: Folder of downloads from the Hub.
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
        hf_path: The ``path`` of ``datasets.load_dataset``: a name on the Hub, a folder, or, with local
            ``hf_data_files``, their kind, such as ``"json"``, ``"parquet"`` or ``"text"``.
        hf_data_dir: The folder of the data in ``hf_path``.
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
        tokenize_data: Whether the records are UTF-8 text; otherwise they are int32 tokens.
    """

    data_path: Path | str
    tokenize_data: bool = True
