"""Real processes share the measuring of windows, through JAX's coordination service and through a directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from property_tests.testing.processes import completed, start

PROGRAM = Path(__file__).with_name("testing") / "programs" / "exchanging.py"
OWN = [[0, 1, 2, 3], [4, 5, 6, 7]]
ENDS_WITHIN = 90


@pytest.fixture(params=["service", "directory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return request.param if request.param == "service" else str(tmp_path / "facts")


def test_each_process_measures_its_share_and_all_get_all_lengths(place: str) -> None:
    for ended, own in zip(completed(PROGRAM, ["shared", place], count=2), OWN, strict=True):
        assert ended.reports == [{"group": group, "measured": own, "right": True} for group in range(20)]


def test_the_others_get_the_error_of_a_process_until_it_can_measure() -> None:
    listening, failing = completed(PROGRAM, ["failing", "service"], count=2)
    failed, again = failing.reports
    assert failed == {"group": 0, "measured": OWN[1], "error": "RecordError: record 7 is torn"}
    assert again == {"group": 0, "measured": OWN[1], "right": True}
    heard, again = listening.reports
    assert "PeerError: web: process 1 cannot measure its share" in heard["error"]
    assert "RecordError: record 7 is torn" in heard["error"]
    assert again["right"]


def test_a_process_that_waits_for_a_killed_one_measures_its_share(place: str) -> None:
    with start(PROGRAM, ["1 is killed", place], count=2) as run:
        assert run.line(1) == {"group": 0, "measured": OWN[1], "right": True}
        run.kill(1)
        ended = run.wait(ENDS_WITHIN)
    first, *others = ended[0].reports
    assert first == {"group": 0, "measured": OWN[0], "right": True}
    assert others == [{"group": group, "measured": OWN[0] + OWN[1], "right": True} for group in range(1, 4)]
    assert ended[0].errors.count("lengths of process 1 did not come in time") == 1


def test_a_waiting_process_ends_if_the_service_is_killed() -> None:
    with start(PROGRAM, ["0 is killed", "service"], count=2) as run:
        assert run.line(0) == {"group": 0, "measured": OWN[0], "right": True}
        run.kill(0)
        ended = run.wait(ENDS_WITHIN)
    # JAX ends the process, or each group ends with an error.
    errors = [report.get("error", "") for report in ended[1].reports[1:]]
    assert ended[1].code != 0 or (errors and all("PeerError" in error for error in errors)), ended[1]


def test_a_directory_serves_a_later_run(tmp_path: Path) -> None:
    completed(PROGRAM, ["shared", str(tmp_path)], count=2)
    for ended in completed(PROGRAM, ["shared", str(tmp_path)], count=3):
        assert ended.reports == [{"group": group, "measured": [], "right": True} for group in range(20)]
