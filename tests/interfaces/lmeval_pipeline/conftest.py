"""A small tokenizer in a folder, and requests of the kinds that the harness makes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from property_tests.testing import toy_tokenizer


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tokenizer")
    toy_tokenizer.with_names().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def requests() -> list[Any]:
    """Two hundred words in requests of very different lengths, with and without a prefix."""
    words = " ".join(toy_tokenizer.TEXT).split()
    found = []
    for place in range(23):
        text = " ".join(words[place % 30 : place % 30 + 1 + place * 7 % 12])
        prefix = " ".join(words[place % 9 : place % 9 + place * 5 % 8])
        found.append(SimpleNamespace(args=(prefix, text) if place % 3 else (text,), request_type="loglikelihood"))
    return found
