"""What is taken over of a tokenizer, what it counts by, and which are refused."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

import resumable_data as rd
from property_tests.testing.toy_tokenizer import BOS, BOS_ID, EOS, EOS_ID, TEXT, alone, shared, trained, with_names
from resumable_data.stages.fast_tokenizer import FastTokenizer, canonical_definition


def encoded(tokenizer: Any, *texts: str) -> list[list[int]]:
    return [ids for part in FastTokenizer.of(tokenizer).encode(texts) for ids in part]


def fingerprint(backend: Any) -> str:
    return FastTokenizer.of(backend).fingerprint


def changed(definition: dict[str, Any], **model: Any) -> Any:
    return Tokenizer.from_str(json.dumps({**definition, "model": {**definition["model"], **model}}))


def definition() -> dict[str, Any]:
    return json.loads(trained().to_str())


def test_every_way_to_name_a_tokenizer_gives_the_same_tokens_and_fingerprint(tmp_path: Path) -> None:
    with_names().save_pretrained(tmp_path / "first")
    with_names().save_pretrained(tmp_path / "second")
    file = tmp_path / "first" / "tokenizer.json"
    given = [trained(), shared(), str(file), file, tmp_path / "second", str(tmp_path / "first")]
    copies = [FastTokenizer.of(one) for one in given]

    assert len({copy.fingerprint for copy in copies}) == 1
    assert {(copy.bos_id, copy.eos_id) for copy in copies[1:2] + copies[4:]} == {(BOS_ID, EOS_ID)}
    assert (copies[0].eos_id, copies[2].eos_id) == (None, None)
    for one in given:
        assert encoded(one, *TEXT) == [alone(text) for text in TEXT]


def test_truncation_padding_and_template_are_left_out_and_the_given_tokenizer_is_not_changed() -> None:
    backend = trained()
    backend.enable_truncation(max_length=3)
    backend.enable_padding(length=50, pad_id=EOS_ID, pad_token=EOS)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}", special_tokens=[(BOS, BOS_ID), (EOS, EOS_ID)]
    )
    tokenizer = with_names(backend, model_max_length=4)
    tokenizer(TEXT[0], truncation=True, max_length=7, padding="max_length")
    before = tokenizer.backend_tokenizer.to_str(), backend.to_str()

    assert encoded(tokenizer, *TEXT) == encoded(backend, *TEXT) == [alone(text) for text in TEXT]
    assert (tokenizer.backend_tokenizer.to_str(), backend.to_str()) == before
    assert fingerprint(tokenizer) == fingerprint(backend) == fingerprint(trained())


def test_text_of_special_tokens_is_tokenized_as_the_tokenizer_says() -> None:
    text = f"a{EOS}b"
    split = with_names(split_special_tokens=True)

    assert EOS_ID in encoded(shared(), text)[0]
    assert encoded(split, text) == [split(text, add_special_tokens=False)["input_ids"]]
    assert EOS_ID not in encoded(split, text)[0]
    assert fingerprint(split) != fingerprint(shared())


@pytest.mark.parametrize("split", [False, True])
def test_another_process_gets_the_same_tokenizer(split: bool) -> None:
    original = FastTokenizer.of(with_names(split_special_tokens=split))
    sent = pickle.loads(pickle.dumps(original))

    assert list(sent.encode([f"a{EOS}b"])) == list(original.encode([f"a{EOS}b"]))
    assert (sent.fingerprint, sent.bos_id, sent.eos_id) == (original.fingerprint, BOS_ID, EOS_ID)


def test_the_fingerprint_sees_whatever_changes_a_token() -> None:
    whole = definition()
    merges = whole["model"]["merges"]
    swapped = [*merges[:-2], merges[-1], merges[-2]]
    lowered, added, prefixed = trained(), trained(), trained()
    lowered.normalizer = normalizers.Lowercase()
    added.add_tokens(["pipeline"])
    prefixed.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    others = [changed(whole, merges=merges[:-1]), changed(whole, merges=swapped), lowered, added, prefixed]

    assert len({fingerprint(one) for one in [trained(), *others]}) == 6


def test_the_fingerprint_does_not_see_how_a_definition_is_written() -> None:
    whole = definition()
    model = whole["model"]
    rewritten = {
        **dict(reversed(whole.items())),
        "version": "2.0",
        "decoder": None,
        "of_a_later_release": {},
        "model": {
            "of_a_later_release": False,
            "type": "BPE",
            "merges": [" ".join(pair) for pair in model["merges"]],
            "vocab": dict(reversed(model["vocab"].items())),
            "ignore_merges": False,
        },
    }

    assert canonical_definition(json.dumps(rewritten)) == canonical_definition(json.dumps(whole))
    older = {name: rewritten[name] for name in whole}
    older["version"] = "1.0"
    del older["model"]["of_a_later_release"]
    assert fingerprint(Tokenizer.from_str(json.dumps(older))) == fingerprint(trained())


def test_long_texts_come_in_parts_in_their_order() -> None:
    texts = [text * (1 + number % 3) for number, text in enumerate(TEXT * 4)]
    parts = list(FastTokenizer.of(shared()).encode(texts, at_once=2 * len(TEXT[0])))

    assert len(parts) > 4
    assert [ids for part in parts for ids in part] == [alone(text) for text in texts]


def test_an_error_in_a_later_part_is_raised() -> None:
    parts = FastTokenizer.of(shared()).encode(["ab", "cd", "\ud800"], at_once=2)

    assert next(parts) == [alone("ab")]
    with pytest.raises(TypeError):
        list(parts)


class Backwards:
    def pre_tokenize(self, text: Any) -> None:
        pass


def test_what_cannot_be_copied_or_is_no_tokenizer_is_refused() -> None:
    custom, random = trained(), trained()
    custom.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(Backwards())
    random.model.dropout = 0.5

    with pytest.raises(rd.PipelineError, match=r"cannot be copied: Custom PreTokenizer.*call it in a map"):
        FastTokenizer.of(custom)
    with pytest.raises(rd.PipelineError, match=r"dropout=0\.5, which gives other tokens at each call"):
        FastTokenizer.of(random)
    with pytest.raises(rd.PipelineError, match="the path of one, or a text encoder, not a function"):
        FastTokenizer.of(alone)


def test_a_slow_tokenizer_is_refused_with_advice() -> None:
    from transformers import ByT5Tokenizer

    with pytest.raises(
        rd.PipelineError, match=r"ByT5Tokenizer is a slow one.*AutoTokenizer.*or pass its call to map"
    ):
        FastTokenizer.of(ByT5Tokenizer())


@pytest.mark.parametrize("content", [None, "", "{}", "not JSON"])
def test_a_file_that_is_missing_or_damaged_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(rd.PipelineError, match=r"tokenizer\.json"):
        FastTokenizer.of(path)


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(rd.PipelineError, match=f"the tokenizer {tmp_path} cannot be loaded"):
        FastTokenizer.of(tmp_path)


@pytest.mark.parametrize(("package", "given"), [("tokenizers", trained()), ("transformers", ".")])
def test_a_package_that_is_missing_is_named(package: str, given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(rd.PipelineError, match=rf"needs the package {package}: pip install 'resumable_data\[text\]'"):
        FastTokenizer.of(given)


def test_models_of_every_kind_are_taken() -> None:
    words = Tokenizer(models.WordLevel({"?": 0, "a": 1}, unk_token="?"))
    pieces = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"))
    unigram = Tokenizer(models.Unigram([("?", 0.0), ("a", -0.5), ("b", -1.0)], unk_id=0))

    assert [encoded(one, "ab") for one in (words, pieces, unigram)] == [[[0]], [[1, 2]], [[1, 2]]]
    heavier = Tokenizer(models.Unigram([("?", 0.0), ("a", -0.5), ("b", -1.5)], unk_id=0))
    assert len({fingerprint(one) for one in (words, pieces, unigram, heavier)}) == 4
