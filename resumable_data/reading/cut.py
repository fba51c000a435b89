"""How many tokens were cut off documents that are on their way to rows: it goes beside them, to be counted there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resumable_data.arrays import Int64Array, Ragged, joined_or_none


@dataclass(frozen=True, eq=False)
class CutDocuments(Sequence[Any]):
    """Documents of any kind, some of which lost tokens; those in a ``Ragged`` say so there.

    Attributes:
        documents: They themselves, and ``DROPPED``.
        cut: int64[n], tokens that were cut off each.
    """

    documents: Sequence[Any]
    cut: Int64Array

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, index: Any) -> Any:
        return self.documents[index]


def cut_of(documents: Sequence[Any]) -> Int64Array | None:
    """Tokens that were cut off each of the documents that ``read`` gave, int64[n]; None where nothing cuts any."""
    return documents.cut if isinstance(documents, Ragged | CutDocuments) else None


def made_of(documents: Sequence[Any], made: list[Any]) -> Sequence[Any]:
    """What a stage made of documents, one of each, with what was cut off these.

    >>> import numpy as np
    >>> cut = CutDocuments([[1, 2], [3]], np.array([0, 7]))
    >>> made = made_of(cut, [{"tokens": tokens} for tokens in cut])
    >>> made[1], cut_of(made).tolist()
    ({'tokens': [3]}, [0, 7])
    """
    return with_cut(made, cut_of(documents))


def with_cut(documents: list[Any], cut: Int64Array | None) -> Sequence[Any]:
    """Documents with what was cut off each, if anything cuts any."""
    return documents if cut is None else CutDocuments(documents, cut)


def cut_of_parts(parts: Sequence[Sequence[Any]]) -> Int64Array | None:
    """The same of documents that were read in parts.

    >>> import numpy as np
    >>> cut_of_parts([["a"], CutDocuments(["b", "c"], np.array([0, 7]))]).tolist()
    [0, 0, 7]
    """
    return joined_or_none([cut_of(part) for part in parts], [len(part) for part in parts])
