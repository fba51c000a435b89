"""Takes batches on several processes in lockstep: they agree whether there is a batch, on its shapes and the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Any, cast

import jax
import numpy as np
from jax.sharding import Mesh

from resumable_data.arrays import AnyArray
from resumable_data.digest import digest
from resumable_data.errors import PipelineError, PipelineMismatchError, ResumableDataError
from resumable_data.interfaces.multihost_dataloading.exchange import read_exchange, start_exchange
from resumable_data.interfaces.multihost_dataloading.global_arrays import canonical, form_global, processes_of
from resumable_data.interfaces.multihost_dataloading.padding import pad_to, padding_value
from resumable_data.interfaces.multihost_dataloading.peekable import Peekable
from resumable_data.opaque import Element, PyTree
from resumable_data.processes.agreement import PositionReport, agree

Shape = tuple[int, ...]


class Status(IntEnum):
    """What a process has: a batch, no further batch, or an error instead of a batch."""

    READY = 0
    ENDED = 1
    FAILED = 2


@dataclass(frozen=True)
class BatchReport:
    """What a process tells the others about its next batch, in integers from 0 to 2³¹ - 1.

    Attributes:
        status: A ``Status``.
        step: The step of the batch in its epoch.
        length: Batches of an epoch; 0 if the number is not known.
        structure: Digest of the names, dtypes and ranks of its arrays.
        shapes: Digest of their shapes.
    """

    status: int
    step: int
    length: int
    structure: int = 0
    shapes: int = 0


def decide(reports: Mapping[int, BatchReport]) -> Status:
    """Decides what all processes do next.

    Args:
        reports: By process, ascending.

    Returns:
        READY if all are ready; FAILED if any has failed; otherwise ENDED.

    Raises:
        PipelineMismatchError: The processes are at different steps, or their epochs have different lengths.

    >>> decide({0: BatchReport(Status.READY, 7, 0), 1: BatchReport(Status.ENDED, 7, 0)}).name
    'ENDED'
    """
    lengths = {process: report.length or None for process, report in reports.items()}
    _check_equal(lengths, "iterator_length is {}: give all processes the same")
    steps = {process: report.step for process, report in reports.items()}
    _check_equal(steps, "they are at batch {} of the epoch: restore all of them from the same checkpoint, or none")
    return Status(max(report.status for report in reports.values()))


def _check_equal(values: Mapping[int, Any], advice: str) -> None:
    if len(set(values.values())) > 1:
        each = tuple(f"{value} on process {process}" for process, value in values.items())
        raise PipelineMismatchError(f"the processes differ: {advice.format(', '.join(each))}", each)


def common_shapes(shapes: Mapping[int, Sequence[Shape]]) -> list[Shape]:
    """Returns the smallest shapes that hold the arrays of every process.

    >>> common_shapes({0: [(4, 8), (4,)], 1: [(2, 9), (2,)]})
    [(4, 9), (4,)]
    """
    return [tuple(map(max, *same)) for same in zip(*shapes.values(), strict=True)]


@dataclass(frozen=True)
class _Part:
    """This process's part of a batch.

    Attributes:
        names: The names of its arrays, such as ``.inputs`` or ``['tokens']``.
        arrays: The arrays, in dtypes that JAX has.
        structure: The pytree whose leaves they are.
    """

    names: list[str]
    arrays: list[AnyArray]
    structure: PyTree

    @property
    def kinds(self) -> list[str]:
        return [f"{name} {a.dtype} of {a.ndim} axes" for name, a in zip(self.names, self.arrays, strict=True)]

    @property
    def shapes(self) -> list[Shape]:
        return [array.shape for array in self.arrays]

    def report(self, step: int, length: int | None) -> BatchReport:
        structure, shapes = digest(*self.kinds), digest(*map(str, self.shapes))
        return BatchReport(Status.READY, step, length or 0, _below_2_to_31(structure), _below_2_to_31(shapes))


@dataclass(frozen=True)
class _Announced:
    """What this process told the others about its next batch.

    Attributes:
        started: The exchange that was started.
        part: This process's part of the batch; None if it has none.
        failure: The error instead of a part; None if there is no error.
    """

    started: jax.Array
    part: _Part | None
    failure: Exception | None


class Lockstep:
    """The steps in which all processes form global batches together.

    A single process needs no exchange. Several processes exchange a few integers for each batch, on their devices.
    ``announce`` starts the exchange of the next batch early. So it is over when the batch is taken, and no device
    waits.

    Args:
        local: The iterator over this process's part of each batch, a pytree of arrays.
        mesh: The mesh of the global batches; the processes that own its devices take part.
        pad_value: The value of the padding, which gives the arrays of all processes one shape and rows that the
            devices can divide. None pads nothing; then different shapes are an error.

    Raises:
        PipelineError: This process cannot use the mesh.
    """

    def __init__(self, local: Peekable[Element], mesh: Mesh, pad_value: float | None) -> None:
        self._local = local
        self._mesh = mesh
        self._pad_value = pad_value
        self._processes = processes_of(mesh)
        self._announced: _Announced | None = None

    @property
    def is_alone(self) -> bool:
        """Whether this process is the only one that takes part."""
        return len(self._processes) == 1

    def take(self, step: int, length: int | None) -> PyTree:
        """Forms the next global batch. After an error, and at the end, no process has moved.

        Args:
            step: The step of the batch in its epoch.
            length: Batches of an epoch; None if the number is not known.

        Raises:
            StopIteration: At least one process has no further batch.
            PipelineMismatchError: The processes differ.
            PeerError: Another process failed.
            PipelineError: The arrays cannot be laid out on the mesh.
        """
        if self.is_alone:
            part = self._look()
            shapes = part.shapes
        else:
            part, shapes = self._agree(step, length)
        batch = self._form(part, shapes)
        self._local.take()
        return batch

    def announce(self, step: int, length: int | None) -> None:
        """Looks at this process's part of the next batch, and starts to tell the others.

        It does nothing if this process is the only one, or if the batch is already announced.
        """
        if self.is_alone or self._announced is not None:
            return
        part: _Part | None = None
        failure: Exception | None = None
        try:
            part = self._look()
            report = part.report(step, length)
        except StopIteration:
            report = BatchReport(Status.ENDED, step, length or 0)
        except Exception as error:
            # The other processes wait for this report. The error is raised after all of them know it.
            failure, report = error, BatchReport(Status.FAILED, step, length or 0)
        self._announced = _Announced(start_exchange(self._mesh, astuple(report)), part, failure)

    def forget(self) -> None:
        """Drops the announced batch. Call this on all processes after a change of the position."""
        self._announced = None

    def _look(self) -> _Part:
        batch = self._local.look()
        named = cast("list[tuple[PyTree, PyTree]]", jax.tree_util.tree_flatten_with_path(batch)[0])
        names = [jax.tree_util.keystr(path) or "the array" for path, _ in named]
        arrays: list[AnyArray] = []
        for name, (_, leaf) in zip(names, named, strict=True):
            try:
                arrays.append(canonical(leaf))
                if self._pad_value is not None:
                    padding_value(arrays[-1].dtype, self._pad_value)
            except PipelineError as error:
                raise PipelineError(f"{name}: {error}") from error
        return _Part(names, arrays, jax.tree.structure(batch))

    def _agree(self, step: int, length: int | None) -> tuple[_Part, list[Shape]]:
        """Waits for all processes. Returns this process's part, and the shapes that all give their arrays."""
        self.announce(step, length)
        announced, self._announced = self._announced, None
        assert announced is not None
        numbers = read_exchange(self._mesh, announced.started)
        reports = {process: BatchReport(*map(int, row)) for process, row in numbers.items()}
        status = decide(reports)
        if status is Status.ENDED:
            raise StopIteration
        if status is Status.FAILED:
            self._raise_failure(step, announced.failure)
        part = announced.part
        assert part is not None
        _check_structure(reports, part)
        differ = len({report.shapes for report in reports.values()}) > 1
        return part, self._agree_on_shapes(part) if differ else part.shapes

    def _raise_failure(self, step: int, own: Exception | None) -> None:
        report = PositionReport(None, step, "", failure="" if own is None else f"{type(own).__name__}: {own}")
        try:
            agree("reading the next batch", self._processes, report)
        except ResumableDataError as error:
            # This process's own error says more than the news that a process failed.
            raise error if own is None else own from error
        if own is not None:
            raise own

    def _agree_on_shapes(self, part: _Part) -> list[Shape]:
        """Returns the shapes to pad to. Raises PipelineMismatchError if nothing is padded."""
        exchange = start_exchange(self._mesh, [size for shape in part.shapes for size in shape])
        ends = np.cumsum([len(shape) for shape in part.shapes])[:-1]
        shapes = {
            process: [tuple(map(int, sizes)) for sizes in np.split(numbers, ends)]
            for process, numbers in read_exchange(self._mesh, exchange).items()
        }
        if self._pad_value is None:
            lines = tuple(
                f"{name}: " + ", ".join(f"{shapes[process][index]} on process {process}" for process in shapes)
                for index, name in enumerate(part.names)
                if len({shapes[process][index] for process in shapes}) > 1
            )
            raise PipelineMismatchError(
                "the processes' batches have different shapes; pad them (pad_shapes=True), or make them equal:\n"
                + "\n".join(lines),
                lines,
            )
        return common_shapes(shapes)

    def _form(self, part: _Part, shapes: Sequence[Shape]) -> PyTree:
        n_devices = self._mesh.devices.size // len(self._processes)
        formed: list[jax.Array] = []
        for name, array, shape in zip(part.names, part.arrays, shapes, strict=True):
            try:
                if self._pad_value is not None and shape:
                    rows = -(-shape[0] // n_devices) * n_devices
                    array = pad_to(array, (rows, *shape[1:]), self._pad_value)
                formed.append(form_global(array, self._mesh))
            except PipelineError as error:
                raise PipelineError(f"{name}: {error}") from error
        return jax.tree.unflatten(part.structure, formed)


def _check_structure(reports: Mapping[int, BatchReport], part: _Part) -> None:
    own = reports[jax.process_index()].structure
    others = [f"process {process}" for process, report in reports.items() if report.structure != own]
    if others:
        raise PipelineMismatchError(
            f"the batches of the processes differ: {', '.join(others)} has other arrays than this process, "
            f"{jax.process_index()}, which has {'; '.join(part.kinds)}. Give the same pipeline on all processes"
        )


def _below_2_to_31(hexadecimal: str) -> int:
    return int(hexadecimal, 16) % 2**31
