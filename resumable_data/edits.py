"""An edit: one thing that was changed about a running pipeline, as data that is kept in its state."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, cast

from resumable_data.delivered import Delivered
from resumable_data.digest import Json, canonical_json
from resumable_data.errors import StateError
from resumable_data.opaque import JsonDict, JsonObject
from resumable_data.state_form import MOST_ROW_LENGTH, is_natural, is_weights

ChangeKind = Literal["setting", "stage_added", "stage_removed", "component_added", "component_removed"]
EditKind = ChangeKind | Literal["skip"]

_KEYS = ("step", "rows", "kind", "component", "stage", "setting", "before", "after", "epoch", "counts")


MOST_SKIPPED = 10**6
"""One skip leaves out at most so many batches: they are planned."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What changes about a pipeline.

    Attributes:
        kind: What sort of change it is; see ``Edit`` and ``Difference``.
        component: The path of the component, or None where it is about the stages that components share.
        stage: The stage, such as ``"repeat"``, or None for a whole component.
        setting: The stage's setting, such as ``"epochs"``, or None for a whole stage.
        before: The setting's value before, as JSON; None where it had none.
        after: The setting's value after, as JSON; None where it has none.
    """

    kind: str
    component: str | None = None
    stage: str | None = None
    setting: str | None = None
    before: Json = None
    after: Json = None

    def __str__(self) -> str:
        """Writes the change as a line, such as ``web: repeat.epochs was 1, is 2``."""
        about_a_component = self.kind in ("component_added", "component_removed")
        return self.line() if self.component is None or about_a_component else f"{self.component}: {self.line()}"

    def line(self) -> str:
        """Writes the same without the name of the component to which a stage belongs."""
        match self.kind:
            case "component_added":
                return f"component {self.component!r} is new"
            case "component_removed":
                return f"component {self.component!r} was removed"
            case "stage_added":
                return f"stage {self.stage} is new"
            case "stage_removed":
                return f"stage {self.stage} was removed"
            case "skip":
                return f"skip of {self.after} batches"
            case "algorithm":
                subject = f"the version of algorithm {self.setting}"
            case "stage_order":
                subject = "the order of the stages"
            case _:
                subject = f"{self.stage}.{self.setting}"
        return f"{subject} was {readable(self.before)}, is {readable(self.after)}"


@dataclass(frozen=True, kw_only=True)
class Edit(Change):
    """One thing that was changed about a pipeline while it ran.

    ``str(edit)`` is a line for people. A skip has the number of batches as ``after``.

    Attributes:
        kind: ``"setting"``, ``"stage_added"``, ``"stage_removed"``, ``"component_added"``,
            ``"component_removed"`` or ``"skip"``.
        step: Batches delivered before it holds.
        rows: Rows delivered when it was said.
        epoch: For new records of a component, the first epoch that has them; else None.
        counts: What each component had delivered by then, those that the edit removes included, and the rows of
            each mix whose documents are packed; None where that is not recorded.

    >>> edit = Edit(kind="setting", stage="batch", setting="size", before=8, after=16, step=3, rows=24)
    >>> str(edit)
    'batch.size was 8, is 16'
    >>> Edit.from_json(edit.to_json()) == edit
    True
    """

    kind: EditKind
    step: int
    rows: int
    epoch: int | None = None
    counts: Mapping[str, Delivered] | None = None

    @property
    def is_growth(self) -> bool:
        """Whether it says that a component got more records."""
        return (self.kind, self.stage, self.setting) == ("setting", "source", "records")

    @property
    def is_row_length(self) -> bool:
        """Whether it says that rows got another length."""
        return _is_row_length(self.kind, self.stage, self.setting)

    def to_json(self) -> dict[str, Json]:
        """Returns the edit as a JSON object that shares nothing with it; keys are the attributes."""
        return json.loads(self.text)

    @cached_property  # every state holds it again
    def text(self) -> str:
        """Canonical JSON of the edit."""
        counts = self.counts and {path: self.counts[path].to_json() for path in sorted(self.counts)}
        return canonical_json({key: getattr(self, key) for key in _KEYS} | {"counts": counts})

    @cached_property
    def text_without_counts(self) -> str:
        """Canonical JSON of the edit with null as its counts."""
        return replace(self, counts=None).text

    def has_counts_of(self, before: Edit) -> bool:
        """Tells whether one restore made this edit and the one before it, so that both have the same counts."""
        together = (self.step, self.rows) == (before.step, before.rows) and "skip" not in (self.kind, before.kind)
        return together and (self.counts is before.counts or self.counts == before.counts)

    @classmethod
    def from_json(cls, given: object) -> Edit:
        """Reads the edit that ``to_json`` gave.

        Raises:
            StateError: There is no such edit.
        """
        try:
            return cls._checked(given)
        except (TypeError, ValueError) as error:
            raise StateError(
                f"the state is damaged: edit {given!r}: {error}. Restore an earlier checkpoint"
            ) from error

    @classmethod
    def _checked(cls, given: object) -> Edit:
        """Reads the edit; raises a TypeError or ValueError that says what is wrong."""
        if not isinstance(given, Mapping):
            raise TypeError("it is not a JSON object")
        values: JsonDict = json.loads(canonical_json(cast(Mapping[str, Json], given)))
        if values.keys() != set(_KEYS):
            raise ValueError(f"its keys are not {', '.join(_KEYS)}")
        if not (is_natural(values["step"]) and is_natural(values["rows"])):
            raise ValueError("step and rows are not natural numbers")
        texts = tuple(values[key] for key in ("component", "stage", "setting"))
        if not all(text is None or isinstance(text, str) for text in texts):
            raise ValueError("component, stage and setting are not texts")
        if not _goes_with(values["kind"], *texts):
            raise ValueError("its kind does not go with its component, stage and setting")
        if values["kind"] == "skip" and not (is_natural(values["after"]) and 0 < values["after"] <= MOST_SKIPPED):
            raise ValueError(f"after is not a number of batches from 1 to {MOST_SKIPPED}")
        if values["setting"] == "weights" and not (is_weights(values["before"]) and is_weights(values["after"])):
            raise ValueError("before and after are not the weights of a mix")
        lengths = [values["before"], values["after"]]
        if _is_row_length(values["kind"], values["stage"], values["setting"]) and not all(map(_is_length, lengths)):
            raise ValueError(f"before and after are not row lengths from 1 to {MOST_ROW_LENGTH}")
        if not _is_epoch(values):
            raise ValueError("only new records of a component have an epoch, and numbers of records")
        counts = values["counts"]
        if counts is not None:
            if not isinstance(counts, dict):
                raise TypeError("counts are not a JSON object")
            found = cast(dict[str, object], counts)
            values["counts"] = {path: Delivered.from_json(delivered) for path, delivered in found.items()}
        return cls(**values)


def edits_to_json(edits: Sequence[Edit]) -> list[Json]:
    """Returns edits as JSON objects that share nothing with them.

    One restore may change every component. So that a state does not grow with the square of their number, counts that
    are those of the edit before are null.
    """
    if not edits:
        return []  # as in most states, which trainers ask for at every step
    texts = [
        edit.text_without_counts if place and edit.has_counts_of(edits[place - 1]) else edit.text
        for place, edit in enumerate(edits)
    ]
    return json.loads(f"[{','.join(texts)}]")


def edits_from_json(given: Sequence[object]) -> tuple[Edit, ...]:
    """Reads the edits that ``edits_to_json`` gave.

    Raises:
        StateError: One of them is not an edit.
    """
    edits: list[Edit] = []
    for one in given:
        edit = Edit.from_json(one)
        if (
            edits
            and edit.counts is None
            and (shared := replace(edit, counts=edits[-1].counts)).has_counts_of(edits[-1])
        ):
            edit = shared
        edits.append(edit)
    return tuple(edits)


def _goes_with(kind: object, component: str | None, stage: str | None, setting: str | None) -> bool:
    """Tells whether a kind of edit is about such a component, stage and setting."""
    match kind:
        case "setting":
            return stage is not None and setting is not None
        case "stage_added" | "stage_removed":
            return stage is not None and setting is None
        case "component_added" | "component_removed":
            return component is not None and stage is None and setting is None
        case "skip":
            return component is None and stage is None and setting is None
        case _:
            return False


def _is_row_length(kind: object, stage: object, setting: object) -> bool:
    """Tells whether a change is about the length of rows."""
    rows = isinstance(stage, str) and re.split("[ #]", stage)[0] in ("pack", "pad")
    return rows and (kind, setting) == ("setting", "length")


def _is_length(value: object) -> bool:
    return is_natural(value) and 1 <= value <= MOST_ROW_LENGTH


def _is_epoch(values: JsonDict) -> bool:
    """Tells whether an edit that is about a number of records says it, and the first epoch that has them."""
    if (values["kind"], values["stage"], values["setting"]) != ("setting", "source", "records"):
        return values["epoch"] is None
    numbers = [values[key] for key in ("epoch", "before", "after")]
    return values["component"] is not None and all(map(is_natural, numbers)) and 0 < numbers[1] < numbers[2]


def readable(value: Json) -> str:
    """Writes a setting's value; weights as ``web=3 code=1``, each after the point from which they hold."""
    if is_weights(value):
        points = cast(JsonObject, value)["points"]
        texts = [" ".join(f"{name}={weight}" for name, weight in weights.items()) for _, weights in points]
        if len(points) == 1:
            return texts[0]
        return ", ".join(f"from {point}: {text}" for (point, _), text in zip(points, texts, strict=True))
    return repr(value)
