"""Replaces a request of the evaluation harness by its texts."""

from __future__ import annotations

import grain.python as grain

from resumable_data.interfaces.lmeval_pipeline.requests import texts_of
from resumable_data.opaque import JsonDict, Record


class ParseLMEval(grain.MapTransform):
    """Replaces the request in an item by its texts: ``prefix``, which is not scored, and ``text``, which is scored.

    A request with one argument has an empty prefix.

    Args:
        request_name: The key of the request in an item.

    >>> from types import SimpleNamespace as Request
    >>> ParseLMEval().map({"idx": 1, "req": Request(args=("Prefix", "Main"))})
    {'idx': 1, 'prefix': 'Prefix', 'text': 'Main'}
    >>> ParseLMEval("request").map({"request": Request(args=("Main",))})
    {'prefix': '', 'text': 'Main'}
    """

    def __init__(self, request_name: str = "req") -> None:
        self.request_name = request_name

    def map(self, element: JsonDict) -> Record:
        """Replaces the request in an item, a dictionary, by its texts. The other keys stay.

        Args:
            element: The request under its key, and other keys. It is not changed.

        Raises:
            RecordError: The request has no text to score.
        """
        name = f"request {element['idx']}" if "idx" in element else "the request"
        prefix, text = texts_of(element[self.request_name], name)
        others = {key: value for key, value in element.items() if key != self.request_name}
        return {**others, "prefix": prefix, "text": text}
