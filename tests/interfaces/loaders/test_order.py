from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import resumable_data as rd
from resumable_data.interfaces.loaders.order import PassOrder, as_seed, check_settings, count_minibatches


@pytest.mark.parametrize(
    ("samples", "size", "whole", "all_of_them"), [(10, 4, 2, 3), (8, 4, 2, 2), (3, 4, 0, 1), (0, 4, 0, 0)]
)
def test_the_last_samples_are_left_out_or_fill_a_shorter_minibatch(
    samples: int, size: int, whole: int, all_of_them: int
) -> None:
    assert count_minibatches(samples, size, drop_last=True) == whole
    assert count_minibatches(samples, size, drop_last=False) == all_of_them


def test_minibatches_cut_the_shuffle_of_numpy() -> None:
    order = PassOrder(10, 4, drop_last=False, seed=0)
    assert [order.samples_of(place).tolist() for place in range(order.count)] == [[4, 6, 2, 7], [3, 5, 9, 0], [8, 1]]
    assert order.order.dtype == np.int64


def test_without_a_seed_the_samples_keep_their_order() -> None:
    assert PassOrder(5, 2, drop_last=True, seed=None).order.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("seed", "expected"), [(None, None), (np.int64(3), 3), (2**70, 2**70)])
def test_seeds_may_be_as_large_as_numpy_takes_them(seed: Any, expected: int | None) -> None:
    assert as_seed(seed) == expected
    PassOrder(3, 1, drop_last=True, seed=as_seed(seed))


@pytest.mark.parametrize("seed", [-1, 0.5, "0", True])
def test_other_seeds_are_refused(seed: Any) -> None:
    with pytest.raises(rd.PipelineError, match="shuffle_seed"):
        as_seed(seed)


def test_settings_are_refused_by_the_name_of_the_loader() -> None:
    with pytest.raises(rd.PipelineError, match="Toy: minibatch_size=0 must be at least 1"):
        check_settings("Toy", 0, True)
    with pytest.raises(rd.PipelineError, match="Toy: drop_last"):
        check_settings("Toy", 1, "no")
