"""Finds how two pipelines differ, and says it in lines for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from resumable_data.edits import Change, ChangeKind, Edit
from resumable_data.opaque import JsonObject

EDITS = ("batch", "data", "epochs", "length", "sources", "weights")
"""The names that ``allow=`` takes: what may change about a running pipeline."""

DifferenceKind = ChangeKind | Literal["algorithm", "stage_order"]

_EDIT_OF_STAGE = {"batch": "batch", "repeat": "epochs", "mix": "weights"}

ContentOfFirst = Callable[[int], str | None]
"""From a number of records to the content that a source of a run had when it had only these; None if it had not."""


@dataclass(frozen=True, kw_only=True)
class Difference(Change):
    """One difference between a saved pipeline and the present one.

    ``str(difference)`` is a line such as ``pack.length was 2048, is 4096``.

    Attributes:
        kind: The kind of an edit; or ``"algorithm"``, for another version of the algorithm that the setting names;
            or ``"stage_order"``. These two are never allowed.
        edit: The name in ``EDITS`` that allows it, or None if it is never allowed.
        alone: Whether the component is the only one, so that the line does not name it.
    """

    kind: DifferenceKind
    edit: str | None = None
    alone: bool = False

    def __str__(self) -> str:
        return self.line() if self.alone else super().__str__()

    def to_edit(self, step: int, rows: int) -> Edit:
        """Returns the edit that this difference becomes when it is allowed.

        Args:
            step: Batches delivered.
            rows: Rows delivered.

        Raises:
            ValueError: It is never allowed.
        """
        if self.kind == "algorithm" or self.kind == "stage_order":
            raise ValueError(f"{self}: this is never an edit")
        return Edit(
            kind=self.kind,
            component=self.component,
            stage=self.stage,
            setting=self.setting,
            before=self.before,
            after=self.after,
            step=step,
            rows=rows,
        )


def differences(
    saved: JsonObject, now: JsonObject, sources: Mapping[str, ContentOfFirst] = MappingProxyType({})
) -> list[Difference]:
    """Lists all differences between the header of a state and that of the present pipeline.

    Args:
        saved: The header of the state.
        now: The header of the pipeline.
        sources: By component path, what tells whether a source only got more records at its end.
    """
    found: list[Difference] = []
    for name in sorted(now["algorithms"].keys() & saved["algorithms"].keys()):
        was, is_now = saved["algorithms"][name], now["algorithms"][name]
        if was != is_now:
            found.append(Difference(kind="algorithm", setting=name, before=was, after=is_now))
    before, after = saved["components"], now["components"]
    removed, new = sorted(before.keys() - after.keys()), sorted(after.keys() - before.keys())
    found += [Difference(kind="component_removed", component=path, edit="sources") for path in removed]
    found += [Difference(kind="component_added", component=path, edit="sources") for path in new]
    alone = len(after.keys() | before.keys()) == 1
    for path in sorted(after.keys() & before.keys()):
        stages = stages_by_name(saved["stages"], before[path])
        stages_now = stages_by_name(now["stages"], after[path])
        of_component = [*_of_stages(path, stages, stages_now)]
        if _grew(stages, stages_now, sources.get(path)):
            of_component = [*_as_growth(of_component, stages_now)]
        found += [replace(difference, alone=alone) for difference in of_component]
    shared = _of_stages(
        None, stages_by_name(saved["stages"], saved["shared"]), stages_by_name(now["stages"], now["shared"])
    )
    # Other components have other weights, so allowing sources allows these weights too.
    sources_differ = before.keys() != after.keys()
    found += [replace(d, edit="sources") if d.edit == "weights" and sources_differ else d for d in shared]
    return found


def renamed(saved: JsonObject, now: JsonObject) -> list[tuple[str, str]]:
    """Finds components that only got another name. Returns the names before and now.

    Such a component has the same data and stages.

    Args:
        saved: The header of the state.
        now: The header of the pipeline.

    >>> stages = [["source", {"content": "1f"}], ["repeat", {"epochs": None}]]
    >>> before = {"components": {"web": [0, 1]}, "stages": stages}
    >>> renamed(before, {"components": {"crawl": [0, 1]}, "stages": stages})
    [('web', 'crawl')]
    """
    before, after = saved["components"], now["components"]
    new = {path: stages_by_name(now["stages"], after[path]) for path in sorted(after.keys() - before.keys())}
    found: list[tuple[str, str]] = []
    for path in sorted(before.keys() - after.keys()):
        stages = stages_by_name(saved["stages"], before[path])
        name = next((name for name, of_new in new.items() if of_new == stages), None)
        if name is not None:
            del new[name]
            found.append((path, name))
    return found


def _grew(was: Mapping[str, JsonObject], is_now: Mapping[str, JsonObject], content: ContentOfFirst | None) -> bool:
    """Tells whether a source got more records at its end, so that its first records are as they were."""
    before, after = was.get("source", {}).get("records"), is_now.get("source", {}).get("records")
    if content is None or not (isinstance(before, int) and isinstance(after, int) and before < after):
        return False
    return content(before) == was["source"].get("content")


def _as_growth(found: Iterable[Difference], now: Mapping[str, JsonObject]) -> Iterator[Difference]:
    """Yields the differences of a component that grew: its number of records differs, and may, but not its content.

    Growth is never allowed where a slice counts from the end: it would choose other records.
    """
    slices = [settings for name, settings in now.items() if name.split("#")[0] == "slice"]
    moves = any(isinstance(bound, int) and bound < 0 for bounds in slices for bound in bounds.values())
    for difference in found:
        if difference.stage != "source":
            yield difference
        elif difference.setting == "records":
            yield replace(difference, edit=None if moves else "data")


def _of_stages(
    component: str | None, saved: Mapping[str, JsonObject], now: Mapping[str, JsonObject]
) -> Iterator[Difference]:
    """Yields the differences in the stages of a component, or in those that components share."""
    for name in [*saved, *(name for name in now if name not in saved)]:
        kind = re.split("[ #]", name)[0]
        edit = _EDIT_OF_STAGE.get(kind)
        # A batch may get another size. Batches cannot be added to a pipeline, or removed from it.
        edit_of_all = None if kind == "batch" else edit
        if name not in now:
            yield Difference(kind="stage_removed", component=component, stage=name, edit=edit_of_all)
        elif name not in saved:
            yield Difference(kind="stage_added", component=component, stage=name, edit=edit_of_all)
        else:
            was, is_now = saved[name], now[name]
            for setting in sorted(was.keys() | is_now.keys()):
                # A run gets its shards with the first component whose documents are measured.
                begun = (kind, setting) == ("batch", "shards") and was.get(setting) is None
                if was.get(setting) != is_now.get(setting) and not begun:
                    # Neither the name of a mix nor the shards are settings that a running job could change.
                    fixed = (kind == "mix" and setting != "weights") or (kind, setting) == ("batch", "shards")
                    edit_of_setting = "length" if kind in ("pack", "pad") and setting == "length" else edit
                    yield Difference(
                        kind="setting",
                        component=component,
                        stage=name,
                        setting=setting,
                        before=was.get(setting),
                        after=is_now.get(setting),
                        edit=None if fixed else edit_of_setting,
                    )
    common_saved, common_now = [n for n in saved if n in now], [n for n in now if n in saved]
    if common_saved != common_now:
        yield Difference(kind="stage_order", component=component, before=" > ".join(saved), after=" > ".join(now))


def stages_by_name(table: Sequence[Sequence[Any]], numbers: Sequence[int]) -> dict[str, JsonObject]:
    """Returns the settings of the numbered stages by name. A second stage of the name map is called ``map#2``."""
    named: dict[str, JsonObject] = {}
    for number in numbers:
        stage, settings = table[number]
        count = sum(name.split("#")[0] == stage for name in named)
        named[f"{stage}#{count + 1}" if count else stage] = settings
    return named
