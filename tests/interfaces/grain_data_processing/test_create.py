"""Iterators made from configs and a mesh equal those of ``make_grain_iterator``; and wrong arguments."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from jax.sharding import Mesh

import resumable_data as rd
from property_tests.testing.grain_corpus import tokens
from property_tests.testing.running import through_json
from resumable_data.grain_data_processing import (
    DataIterator,
    SyntheticDataConfig,
    create_data_iterator,
    create_mixed_data_iterator,
    make_grain_iterator,
)


def test_one_data_set_gives_the_batches_of_make_grain_iterator(corpus: Any, mesh: Mesh, content: Any) -> None:
    with create_data_iterator(tokens(corpus), mesh) as found, make_grain_iterator(tokens(corpus), mesh, [0]) as same:
        assert isinstance(found, DataIterator)
        assert list(map(content, islice(found, 6))) == list(map(content, islice(same, 6)))
        assert through_json(found.get_state()) == through_json(same.get_state())


def test_several_are_mixed_and_go_on_from_a_state(corpus: Any, mesh: Mesh, content: Any) -> None:
    sets = [tokens(corpus, name="a"), tokens(corpus, name="b", split="validation")]
    with (
        create_mixed_data_iterator(sets, mesh, [3, 1]) as found,
        make_grain_iterator(sets, mesh, [0], [3, 1]) as same,
    ):
        first = list(map(content, islice(found, 3)))
        state = through_json(found.get_state())
        rest = list(map(content, islice(found, 5)))
        assert first + rest == list(map(content, islice(same, 8)))
        same.set_state(state)
        assert list(map(content, islice(same, 5))) == rest
    with create_mixed_data_iterator(tuple(sets), mesh) as even, make_grain_iterator(sets, mesh, [0]) as same:
        assert content(next(even)) == content(next(same))


def test_synthetic_data_is_iterated_over_as_any_other(mesh: Mesh, content: Any) -> None:
    config = SyntheticDataConfig(global_batch_size=8, max_target_length=16, num_batches=3)
    with create_data_iterator(config, mesh) as batches:
        assert isinstance(batches, DataIterator)
        assert (len(batches), len(list(batches)), batches.dataset_size) == (3, 3, 24)
        assert batches.get_state()["step"] == 3


@pytest.mark.parametrize(
    ("create", "given", "message"),
    [
        (create_data_iterator, [], "create_data_iterator takes one config: for several use"),
        (create_data_iterator, {"data_path": "x"}, r"config must be a config, such as .*, not a dict"),
        (create_mixed_data_iterator, [3], r"configs\[0\] must be a config, such as .*, not an int"),
        (create_mixed_data_iterator, [], "configs is empty"),
        (
            create_mixed_data_iterator,
            SyntheticDataConfig(global_batch_size=8, max_target_length=16),
            "takes a list of configs, not a SyntheticDataConfig: for one config use create_data_iterator",
        ),
    ],
)
def test_wrong_configs_are_refused(create: Any, given: Any, message: str, mesh: Mesh) -> None:
    with pytest.raises(rd.PipelineError, match=message):
        create(given, mesh)


def test_a_wrong_mesh_is_refused(mesh: Mesh) -> None:
    config = SyntheticDataConfig(global_batch_size=8, max_target_length=16)
    wrong: Any = 8
    with pytest.raises(rd.PipelineError, match=r"mesh must be a jax\.sharding\.Mesh, .* not an int"):
        create_data_iterator(config, wrong)
    with pytest.raises(rd.PipelineError, match="3 dataset_weights for 1 data sets"):
        create_mixed_data_iterator([config], mesh, [1, 2, 3])
