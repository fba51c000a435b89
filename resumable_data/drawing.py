"""A pipeline as text: one line a stage, from the last stage down to the sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from resumable_data.digest import Json
from resumable_data.edits import readable
from resumable_data.stages.batch import Batch
from resumable_data.stages.component import Component
from resumable_data.stages.mix import MixDocuments, MixRows
from resumable_data.stages.prefetch import Prefetch

_LEFT_OUT = ("content", "records", "sequential")


def draw(node: Any) -> str:
    """The tree of a pipeline. Nothing is read or planned.

    Args:
        node: Its last stage.

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
    return "\n".join(_lines(node, None))


def _lines(node: Any, name: str | None) -> Iterator[str]:
    """The lines of a node that a mix knows by a name."""
    yield _line(node, name)
    below = [*_below(node)]
    for place, (below_name, stage) in enumerate(below):
        last = place == len(below) - 1
        for number, line in enumerate(_lines(stage, below_name)):
            lead = ("└─ " if last else "├─ ") if number == 0 else ("   " if last else "│  ")
            yield lead + line


def _line(node: Any, name: str | None) -> str:
    title = "" if name is None else f"{name}: "
    if isinstance(node, Component):
        source = f"{name or node.component}: {node.source.source!r}"
        return " → ".join([source, *(_call(stage.name, stage.settings()) for stage in node.stages)])
    if isinstance(node, MixDocuments | MixRows):
        settings = node.mix.settings()
        return f"{title}mix({readable(settings['weights'])}, stop={settings['stop']!r})"
    if isinstance(node, Batch):
        # Shards are no setting, since a run that goes on keeps its own.
        call = _call(node.name, {**node.settings(), "shards": node.shards_of(None)})
        return f"{title}{call}{f' → {node.view}' if str(node.view) else ''}"
    if isinstance(node, Prefetch):
        return f"{title}prefetch(buffer_size={node.ahead})"
    return f"{title}{_call(node.name, node.settings())}"


def _below(node: Any) -> Sequence[tuple[str | None, Any]]:
    """The stages that a node takes its elements from, with the names that it gives them."""
    if isinstance(node, MixDocuments | MixRows):
        return list(zip(node.mix.names, node.parents, strict=True))
    return [] if isinstance(node, Component) else [(None, node.parent)]


def _call(name: str, settings: Mapping[str, Json]) -> str:
    """A stage with the settings that say something."""
    said = {
        key: cast(object, value)
        for key, value in settings.items()
        if key not in _LEFT_OUT and value is not None and value is not False
    }
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in said.items())})"
