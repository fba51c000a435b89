"""Every argument of ``preprocess_dataset``, on text and tokens, from ArrayRecord and Hugging Face."""

from __future__ import annotations

import logging
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import jax
import numpy as np
import pytest

import resumable_data as rd
from property_tests.testing.running import through_json
from resumable_data.grain_data_processing import (
    PaddedDataset,
    load_array_record_dataset,
    preprocess_dataset,
)

DOCUMENTS = [[1, 2, 3], [4, 5], [6, 7], [8], [1] * 20]


def rows_of(dataset: Any = DOCUMENTS, host: int = 0, hosts: int = 1, **settings: Any) -> rd.Dataset[rd.LLMBatch]:
    """Rows of 8 tokens, of tokens whose end-of-document token is 99, one epoch in the data set's order."""
    plain: dict[str, Any] = {
        "data_column_name": "text",
        "tokenize": False,
        "global_batch_size": 2,
        "max_target_length": 8,
        "shuffle": False,
        "data_shuffle_seed": 1,
        "num_epochs": 1,
        "eod_token_id": 99,
        "drop_remainder": False,
    }
    rows, source = preprocess_dataset(host, hosts, dataset, **(plain | settings))
    assert source is dataset
    return rows


def text_rows(corpus: Any, dataset: Any, **settings: Any) -> list[list[int]]:
    """The tokens of each row of text, up to the padding."""
    settings = {"tokenize": True, "tokenizer_path": str(corpus.tokenizer), "eod_token_id": None} | settings
    found = rows_of(dataset, **settings)
    return [row.targets[row.targets_segmentation > 0].tolist() for row in found if row.targets_segmentation.any()]


def targets(rows: Any) -> list[list[int]]:
    return [row.targets.tolist() for row in rows]


def test_the_packing_table_of_the_original() -> None:
    rows = list(rows_of(DOCUMENTS[:3], grain_packing=True))
    # Best fit puts the longest document first in its row; each row holds the documents in their own order.
    assert targets(rows) == [[1, 2, 3, 99, 4, 5, 99, 0], [6, 7, 99, 0, 0, 0, 0, 0]]
    assert rows[0].inputs.tolist() == [99, 1, 2, 3, 99, 4, 5, 99]
    assert rows[0].inputs_segmentation.tolist() == rows[0].targets_segmentation.tolist() == [1, 1, 1, 1, 2, 2, 2, 0]
    assert rows[0].inputs_position.tolist() == rows[0].targets_position.tolist() == [0, 1, 2, 3, 0, 1, 2, 0]
    assert rows[0].get_document_borders().tolist() == [1, 0, 0, 0, 1, 0, 0, 1]
    assert {leaf.dtype for row in rows for leaf in jax.tree.leaves(row)} == {np.dtype(np.int32)}


def test_one_document_a_row_with_its_end_of_document_token_unless_it_fills_the_row() -> None:
    assert targets(rows_of(drop_remainder=True)) == [
        [1, 2, 3, 99, 0, 0, 0, 0],
        [4, 5, 99, 0, 0, 0, 0, 0],
        [6, 7, 99, 0, 0, 0, 0, 0],
        [8, 99, 0, 0, 0, 0, 0, 0],
    ]
    assert targets(rows_of(add_eod=False))[3:] == [[8, 0, 0, 0, 0, 0, 0, 0], [1] * 8, [0] * 8]
    exact = [[1] * 7, [2] * 8, [3] * 9]
    assert targets(rows_of(exact))[:3] == [[1] * 7 + [99], [2] * 8, [3] * 8]


def test_without_shift_inputs_are_the_targets() -> None:
    for row in rows_of(grain_packing=True, shift=False):
        np.testing.assert_array_equal(row.inputs, row.targets)


@pytest.mark.parametrize("packing", [True, False])
def test_long_documents_of_tokens_lose_their_tail_as_those_of_text_do(packing: bool, corpus: Any) -> None:
    long = [[1] * 20, [2] * 5]
    found = targets(rows_of(long, grain_packing=packing))
    assert sorted(found)[-2:] == [[1] * 8, [2] * 5 + [99, 0, 0]]
    assert sum(1 for row in found if any(row)) == 2


def test_tokens_that_are_cut_are_counted_of_text_as_of_tokens(corpus: Any) -> None:
    settings = {"tokenizer_path": str(corpus.tokenizer), "add_bos": False, "add_eos": False, "eod_token_id": None}
    cut = sum(max(0, len(ids) + 1 - 8) for ids in corpus.tokens)
    for dataset, tokenize in ((corpus.texts, True), (corpus.tokens, False)):
        rows = iter(rows_of(dataset, tokenize=tokenize, **settings))
        assert sum(1 for _ in rows) == 90
        assert rows.progress().truncated == cut


def test_records_are_never_changed() -> None:
    documents = [np.array([5, 6, 7], np.int32), np.array([8], np.int32)]
    records = [{"text": document} for document in documents]
    rows = rows_of(records, num_epochs=3, shift=True)
    first, second, third = targets(rows)[:2], targets(rows)[2:4], targets(rows)[4:]
    assert first == second == third
    assert [document.tolist() for document in documents] == [[5, 6, 7], [8]]
    assert targets(rows_of(records, num_epochs=3)) == targets(rows)


@pytest.mark.parametrize("hosts", [1, 2, 4])
@pytest.mark.parametrize("packing", [True, False])
def test_the_order_is_one_for_all_hosts(hosts: int, packing: bool, corpus: Any, content: Any) -> None:
    for settings in (
        {"dataset": load_array_record_dataset(corpus.pretokenized / "train")},
        {"dataset": load_array_record_dataset(corpus.text / "train"), "tokenize": True},
    ):
        settings |= {"tokenizer_path": str(corpus.tokenizer), "eod_token_id": None, "global_batch_size": 4}
        settings |= {"shuffle": True, "grain_packing": packing, "num_epochs": None}
        whole = [content(row) for row in islice(rows_of(**settings), 40)]
        share = 4 // hosts
        for host in range(hosts):
            own = [content(row) for row in islice(rows_of(host=host, hosts=hosts, **settings), 10 * share)]
            assert own == [row for place, row in enumerate(whole) if place % 4 // share == host]


def test_a_batch_that_hosts_do_not_divide_is_refused_with_what_would_work() -> None:
    with pytest.raises(rd.PipelineError, match="cannot be divided among 3 processes; they can among 1, 2, 4"):
        rows_of(hosts=3, global_batch_size=4)


def test_text_is_tokenized_cut_and_closed_whatever_holds_it(corpus: Any) -> None:
    held: list[Any] = [
        corpus.texts,
        [{"text": text, "other": 1} for text in corpus.texts],
        [text.encode() for text in corpus.texts],
        datasets.Dataset.from_dict({"text": corpus.texts}),
        rd.GrainSource([{"text": text} for text in corpus.texts]),
    ]
    for dataset in held:
        plain = text_rows(corpus, dataset, add_bos=False, add_eos=False)
        assert sorted(plain) == sorted([*ids, corpus.eod][:8] for ids in corpus.tokens)


def test_bos_eos_and_eod_are_added_where_asked_and_one_token_closes_a_document_once(corpus: Any) -> None:
    texts, ids = corpus.texts[:1], corpus.tokens[0]
    length = {"max_target_length": len(ids) + 4}
    bos, eod = [corpus.bos], [corpus.eod]
    assert text_rows(corpus, texts, **length) == [bos + ids + eod]
    assert text_rows(corpus, texts, **length, add_bos=False) == [ids + eod]
    assert text_rows(corpus, texts, **length, add_eod=False) == [bos + ids + eod]
    assert text_rows(corpus, texts, **length, add_eos=False, add_eod=False) == [bos + ids]
    file = {"tokenizer_path": str(corpus.tokenizer / "tokenizer.json"), "eod_token_id": 77}
    assert text_rows(corpus, texts, **length, **file, add_bos=False, add_eos=False) == [[*ids, 77]]


def test_the_tokenizer_supplies_the_end_of_document_token(corpus: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"tokenizer_path": str(corpus.tokenizer), "max_target_length": 3}
    with caplog.at_level(logging.WARNING):
        assert targets(rows_of([[4], [5]], eod_token_id=99, **settings)) == [[4, corpus.eod, 0], [5, corpus.eod, 0]]
    assert f"eod_token_id=99 is not used: the tokenizer's end-of-document token is {corpus.eod}" in caplog.text
    with pytest.raises(rd.PipelineError, match=r"there is no end-of-document token.*give eod_token_id"):
        rows_of(eod_token_id=None)
    with pytest.raises(rd.PipelineError, match="tokenize=True needs a tokenizer_path"):
        rows_of(["text"], tokenize=True)
    with pytest.raises(rd.PipelineError, match=r"tokenizer_path='.*nowhere' cannot be loaded"):
        rows_of(["text"], tokenize=True, tokenizer_path=str(corpus.tokenizer / "nowhere"))


def test_a_package_that_is_broken_is_not_called_missing(
    corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "transformers.py").write_text("raise ImportError('safetensors is broken')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        rd.PipelineError, match="transformers, which text needs, cannot be imported: safetensors is broken"
    ):
        rows_of(["text"], tokenize=True, tokenizer_path=str(corpus.tokenizer))


@pytest.mark.parametrize("packing", [True, False])
def test_steps_end_where_they_are_limited_also_with_packing(packing: bool, content: Any) -> None:
    documents = [[place] * (1 + place % 5) for place in range(1, 61)]
    endless = {"dataset": documents, "num_epochs": None, "grain_packing": packing, "shuffle": True}
    limited = [content(row) for row in rows_of(**endless, max_steps_per_epoch=4)]
    assert limited == [content(row) for row in islice(rows_of(**endless), 8)]
    assert len(limited) == 8
    assert len(list(rows_of(documents, max_steps_per_epoch=100))) == 60
    assert len(list(rows_of(documents, max_steps_per_epoch=3, num_epochs=2))) == 12
    with pytest.raises(rd.PipelineError, match="max_steps_per_epoch=0"):
        rows_of(max_steps_per_epoch=0)


def test_epochs_differ_where_shuffled_and_hold_every_document_once() -> None:
    documents = [[place] for place in range(1, 18)]
    found = [row[0] for row in targets(rows_of(documents, num_epochs=3, shuffle=True)) if row[0]]
    epochs = [found[start : start + 17] for start in (0, 17, 34)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(sorted(epoch) == list(range(1, 18)) for epoch in epochs)
    other = targets(rows_of(documents, shuffle=True, data_shuffle_seed=2))
    assert [row[0] for row in other][:17] != epochs[0]


def test_the_last_batch_of_all_epochs_is_dropped_or_filled_up() -> None:
    documents = [[place] for place in range(1, 6)]
    settings = {"num_epochs": 3, "global_batch_size": 4}
    filled = targets(rows_of(documents, **settings))
    assert [row[0] for row in filled] == [1, 2, 3, 4, 5] * 3 + [0]
    assert targets(rows_of(documents, **settings, drop_remainder=True)) == filled[:12]


def test_a_padded_data_set_is_filled_up_and_a_shorter_one_is_cut() -> None:
    documents = [[1], [2], [3], [4], [5]]
    padded = rows_of(PaddedDataset(documents, 8, "text"), global_batch_size=4, drop_remainder=True)
    assert [row.targets[0] for row in padded] == [1, 2, 3, 4, 5, 0, 0, 0]
    assert sum(np.count_nonzero(row.targets_segmentation) for row in padded) == 10
    assert [row.targets[0] for row in rows_of(PaddedDataset(documents, 2, "text"))] == [1, 2]


def test_more_packing_bins_leave_less_padding() -> None:
    random = np.random.default_rng(1)
    documents = [[1] * length for length in random.integers(1, 8, 4096).tolist()]
    filled = {
        bins: len(list(rows_of(documents, grain_packing=True, grain_packing_bin_count=bins))) for bins in (1, 32)
    }
    assert filled[32] < filled[1]
    default = len(list(rows_of(documents, grain_packing=True, global_batch_size=32)))
    assert default == -(-filled[32] // 32) * 32
    with pytest.raises(rd.PipelineError, match="grain_packing_bin_count=0 must be at least 1"):
        rows_of(grain_packing=True, grain_packing_bin_count=0)


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("packing", [True, False])
def test_it_resumes_at_every_row(text: bool, packing: bool, corpus: Any, content: Any) -> None:
    folder = corpus.text if text else corpus.pretokenized
    settings = {"tokenize": text, "tokenizer_path": str(corpus.tokenizer), "eod_token_id": None, "shuffle": True}
    settings |= {"grain_packing": packing, "num_epochs": None, "global_batch_size": 4}
    rows = rows_of(load_array_record_dataset(folder / "train"), host=1, hosts=2, **settings)
    iterator = iter(rows)
    used = iter(rows)
    states, found = [], []
    for _ in range(24):
        states.append(through_json(iterator.get_state()))
        found.append(content(next(iterator)))
    for place in (0, 1, 7, 18):
        used.set_state(states[place])
        assert [content(next(used)) for _ in range(5)] == found[place : place + 5]


def test_a_record_without_the_column_is_named() -> None:
    with pytest.raises(rd.RecordError, match="no column 'text', only words"):
        rows_of([{"words": [1]}])
    lazily = rd.GrainSource([{"text": [1]}, {"words": [1]}], fingerprint="two")
    with pytest.raises(rd.RecordError, match=r"record 1: .*no column 'text', only words"):
        list(rows_of(lazily))
