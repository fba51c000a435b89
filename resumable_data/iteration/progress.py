"""What a pipeline has delivered, counted from its plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from resumable_data.delivered import Delivered
from resumable_data.planning.planner import Counts


@dataclass(frozen=True)
class Progress:
    """What was delivered or skipped up to a position, including components that were removed since.

    With logical shards, documents and tokens count only the shards of this process.

    Attributes:
        step: Batches delivered (or rows, or documents, where there are no batches).
        rows: Rows.
        documents: Documents that began in these rows.
        tokens: Tokens in them, padding excluded.
        truncated: Tokens that ``pack``, ``pad`` or ``tokenize`` cut off these documents.
        scored: Tokens that are learnt: all, or those that a loss mask selects. None if lengths are known without
            reading, because the mask is then not read before it is delivered.
        dropped: Documents that were left out by a filter, as bad records or as unscored.
        padding: Share of the rows' cells that hold padding, 0 to 1.
        dropped_rows: At the end of the data, rows that do not fill a batch; 0 before the end.
        components: By path, the documents, tokens and epochs of each present component, its share in the mix, and the
            share that the weights ask for. In a mix of documents, shares count the documents drawn up to the end of
            the present group of windows; changed weights apply after it.
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
        """Sums the counts of components, including removed ones; ``cells`` counts the cells of all rows."""
        earlier = list(removed)
        total = [*components.values(), *earlier]
        tokens = sum(counts.tokens for counts in total)
        return cls(
            step=step,
            rows=rows,
            documents=sum(counts.documents for counts in total),
            tokens=tokens,
            truncated=sum(counts.truncated for counts in total),
            scored=_scored(components.values(), earlier),
            dropped=sum(counts.dropped for counts in total),
            padding=1 - tokens / cells if cells else 0.0,
            dropped_rows=dropped_rows,
            components=components,
        )


def _scored(components: Iterable[Counts], removed: Iterable[Delivered]) -> int | None:
    """Returns the number of learnt tokens, or None if a component does not know its own."""
    scored = [counts.scored for counts in components]
    known = [count for count in scored if count is not None]
    # A component without a loss mask has no count of its own: all its tokens are learnt.
    return sum(known) + sum(one.scored or one.tokens for one in removed) if len(known) == len(scored) else None
