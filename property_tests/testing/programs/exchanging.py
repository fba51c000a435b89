"""Run by test_length_exchange_processes.py: shares windows with others, through JAX's service or a directory."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import jax
import numpy as np

import resumable_data as rd
from property_tests.testing.processes import join_run, report
from resumable_data.arrays import Int64Array
from resumable_data.delivered import COUNTED
from resumable_data.processes.directory_carrier import DirectoryCarrier
from resumable_data.processes.length_codec import Lengths
from resumable_data.processes.length_exchange import LengthExchange
from resumable_data.processes.service_carrier import ServiceCarrier

SHARDS = 8
DOCUMENTS = 256


def window(group: int, place: int) -> Lengths:
    """Makes pseudo-random lengths. Every second window has counts."""
    random = np.random.default_rng([group, place])
    lengths = random.integers(-1, 3000, DOCUMENTS)
    # counts: int64[n_documents, n_counted]
    counts = np.maximum(lengths - 2048, 0)[:, None] + np.arange(len(COUNTED))
    return lengths, counts if place % 2 else None


def lengths_of(group: int) -> list[Any]:
    """Returns what all processes are told of a group."""
    return [plain(window(group, place)) for place in range(SHARDS)]


def plain(lengths: Lengths) -> Any:
    """Converts lengths to JSON."""
    return [None if array is None else array.tolist() for array in lengths]


class Sharing:
    """Shares groups and reports them.

    Args:
        exchange: The exchange that shares them.

    Attributes:
        fails: Whether measuring fails.
    """

    def __init__(self, exchange: LengthExchange) -> None:
        self.exchange = exchange
        self.fails = False

    def share(self, group: int) -> None:
        measured: list[int] = []

        def measure(places: Int64Array) -> list[Lengths]:
            measured.extend(places.tolist())
            if self.fails:
                raise rd.RecordError("record 7 is torn")
            return [window(group, place) for place in places.tolist()]

        keys = [f"{group} {place}" for place in range(SHARDS)]
        try:
            heard = self.exchange.share(keys, range(SHARDS), measure, [DOCUMENTS] * SHARDS, "web")
            report(group=group, measured=measured, right=list(map(plain, heard)) == lengths_of(group))
        except (rd.PeerError, rd.RecordError) as error:
            report(group=group, measured=measured, error=f"{type(error).__name__}: {error}")


def main(case: str, place: str) -> None:
    """Runs a case."""
    if place == "service":
        join_run(heartbeat_timeout=60, shutdown_timeout=10)
        carrier, process, count = ServiceCarrier.here(), jax.process_index(), jax.process_count()
    else:
        carrier = DirectoryCarrier(place)
        process, count = (int(os.environ[f"RESUMABLE_DATA_TEST_PROCESS_{name}"]) for name in ("INDEX", "COUNT"))
    speakers = [shard * count // SHARDS for shard in range(SHARDS)]
    sharing = Sharing(LengthExchange(carrier, speakers, process, timeout_seconds=3.0 if "killed" in case else 60.0))
    if case == "shared":
        for group in range(20):
            sharing.share(group)
        sharing.exchange.close()
    elif case == "failing":
        sharing.fails = process == 1
        sharing.share(0)
        ServiceCarrier.here().client.wait_at_barrier("all have heard", 60_000)
        sharing.fails = False
        sharing.share(0)
    else:
        sharing.share(0)
        if case == f"{process} is killed":
            signal.pause()
        for group in range(1, 4):
            sharing.share(group)
        # No other process is left for an orderly end.
        os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
