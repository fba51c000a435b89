"""A pipeline as text: one line a stage, from the last stage down to the sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from resumable_data.digest import Json
from resumable_data.edits import readable
from resumable_data.stages.batch import Batch
from resumable_data.stages.component import Component
from resumable_data.stages.mix import MixDocuments, MixRows
from resumable_data.stages.stage import Stage

_LEFT_OUT = ("content", "records", "sequential")


def draw(stage: Stage, ahead: int = 0) -> str:
    """Draws the tree of a pipeline. It reads and plans nothing.

    Args:
        stage: The last stage of the pipeline.
        ahead: The number of elements loaded ahead.

    >>> import resumable_data as rd
    >>> web = rd.Dataset.from_source(rd.SyntheticSource(1000, [5, 9]), name="web").shuffle(7).repeat()
    >>> code = rd.Dataset.from_source(rd.InMemorySource([[1, 2]]), name="code").repeat()
    >>> print(rd.mix({"web": web, "code": code}, {"web": 3, "code": 1}).pack(16, eod_id=1).batch(8))
    batch(size=8, drop_remainder=True)
    └─ pack(length=16, eod_id=1, pad_id=0, strategy='best_fit', window=4096)
       └─ mix(code=1 web=3, stop='first_exhausted')
          ├─ code: in-memory source (1 records) → repeat()
          └─ web: synthetic source (1000 records) → shuffle(seed=7) → repeat()
    """
    lines = [*_lines(stage, stage.component, None)]
    if ahead:
        lines = [f"prefetch(buffer_size={ahead})", *_below(lines, last=True)]
    return "\n".join(lines)


def _lines(stage: Stage, path: str, name: str | None) -> Iterator[str]:
    """Yields the lines of a stage at a component path, with the name that a mix gives it."""
    yield _line(stage, name)
    stages = stage.below(path)
    for place, (path_below, stage_below) in enumerate(stages.items(), start=1):
        in_mix = None if path_below == path else path_below.removesuffix("/*").rpartition("/")[2]
        yield from _below(_lines(stage_below, path_below, in_mix), last=place == len(stages))


def _below(lines: Iterable[str], *, last: bool) -> Iterator[str]:
    """Indents lines below the stage that takes from them."""
    for number, line in enumerate(lines):
        lead = ("└─ " if last else "├─ ") if number == 0 else ("   " if last else "│  ")
        yield lead + line


def _line(stage: Stage, name: str | None) -> str:
    title = "" if name is None else f"{name}: "
    match stage:
        case Component():
            source = f"{name or stage.component}: {stage.source.source!r}"
            return " → ".join([source, *(_call(step.name, step.settings()) for step in stage.stages)])
        case MixDocuments() | MixRows():
            settings = stage.mix.settings()
            return f"{title}mix({readable(settings['weights'])}, stop={settings['stop']!r})"
        case Batch():
            # Shards are not a setting, since a resumed run keeps its own.
            call = _call(stage.name, {**stage.settings(), "shards": stage.shards_of(None)})
            return f"{title}{call}{f' → {stage.view}' if str(stage.view) else ''}"
        case _:
            return f"{title}{_call(stage.name, stage.settings())}"


def _call(name: str, settings: Mapping[str, Json]) -> str:
    """Formats a stage as a call, without empty settings."""
    said = {
        key: cast(object, value)
        for key, value in settings.items()
        if key not in _LEFT_OUT and value is not None and value is not False
    }
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in said.items())})"
