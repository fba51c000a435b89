"""The table of saves and restores in the docs: the result of a test run for each.

``make tables`` writes it again, with its times.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from property_tests.testing.processes import ROOT

DOCUMENT = ROOT / "docs" / "elastic_resume.md"
WRITES = os.environ.get("RESUMABLE_DATA_WRITE_TABLES") == "1"

_HEAD = """# Elastic resume

A position that N processes saved is restored by M. Each row is part of a test
(`property_tests/test_elastic_processes.py`): real processes of `jax.distributed` with two CPU devices each, an Orbax
`CheckpointManager`, ArrayRecord files and Hugging Face datasets, batches laid out over all devices of the run. Every
process reports a digest of each part of each global batch that its devices hold; *equal* means that all parts of all
batches after the restore, of all processes, have the bytes of those rows and columns in a run of one process that
was never interrupted. The test fails where a verdict differs from this table; the times are those of the run that
wrote it.

"""

_LEGEND = """
- **packed**: best fit, batches of 8 rows over all devices.
- **mixed**: packed rows of two components with weights that change, replicated over a tensor axis.
- **ramped**: batches of 8, 16 and 32 rows; the save is in the middle of the ramp; devices in reverse order.
- **sequence-sharded**: a mix of documents, cut where rows end; rows over one axis of the mesh, columns over the
  other, whose neighbours are of different processes.
- **text**: a Hugging Face dataset tokenized on the fly, in eight logical shards, each of which one process measures.
- **filtered text**: a third is left out; six logical shards, which four processes cannot share evenly.
- **mixed text**: rows of two such datasets mixed, with a ramp; devices in reverse order.
- **mixed texts**: the documents of both, mixed and then packed, in five logical shards; rows over one axis of the
  mesh, columns over the other.
- **text and tokens**: rows of text mixed with rows of tokens whose lengths are known, replicated over a tensor axis.
- **v0 to v1**: all of them saved with `DataSave` and loaded with `v1.load_checkpointables`; **v1 to v0**: saved with
  `v1.save_checkpointables` and restored with `DataRestore`.
- **other batch**: all of them restored with batches three times larger (`allow={"batch"}`), against one process that
  does the same. Of those that have neither a ramp nor changing weights the rows are those that would have followed.
- The times are of all pipelines together, of the slowest process, beyond the start of Python and
  `jax.distributed`: opening the data files and the checkpoints; the restore itself, in which all processes compare
  what they are about to restore; and loading the first batches after it. What one process had saved is restored
  first, and pays once for what Python and Orbax set up on first use. All processes shared two cores.

The state files are the same to the byte, whatever the number of processes that saved them:

"""

_LOSSES = """
## Losses

The example trainer (`property_tests/test_trainer_processes.py`), saved by two processes with two devices each, and
restored by as many with as many: the losses are equal to the bit. Restored by one process with four devices: the
batches are equal, and the losses within 1e-5 of their size, since devices add up gradients in another order. After 12
steps, with one to four processes and one to four devices, they were apart by at most 2.3e-7 of it.
"""


@dataclass(frozen=True)
class Restored:
    """The result of one number of processes that saved and one that restored.

    Attributes:
        saved_by: Number of processes that saved.
        restored_by: Number of processes that restored.
        verdicts: For each comparison, whether both sides are equal.
        seconds: Seconds to open, to restore, and to load the first batches.
    """

    saved_by: int
    restored_by: int
    verdicts: Mapping[str, bool]
    seconds: Sequence[float]

    def verdict_row(self) -> str:
        """Returns the part of its line that is the same in every run."""
        verdicts = ("equal" if equal else "**differs**" for equal in self.verdicts.values())
        return f"| {self.saved_by} | {self.restored_by} | {' | '.join(verdicts)} |"

    def row(self) -> str:
        """Returns its line of the table."""
        return self.verdict_row() + "".join(f" {1000 * seconds:.0f} ms |" for seconds in self.seconds)


def documented_verdicts() -> list[str]:
    """Reads the lines of the committed table without their times."""
    lines = DOCUMENT.read_text().splitlines() if DOCUMENT.exists() else []
    rows = [line for line in lines if re.match(r"\| \d+ \| \d+ \|", line)]
    return ["|".join(row.split("|")[:-4]) + "|" for row in rows]


def document(found: Sequence[Restored], state_bytes: Mapping[str, int]) -> None:
    """Writes the table."""
    columns = ["saved by", "restored by", *found[0].verdicts, "opening", "restore", "first batches"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(restored.row() for restored in found)]
    sizes = ["| pipeline | `state.json` |", "|---|---|", *(f"| {name} | {n} B |" for name, n in state_bytes.items())]
    DOCUMENT.write_text(_HEAD + "\n".join(lines) + "\n" + _LEGEND + "\n".join(sizes) + "\n" + _LOSSES)
