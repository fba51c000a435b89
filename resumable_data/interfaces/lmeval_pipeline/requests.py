"""Reads the texts of a request of the evaluation harness. The harness need not be installed."""

from __future__ import annotations

from typing import Any, Protocol, cast

from resumable_data.errors import RecordError


class Request(Protocol):
    """A request, such as ``lm_eval.api.instance.Instance``."""

    @property
    def args(self) -> tuple[Any, ...]:
        """The text to score, or the text before it and the text to score."""
        ...


def texts_of(request: Request, name: str) -> tuple[str, str]:
    """Returns the prefix and the text to score of a request.

    Args:
        request: It has one argument, the text, or two, prefix and text. Further arguments are ignored.
        name: The name of the request, for errors.

    Raises:
        RecordError: The request has no such arguments: it generates text, or it is not a request.

    >>> from types import SimpleNamespace
    >>> texts_of(SimpleNamespace(args=("To score",)), "request 0")
    ('', 'To score')
    """
    args = getattr(request, "args", None)
    if not isinstance(args, tuple) or not args:
        raise RecordError(
            f"{name} is a {type(request).__name__} without args: give requests of the harness (Instance), whose args "
            "are (text,) or (context, text)"
        )
    texts = cast(tuple[Any, ...], args)
    prefix, text = ("", texts[0]) if len(texts) == 1 else texts[:2]
    for part in (prefix, text):
        if not isinstance(part, str):
            kind = getattr(request, "request_type", "of an unknown type")
            raise RecordError(
                f"{name} is {kind} and has a {type(part).__name__}, not a text, in args: give requests of "
                "loglikelihood or loglikelihood_rolling"
            )
    return prefix, text
