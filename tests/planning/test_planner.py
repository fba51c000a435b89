"""What planners say of a position."""

from resumable_data.delivered import Delivered
from resumable_data.planning.planner import Counts


def test_a_state_keeps_what_was_delivered_and_no_estimate() -> None:
    counts = Counts(documents=5, tokens=40, truncated=3, dropped=2, rows=7, epochs=0.5, share=0.25, target=0.3)

    assert counts.delivered == Delivered(rows=7, documents=5, tokens=40, truncated=3, dropped=2)
    assert Counts().delivered == Delivered()
