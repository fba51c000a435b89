"""The prefetch stage: a thread that keeps the next elements ready."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resumable_data.errors import PipelineError


@dataclass(frozen=True)
class Prefetch:
    """Elements loaded ahead of the caller; never part of the state.

    Attributes:
        parent: What is loaded.
        ahead: Elements that may wait.
    """

    parent: Any
    ahead: int

    def __post_init__(self) -> None:
        if self.ahead < 1:
            raise PipelineError(f"prefetch: buffer_size={self.ahead} must be at least 1")

    @property
    def name(self) -> str:
        """The stage's name."""
        return "prefetch"


def without_prefetch(node: Any) -> Any:
    """The stage whose elements are loaded ahead, or the stage itself where none are.

    >>> without_prefetch(Prefetch("batch", 2)), without_prefetch("batch")
    ('batch', 'batch')
    """
    return node.parent if isinstance(node, Prefetch) else node
