"""The end-of-document token, from the tokenizer or from a config."""

from __future__ import annotations

import logging

from resumable_data.errors import PipelineError
from resumable_data.opaque import Tokenizer

LOGGER = logging.getLogger("resumable_data.grain_data_processing")


def eod_token(tokenizer: Tokenizer, given: int | None) -> int:
    """Returns the end-of-document token: the tokenizer's EOS token, or the given one if the tokenizer has none.

    Args:
        tokenizer: The result of ``find_tokenizer``, or None.
        given: The ``eod_token_id`` of the user.

    Raises:
        PipelineError: Both are missing.
    """
    own = getattr(tokenizer, "eos_token_id", None)
    if own is None and given is None:
        raise PipelineError(
            "there is no end-of-document token, the first input of every document, also with add_eod=False: give "
            "eod_token_id, or a tokenizer_path with an EOS token"
        )
    if own is None:
        assert given is not None
        return given
    if given is not None and given != own:
        LOGGER.warning(
            "eod_token_id=%d is not used: the tokenizer's end-of-document token is %d. To use it, pass "
            "tokenizer_path=None, or a tokenizer with another EOS token",
            given,
            own,
        )
    return int(own)
