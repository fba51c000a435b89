"""Loads the tokenizer of a config, for ``DocumentDataset.tokenize`` or for the user's own calls."""

from __future__ import annotations

import os
from typing import Any

from etils import epath

from resumable_data.errors import PipelineError
from resumable_data.opaque import Tokenizer
from resumable_data.stages import load_tokenizer as stage


def find_tokenizer(
    path: epath.PathLike, token: str | None = None, cache_dir: epath.PathLike | None = None, **more: Any
) -> Tokenizer:
    """Loads a tokenizer for ``DocumentDataset.tokenize``.

    Args:
        path: A folder, a ``tokenizer.json``, or a name on the Hugging Face Hub.
        token: Access token for the Hub.
        cache_dir: Folder of downloads.
        **more: Further arguments of ``AutoTokenizer.from_pretrained``.

    Raises:
        PipelineError: The tokenizer cannot be loaded, or a package is missing or broken.
    """
    name = os.fspath(path)
    cache = None if cache_dir is None else os.fspath(cache_dir)
    try:
        return stage.load_tokenizer(name, token=token, cache_dir=cache, **more)
    except PipelineError as error:
        raise PipelineError(f"tokenizer_path={name!r} cannot be loaded: {error}") from error


def load_tokenizer(
    tokenizer_path: epath.PathLike,
    add_bos: bool = False,
    add_eos: bool = False,
    hf_access_token: str | None = None,
    cache_dir: epath.PathLike | None = None,
) -> Tokenizer:
    """Loads a tokenizer for the user's own calls, such as showing what a model wrote.

    Pipelines load their tokenizer from the ``tokenizer_path`` of a config. They add the tokens that the config names,
    whatever the tokenizer itself adds.

    Args:
        tokenizer_path: A folder, a ``tokenizer.json``, or a name on the Hugging Face Hub.
        add_bos: Whether a call puts the BOS token before the text.
        add_eos: Whether a call puts the EOS token after the text.
        hf_access_token: Access token for the Hub.
        cache_dir: Folder of downloads.

    Returns:
        The tokenizer of ``transformers``.

    Raises:
        PipelineError: The tokenizer cannot be loaded, or does not add exactly the BOS and EOS tokens asked for.
    """
    asked = {"add_bos_token": add_bos, "add_eos_token": add_eos}
    tokenizer = find_tokenizer(tokenizer_path, hf_access_token, cache_dir, **asked)
    if isinstance(tokenizer, stage.text_package("tokenizers").Tokenizer):
        tokenizer = stage.text_package("transformers").PreTrainedTokenizerFast(tokenizer_object=tokenizer, **asked)
    named = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id}
    wanted = {"bos": add_bos, "eos": add_eos}
    for name, token in named.items():
        if wanted[name] and token is None:
            raise PipelineError(
                f"load_tokenizer: add_{name}=True, but the tokenizer {os.fspath(tokenizer_path)} names no "
                f"{name.upper()} token. A tokenizer.json never does: give a folder of save_pretrained"
            )
    asked_for = [token for name, token in named.items() if wanted[name]]
    added = [token for token in tokenizer("")["input_ids"] if token in named.values()]
    if added != asked_for:
        raise PipelineError(
            f"load_tokenizer: the tokenizer {os.fspath(tokenizer_path)} adds {added} to a text, not {asked_for}, "
            f"which add_bos={add_bos} and add_eos={add_eos} ask for: its own settings win. Set add_bos and add_eos "
            "to what it adds. Pipelines always add what their config says"
        )
    return tokenizer
