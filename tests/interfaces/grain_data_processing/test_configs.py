"""Configs: the settings of one config replace shared ones, and no given object is changed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

import resumable_data as rd
from resumable_data.grain_data_processing import (
    DataConfig,
    GrainArrayRecordsDataConfig,
    HFHubDataConfig,
    SyntheticDataConfig,
)


def test_what_is_given_for_one_wins_over_what_is_shared_and_nothing_given_is_changed() -> None:
    training, evaluation = {"split": "part", "grain_packing": True}, {"shuffle_data": True, "add_bos": True}
    shared = {"data_path": "corpus", "global_batch_size": 8, "grain_packing": False, "drop_remainder": True}
    train, val = GrainArrayRecordsDataConfig.create_train_eval_configs(training, evaluation, **shared)

    assert (train.split, train.grain_packing, train.shuffle_data, train.drop_remainder) == ("part", True, True, True)
    assert (val.split, val.grain_packing, val.shuffle_data, val.drop_remainder) == ("validation", False, True, True)
    assert (train.add_bos, val.add_bos) == (False, True)
    assert training == {"split": "part", "grain_packing": True}
    assert evaluation == {"shuffle_data": True, "add_bos": True}


def test_defaults_are_those_of_settings_that_the_class_has() -> None:
    train, val = SyntheticDataConfig.create_train_eval_configs(global_batch_size=8, max_target_length=4)
    assert (train.shuffle_data, val.shuffle_data, train.num_batches) == (True, False, 100)
    train, val = HFHubDataConfig.create_train_eval_configs(hf_path="text", global_batch_size=8)
    assert (train.split, val.split, train.drop_remainder, val.drop_remainder) == ("train", "validation", True, False)


def test_a_setting_that_is_unknown_or_missing_is_named() -> None:
    with pytest.raises(rd.PipelineError, match="DataConfig has no setting batch; it has data_shuffle_seed, "):
        DataConfig.create_train_eval_configs({"batch": 3}, global_batch_size=8)
    with pytest.raises(rd.PipelineError, match="hf_path"):
        HFHubDataConfig.create_train_eval_configs(global_batch_size=8)


def test_configs_are_frozen_and_by_keyword() -> None:
    with pytest.raises(FrozenInstanceError):
        DataConfig(global_batch_size=8).global_batch_size = 9  # type: ignore[misc]
    with pytest.raises(TypeError):
        DataConfig(8)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value"), [("max_steps_per_epoch", 0), ("worker_count", -1), ("worker_buffer_size", 0)]
)
def test_a_number_that_cannot_be_is_refused(name: str, value: int) -> None:
    with pytest.raises(rd.PipelineError, match=f"HFHubDataConfig: {name}={value} must be at least {value + 1}"):
        HFHubDataConfig(hf_path="text", global_batch_size=8, **{name: value})
