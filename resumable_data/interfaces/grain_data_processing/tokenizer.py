"""Loading the tokenizer of a config: as ``Dataset.tokenize`` takes it, or for the user's own calls."""

from __future__ import annotations

import os
from typing import Any

from etils import epath

from resumable_data.errors import PipelineError
from resumable_data.stages import load_tokenizer as stage


def find_tokenizer(
    path: epath.PathLike, token: str | None = None, cache_dir: epath.PathLike | None = None, **more: Any
) -> Any:
    """The tokenizer at a path or of a name, as ``Dataset.tokenize`` takes it.

    Args:
        path: A folder, a ``tokenizer.json``, or a name on the Hugging Face Hub.
        token: Access token for the Hub.
        cache_dir: Where downloads are kept.
        **more: What else ``AutoTokenizer.from_pretrained`` is told.

    Raises:
        PipelineError: It cannot be loaded, or a package is missing or broken.
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
) -> Any:
    """A tokenizer for calls of one's own, such as showing what a model wrote.

    Pipelines load theirs by the ``tokenizer_path`` of a config, and add what that says whatever the tokenizer adds.

    Args:
        tokenizer_path: A folder, a ``tokenizer.json``, or a name on the Hugging Face Hub.
        add_bos: Whether a call puts the BOS token before the text.
        add_eos: Whether it puts the EOS token after the text.
        hf_access_token: Access token for the Hub.
        cache_dir: Where downloads are kept.

    Returns:
        The tokenizer of ``transformers``.

    Raises:
        PipelineError: It cannot be loaded, or does not add what is asked for, and nothing else of the two.
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
                f"{name.upper()} token. A tokenizer.json names none at all; a folder of save_pretrained does"
            )
    asked_for = [token for name, token in named.items() if wanted[name]]
    added = [token for token in tokenizer("")["input_ids"] if token in named.values()]
    if added != asked_for:
        raise PipelineError(
            f"load_tokenizer: the tokenizer {os.fspath(tokenizer_path)} adds {added} to a text, and not {asked_for}, "
            f"as add_bos={add_bos} and add_eos={add_eos} ask for: its own settings win. Ask for what it does; "
            "pipelines add what their config says in any case"
        )
    return tokenizer
