"""SIGTERM, as most schedulers send it before they take a machine away: time to save and to end."""

from __future__ import annotations

import signal

import jax
import orbax.checkpoint as ocp


class PreemptionNotice:
    """Listens for SIGTERM from now on.

    In a distributed run JAX listens already, and tells all processes of a notice that one of them got; they agree on
    a step that none has passed yet. In a single process there is nobody to agree with, and a flag does.
    """

    def __init__(self) -> None:
        self._received = False
        self._distributed = jax.distributed.is_initialized()
        if not self._distributed:
            signal.signal(signal.SIGTERM, self._receive)

    def asks_to_leave(self, manager: ocp.CheckpointManager, step: int) -> bool:
        """Says whether to save at this step and end. It is the same on all processes. Ask at every step."""
        return manager.reached_preemption(step) if self._distributed else self._received

    def _receive(self, number: int, frame: object) -> None:
        self._received = True
