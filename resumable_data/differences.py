"""How two pipelines differ, in lines that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

EDITS = ("batch", "epochs", "sources", "weights")
"""What may change about a running pipeline, if it is said: the names that ``allow=`` takes."""

GONE, NEW = "gone", "new"
"""What stands for a whole stage or component, before it is gone and after it is new."""

_EDIT_OF_STAGE = {"batch": "batch", "repeat": "epochs", "mix": "weights"}


@dataclass(frozen=True)
class Difference:
    """One difference between a saved pipeline and the one at hand.

    Attributes:
        edit: The name in ``EDITS`` under which it may be allowed, or None where it never may.
        what: What differs, such as ``"pack.length"``.
        before: What it was, or None where it was not.
        after: What it is, or None where it is no more.
    """

    edit: str | None
    what: str
    before: Any
    after: Any

    def __str__(self) -> str:
        """The difference as a line, such as ``pack.length was 2048, is 4096``."""
        if self.before is None and self.after == NEW:
            return f"{self.what} is new"
        if self.after is None and self.before == GONE:
            return f"{self.what} is gone"
        return f"{self.what} was {_readable(self.before)}, is {_readable(self.after)}"


def _readable(value: Any) -> str:
    """A setting's value; weights as ``web=3 code=1``, behind the point from which they hold."""
    if isinstance(value, Mapping) and "points" in value:
        points = cast(Mapping[str, Any], value)["points"]
        texts = [" ".join(f"{name}={weight}" for name, weight in weights.items()) for _, weights in points]
        if len(points) == 1:
            return texts[0]
        return ", ".join(f"from {point}: {text}" for (point, _), text in zip(points, texts, strict=True))
    return repr(cast(object, value))


def differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Everything in which the header of a state differs from that of the pipeline at hand.

    Args:
        saved: The header of the state.
        now: The header of the pipeline.
    """
    found: list[Difference] = []
    for name in sorted(now["algorithms"].keys() & saved["algorithms"].keys()):
        was, is_now = saved["algorithms"][name], now["algorithms"][name]
        if was != is_now:
            found.append(Difference(None, f"the version of algorithm {name}", was, is_now))
    paths_saved, paths_now = saved["components"].keys(), now["components"].keys()
    found += [Difference("sources", f"component {path!r}", GONE, None) for path in sorted(paths_saved - paths_now)]
    found += [Difference("sources", f"component {path!r}", None, NEW) for path in sorted(paths_now - paths_saved)]
    several = len(paths_now | paths_saved) > 1
    for path in sorted(paths_now & paths_saved):
        stages = stages_by_name(saved["stages"], saved["components"][path])
        found += _of_stages(
            f"{path}: " if several else "", stages, stages_by_name(now["stages"], now["components"][path])
        )
    sources_differ = paths_saved != paths_now
    shared = _of_stages(
        "", stages_by_name(saved["stages"], saved["shared"]), stages_by_name(now["stages"], now["shared"])
    )
    # Other components come with other weights: whoever allows the one has said the other.
    found += [
        Difference("sources", d.what, d.before, d.after) if d.edit == "weights" and sources_differ else d
        for d in shared
    ]
    return found


def _of_stages(
    prefix: str, saved: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> Iterator[Difference]:
    for name in [*saved, *(name for name in now if name not in saved)]:
        kind = re.split("[ #]", name)[0]
        edit = _EDIT_OF_STAGE.get(kind)
        if name not in now:
            yield Difference(edit, f"{prefix}stage {name}", GONE, None)
        elif name not in saved:
            yield Difference(edit, f"{prefix}stage {name}", None, NEW)
        else:
            was, is_now = saved[name], now[name]
            for setting in sorted(was.keys() | is_now.keys()):
                if was.get(setting) != is_now.get(setting):
                    # The name of a mix is no setting that a running job could change.
                    fixed = kind == "mix" and setting != "weights"
                    yield Difference(
                        None if fixed else edit,
                        f"{prefix}{name}.{setting}",
                        was.get(setting),
                        is_now.get(setting),
                    )
    common_saved, common_now = [n for n in saved if n in now], [n for n in now if n in saved]
    if common_saved != common_now:
        yield Difference(None, f"{prefix}the order of the stages", " > ".join(saved), " > ".join(now))


def stages_by_name(table: Sequence[Sequence[Any]], numbers: Sequence[int]) -> dict[str, Mapping[str, Any]]:
    """Settings of the numbered stages by name; the second stage of a name is called ``map#2``."""
    named: dict[str, Mapping[str, Any]] = {}
    for number in numbers:
        stage, settings = table[number]
        count = sum(name.split("#")[0] == stage for name in named)
        named[f"{stage}#{count + 1}" if count else stage] = settings
    return named
