"""One process. Several: property_tests/test_multihost_processes.py."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from resumable_data.interfaces.multihost_dataloading.exchange import read_exchange, start_exchange

DEVICES = np.array(jax.devices())


@pytest.mark.parametrize("mesh", [Mesh(DEVICES[::-1], "data"), Mesh(DEVICES[:6].reshape(3, 2), ("data", "tensor"))])
def test_every_process_has_said_its_numbers(mesh: Mesh) -> None:
    largest = 2**31 - 1
    numbers = read_exchange(mesh, start_exchange(mesh, [3, 0, largest]))
    assert list(numbers) == [0]
    assert (numbers[0].tolist(), numbers[0].dtype) == ([3, 0, largest], np.int32)


def test_a_number_that_does_not_fit_is_refused() -> None:
    mesh = Mesh(DEVICES, "data")
    with pytest.raises(OverflowError):
        start_exchange(mesh, [2**31])
