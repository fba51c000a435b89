"""The context that a stage gets when it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from resumable_data.reading.fields import TokenFields
from resumable_data.reading.measuring import Measuring
from resumable_data.reading.step import Step
from resumable_data.run_history import Growth


@dataclass(frozen=True)
class OpenContext:
    """What is passed down while the stages of a pipeline are opened; a stage passes ``replace(context, …)`` on.

    Attributes:
        measuring: What measures documents of unknown length; None if documents are not packed.
        shards: Logical shards of components whose documents are measured.
        growth: How the records of components grew during the run, by component path.
        endless: Whether components go on after their last epoch, in a mix that waits for other components.
        first_row: From a step to its first row, for the mix that is told its weights by step; None within
            other mixes, which know no steps.
        fields: What is taken of documents that are mappings; None where documents are tokens.
        vocab_size: How many tokens there are; None where each component knows that of its tokenizer at most.
        row_steps: What becomes of documents, as tokens, last: what rows ask for.
        shift: What is shifted in the rows that documents go to.
        reads_counts: Whether documents whose lengths are known are read for what is counted of them.
        with_epochs: Whether plans say the epoch of each document, which delivering it does not need.
    """

    measuring: Measuring | None
    shards: int = 1
    growth: Mapping[str, Growth] = field(default_factory=dict[str, Growth])
    endless: bool = False
    first_row: Callable[[int], int] | None = int
    fields: TokenFields | None = None
    vocab_size: int | None = None
    row_steps: tuple[Step, ...] = ()
    shift: str = "inputs"
    reads_counts: bool = False
    with_epochs: bool = False
