"""A source of a billion documents: time to the first batch, memory, and the cost of a step.

As a program it measures in a process that has done nothing else, and prints one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
from pipelines import Job, tokens
from throughput import Contender, measure

import resumable_data as rd

LARGE, SMALL = 10**9, 10**5
_BATCHES, _ROUNDS = 120, 3


def measure_large_source() -> dict[str, float]:
    """Measures in a fresh process.

    Returns:
        ``first_batch_seconds``, from making the source to the first batch; ``resident_megabytes``, the memory of the
        whole process without mapped files; and ``step_ratio``, the cost of a step relative to one over 100,000
        documents.
    """
    command = [sys.executable, str(Path(__file__).resolve())]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def _measure() -> dict[str, float]:
    _dataset(SMALL)  # A name of the library is imported when it is asked for.
    start = time.perf_counter()
    with iter(_dataset(LARGE)) as iterator:
        next(iterator)
        first_batch_seconds = time.perf_counter() - start
        for _ in range(_BATCHES):
            next(iterator)
        resident_megabytes = _resident_bytes() / 1e6
    contenders = [Contender(f"{n}", "", partial(tokens, _dataset(n)), _BATCHES) for n in (LARGE, SMALL)]
    large, small = measure(contenders, _ROUNDS, show_progress=False)
    return {
        "first_batch_seconds": first_batch_seconds,
        "resident_megabytes": resident_megabytes,
        "step_ratio": small.ratio_to(large),
    }


def _dataset(documents: int) -> rd.Dataset[rd.LLMBatch]:
    return Job().dataset(rd.SyntheticSource(documents, lengths=rd.log_normal_lengths(540)))


def _resident_bytes() -> int:
    """Returns the resident memory of this process, without mapped files if the system tells them apart."""
    memory = psutil.Process().memory_info()
    return memory.rss - getattr(memory, "shared", 0)


if __name__ == "__main__":
    print(json.dumps(_measure()))
