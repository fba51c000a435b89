"""Requests of the harness: they are known by their attributes, not by their class."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import resumable_data as rd
from resumable_data.lmeval_pipeline import ParseLMEval


def request(*args: Any, kind: str = "loglikelihood") -> Any:
    return SimpleNamespace(args=args, request_type=kind)


@pytest.mark.parametrize(
    ("args", "prefix", "text"),
    [
        (("text",), "", "text"),
        (("prefix", "text"), "prefix", "text"),
        (("", "text"), "", "text"),
        (("", ""), "", ""),
        (("prefix", "text", {"more": 1}), "prefix", "text"),
    ],
)
def test_one_argument_is_scored_and_the_first_of_two_is_given(args: tuple[Any, ...], prefix: str, text: str) -> None:
    item = {"idx": 4, "req": request(*args), "other": [1]}

    assert ParseLMEval().map(item) == {"idx": 4, "prefix": prefix, "text": text, "other": [1]}
    assert set(item) == {"idx", "req", "other"}


def test_the_key_of_the_request_may_be_another() -> None:
    assert ParseLMEval("instance").map({"instance": request("text")}) == {"prefix": "", "text": "text"}


def test_what_cannot_be_scored_is_named() -> None:
    generating = request("prompt", {"until": ["."]}, kind="generate_until")
    with pytest.raises(rd.RecordError, match="request 7 is generate_until and has a dict, not a text"):
        ParseLMEval().map({"idx": 7, "req": generating})
    with pytest.raises(rd.RecordError, match="request 7 is a str without args"):
        ParseLMEval().map({"idx": 7, "req": "text"})
    with pytest.raises(rd.RecordError, match="request 7 is a SimpleNamespace without args"):
        ParseLMEval().map({"idx": 7, "req": request()})
