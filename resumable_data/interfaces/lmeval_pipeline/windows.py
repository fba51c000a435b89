"""Splits documents that are longer than a model's context into windows that score each token once."""

from __future__ import annotations

from typing import NamedTuple

from resumable_data.errors import PipelineError


class Window(NamedTuple):
    """A stretch of a document's tokens that a row predicts.

    Attributes:
        start: The first predicted token, counted from 0 after the BOS token.
        stop: One after the last predicted token.
        score_from: The first scored token. Tokens before it belong to the prefix, or the window before scores them.
    """

    start: int
    stop: int
    score_from: int


def split_into_windows(given: int, scored: int, max_length: int | None) -> list[Window]:
    """Splits a document so that each row fits a model's context, and each token to score is scored once.

    - A document that fits is one window.
    - If only the tokens to score fit, there is one window, the end of the document: the prefix loses its beginning.
    - Otherwise windows follow each other without overlap. The first begins with the end of the prefix, which fills at
      most half of it. The last window is full too: it begins within the one before, and scores only the new tokens.

    Without a prefix these are the windows of the evaluation harness for ``loglikelihood_rolling``.

    Args:
        given: The number of tokens of the prefix, which come first and are not scored.
        scored: The number of tokens to score.
        max_length: The most tokens of a row; None for no limit.

    Raises:
        PipelineError: ``max_length`` is below 1.

    >>> [tuple(window) for window in split_into_windows(0, 10, 4)]
    [(0, 4, 0), (4, 8, 4), (6, 10, 8)]
    >>> split_into_windows(9, 2, 4)
    [Window(start=7, stop=11, score_from=9)]
    """
    if max_length is not None and max_length < 1:
        raise PipelineError(f"max_length={max_length} must be at least 1 token")
    length = given + scored
    if max_length is None or length <= max_length:
        return [Window(0, length, given)]
    if scored <= max_length:
        return [Window(length - max_length, length, given)]
    windows: list[Window] = []
    start, score_from = max(0, given - max_length // 2), given
    while score_from < length:
        stop = min(start + max_length, length)
        windows.append(Window(stop - max_length, stop, score_from))
        start = score_from = stop
    return windows
