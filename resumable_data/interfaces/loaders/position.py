"""The position of an iterator over minibatches as JSON values: the number of items delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from resumable_data.errors import PipelineMismatchError, StateError
from resumable_data.opaque import JsonDict, JsonObject
from resumable_data.sealed import seal, unseal
from resumable_data.state_form import is_natural

FORMAT = "resumable_data.loader"
VERSION = 1


@dataclass(frozen=True)
class LoaderPosition:
    """A position in the items of a loader.

    Attributes:
        loader: The settings that decide the items.
        step: Items delivered.
    """

    loader: JsonObject
    step: int

    def to_json(self) -> JsonDict:
        """Converts the position to JSON values.

        >>> LoaderPosition({"seed": 1}, 3).to_json()["step"]
        3
        """
        return seal(FORMAT, VERSION, {"loader": self.loader, "step": self.step})

    @classmethod
    def from_json(cls, state: object) -> LoaderPosition:
        """Reads the values that ``to_json`` returned, also after a round trip through JSON.

        Raises:
            StateError: The state is damaged, or is not the state of a loader.
        """
        given = unseal(FORMAT, VERSION, ("loader", "step"), state)
        step, loader = given["step"], given["loader"]
        if not is_natural(step) or not isinstance(loader, Mapping):
            raise StateError(f"the state is damaged: it is at item {step!r} of {type(loader).__name__}")
        return cls(cast(JsonObject, loader), step)

    def check(self, loader: JsonObject, count: int | None) -> None:
        """Checks that the position belongs to a loader.

        Args:
            loader: The settings that decide the loader's items.
            count: The number of its items; None if they are endless.

        Raises:
            PipelineMismatchError: The position belongs to another loader.
            StateError: The loader has no such item.
        """
        lines = tuple(
            f"{name} was {self.loader.get(name)!r}, is {loader.get(name)!r}"
            for name in sorted(self.loader.keys() | loader.keys())
            if self.loader.get(name) != loader.get(name)
        )
        if lines:
            raise PipelineMismatchError(f"the state belongs to another loader: {'; '.join(lines)}", lines)
        if count is not None and self.step > count:
            raise StateError(f"the state is damaged: it is at item {self.step} of {count}")
