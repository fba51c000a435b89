"""Iterators of configs: mixing, epochs, lengths, evaluation, ramp-up and resuming, on one process."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import resumable_data as rd
from property_tests.testing.array_record_shards import write_documents
from property_tests.testing.grain_corpus import tokens
from property_tests.testing.running import through_json
from resumable_data.grain_data_processing import (
    DataConfig,
    GrainArrayRecordsDataConfig,
    HFHubDataConfig,
    SyntheticDataConfig,
    make_grain_iterator,
)


def evaluation(corpus: Any, **settings: Any) -> GrainArrayRecordsDataConfig:
    return tokens(corpus, **({"split": "validation", "shuffle_data": False, "drop_remainder": False} | settings))


def text(corpus: Any, **settings: Any) -> GrainArrayRecordsDataConfig:
    return tokens(corpus, **({"data_path": corpus.text, "tokenize_data": True} | settings))


def hugging_face(corpus: Any, cache: Path, **settings: Any) -> HFHubDataConfig:
    plain: dict[str, Any] = {
        "hf_path": "json",
        "hf_data_files": str(corpus.json),
        "hf_cache_dir": str(cache),
        "tokenizer_path": str(corpus.tokenizer),
        "global_batch_size": 8,
        "max_target_length": 16,
        "shuffle_data": True,
        "drop_remainder": True,
    }
    return HFHubDataConfig(**(plain | settings))


def constant(folder: Path, token: int, count: int, length: int = 3) -> Path:
    """Makes an ArrayRecord data set whose documents repeat one token."""
    write_documents(folder / "train" / "train_0.arecord", [[token] * length] * count)
    return folder


def scored(batches: Any) -> list[bytes]:
    """Returns the scored tokens of each row that has any."""
    rows = [row for batch in batches for row in batch]
    return [row.targets[row.targets_segmentation > 0].tobytes() for row in rows if row.targets_segmentation.any()]


@pytest.mark.parametrize("packing", [True, False])
def test_array_records_and_hugging_face_give_identical_batches(
    packing: bool, corpus: Any, mesh: Mesh, tmp_path: Path, content: Any
) -> None:
    settings = {"grain_packing": packing, "add_bos": True}
    records = make_grain_iterator([text(corpus, **settings)], mesh, [0])
    table = make_grain_iterator([hugging_face(corpus, tmp_path, **settings)], mesh, [0])
    assert len(records) == len(table) == 8
    for one, other in zip(records, table, strict=True):
        assert content(one) == content(other)
        assert one.inputs.shape == (8, 16)
        assert one.inputs.sharding == NamedSharding(mesh, PartitionSpec(("data",)))
        np.testing.assert_array_equal(one.inputs[:, 1:], one.targets[:, :-1])


@pytest.mark.parametrize("packing", [True, False])
def test_an_evaluation_epoch_scores_every_document_once_and_is_always_the_same(
    packing: bool, corpus: Any, mesh: Mesh, content: Any
) -> None:
    batches = make_grain_iterator([evaluation(corpus, grain_packing=packing)], mesh, [0])
    epochs = [[content(batch) for batch in batches] for _ in range(3)]
    assert epochs[0] == epochs[1] == epochs[2]
    assert len(epochs[0]) == len(batches)
    assert batches.dataset_size == 20

    found = b"".join(scored(batches))
    wanted = [*([*ids, corpus.eod] for ids in corpus.tokens[70:])]
    assert sorted(np.frombuffer(found, np.int32).tolist()) == sorted(token for ids in wanted for token in ids)
    if not packing:
        assert scored(batches) == [np.array(ids, np.int32).tobytes() for ids in wanted]
        assert len(batches) == 3
    next(iter(batches))
    assert [content(batch) for batch in batches] == epochs[0]


def test_text_is_evaluated_to_its_end(corpus: Any, mesh: Mesh) -> None:
    batches = make_grain_iterator(
        [text(corpus, split="validation", shuffle_data=False, drop_remainder=False)], mesh, [0]
    )
    with pytest.raises(TypeError, match="no length"):
        len(batches)
    for _ in range(2):
        found = scored(batches)
        assert sorted(found) == sorted(np.array([*ids, corpus.eod], np.int32).tobytes() for ids in corpus.tokens[70:])


@pytest.mark.parametrize("packing", [True, False])
def test_training_epochs_have_the_length_of_one_pass_and_their_own_orders(
    packing: bool, corpus: Any, mesh: Mesh, content: Any
) -> None:
    batches = make_grain_iterator([tokens(corpus, grain_packing=packing)], mesh, [0])
    epochs = [[content(batch) for batch in batches] for _ in range(2)]
    assert [len(epoch) for epoch in epochs] == [len(batches)] * 2
    assert epochs[0] != epochs[1]
    rows = sum(len(ids) + 1 for ids in corpus.tokens[:70]) / 16 if packing else 70
    assert rows / 8 - 1 < len(batches) <= rows / 8 * 1.1


def test_the_length_of_an_epoch_counts_the_ramp_up(corpus: Any, mesh: Mesh) -> None:
    batches = make_grain_iterator([tokens(corpus, batch_rampup_factors={0: 1, 2: 2, 4: 1})], mesh, [0])
    assert [len(batch) for batch in batches] == [8, 8, 16, 16, 8, 8]
    unknown = make_grain_iterator([text(corpus, grain_packing=True, batch_rampup_factors={2: 2})], mesh, [0])
    assert len(unknown) == 2 + (70 - 16) // 16
    assert len(make_grain_iterator([text(corpus, shuffle_data=True, drop_remainder=False)], mesh, [0])) == 9


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("evaluated", [True, False])
def test_an_epoch_ends_where_its_steps_are_limited(
    packing: bool, evaluated: bool, corpus: Any, mesh: Mesh, content: Any
) -> None:
    settings = {"grain_packing": packing} | ({"shuffle_data": False, "drop_remainder": False} if evaluated else {})
    unlimited = make_grain_iterator([tokens(corpus, **settings)], mesh, [0])
    batches = make_grain_iterator([tokens(corpus, max_steps_per_epoch=2, **settings)], mesh, [0])
    first, second = [content(batch) for batch in batches], [content(batch) for batch in batches]
    wanted = [content(batch) for batch in islice(unlimited, 4)]
    assert len(batches) == 2
    assert first == wanted[:2]
    assert second == (first if evaluated else wanted[2:])
    many = make_grain_iterator([tokens(corpus, max_steps_per_epoch=1000, **settings)], mesh, [0])
    assert len(many) == len(unlimited)


def test_mixed_in_the_proportion_of_the_weights_until_the_longest_was_seen_once(tmp_path: Path, mesh: Mesh) -> None:
    configs = [
        GrainArrayRecordsDataConfig(
            data_path=constant(tmp_path / name, token, count),
            name=name,
            tokenize_data=False,
            tokenizer_path=None,
            eod_token_id=9,
            global_batch_size=4,
            max_target_length=4,
            drop_remainder=True,
        )
        for name, token, count in (("web", 1, 20), ("code", 2, 10))
    ]
    four = Mesh(np.array(jax.devices()[:4]), "data")
    batches = make_grain_iterator(configs, four, [0], dataset_weights=[3, 1])
    assert (batches.dataset_size, len(batches)) == (40, 10)
    for _ in range(2):
        assert [sorted(np.asarray(batch.targets[:, 0]).tolist()) for batch in batches] == [[1, 1, 1, 2]] * 10
    equal = make_grain_iterator(configs, four, [0])
    assert [np.asarray(batch.targets[:, 0]).sum() for batch in islice(equal, 4)] == [6] * 4
    alone = make_grain_iterator(configs, four, [0], dataset_weights=[0, 0.5])
    assert {int(token) for batch in alone for token in batch.targets[:, 0]} == {2}
    assert len(make_grain_iterator(configs[:1], four, [0], dataset_weights=[0.1])) == 5


def test_the_first_config_holds_for_all_and_a_warning_says_so(
    corpus: Any, mesh: Mesh, caplog: pytest.LogCaptureFixture, content: Any
) -> None:
    first = tokens(corpus, name="a", worker_buffer_size=2)
    other = tokens(corpus, name="b", global_batch_size=16, drop_remainder=False, max_steps_per_epoch=1)
    with caplog.at_level(logging.WARNING):
        mixed = make_grain_iterator([first, other], mesh, [0])
    for setting in ("global_batch_size=16", "drop_remainder=False", "max_steps_per_epoch=1", "worker_buffer_size=1"):
        assert f"data set b: {setting} is ignored" in caplog.text
    same = make_grain_iterator([first, tokens(corpus, name="b")], mesh, [0])
    assert len(mixed) == len(same) > 1
    for one, two in zip(mixed, same, strict=True):
        assert content(one) == content(two)


def test_configs_that_do_not_go_together_are_refused(corpus: Any, mesh: Mesh) -> None:
    short = tokens(corpus, max_target_length=8)
    for configs, weights, message in (
        ([tokens(corpus), short], None, r"need the same max_target_length, but it is \[8, 16\]"),
        ([tokens(corpus), tokens(corpus)], [1], "1 dataset_weights for 2 data sets"),
        ([tokens(corpus), tokens(corpus)], [0, 0], "all dataset_weights are 0"),
        ([tokens(corpus, name="a"), tokens(corpus, name="a")], None, "two data sets of the mix have the name 'a'"),
        ([], None, "configs is empty"),
        ([tokens(corpus, max_target_length=None)], None, "a GrainArrayRecordsDataConfig has no max_target_length"),
        ([DataConfig(global_batch_size=8, max_target_length=8)], None, "DataConfig is not a known config"),
        ([text(corpus, name="t", tokenizer_path=None)], None, "the data set t is text: set tokenizer_path"),
        ([tokens(corpus, global_batch_size=80)], None, "the data fills no batch"),
        ([tokens(corpus, batch_rampup_factors={0: 0.5})], None, "4"),
    ):
        with pytest.raises(rd.PipelineError, match=message):
            make_grain_iterator(configs, mesh, [0], weights)
    with pytest.raises(rd.PipelineError, match=r"process_indices=\[0, 1\], but .* are \[0\]"):
        make_grain_iterator([tokens(corpus)], mesh, [0, 1])
    with pytest.raises(rd.SourceError, match="does not exist"):
        make_grain_iterator([tokens(corpus, split="test")], mesh, [0])


@pytest.mark.parametrize("workers", [(0, 1), (1, 1), (3, 2)])
def test_workers_change_no_byte(workers: tuple[int, int], corpus: Any, mesh: Mesh, content: Any) -> None:
    settings = {"grain_packing": True}
    plain = make_grain_iterator([tokens(corpus, **settings)], mesh, [0])
    worked = tokens(corpus, worker_count=workers[0], worker_buffer_size=workers[1], **settings)
    with make_grain_iterator([worked], mesh, [0]) as batches:
        assert [content(batch) for batch in batches] == [content(batch) for batch in plain]


@pytest.mark.parametrize("kind", ["tokens", "text", "mix", "evaluation"])
@pytest.mark.parametrize("packing", [True, False])
def test_it_resumes_in_the_middle_and_at_the_end_of_an_epoch(
    kind: str, packing: bool, corpus: Any, mesh: Mesh, content: Any
) -> None:
    settings = {"grain_packing": packing, "batch_rampup_factors": {2: 2}}
    configs = {
        "tokens": [tokens(corpus, **settings)],
        "text": [text(corpus, **settings)],
        "mix": [tokens(corpus, name="a", **settings), text(corpus, name="b", **settings)],
        "evaluation": [evaluation(corpus, **settings)],
    }[kind]
    weights = [3, 1] if kind == "mix" else None
    batches = make_grain_iterator(configs, mesh, [0], weights)
    states, found = [], []
    for _ in range(2):
        for batch in batches:
            found.append(content(batch))
            states.append(through_json(batches.get_state()))
    used = make_grain_iterator(configs, mesh, [0], weights)
    next(iter(used))
    # At the beginning, at the end of an epoch, and in the middle of the next.
    for place in (0, len(states) // 2 - 1, 3 * len(states) // 4):
        fresh = used if place else make_grain_iterator(configs, mesh, [0], weights)
        fresh.set_state(states[place])
        following: list[Any] = []
        while len(following) < len(found) - place - 1:
            following += [content(batch) for batch in fresh]
        assert following == found[place + 1 :]


def test_a_state_of_other_settings_is_refused_with_the_difference(corpus: Any, mesh: Mesh) -> None:
    state = make_grain_iterator([tokens(corpus, grain_packing=True)], mesh, [0]).get_state()
    for settings, message in (
        ({"max_target_length": 15}, "pack.length was 16, is 15"),
        ({"data_shuffle_seed": 7}, "shuffle.seed was 42, is 7"),
        ({"grain_packing_bin_count": 1}, "pack.window was 256, is 32"),
    ):
        with pytest.raises(rd.PipelineMismatchError, match=message):
            make_grain_iterator([tokens(corpus, grain_packing=True, **settings)], mesh, [0]).set_state(state)


def test_a_data_set_is_added_to_a_running_mix_under_a_name_of_its_own(corpus: Any, mesh: Mesh) -> None:
    a, b, c = (tokens(corpus, name=name) for name in "abc")
    batches = make_grain_iterator([a, b], mesh, [0])
    next(batches)
    state = batches.get_state()
    extended = make_grain_iterator([c, a, b], mesh, [0], dataset_weights=[2, 1, 1])
    with pytest.raises(rd.PipelineMismatchError, match="iterator_length"):
        extended.set_state(state, allow={"sources"})
    extended.set_state(state, allow={"sources", "iterator_length"})
    next(extended)
    state = extended.get_state()["iterator"]
    assert state["step"] == 2
    assert [edit["kind"] for edit in state["edits"]] == ["component_added", "setting"]


def test_synthetic_data(mesh: Mesh) -> None:
    config = SyntheticDataConfig(global_batch_size=16, max_target_length=5, num_batches=3)
    batches = make_grain_iterator(config, mesh, [0])
    assert batches.dataset_size == 48
    for _ in range(3):
        epoch = list(batches)
        assert len(epoch) == 3
        for batch in epoch:
            assert batch.inputs.shape == (16, 5)
            assert np.asarray(batch.targets_segmentation).all()
    half = SyntheticDataConfig(global_batch_size=12, max_target_length=5)
    with pytest.raises(rd.PipelineError, match="12"):
        make_grain_iterator(half, mesh, [0])
