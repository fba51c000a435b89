"""The processes of a run compare where they are before they go on, and end with the reason if they differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import jax

# JAX offers no public name for its coordination service. Unlike a collective on the devices, it has time-outs.
from orbax.checkpoint import multihost

from resumable_data.differences import differences
from resumable_data.digest import Json, canonical_json, digest
from resumable_data.errors import PipelineMismatchError
from resumable_data.state import FORMAT, State, split
from resumable_data.version import VERSION

TIMEOUT_SECONDS = 300
_rounds: Counter[str] = Counter()


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


def agree(purpose: str, processes: Sequence[int], claim: Claim) -> None:
    """Waits until all the given processes have made the same claim.

    Each of them has to call this equally often for a purpose.

    Args:
        purpose: What an error says that they were about to do.
        processes: The processes that take part, ascending; the present one among them.
        claim: What this process says.

    Raises:
        PipelineMismatchError: On every process, where one differs from the first or cannot go on.
        TimeoutError: A process did not come; the message says how many did.
    """
    if len(processes) < 2:
        return
    client = cast(Any, multihost.get_jax_distributed_client())
    everyone = digest(json.dumps(list(processes)))
    _rounds[purpose + everyone] += 1
    key = f"resumable_data/{purpose}/{everyone}/{_rounds[purpose + everyone]}"
    client.key_value_set(f"{key}/claims/{jax.process_index()}", json.dumps(claim.to_json()))
    milliseconds = TIMEOUT_SECONDS * 1000
    try:
        client.wait_at_barrier(f"{key}/all", milliseconds, process_ids=list(processes))
        if jax.process_index() == processes[0]:
            claims = {int(k.rsplit("/", 1)[1]): json.loads(v) for k, v in client.key_value_dir_get(f"{key}/claims")}
            client.key_value_set(f"{key}/verdict", json.dumps([_compared(claims), claim.pipeline]))
        verdict: str = client.blocking_key_value_get(f"{key}/verdict", milliseconds)
    except cast(Any, jax.errors).JaxRuntimeError as error:
        raise TimeoutError(
            f"{purpose}: not all of the {len(processes)} processes that take part came within {TIMEOUT_SECONDS} s. "
            f"See what the others report, or whether all of them get here. {error}"
        ) from error
    lines, pipeline = cast(tuple[list[str], Any], json.loads(verdict))
    if lines:
        own = differences(pipeline, cast(Any, claim.pipeline)) if pipeline != claim.pipeline else []
        lines += [f"here, against process {processes[0]}: {difference}" for difference in own]
        raise PipelineMismatchError(
            f"{purpose}: the processes differ:\n" + "\n".join(f"  {line}" for line in lines), tuple(lines)
        )


def _compared(claims: dict[int, dict[str, Any]]) -> list[str]:
    """What is wrong with each process, in words; nothing where all agree with the first."""
    first, *others = sorted(claims)
    found = [
        f"process {process}: {claims[process]['failure']}" for process in sorted(claims) if claims[process]["failure"]
    ]
    if found:
        return found
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
