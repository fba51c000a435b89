"""Names that JAX, Orbax, datasets and Python do not promise to keep, each in one place.

``.ci/run`` tries them with the oldest and with the newest releases that the project is tested with.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, Protocol, cast

from resumable_data.opaque import HuggingFace, JsonDict


class CoordinationClient(Protocol):
    """What of JAX's client of its coordination service is used. Its module is private to JAX."""

    def key_value_set(self, key: str, value: str) -> None: ...  # noqa: D102
    def key_value_set_bytes(self, key: str, value: bytes, allow_overwrite: bool) -> None: ...  # noqa: D102
    def key_value_increment(self, key: str, increment: int) -> int: ...  # noqa: D102
    def key_value_delete(self, key: str) -> None: ...  # noqa: D102
    def key_value_try_get(self, key: str) -> str: ...  # noqa: D102
    def key_value_try_get_bytes(self, key: str) -> bytes: ...  # noqa: D102
    def blocking_key_value_get(self, key: str, timeout_in_ms: int) -> str: ...  # noqa: D102
    def blocking_key_value_get_bytes(self, key: str, timeout_in_ms: int) -> bytes: ...  # noqa: D102
    def key_value_dir_get(self, key: str) -> Sequence[tuple[str, str]]: ...  # noqa: D102
    def key_value_dir_get_bytes(self, key: str) -> Sequence[tuple[str, bytes]]: ...  # noqa: D102


def coordination_client() -> CoordinationClient:
    """Returns the client of the coordination service of this run.

    Raises:
        RuntimeError: ``jax.distributed.initialize`` was not called.
    """
    from orbax.checkpoint import multihost

    return cast(CoordinationClient, cast(Any, multihost).get_jax_distributed_client())


def service_error() -> type[Exception]:
    """Returns the class of the errors of the coordination service; JAX exports it without a type."""
    import jax

    return cast(Any, jax.errors).JaxRuntimeError


def orbax_context() -> Any:
    """Returns the present context of Orbax's newer API. Its options say which processes write."""
    from orbax.checkpoint.experimental.v1._src.context.context import get_context

    return get_context()


def row_mapping_of(dataset: HuggingFace) -> Any:
    """Returns the table of row indices that ``select`` and ``shuffle`` give a ``datasets.Dataset``, or None."""
    return dataset._indices


def has_graph(dataset: HuggingFace) -> bool:
    """Tells whether a streamed dataset has its position in a graph of nodes, as ``datasets.IterableDataset`` has."""
    return hasattr(dataset, "_ex_iterable")


def copy_position(dataset: HuggingFace) -> Any:
    """Copies a ``datasets.IterableDataset``: the copy has a position of its own, and shares everything else.

    A dataset keeps its position in the nodes of its graph, each of which has a ``_state_dict``. These are copied. It
    gives records, not tables of one record.
    """
    own: Any = object.__new__(dataset.__class__)  # copy.copy would share its attributes, by __setstate__
    own.__dict__.update(dataset.__dict__)
    own._ex_iterable = _copied(dataset._ex_iterable)
    formatting = getattr(dataset, "_formatting", None)
    if formatting is not None and formatting.is_table:
        own._formatting = None
    return own


def _copied(examples: Any) -> Any:
    """Copies a node and those below it.

    A shuffle with a buffer of one record shuffles nothing. It is left out, since it would warn at every resume.
    """
    if type(examples).__name__ == "BufferShuffledExamplesIterable" and examples.buffer_size == 1:
        return _copied(examples.ex_iterable)
    node: Any = copy.copy(examples)
    for name, value in cast(JsonDict, vars(examples)).items():
        if _is_node(value):
            setattr(node, name, _copied(value))
        elif isinstance(value, list):
            setattr(node, name, [_copied(part) if _is_node(part) else part for part in cast(list[Any], value)])
    return node


def _is_node(value: Any) -> bool:
    return hasattr(value, "_init_state_dict")


def workers_of(pool: ProcessPoolExecutor) -> list[BaseProcess]:
    """Returns the processes of a pool."""
    return list((pool._processes or {}).values())


def manager_of(pool: ProcessPoolExecutor) -> Thread | None:
    """Returns the thread that manages a pool; None if no process was started yet."""
    return vars(pool)["_executor_manager_thread"]


def before_threads_end(function: Callable[[], object]) -> None:
    """Calls a function when the interpreter ends, before it waits for threads. The last one given is called first."""
    cast(Any, threading)._register_atexit(function)
