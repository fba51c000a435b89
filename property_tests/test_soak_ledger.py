"""The checks of the soak: they find each kind of difference, and accept equal runs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from property_tests.testing.soak_ledger import DifferenceError, Ledger, largest_difference

EXPECTED = [f"batch {step}" for step in range(10)]


def ledger() -> Ledger:
    return Ledger(iter(EXPECTED))


def deliver(ledger: Ledger, steps: Sequence[int], processes: int = 1, loss: str = "loss") -> None:
    for step in steps:
        ledger.deliver(step, EXPECTED[step], f"{loss} {step}", processes)


def test_steps_in_order_and_steps_done_again_pass() -> None:
    seen = ledger()
    deliver(seen, range(6))
    deliver(seen, range(2, 8))
    deliver(seen, range(7, 9))

    assert (seen.steps, seen.verified, seen.redone, seen.equal_losses) == (9, 14, 5, 5)


def test_a_batch_of_another_step_is_found() -> None:
    seen = ledger()
    deliver(seen, range(3))
    with pytest.raises(DifferenceError, match="the batches up to step 3 are not"):
        seen.deliver(3, EXPECTED[4], "loss", 1)


def test_a_step_done_again_with_another_batch_is_found() -> None:
    seen = ledger()
    deliver(seen, range(6))
    with pytest.raises(DifferenceError, match="the batches up to step 4 are not"):
        seen.deliver(4, "another batch", "loss", 1)


def test_a_step_left_out_is_found() -> None:
    seen = ledger()
    deliver(seen, range(3))
    with pytest.raises(DifferenceError, match="step 4 follows on step 2"):
        seen.deliver(4, EXPECTED[4], "loss", 1)


def test_another_loss_after_the_same_history_is_found() -> None:
    seen = ledger()
    deliver(seen, range(6))
    with pytest.raises(DifferenceError, match="the loss of step 3 was loss 3, and is another 3"):
        deliver(seen, [3], loss="another")


def test_a_loss_after_another_history_may_differ() -> None:
    seen = ledger()
    deliver(seen, range(4))
    deliver(seen, [2, 3], processes=2, loss="another")
    deliver(seen, [3], processes=1, loss="a third")
    deliver(seen, [2, 3])

    assert seen.equal_losses == 2  # only the last two steps had a history that was seen before


def test_two_runs_that_share_their_losses_are_compared() -> None:
    first = ledger()
    deliver(first, range(3))
    second = Ledger(iter(EXPECTED), first.losses)
    with pytest.raises(DifferenceError, match="the loss of step 0"):
        deliver(second, [0], loss="another")


def test_the_largest_difference_is_a_share() -> None:
    assert largest_difference([2.0, 4.0, 9.0], [2.0, 5.0]) == pytest.approx(0.2)
