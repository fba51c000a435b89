"""The processes of a run compare where they are before they go on, and end with the reason if they differ."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from resumable_data.differences import differences
from resumable_data.digest import Json, canonical_json, digest
from resumable_data.errors import PipelineMismatchError
from resumable_data.placement.meeting import Meeting
from resumable_data.state import FORMAT, State, split
from resumable_data.version import VERSION

TIMEOUT_SECONDS = 300
_rounds: Counter[str] = Counter()
_counting = threading.Lock()


@dataclass(frozen=True)
class Claim:
    """What a process says of itself before it goes on.

    Attributes:
        pipeline: What the pipeline is, as in a state.
        step: The step that it is at.
        position: A digest of all of its position.
        failure: Why it cannot go on, or empty.
    """

    pipeline: Json
    step: int
    position: str
    failure: str = ""

    def to_json(self) -> dict[str, Json]:
        """A sound claim with digests instead of what is long."""
        return {
            "release": VERSION,
            "pipeline": digest(canonical_json(self.pipeline)),
            "step": self.step,
            "position": self.position,
        }


def claim_of(state: State) -> Claim:
    """What a state says that has to be the same on all processes: of logical shards only which there are.

    The state of a foreign iterator is a process's own, but for its step.
    """
    if state.get("format") != FORMAT:
        return Claim(None, state.get("step", 0), "")
    header, position = split(state)
    shared = {path: shards if len(shards) == 1 else len(shards) for path, shards in position.at.items()}
    edits = [edit.to_json() for edit in position.edits]
    return Claim(header, position.step, digest(canonical_json([position.rows, shared, edits])))


def failure_of(error: BaseException) -> Claim:
    """The claim of a process that cannot go on."""
    return Claim(None, 0, "", failure=f"{type(error).__name__}: {error}")


def agree(purpose: str, processes: Sequence[int], claim: Claim, timeout_seconds: float = TIMEOUT_SECONDS) -> str:
    """Waits until all the given processes have made the same claim.

    Each of them has to call this equally often for a purpose. A process that claims a failure tells the others of it
    and does not wait for them.

    Args:
        purpose: What an error says that they were about to do.
        processes: The processes that take part, ascending; the present one among them.
        claim: What this process says.
        timeout_seconds: How long to wait for the others.

    Returns:
        A name that these processes alone have, this time alone, for what they go on to do together.

    Raises:
        PipelineMismatchError: On every process, where one differs from the first.
        PeerError: Another process claims a failure, did not come in time, or cannot be reached.
    """
    place = _place(purpose, processes)
    if len(processes) < 2:
        return place
    agree_at(Meeting.here(purpose, tuple(processes), f"{place}/claims", timeout_seconds), claim)
    return place


def agree_at(meeting: Meeting, claim: Claim) -> None:
    """Makes a claim at a meeting; see ``agree``."""
    if claim.failure:
        meeting.fail(claim.failure)
        return
    first = meeting.processes[0]
    # All of what the first one has, and digests of the others: an error says what differs from the first.
    said = {**claim.to_json(), "all": claim.pipeline if meeting.own == first else None}
    verdict = cast(dict[str, Any], meeting.hold(said, _compared))
    if verdict["lines"]:
        own = differences(verdict["pipeline"], cast(Any, claim.pipeline))
        lines = [*verdict["lines"], *(f"here, against process {first}: {difference}" for difference in own)]
        raise PipelineMismatchError("\n  ".join([f"{meeting.purpose}: the processes differ:", *lines]), tuple(lines))


def _place(purpose: str, processes: Sequence[int]) -> str:
    """Where the processes meet this time."""
    name = digest(json.dumps([purpose, *processes]))
    with _counting:
        _rounds[name] += 1
        return f"resumable_data/{name}/{_rounds[name]}"


def _compared(claims: Mapping[int, dict[str, Any]]) -> Json:
    """What differs from the first process, and where anything does, its pipeline."""
    lines = _differing(claims)
    first = next(iter(claims.values()))
    return {"lines": cast(Json, lines), "pipeline": first["all"] if lines else None}


def _differing(claims: Mapping[int, dict[str, Any]]) -> list[str]:
    """What differs from the first process, in words; nothing where all agree."""
    first, *others = sorted(claims)
    found: list[str] = []
    expected = claims[first]
    for process in others:
        claim = claims[process]
        found += [
            f"process {process} has {what} {claim[what]}, process {first} {expected[what]}"
            for what in ("release", "step")
            if claim[what] != expected[what]
        ]
        if claim["pipeline"] != expected["pipeline"]:
            found.append(f"process {process} has another pipeline, or other data, than process {first}")
        elif claim["position"] != expected["position"] and claim["step"] == expected["step"]:
            found.append(f"process {process} is at another position than process {first}, or had other edits")
    return found
