"""The limit: how fast array_record's own reader hands over the same records, copied once.

Every call reads 2,048 records of one shard in random order, which is as many at a time as pays, and joins them into
one buffer, which is the one copy into a batch array. Nothing is planned, packed or described; no pipeline over these
files that copies a token once can be faster from one thread.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from array_record.python.array_record_module import ArrayRecordReader
from throughput import TokenBatches

RECORDS_PER_READ = 2048
READER_OPTIONS = "readahead_buffer_size:0"


def reads_per_epoch(files: Sequence[str]) -> int:
    """Returns the number of reads that read every record once."""
    counts = [ArrayRecordReader(file, READER_OPTIONS).num_records() for file in files]
    return sum(-(-count // RECORDS_PER_READ) for count in counts)


def tokens(files: Sequence[str], *, seed: int) -> TokenBatches:
    """Yields the joined tokens of one read after the other, epoch after epoch."""
    readers = [ArrayRecordReader(file, READER_OPTIONS) for file in files]
    rng = np.random.default_rng(seed)
    while True:
        for reader in readers:
            records = rng.permutation(reader.num_records())
            for start in range(0, len(records), RECORDS_PER_READ):
                found = reader.read(records[start : start + RECORDS_PER_READ].tolist())
                yield np.frombuffer(b"".join(found), np.int32)
