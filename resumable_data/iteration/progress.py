"""What a pipeline has delivered, counted from its plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from resumable_data.delivered import Delivered
from resumable_data.planning.planner import Counts


@dataclass(frozen=True)
class Progress:
    """What was delivered, or skipped, up to a position, components that were removed since included.

    With logical shards, documents and tokens are counted of those that run in this process.

    Attributes:
        step: Batches delivered (or rows, or documents, where there are no batches).
        rows: Rows.
        documents: Documents that began in these rows.
        tokens: Tokens in them, padding excluded.
        truncated: Tokens that ``pack``, ``pad`` or ``tokenize`` cut off these documents.
        scored: Tokens of them that are learnt: all, or those that a loss mask lets count. None where lengths are
            known without reading: nothing is then read of the mask before it is delivered.
        dropped: Documents that were left out, by a filter, as bad records or unscored.
        padding: Share of the rows' cells that hold padding, 0 to 1.
        dropped_rows: Rows after the position that never fill a batch, if it is the end; 0 before it.
        components: For each component path that the pipeline has now its documents, tokens, epochs, and its share
            in the mix beside the share that the weights ask for. Of a mix of documents these are shares of what its
            weights drew up to the end of the present group of windows, with which changed weights take hold.
    """

    step: int
    rows: int
    documents: int
    tokens: int
    truncated: int
    scored: int | None
    dropped: int
    padding: float
    dropped_rows: int
    components: Mapping[str, Counts]

    @classmethod
    def of(
        cls,
        step: int,
        rows: int,
        components: Mapping[str, Counts],
        removed: Iterable[Delivered],
        cells: int,
        dropped_rows: int,
    ) -> Progress:
        """Sums the counts of components, also of those that are removed; ``cells`` are those of all rows."""
        gone = list(removed)
        total = [*components.values(), *gone]
        tokens = sum(counts.tokens for counts in total)
        return cls(
            step=step,
            rows=rows,
            documents=sum(counts.documents for counts in total),
            tokens=tokens,
            truncated=sum(counts.truncated for counts in total),
            scored=_scored(components.values(), gone),
            dropped=sum(counts.dropped for counts in total),
            padding=1 - tokens / cells if cells else 0.0,
            dropped_rows=dropped_rows,
            components=components,
        )


def _scored(components: Iterable[Counts], removed: Iterable[Delivered]) -> int | None:
    """Tokens that are learnt, or None where a component does not know them."""
    scored = [counts.scored for counts in components]
    known = [count for count in scored if count is not None]
    # Nothing was counted of a component without a loss mask.
    return sum(known) + sum(one.scored or one.tokens for one in removed) if len(known) == len(scored) else None
