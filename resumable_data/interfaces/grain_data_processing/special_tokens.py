"""The end-of-document token: that of the tokenizer, or the one of a config."""

from __future__ import annotations

import logging
from typing import Any

from resumable_data.errors import PipelineError

LOGGER = logging.getLogger("resumable_data.grain_data_processing")


def eod_token(tokenizer: Any, given: int | None) -> int:
    """The end-of-document token: the tokenizer's EOS, or the given one where the tokenizer has none.

    Args:
        tokenizer: What ``find_tokenizer`` gave, or None.
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
