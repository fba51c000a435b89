"""What a run would be like, as data that prints as tables."""

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
        records: Records of its source; None of a stream.
        epochs: Epochs of it, as a fraction: above 1 its documents are repeated.
        documents: Documents that begin.
        tokens: Tokens.
        truncated: Tokens that are cut off.
        dropped: Documents that are left out.
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
    """Steps of one batch size.

    Attributes:
        step: The first of them.
        rows: Rows a global batch.
    """

    step: int
    rows: int


@dataclass(frozen=True)
class OverTime:
    """A run in stretches of equally many steps, the last of which may be shorter.

    Attributes:
        steps: The first step of each stretch.
        padding: The share of cells that hold padding, of each.
        tokens: By component path the tokens of each.
        documents: By component path the documents that begin in each.
    """

    steps: tuple[int, ...]
    padding: tuple[float, ...]
    tokens: Mapping[str, tuple[int, ...]]
    documents: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Simulation(Shown):
    """What a run would be like, found by planning it. It prints as tables.

    Attributes:
        first: The first step that was planned.
        steps: How many were.
        asked: How many were asked for; None for all.
        ended: Whether the data ends with them.
        rows: Rows in them, those of padding included that fill up a last batch.
        row_length: Cells a row.
        tokens: Tokens in them, padding excluded.
        padding: The share of cells that hold padding.
        split: The share of documents that stand in several rows.
        documents_a_row: By name ("least", "median", "99 %", "most") documents that have tokens in a row.
        left_over: Rows after the last batch that fill none and are left out, where the data has ended.
        ramps: The batch sizes that occur, and the step from which each holds.
        components: What each component would deliver.
        processes: The numbers of processes, and of devices along the data axis of a mesh, that divide every batch.
        state_bytes: Bytes of a state at the end, as compact JSON.
        length_bytes: Bytes of the lengths that are kept in memory or mapped, 8 a record, where they are known.
        kept_bytes: Bound on the tokens that a process keeps where it has to read documents to plan; 0 elsewhere.
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
        """The same as JSON values; keys are the attributes."""
        return asdict(self)

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Tables for people.

        Args:
            width: Characters a line of a table, as far as names can be cut; None cuts nothing.
        """
        lines = [printable(self.headline), "", *as_lines(*self.component_table(), width, texts=["component"]), ""]
        return "\n".join([*lines, *(f"{name}: {said}" for name, said in self.facts())])

    @property
    def headline(self) -> str:
        """The run in a line."""
        end = ""
        if self.ended:
            short = self.asked is not None and self.steps < self.asked
            end = f"; the data ends there, {self.asked} steps were asked for" if short else "; the data ends there"
        return f"{self.steps:,} steps from step {self.first:,} on: {self.rows:,} rows, {self.tokens:,} tokens{end}"

    def component_table(self) -> tuple[list[str], list[Sequence[object]]]:
        """Header and rows of a table of the components."""
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
        """The rest, as pairs of a name and what is said."""
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
        """Writes a page of its own: the tables, and pictures of mix, padding and batch size over the run.

        Args:
            path: Where to.

        Raises:
            PipelineError: The file cannot be written, or Matplotlib, which draws the pictures, is not installed.
        """
        save_page(path, self.to_html())

    def to_html(self) -> str:
        """The page that ``save_html`` writes: it needs no other file and no network.

        Raises:
            PipelineError: Matplotlib, which draws the pictures, is not installed.
        """
        from resumable_data.answers.simulation_page import simulation_page

        return simulation_page(self)
