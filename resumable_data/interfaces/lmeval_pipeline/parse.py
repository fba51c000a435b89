"""From a request of the evaluation harness to its texts."""

from __future__ import annotations

from typing import Any

import grain.python as grain

from resumable_data.interfaces.lmeval_pipeline.requests import texts_of


class ParseLMEval(grain.MapTransform):
    """Replaces the request in an item by its texts: ``prefix``, which is given, and ``text``, which is scored.

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

    def map(self, element: dict[str, Any]) -> Any:
        """The item, a dictionary, with the texts of its request; its other keys are kept.

        Args:
            element: The request under its key, and any others. It is not changed.

        Raises:
            RecordError: The request has no text to score.
        """
        name = f"request {element['idx']}" if "idx" in element else "the request"
        prefix, text = texts_of(element[self.request_name], name)
        others = {key: value for key, value in element.items() if key != self.request_name}
        return {**others, "prefix": prefix, "text": text}
