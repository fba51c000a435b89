"""The tokens of requests: whole, without extra tokens, each text tokenized once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import resumable_data as rd
from property_tests.testing.toy_tokenizer import BOS, BOS_ID, EOS, EOS_ID, TEXT, alone, trained, with_names
from resumable_data.interfaces.lmeval_pipeline.tokens import RequestTokens, open_tokenizer
from resumable_data.stages import load_tokenizer
from resumable_data.stages.fast_tokenizer import FastTokenizer


def tokens_of(*texts: tuple[str, str]) -> RequestTokens:
    items = [{"prefix": prefix, "text": text} for prefix, text in texts]
    return RequestTokens.of(items, FastTokenizer.of(with_names()), BOS_ID)


def test_bos_then_the_prefix_then_the_text() -> None:
    tokens = tokens_of((TEXT[0], TEXT[1]), ("", TEXT[2]), ("", ""))

    assert tokens.whole(0).tolist() == [BOS_ID, *alone(TEXT[0]), *alone(TEXT[1])]
    assert tokens.whole(1).tolist() == [BOS_ID, *alone(TEXT[2])]
    assert tokens.whole(2).tolist() == [BOS_ID]
    assert [tokens.lengths(place) for place in range(3)] == [
        (len(alone(TEXT[0])), len(alone(TEXT[1]))),
        (0, len(alone(TEXT[2]))),
        (0, 0),
    ]


def test_nothing_is_cut_whatever_the_tokenizer_would() -> None:
    tokenizer = with_names(model_max_length=4)
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokens = RequestTokens.of([{"prefix": TEXT[0], "text": TEXT[1]}], FastTokenizer.of(tokenizer), BOS_ID)

    assert tokens.lengths(0) == (len(alone(TEXT[0])), len(alone(TEXT[1])))


def test_each_text_is_tokenized_once() -> None:
    seen: list[str] = []

    class Watching(FastTokenizer):
        def encode(self, texts: Any) -> Any:
            seen.extend(texts)
            return super().encode(texts)

    fast = Watching(trained().to_str(), False, BOS_ID, EOS_ID)
    items = [{"prefix": "question", "text": choice} for choice in ("yes", "no", "yes")]
    tokens = RequestTokens.of(items, fast, BOS_ID)

    assert sorted(seen) == ["no", "question", "yes"]
    assert tokens.whole(0).tolist() == tokens.whole(2).tolist()


def test_a_prefix_that_is_opened_already_is_not_opened_again() -> None:
    tokens = tokens_of((BOS + "a", BOS + "b"))

    assert tokens.whole(0).tolist() == [BOS_ID, *alone("a"), BOS_ID, *alone("b")]


def test_the_fingerprint_is_that_of_the_tokens() -> None:
    same = tokens_of(("a", "b")).fingerprint()

    assert same == tokens_of(("a", "b")).fingerprint()
    assert same != tokens_of(("", "b")).fingerprint()
    assert same != tokens_of(("b", "a")).fingerprint()
    assert same != tokens_of(("a", "b"), ("a", "b")).fingerprint()


def test_which_token_comes_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with_names().save_pretrained(tmp_path / "both")
    only_eos = with_names()
    only_eos.bos_token = None
    only_eos.save_pretrained(tmp_path / "eos")
    nameless = tmp_path / "tokenizer.json"
    trained().save(str(nameless))

    def first(path: Path, bos: int | None = None, eos: int | None = None) -> int:
        return open_tokenizer(path, None, None, bos, eos)[1]

    assert first(tmp_path / "both") == BOS_ID
    assert first(tmp_path / "eos") == EOS_ID
    assert first(tmp_path / "eos", bos=7) == 7
    assert first(nameless, bos=7, eos=8) == 7
    assert first(nameless, eos=8) == 8
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert first(tmp_path / "both", bos=7) == BOS_ID
    assert "bos_token_id=7 is not used: the tokenizer's own is 0" in caplog.text
    with pytest.raises(rd.PipelineError, match=r"no BOS token and no EOS token.*pass bos_token_id"):
        first(nameless)


def test_without_a_path_it_says_what_to_do() -> None:
    with pytest.raises(rd.PipelineError, match=r"tokenizer_path is None.*pass a folder, a tokenizer.json, or a name"):
        open_tokenizer(None, None, None, None, None)


def test_access_token_and_cache_reach_the_loader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def load(name: str, **settings: Any) -> Any:
        asked.update(settings, name=name)
        return with_names()

    monkeypatch.setattr(load_tokenizer, "load_tokenizer", load)

    open_tokenizer("some/name", "secret", tmp_path, None, None)
    assert asked == {"name": "some/name", "token": "secret", "cache_dir": str(tmp_path)}


def test_special_tokens_within_a_text_are_tokens() -> None:
    tokens = tokens_of(("", f"a{EOS}b"))

    assert tokens.whole(0).tolist() == [BOS_ID, *alone("a"), EOS_ID, *alone("b")]
