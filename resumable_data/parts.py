"""``Parts``: the result of a split, to unpack or to look up by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, SupportsIndex, TypeVar

PartT = TypeVar("PartT")


class Parts(Generic[PartT]):
    """Named parts in the order given.

    Args:
        parts: The parts by name.

    >>> parts = Parts({"train": 99, "eval": 1})
    >>> train, held_out = parts
    >>> train, parts["eval"], parts.names
    (99, 1, ('train', 'eval'))
    """

    def __init__(self, parts: Mapping[str, PartT]) -> None:
        self._parts = dict(parts)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(self._parts)

    def __getitem__(self, part: str | SupportsIndex) -> PartT:
        if isinstance(part, str):
            return self._parts[part]
        return list(self._parts.values())[part]

    def __len__(self) -> int:
        return len(self._parts)

    def __iter__(self) -> Iterator[PartT]:
        return iter(self._parts.values())

    def __repr__(self) -> str:
        return f"Parts({self._parts!r})"
