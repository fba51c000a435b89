"""The processes of a run compare where they are before they go on, and end with the reason if they differ."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import jax

# JAX offers no public name for its coordination service. Unlike a collective on the devices, it has time-outs.
from orbax.checkpoint import multihost

from resumable_data.differences import differences
from resumable_data.digest import Json, canonical_json, digest
from resumable_data.errors import PeerError, PipelineMismatchError
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
        """The claim with digests instead of what is long."""
        return {
            "release": VERSION,
            "pipeline": digest(canonical_json(self.pipeline)),
            "step": self.step,
            "position": self.position,
            "failure": self.failure,
        }


def claim_of(state: State) -> Claim:
    """What a state says that has to be the same on all processes: of logical shards only which there are.

    The state of a foreign iterator is a process's own, but for its step.
    """
    if state.get("format") != FORMAT:
        return Claim(None, state.get("step", 0), "")
    header, position = split(state)
    shared = {path: shards if len(shards) == 1 else len(shards) for path, shards in position.at.items()}
    return Claim(header, position.step, digest(canonical_json([position.rows, shared, position.edits])))


def failure_of(error: BaseException) -> Claim:
    """The claim of a process that cannot go on."""
    return Claim(None, 0, "", failure=f"{type(error).__name__}: {error}")


def agree(purpose: str, processes: Sequence[int], claim: Claim, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
    """Waits until all the given processes have made the same claim.

    Each of them has to call this equally often for a purpose. A process that claims a failure tells the others of it
    and does not wait for them.

    Args:
        purpose: What an error says that they were about to do.
        processes: The processes that take part, ascending; the present one among them.
        claim: What this process says.
        timeout_seconds: How long to wait for the others.

    Raises:
        PipelineMismatchError: On every process, where one differs from the first.
        PeerError: Another process claims a failure, did not come in time, or cannot be reached.
    """
    if len(processes) < 2:
        return
    client = cast(Any, multihost.get_jax_distributed_client())
    place = _place(purpose, processes)
    meeting = _Meeting(client, jax.process_index(), tuple(processes), place, timeout_seconds)
    try:
        verdict = meeting.verdict(claim)
    except cast(Any, jax.errors).JaxRuntimeError as error:
        raise PeerError(f"{purpose}: the run's other processes cannot be reached: {error}") from error
    if verdict.failures:
        raise PeerError("\n  ".join([f"{purpose}: another process cannot go on:", *verdict.failures]))
    if verdict.absent:
        raise PeerError(
            f"{purpose}: of the {len(processes)} processes that take part, process "
            f"{', '.join(map(str, verdict.absent))} did not come within {timeout_seconds:g} s. "
            "See what it reports, and whether the program does this on every process"
        )
    if verdict.lines:
        own = differences(cast(Any, verdict.pipeline), cast(Any, claim.pipeline))
        lines = [*verdict.lines, *(f"here, against process {processes[0]}: {difference}" for difference in own)]
        raise PipelineMismatchError("\n  ".join([f"{purpose}: the processes differ:", *lines]), tuple(lines))


def _place(purpose: str, processes: Sequence[int]) -> str:
    """Where the processes meet this time."""
    name = digest(json.dumps([purpose, *processes]))
    with _counting:
        _rounds[name] += 1
        return f"resumable_data/{name}/{_rounds[name]}"


@dataclass(frozen=True)
class _Verdict:
    """What the comparison found.

    Attributes:
        failures: Processes that cannot go on, with their reasons.
        absent: Processes that did not come.
        lines: What differs.
        pipeline: The first process's, where anything differs.
    """

    failures: Sequence[str] = ()
    absent: Sequence[int] = ()
    lines: Sequence[str] = ()
    pipeline: Json = None


@dataclass(frozen=True)
class _Meeting:
    """One comparison: each process leaves its claim with JAX's coordination service, and the first one compares."""

    client: Any
    own: int
    processes: tuple[int, ...]
    place: str
    timeout_seconds: float

    def verdict(self, claim: Claim) -> _Verdict:
        """What the first process found; of this one's own failure nothing is said to itself."""
        # The first process leaves its claim too: it shows the others that it came.
        self._put(self._claim_place(self.own), claim.to_json())
        if self.own == self.processes[0]:
            verdict = _Verdict([f"process {self.own}: {claim.failure}"]) if claim.failure else self._compared(claim)
            self._put(self._verdict_place, asdict(verdict))
            if not verdict.failures and not verdict.absent:
                # A long run meets often, and the service keeps what nobody deletes.
                self.client.key_value_delete(f"{self.place}/claims/")
            return _Verdict() if claim.failure else verdict
        if claim.failure:
            return _Verdict()
        found = self._awaited(self._verdict_place, time.monotonic() + self.timeout_seconds)
        return _Verdict(absent=self._absent()) if found is None else _Verdict(**found)

    def _compared(self, claim: Claim) -> _Verdict:
        """What the first process finds when all have come, or the time is up."""
        deadline = time.monotonic() + self.timeout_seconds
        claims = {process: self._awaited(self._claim_place(process), deadline) for process in self.processes[1:]}
        come = {self.processes[0]: claim.to_json(), **{process: c for process, c in claims.items() if c is not None}}
        if failures := [f"process {process}: {c['failure']}" for process, c in come.items() if c["failure"]]:
            return _Verdict(failures)
        if absent := [process for process in self.processes if process not in come]:
            return _Verdict(absent=absent)
        lines = _differing(come)
        return _Verdict(lines=lines, pipeline=claim.pipeline if lines else None)

    def _absent(self) -> list[int]:
        """Who has not come, as a process sees it that waited in vain for the first one."""
        come = {int(key.rsplit("/", 1)[1]) for key, _ in self.client.key_value_dir_get(f"{self.place}/claims/")}
        return [process for process in self.processes if process not in come] or [self.processes[0]]

    def _claim_place(self, process: int) -> str:
        return f"{self.place}/claims/{process}"

    @property
    def _verdict_place(self) -> str:
        return f"{self.place}/verdict"

    def _put(self, key: str, value: Any) -> None:
        self.client.key_value_set(key, json.dumps(value))

    def _awaited(self, key: str, deadline: float) -> Any:
        """What stands there, or None if nothing does in time."""
        milliseconds = max(1, round((deadline - time.monotonic()) * 1000))
        try:
            return json.loads(self.client.blocking_key_value_get(key, milliseconds))
        except cast(Any, jax.errors).JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise
            return None


def _differing(claims: dict[int, dict[str, Any]]) -> list[str]:
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
