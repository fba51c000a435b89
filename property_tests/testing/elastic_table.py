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

N processes save a position, and M processes restore it. Each row of the table is part of a test
(`property_tests/test_elastic_processes.py`). The test starts real processes of `jax.distributed` with two CPU
devices each, which save with an Orbax `CheckpointManager` and read ArrayRecord files and Hugging Face datasets.
Batches are laid out over all devices of the run.

Every process reports a digest of each part of each global batch that its devices hold. *Equal* means that every
part of every batch after the restore, on every process, has the same bytes as the same rows and columns in a run of
one process that was never interrupted. The test fails if a verdict differs from this table. The times are those of
the run that wrote the table.

"""

_LEGEND = """
- **packed**: packed by best fit; batches of 8 rows over all devices.
- **mixed**: packed rows of two components, with weights that change; replicated over a tensor axis.
- **ramped**: batches of 8, 16 and 32 rows. The position is saved in the middle of the ramp. Devices are in reverse
  order.
- **sequence-sharded**: a mix of documents, which are split where a row ends. Rows lie over one axis of the mesh and
  columns over the other. Devices that are neighbours on the second axis belong to different processes.
- **text**: a Hugging Face dataset that is tokenized when it is read, in eight logical shards. One process measures
  each shard.
- **filtered text**: the same without a third of the documents, in six logical shards, which four processes cannot
  share evenly.
- **mixed text**: rows of two such datasets, mixed, with a ramp. Devices are in reverse order.
- **mixed texts**: the documents of both, mixed and then packed, in five logical shards. Rows lie over one axis of
  the mesh and columns over the other.
- **text and tokens**: rows of text mixed with rows of tokens. The lengths of the tokens are known. Replicated over
  a tensor axis.
- **v0 to v1**: all of these, saved with `DataSave` and loaded with `v1.load_checkpointables`. **v1 to v0**: all of
  these, saved with `v1.save_checkpointables` and restored with `DataRestore`.
- **other batch**: all of these, restored with batches three times as large (`allow={"batch"}`) and compared with
  one process that does the same. Pipelines without a ramp and without changing weights deliver the rows that would
  have followed.
- The times are of all pipelines together, on the slowest process. The start of Python and of `jax.distributed` is
  not counted. *Opening* is opening the data files and the checkpoints. *Restore* is the restore itself, in which
  all processes compare what they are about to restore. *First batches* is loading the first batches after it. What
  one process saved is restored first, so its times include what Python and Orbax set up on first use. All processes
  shared two cores.

The state files are equal to the byte, whatever the number of processes that saved them:

"""

_LOSSES = """
## Losses

The example trainer (`property_tests/test_trainer_processes.py`) is saved by two processes with two devices each. If
as many processes with as many devices restore it, the losses are equal to the bit. If one process with four devices
restores it, the batches are equal, and the losses differ by at most 1e-5 of their size, since devices add up
gradients in another order. After 12 steps, with one to four processes and one to four devices, the losses differed
by at most 2.3e-7 of their size.
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


def text_is_current() -> bool:
    """Says whether the committed page has the texts above."""
    page = DOCUMENT.read_text()
    return page.startswith(_HEAD) and _LEGEND in page and page.endswith(_LOSSES)


def document(found: Sequence[Restored], state_bytes: Mapping[str, int]) -> None:
    """Writes the table."""
    columns = ["saved by", "restored by", *found[0].verdicts, "opening", "restore", "first batches"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(restored.row() for restored in found)]
    sizes = ["| pipeline | `state.json` |", "|---|---|", *(f"| {name} | {n} B |" for name, n in state_bytes.items())]
    DOCUMENT.write_text(_HEAD + "\n".join(lines) + "\n" + _LEGEND + "\n".join(sizes) + "\n" + _LOSSES)
