"""When processes compare their positions; several real ones do so in ``property_tests``."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from resumable_data.iteration.agreed_start import AgreedStart
from resumable_data.timing import Clocks, Work


class Asked:
    """A state, and how often it was asked for."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Any:
        self.times += 1
        return {"step": 3}


def test_a_process_alone_has_nobody_to_compare_with() -> None:
    start, asked = AgreedStart(()), Asked()
    start.agree(asked)

    assert asked.times == 0


def test_processes_agree_once_at_each_position() -> None:
    start, asked = AgreedStart((0,)), Asked()
    for _ in range(3):
        start.agree(asked)
    assert asked.times == 1

    start.forget()
    for _ in range(3):
        start.agree(asked)
    assert asked.times == 2


def test_a_start_on_which_they_did_not_agree_is_tried_again() -> None:
    start, asked = AgreedStart((0, 1)), Asked()
    for times in (1, 2):
        # This process has no coordination service.
        with pytest.raises(ValueError, match="initialize it via `jax"):
            start.agree(asked)
        assert asked.times == times


def test_the_time_that_it_takes_is_that_of_waiting_for_others() -> None:
    ticks = count()
    clocks = Clocks(lambda: float(next(ticks)))
    start, alone = AgreedStart((0,)), AgreedStart(())
    with clocks.running():
        alone.agree(Asked())
        assert clocks.seconds(Work.EXCHANGING) == 0.0
        start.agree(Asked())
        start.agree(Asked())

    assert clocks.seconds(Work.EXCHANGING) == 1.0
