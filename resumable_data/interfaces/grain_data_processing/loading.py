"""Opens data sets: a folder of ArrayRecord shards, or a dataset that ``datasets.load_dataset`` can load."""

from __future__ import annotations

import logging
import os
import re
from importlib import import_module
from typing import Any

from etils import epath

from resumable_data.errors import PipelineError, SourceError
from resumable_data.interfaces.grain_data_processing.configs import HFHubDataConfig
from resumable_data.opaque import HuggingFace
from resumable_data.sources.array_record import ArrayRecordSource
from resumable_data.sources.parse import raw_bytes

LOGGER = logging.getLogger("resumable_data.grain_data_processing")


def load_array_record_dataset(dataset_path: epath.PathLike, file_extension: str = ".arecord") -> ArrayRecordSource:
    """Opens all ArrayRecord files of a folder as one data set of bytes.

    The number of a shard stands between the last underscore of its name and the extension: ``train_000001.arecord``.
    The shards come in the order of these numbers. Missing numbers are logged as a warning.

    Args:
        dataset_path: The folder.
        file_extension: The end of the file names.

    Returns:
        The records, as a source that can also be indexed.

    Raises:
        SourceError: The folder is missing or has no such file, a name has no number, two have the same, or a file is
            damaged.
    """
    folder = epath.Path(dataset_path)
    if not folder.is_dir():
        raise SourceError(
            f"{folder} does not exist or is not a folder: give the folder of the *{file_extension} files"
        )
    numbers: dict[int, epath.Path] = {}
    for path in sorted(folder.glob(f"*{file_extension}")):
        found = re.search(f"_([0-9]+){re.escape(file_extension)}$", path.name)
        if found is None:
            raise SourceError(
                f"{path} has no shard number between an underscore and {file_extension}: rename it like train_000001"
                f"{file_extension}, or open the files with ArrayRecordSource and your own pattern"
            )
        if (other := numbers.setdefault(int(found[1]), path)) is not path:
            raise SourceError(f"{other} and {path} have the same shard number {int(found[1])}: remove one of them")
    if not numbers:
        raise SourceError(f"{folder} has no file *{file_extension}: check the folder and file_extension")
    if missing := sorted(set(range(min(numbers), max(numbers))) - numbers.keys()):
        some = ", ".join(map(str, missing[:8])) + (", …" if len(missing) > 8 else "")
        LOGGER.warning("%s: %d shards between the first and the last are missing: %s", folder, len(missing), some)
    return ArrayRecordSource([numbers[number] for number in sorted(numbers)], raw_bytes)


def load_huggingface_dataset(config: HFHubDataConfig) -> HuggingFace:
    """Loads a split of a Hugging Face dataset, with random access.

    Local files need no Hub. But ``load_dataset`` calls the Hub to count downloads, and waits some seconds if the
    network does not answer. Set ``HF_HUB_OFFLINE=1`` to avoid this.

    Args:
        config: The dataset, its files and the split.

    Returns:
        The ``datasets.Dataset``.

    Raises:
        SourceError: It cannot be loaded.
        PipelineError: The package ``datasets`` cannot be imported, or ``split`` is not one split.
    """
    try:
        datasets: Any = import_module("datasets")
    except ImportError as error:
        advice = "pip install 'resumable_data[hugging-face]'"
        raise PipelineError(
            f"the package datasets cannot be imported: {error}. If it is missing: {advice}"
        ) from error
    cache_dir = None if config.hf_cache_dir is None else os.fspath(config.hf_cache_dir)
    try:
        dataset = datasets.load_dataset(
            config.hf_path,
            data_dir=config.hf_data_dir,
            data_files=config.hf_data_files,
            cache_dir=cache_dir,
            split=config.split,
            token=config.hf_access_token,
            num_proc=config.hf_num_data_processes,
        )
    except Exception as error:
        raise SourceError(
            f"hf_path={config.hf_path!r}, split={config.split!r} cannot be loaded: {error!r}"
        ) from error
    if not isinstance(dataset, datasets.Dataset):
        raise PipelineError(
            f"split={config.split!r} of {config.hf_path!r} is a {type(dataset).__name__}; name one split"
        )
    return dataset
