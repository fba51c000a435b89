"""The tokenizer of a config, and the end-of-document token."""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import Any

from etils import epath

from resumable_data.errors import PipelineError

LOGGER = logging.getLogger(__name__)


def load_tokenizer(path: epath.PathLike, token: str | None = None, cache_dir: epath.PathLike | None = None) -> Any:
    """What ``Dataset.tokenize`` takes: the tokenizer at a path or of a name, or the path of a ``tokenizer.json``.

    Args:
        path: A folder, a ``tokenizer.json``, or a name on the Hugging Face Hub.
        token: Access token for the Hub.
        cache_dir: Where downloads are kept.

    Raises:
        PipelineError: It cannot be loaded, or the package ``transformers`` cannot be imported.
    """
    name = os.fspath(path)
    if epath.Path(name).is_file():
        return name
    try:
        transformers: Any = import_module("transformers")
    except ImportError as error:
        raise PipelineError(
            f"the package transformers cannot be imported: {error}. If it is missing: "
            "pip install 'resumable_data[text]'"
        ) from error
    cache = None if cache_dir is None else os.fspath(cache_dir)
    try:
        return transformers.AutoTokenizer.from_pretrained(name, token=token, cache_dir=cache)
    except Exception as error:
        raise PipelineError(f"tokenizer_path={name!r} cannot be loaded: {error}") from error


def eod_token(tokenizer: Any, given: int | None) -> int:
    """The end-of-document token: the tokenizer's EOS, or the given one where the tokenizer has none.

    Args:
        tokenizer: What ``load_tokenizer`` gave, or None.
        given: ``eod_token_id`` as the user gave it.

    Raises:
        PipelineError: Neither is there.
    """
    own = getattr(tokenizer, "eos_token_id", None)
    if own is None and given is None:
        raise PipelineError(
            "eod_token_id or a tokenizer_path with an EOS token is needed: the end-of-document token is the first "
            "input of every document, also with add_eod=False"
        )
    if own is None:
        assert given is not None
        return given
    if given is not None and given != own:
        LOGGER.warning(
            "eod_token_id=%d is not used: the tokenizer's end-of-document token is %d. Pass tokenizer_path=None, or "
            "a tokenizer with another EOS token, to use it",
            given,
            own,
        )
    return int(own)
