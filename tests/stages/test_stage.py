"""Settings that are yes or no are refused where they are neither."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import resumable_data as rd


def documents() -> rd.Dataset[Any]:
    return rd.Dataset.from_source(rd.InMemorySource([[1, 2], [3]]))


SETTINGS: dict[str, Callable[[Any], object]] = {
    "pack: drop_unscored": lambda value: documents().pack(4, eod_id=0, drop_unscored=value),
    "pad: drop_unscored": lambda value: documents().pad(4, eod_id=0, drop_unscored=value),
    "batch: drop_remainder": lambda value: documents().pad(4, eod_id=0).batch(1, drop_remainder=value),
    "batch: sources": lambda value: documents().pad(4, eod_id=0).batch(1, sources=value),
    "map: preserves_length": lambda value: documents().map(list, preserves_length=value),
    "random_map: preserves_length": lambda value: documents().random_map(keep, seed=1, preserves_length=value),
}


def keep(document: Any, draw: np.random.Generator) -> Any:
    return document


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("value", ["left", "false", 0, 1, None, []])
def test_what_is_neither_yes_nor_no_is_refused(setting: str, value: object) -> None:
    with pytest.raises(rd.PipelineError, match=f"{setting}=.* must be True or False"):
        SETTINGS[setting](value)
