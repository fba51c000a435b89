"""The result of a simulation, as data that prints as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from resumable_data.answers.page import save_page
from resumable_data.digest import Json
from resumable_data.table import Shown, as_lines, printable

if TYPE_CHECKING:
    import os


@dataclass(frozen=True)
class SimulatedComponent:
    """What a component would deliver.

    Attributes:
        path: Its path.
        records: Records of its source; None if it has no random access.
        epochs: Its epochs, as a fraction. Above 1 its documents repeat.
        documents: Documents that begin.
        tokens: Tokens delivered.
        truncated: Tokens cut off.
        dropped: Documents left out.
        document_share: Its share of all documents.
        token_share: Its share of all tokens.
        weight: The share of its mix that the weights ask for, over the run; 1 outside a mix.
    """

    path: str
    records: int | None
    epochs: float
    documents: int
    tokens: int
    truncated: int
    dropped: int
    document_share: float
    token_share: float
    weight: float


@dataclass(frozen=True)
class Ramp:
    """A stretch of steps with one batch size.

    Attributes:
        step: Its first step.
        rows: Rows of a global batch.
    """

    step: int
    rows: int


@dataclass(frozen=True)
class OverTime:
    """A run in stretches of equally many steps. The last stretch may be shorter.

    Attributes:
        steps: The first step of each stretch.
        padding: The share of cells that hold padding, in each stretch.
        tokens: By component path, the tokens in each stretch.
        documents: By component path, the documents that begin in each stretch.
    """

    steps: tuple[int, ...]
    padding: tuple[float, ...]
    tokens: Mapping[str, tuple[int, ...]]
    documents: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Simulation(Shown):
    """What a run would deliver, found by planning it. It prints as tables.

    Attributes:
        first: The first planned step.
        steps: The number of planned steps.
        asked: The number of steps asked for; None for all.
        ended: Whether the data ends after these steps.
        rows: Rows in these steps, with the rows of padding that fill up a last batch.
        row_length: Cells a row.
        tokens: Tokens in these steps, without padding.
        padding: The share of cells that hold padding.
        split: The share of documents that stand in several rows.
        documents_a_row: Documents with tokens in a row, as quantiles: "least", "median", "99 %" and "most".
        left_over: Rows left out after the last batch, since they do not fill a batch; 0 if the data goes on.
        ramps: The batch sizes, each with its first step.
        components: What each component would deliver.
        processes: The numbers of processes, and of devices on the data axis of a mesh, that divide every batch.
        state_bytes: Bytes of a state at the end, as compact JSON.
        length_bytes: Bytes of lengths in memory or mapped, 8 a record; 0 if lengths are not known.
        kept_bytes: The most bytes of tokens that a process keeps between planning and delivery; 0 if lengths are
            known.
        over_time: How padding and mix change.
    """

    first: int
    steps: int
    asked: int | None
    ended: bool
    rows: int
    row_length: int
    tokens: int
    padding: float
    split: float
    documents_a_row: Mapping[str, int]
    left_over: int
    ramps: tuple[Ramp, ...]
    components: tuple[SimulatedComponent, ...]
    processes: tuple[int, ...]
    state_bytes: int
    length_bytes: int
    kept_bytes: int
    over_time: OverTime

    def to_json(self) -> dict[str, Json]:
        """Returns the same as JSON values; keys are the attributes."""
        return asdict(self)

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Returns the tables as text for people.

        Args:
            width: Characters a line of a table. Names are cut to reach it; None cuts nothing.
        """
        lines = [printable(self.headline), "", *as_lines(*self.component_table(), width, texts=["component"]), ""]
        return "\n".join([*lines, *(f"{name}: {said}" for name, said in self.facts())])

    @property
    def headline(self) -> str:
        """The run in one line."""
        end = ""
        if self.ended:
            short = self.asked is not None and self.steps < self.asked
            end = "; the data ends there" + (f", but {self.asked} steps were asked for" if short else "")
        return f"{self.steps:,} steps from step {self.first:,} on: {self.rows:,} rows, {self.tokens:,} tokens{end}"

    def component_table(self) -> tuple[list[str], list[Sequence[object]]]:
        """Returns the header and the rows of the table of components."""
        truncated, dropped = (any(getattr(one, name) for one in self.components) for name in ("truncated", "dropped"))
        header = ["component", "records", "epochs", "documents", "tokens", "documents %", "tokens %", "weight %"]
        header += [*(["truncated"] if truncated else []), *(["dropped"] if dropped else [])]
        rows: list[Sequence[object]] = [
            [
                one.path,
                "?" if one.records is None else f"{one.records:,}",
                f"{one.epochs:.3f}",
                f"{one.documents:,}",
                f"{one.tokens:,}",
                f"{100 * one.document_share:.2f}",
                f"{100 * one.token_share:.2f}",
                f"{100 * one.weight:.2f}",
                *([f"{one.truncated:,}"] if truncated else []),
                *([f"{one.dropped:,}"] if dropped else []),
            ]
            for one in self.components
        ]
        return header, rows

    def facts(self) -> list[tuple[str, str]]:
        """Returns the facts beside the table, as pairs of a name and a text."""
        a_row = ", ".join(f"{name} {count}" for name, count in self.documents_a_row.items())
        sizes = ", ".join(f"{ramp.rows:,} rows from step {ramp.step:,}" for ramp in self.ramps)
        most = max(self.processes)
        found = [
            ("padding", f"{100 * self.padding:.3f} % of the cells"),
            ("documents a row", f"{a_row}; {100 * self.split:.2f} % of the documents stand in several rows"),
            ("batch", sizes),
        ]
        if self.ended:
            found.append(("left over", f"{self.left_over:,} rows fill no batch"))
        works = ", ".join(map(str, self.processes))
        found += [
            ("processes", f"{works} work, and data axes of a mesh of as many devices; no others, none over {most}"),
            ("state", f"{self.state_bytes:,} B in a checkpoint"),
        ]
        if self.length_bytes:
            found.append(("lengths", f"{self.length_bytes:,} B at most, in memory or mapped"))
        if self.kept_bytes:
            found.append(("kept", f"up to {self.kept_bytes:,} B of tokens a process, between planning and delivery"))
        return found

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Writes a page with the tables, and pictures of mix, padding and batch size over the run.

        Args:
            path: The file to write.

        Raises:
            PipelineError: The file cannot be written, or Matplotlib is not installed, which draws the pictures.
        """
        save_page(path, self.to_html())

    def to_html(self) -> str:
        """Makes the page that ``save_html`` writes. It needs no other file and no network.

        Raises:
            PipelineError: Matplotlib is not installed, which draws the pictures.
        """
        from resumable_data.answers.simulation_page import simulation_page

        return simulation_page(self)
