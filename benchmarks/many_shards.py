"""A corpus of many tiny shards: the cost of indexing it, and of the first batch in a new process.

The shell's limit of open files holds (``ulimit -n``). If strace is installed, it counts the requests for shards and
their indexes: opens, reads, and questions for the state of files.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter

_ROUNDS = 3
_INDEX = """
import sys
from resumable_data.cli import main
main(["index", sys.argv[1], "--no-progress"])
"""
_FIRST_BATCH = """
import sys, time
import resumable_data as rd
begin = time.perf_counter()
source = rd.ArrayRecordSource(sys.argv[1], rd.parse_int32_tokens, progress=False)
data = rd.Dataset.from_source(source).shuffle(seed=1).append_eod(0).pack(32, eod_id=0).batch(8)
next(iter(data))
print(time.perf_counter() - begin)
"""


def write_corpus(folder: Path, n_shards: int) -> str:
    """Writes shards of one document each, and returns their pattern."""
    for number in range(n_shards):
        writer = ArrayRecordWriter(f"{folder}/c-{number:05d}-of-{n_shards:05d}.arecord", "group_size:1")
        writer.write(np.full(5, number, "<i4").tobytes())
        writer.close()
    return f"{folder}/c-*.arecord"


def run(program: str, pattern: str, *before: str) -> tuple[float, str]:
    """Returns seconds and output of a program in a new process."""
    begin = time.perf_counter()
    command = [*before, sys.executable, "-c", program, pattern]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - begin, done.stdout


def requests_of(program: str, pattern: str) -> Counter[str]:
    """Counts how often a program opens, reads and asks for files of a folder."""
    counts: Counter[str] = Counter()
    if shutil.which("strace") is None:
        return counts
    folder = Path(pattern).parent
    with tempfile.NamedTemporaryFile("r") as log:
        calls = "openat,read,pread64,stat,lstat,newfstatat,statx,getdents64"
        run(program, pattern, "strace", "-f", "-y", "-q", "-e", f"trace={calls}", "-o", log.name)
        for line in log:
            found = re.match(r"\d+ +(\w+)\(", line)
            if found and str(folder) in line and "ENOENT" not in line:
                counts[found[1]] += 1
    return counts


def main() -> None:
    """Prints a row for each number of shards."""
    print("shards | seconds to index | first batch, seconds | with the start of Python | opens | reads | questions")
    for n_shards in map(int, sys.argv[1:] or ("1024", "2048", "4096")):
        with tempfile.TemporaryDirectory() as folder:
            pattern = write_corpus(Path(folder), n_shards)
            index_seconds, _ = run(_INDEX, pattern)
            rounds = [run(_FIRST_BATCH, pattern) for _ in range(_ROUNDS)]
            counts = requests_of(_FIRST_BATCH, pattern)
        first, whole = median(float(shown) for _, shown in rounds), median(seconds for seconds, _ in rounds)
        reads = counts["read"] + counts["pread64"]
        questions = counts.total() - reads - counts["openat"]
        figures = (index_seconds, first, whole, counts["openat"], reads, questions)
        print(n_shards, *(f"{figure:.4g}" for figure in figures), sep=" | ")


if __name__ == "__main__":
    main()
