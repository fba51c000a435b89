"""``mix``: several pipelines as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

from resumable_data.arguments import as_text, kind_of
from resumable_data.dataset import Dataset
from resumable_data.errors import PipelineError
from resumable_data.graph import DocumentNode, Rows, is_stream
from resumable_data.iteration.iterator import DataIterator
from resumable_data.planning.weights import Weights, WeightSchedule
from resumable_data.stages.component import Component
from resumable_data.stages.mix import MixDocuments, MixRows, MixSettings
from resumable_data.stages.pack import Pack
from resumable_data.stages.pad import Pad
from resumable_data.stages.shift import Shift

ElementT = TypeVar("ElementT")
_FROM_SOURCE = "make one of a source with Dataset.from_source(source, name=…)"
_EXAMPLE = "mix({'web': web, 'code': code}, {'web': 3, 'code': 1})"


def mix(
    datasets: Mapping[str, Dataset[ElementT]],
    weights: Weights | WeightSchedule | None = None,
    stop: str = "first_exhausted",
) -> Dataset[ElementT]:
    """Samples of several components in proportion: of documents before ``pack``, of rows after it.

    In every prefix each component is off its target by less than one sample, also while weights change. The
    names are component paths and enter the keys of every order: one source under two names has two orders.

    Args:
        datasets: The components by name, all of documents or all of rows; mixes may be nested.
        weights: Non-negative numbers by name, or how they change over the run; equal by default. 0 gives
            nothing. A float is the decimal that it is printed as; see ``WeightSchedule`` for when shares are exact.
        stop: What happens when a component is exhausted: ``"first_exhausted"`` ends the mix,
            ``"all_exhausted"`` lets components repeat until each has been exhausted, and ``"renormalise"``
            goes on with the others.

    Raises:
        PipelineError: A weight, a name or the policy is impossible, or the components are of different kinds.

    >>> import resumable_data as rd
    >>> ones, twos = (rd.Dataset.from_source(rd.InMemorySource([[i] * 3] * 4)) for i in (1, 2))
    >>> [int(document[0]) for document in rd.mix({"ones": ones, "twos": twos}, {"ones": 3, "twos": 1})]
    [1, 1, 1, 2, 1]
    """
    names = _names(datasets)
    schedule = weights if isinstance(weights, WeightSchedule) else None
    if schedule is None:
        given = cast(Weights | None, weights)
        schedule = WeightSchedule({0: dict.fromkeys(names, 1) if given is None else given})
    settings = MixSettings(names, schedule, stop)
    nodes = tuple(datasets[name].node for name in names)
    for name, node in zip(names, nodes, strict=True):
        if isinstance(node, DocumentNode | Rows) and is_stream(node):
            raise PipelineError(
                f"mix: component {name!r} is a stream without random access; mix streams with datasets' own "
                "interleave_datasets, or convert it to a dataset with random access"
            )
    if all(isinstance(node, Component | MixDocuments) for node in nodes):
        return Dataset(MixDocuments(cast(tuple[DocumentNode, ...], nodes), settings))
    if all(isinstance(node, Pack | Pad | Shift | MixRows) for node in nodes):
        return Dataset(MixRows(cast(tuple[Rows, ...], nodes), settings))
    kinds = {name: node.name for name, node in zip(names, nodes, strict=True)}
    raise PipelineError(f"mix: components are all documents, or all rows, not the results of {kinds}")


def _names(datasets: object) -> tuple[str, ...]:
    """The names of the components, sorted.

    Raises:
        PipelineError: They are not datasets by name.
    """
    if not isinstance(datasets, Mapping):
        raise PipelineError(f"mix takes datasets by name, as {_EXAMPLE}, not {kind_of(datasets)}")
    given = cast(Mapping[object, object], datasets)
    if not given:
        raise PipelineError(f"mix: there are no components; give datasets by name, as {_EXAMPLE}")
    for name, dataset in given.items():
        as_text("mix: the name of a component", name)
        if not isinstance(dataset, Dataset):
            advice = "give the dataset itself" if isinstance(dataset, DataIterator) else _FROM_SOURCE
            raise PipelineError(
                f"mix: component {name!r} is {kind_of(cast(object, dataset))}, not a Dataset: {advice}"
            )
    return tuple(sorted(cast(Mapping[str, object], given)))
