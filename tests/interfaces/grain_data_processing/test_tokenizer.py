"""Tokenizers for the user's own calls: they add what was asked for, or raise an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerFast

import resumable_data as rd
from resumable_data.grain_data_processing import load_tokenizer


@pytest.mark.parametrize("add_bos", [False, True])
@pytest.mark.parametrize("add_eos", [False, True])
def test_it_adds_what_is_asked_for(add_bos: bool, add_eos: bool, corpus: Any) -> None:
    tokenizer = load_tokenizer(str(corpus.tokenizer), add_bos, add_eos)

    before, after = [corpus.bos] * add_bos, [corpus.eod] * add_eos
    assert tokenizer(corpus.texts[0])["input_ids"] == [*before, *corpus.tokens[0], *after]
    assert tokenizer.decode(corpus.tokens[0]) == corpus.texts[0]


def test_the_original_order_of_arguments_holds_and_nothing_is_added_by_default(corpus: Any, tmp_path: Path) -> None:
    assert load_tokenizer(corpus.tokenizer)(corpus.texts[0])["input_ids"] == corpus.tokens[0]
    assert load_tokenizer(corpus.tokenizer, True, False, None, tmp_path)("one")["input_ids"][0] == corpus.bos


def test_what_a_tokenizer_was_saved_with_gives_way(corpus: Any, tmp_path: Path) -> None:
    backend = Tokenizer.from_file(str(corpus.tokenizer / "tokenizer.json"))
    backend.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", corpus.bos), ("<eos>", corpus.eod)]
    )
    PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<bos>", eos_token="<eos>").save_pretrained(tmp_path)

    assert load_tokenizer(tmp_path)(corpus.texts[0])["input_ids"] == corpus.tokens[0]
    assert load_tokenizer(tmp_path / "tokenizer.json")(corpus.texts[0])["input_ids"] == corpus.tokens[0]


def test_a_tokenizer_json_names_no_tokens_to_add(corpus: Any) -> None:
    file = corpus.tokenizer / "tokenizer.json"

    assert load_tokenizer(file)(corpus.texts[0])["input_ids"] == corpus.tokens[0]
    with pytest.raises(rd.PipelineError, match=r"add_eos=True, but the tokenizer .*tokenizer\.json names no EOS"):
        load_tokenizer(file, add_eos=True)


def test_a_tokenizer_that_does_as_it_likes_is_refused(corpus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_tokenizer(corpus.tokenizer)
    monkeypatch.setattr(
        "resumable_data.interfaces.grain_data_processing.tokenizer.find_tokenizer", lambda *_, **__: loaded
    )

    with pytest.raises(rd.PipelineError, match=r"adds \[\] to a text, not \[1\], which add_bos=True .* settings win"):
        load_tokenizer(corpus.tokenizer, add_bos=True)


def test_a_network_that_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    code = "from resumable_data.grain_data_processing import load_tokenizer; load_tokenizer('own/tok')"
    # No server listens at this port.
    settings = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9", "JAX_PLATFORMS": "cpu"}
    run = subprocess.run([sys.executable, "-c", code], env={**os.environ, **settings}, capture_output=True, text=True)

    assert "tokenizer_path='own/tok' cannot be loaded: tokenize: there is no such file or folder" in run.stderr
    assert "where it could be a name, cannot be reached" in run.stderr
