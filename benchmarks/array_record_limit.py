"""The limit: how fast array_record's own reader delivers the same records, copied once.

Every call reads 2,048 records of one shard in random order; more records a call are not faster. It joins them
into one buffer: the one copy that a batch needs. Nothing is planned, packed or described.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from array_record.python.array_record_module import ArrayRecordReader
from throughput import TokenBatches

RECORDS_AT_ONCE = 2048
_RANDOM_ACCESS = "readahead_buffer_size:0"


def reads_an_epoch(files: Sequence[str]) -> int:
    """Returns the number of reads that read every record once."""
    counts = [ArrayRecordReader(file, _RANDOM_ACCESS).num_records() for file in files]
    return sum(-(-count // RECORDS_AT_ONCE) for count in counts)


def tokens(files: Sequence[str], *, seed: int) -> TokenBatches:
    """Yields the tokens of one read after the other, epoch after epoch."""
    readers = [ArrayRecordReader(file, _RANDOM_ACCESS) for file in files]
    rng = np.random.default_rng(seed)
    while True:
        for reader in readers:
            records = rng.permutation(reader.num_records())
            for start in range(0, len(records), RECORDS_AT_ONCE):
                found = reader.read(records[start : start + RECORDS_AT_ONCE].tolist())
                yield np.frombuffer(b"".join(found), np.int32)
