"""The processes of a run compare their positions before they go on. If these differ, all end with the reason."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from resumable_data.differences import differences
from resumable_data.digest import Json, canonical_json, digest
from resumable_data.edits import edits_to_json
from resumable_data.errors import PipelineMismatchError
from resumable_data.locks import ForkLock
from resumable_data.opaque import JsonDict
from resumable_data.processes.rendezvous import Rendezvous
from resumable_data.state import FORMAT, State, split
from resumable_data.version import VERSION

# As long as Orbax waits: a shorter limit fails a sound restore whose processes read the model at different speeds.
TIMEOUT_SECONDS = 1200
_rounds: Counter[str] = Counter()
_counting = ForkLock()


@dataclass(frozen=True)
class PositionReport:
    """What a process reports of itself before it goes on.

    Attributes:
        pipeline: The pipeline, as a state describes it.
        step: The step of this process.
        position: A digest of the whole position.
        failure: Why this process cannot go on; empty if it can.
    """

    pipeline: Json
    step: int
    position: str
    failure: str = ""

    def to_json(self) -> dict[str, Json]:
        """Returns the report without its failure. The pipeline may be long, so a digest stands for it."""
        return {
            "release": VERSION,
            "pipeline": digest(canonical_json(self.pipeline)),
            "step": self.step,
            "position": self.position,
        }


def report_of(state: State) -> PositionReport:
    """Reports what has to be the same on all processes.

    The state of a foreign iterator belongs to one process, so only its step is compared.

    Args:
        state: What ``get_state`` gave.
    """
    if state.get("format") != FORMAT:
        return PositionReport(None, state.get("step", 0), "")
    header, position = split(state)
    edits = edits_to_json(position.edits)
    whole = [position.rows, position.at, edits, position.digests.delivered, position.digests.following]
    return PositionReport(header, position.step, digest(canonical_json(whole)))


def report_of_failure(error: BaseException) -> PositionReport:
    """Reports that this process cannot go on, and why."""
    return PositionReport(None, 0, "", failure=f"{type(error).__name__}: {error}")


def agree(
    purpose: str, processes: Sequence[int], report: PositionReport, timeout_seconds: float = TIMEOUT_SECONDS
) -> str:
    """Waits until all the given processes have made the same report.

    Each of these processes has to call this function the same number of times for each purpose. A process that
    reports a failure tells the others and does not wait for them.

    Args:
        purpose: What the processes are about to do; errors begin with it.
        processes: The processes that take part, ascending; this process is one of them.
        report: The report of this process.
        timeout_seconds: How long to wait for the other processes.

    Returns:
        A name that is the same on all these processes and is never used again, for what they do together next.

    Raises:
        PipelineMismatchError: A process differs from the first one. Every process raises this.
        PeerError: Another process reports a failure, did not come in time, or cannot be reached.
    """
    place = _next_place(purpose, processes)
    if len(processes) < 2:
        return place
    agree_at(Rendezvous.here(purpose, tuple(processes), f"{place}/reports", timeout_seconds), report)
    return place


def agree_at(rendezvous: Rendezvous, report: PositionReport) -> None:
    """Makes a report at a rendezvous; see ``agree``."""
    if report.failure:
        rendezvous.fail(report.failure)
        return
    first = rendezvous.processes[0]
    # The first process sends its whole pipeline, so that the others can say how theirs differs. They send digests.
    message = {**report.to_json(), "whole_pipeline": report.pipeline if rendezvous.own == first else None}
    outcome = cast(JsonDict, rendezvous.meet(message, _compare))
    if outcome["lines"]:
        # The state of a foreign iterator describes no pipeline.
        described = None not in (outcome["pipeline"], report.pipeline)
        own = differences(outcome["pipeline"], cast(Any, report.pipeline)) if described else []
        lines = [*outcome["lines"], *(f"here, against process {first}: {difference}" for difference in own)]
        text = "\n  ".join([f"{rendezvous.purpose}: the processes differ:", *lines])
        raise PipelineMismatchError(text, tuple(lines))


def _next_place(purpose: str, processes: Sequence[int]) -> str:
    """Returns the name of the next rendezvous of these processes for this purpose."""
    name = digest(json.dumps([purpose, *processes]))
    with _counting:
        _rounds[name] += 1
        return f"resumable_data/{name}/{_rounds[name]}"


def _compare(messages: Mapping[int, JsonDict]) -> Json:
    """Says how the processes differ from the first one and, if any does, what the first one's pipeline is."""
    lines = _find_differences(messages)
    first = next(iter(messages.values()))
    return {"lines": cast(Json, lines), "pipeline": first["whole_pipeline"] if lines else None}


def _find_differences(messages: Mapping[int, JsonDict]) -> list[str]:
    """Returns a line for each difference from the first process; none if all processes agree."""
    first, *others = sorted(messages)
    lines: list[str] = []
    expected = messages[first]
    for process in others:
        found = messages[process]
        lines += [
            f"process {process} has {what} {found[what]}, process {first} {expected[what]}"
            for what in ("release", "step")
            if found[what] != expected[what]
        ]
        if found["pipeline"] != expected["pipeline"]:
            lines.append(f"process {process} has another pipeline, or other data, than process {first}")
        elif found["position"] != expected["position"] and found["step"] == expected["step"]:
            lines.append(f"process {process} is at another position than process {first}, or had other edits")
    return lines
