"""``mix``: joins several pipelines to one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TypeVar, cast, overload

from resumable_data.arguments import as_text, kind_of
from resumable_data.dataset.dataset import Dataset
from resumable_data.dataset.documents import DocumentDataset
from resumable_data.dataset.rows import RowDataset
from resumable_data.errors import PipelineError
from resumable_data.iteration.iterator import DataIterator
from resumable_data.opaque import Document
from resumable_data.planning.weights import Weights, WeightSchedule
from resumable_data.stages.mix import MixDocuments, MixRows, MixSettings, Stop

ElementT = TypeVar("ElementT")
_OLD_SPELLING = "renormalise"
_FROM_SOURCE = "make a dataset of a source with Dataset.from_source(source, name=…)"
_EXAMPLE = "mix({'web': web, 'code': code}, {'web': 3, 'code': 1})"


@overload
def mix(
    datasets: Mapping[str, DocumentDataset[ElementT]],
    weights: Weights | WeightSchedule | None = None,
    stop: Stop = "first_exhausted",
) -> DocumentDataset[ElementT]: ...


@overload
def mix(
    datasets: Mapping[str, RowDataset],
    weights: Weights | WeightSchedule | None = None,
    stop: Stop = "first_exhausted",
) -> RowDataset: ...


def mix(
    datasets: Mapping[str, DocumentDataset[Document]] | Mapping[str, RowDataset],
    weights: Weights | WeightSchedule | None = None,
    stop: Stop = "first_exhausted",
) -> DocumentDataset[Document] | RowDataset:
    """Mixes several components in proportion: their documents before ``pack``, their rows after it.

    In every prefix each component is off its target by less than one sample, also while weights change. The names
    are component paths and enter the keys of every order. So one source under two names has two orders.

    Args:
        datasets: The components by name, all of documents or all of rows. Mixes may be nested.
        weights: Non-negative numbers by name, or a schedule of them; equal by default. A component of weight 0
            delivers nothing. A float counts as the decimal that it prints as; ``WeightSchedule`` says when shares are
            exact.
        stop: What happens when a component is exhausted: ``"first_exhausted"`` ends the mix, ``"all_exhausted"`` lets
            components repeat until each has been exhausted, and ``"renormalize"`` goes on with the others.

    Raises:
        PipelineError: A weight, a name or ``stop`` is impossible, or the components are of different kinds.

    >>> import resumable_data as rd
    >>> ones, twos = (rd.Dataset.from_source(rd.InMemorySource([[i] * 3] * 4)) for i in (1, 2))
    >>> [int(document[0]) for document in rd.mix({"ones": ones, "twos": twos}, {"ones": 3, "twos": 1})]
    [1, 1, 1, 2, 1]
    """
    by_name = _by_name(datasets)
    names = tuple(by_name)
    schedule = weights if isinstance(weights, WeightSchedule) else None
    if schedule is None:
        given = cast(Weights | None, weights)
        schedule = WeightSchedule({0: dict.fromkeys(names, 1) if given is None else given})
    given_stop = cast(object, stop)
    if isinstance(given_stop, str) and given_stop == _OLD_SPELLING:
        warnings.warn(f"mix: stop={_OLD_SPELLING!r} is now spelled 'renormalize'", DeprecationWarning, stacklevel=2)
        stop = "renormalize"
    settings = MixSettings(names, schedule, stop)
    for name, dataset in by_name.items():
        if isinstance(dataset, DocumentDataset | RowDataset) and not dataset.node.random_access:
            raise PipelineError(
                f"mix: component {name!r} comes from an iterable without random access: mix such datasets with "
                "interleave_datasets of the package datasets, or convert it to a dataset with random access"
            )
    documents = [dataset.node for dataset in by_name.values() if isinstance(dataset, DocumentDataset)]
    rows = [dataset.node for dataset in by_name.values() if isinstance(dataset, RowDataset)]
    ahead = [name for name, dataset in by_name.items() if dataset.ahead]
    if ahead:
        raise PipelineError(f"mix: prefetch comes last, after mix and batch: remove it from {ahead}")
    if len(documents) == len(names):
        return DocumentDataset(MixDocuments(tuple(documents), settings))
    if len(rows) == len(names):
        return RowDataset(MixRows(tuple(rows), settings))
    kinds = {name: dataset.node.name for name, dataset in by_name.items()}
    raise PipelineError(f"mix: components must be all documents or all rows, not the results of {kinds}")


def _by_name(datasets: object) -> Mapping[str, Dataset[Document]]:
    """Returns the datasets by name, sorted by name.

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
    return dict(sorted(cast(Mapping[str, Dataset[Document]], given).items()))
