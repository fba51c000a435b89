"""What a stage is told when it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from resumable_data.order.shards import WHOLE, Share
from resumable_data.reading.fields import TokenFields


@dataclass(frozen=True)
class OpenContext:
    """What is passed down while the stages of a pipeline are opened; a stage passes ``replace(context, …)`` on.

    Attributes:
        share: The logical shard that planners are opened for.
        with_lengths: Whether documents are planned with their lengths.
        endless: Whether components go on after their last epoch, in a mix that waits for other components.
        first_row: From a step to its first row, for the mix that is told its weights by step; None within
            other mixes, which know no steps.
        fields: What is taken of documents that are mappings; None where documents are tokens.
    """

    share: Share = WHOLE
    with_lengths: bool = True
    endless: bool = False
    first_row: Callable[[int], int] | None = int
    fields: TokenFields | None = None
