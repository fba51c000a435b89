"""Tokenizers by a path or a name; nothing waits for a Hub that cannot be reached."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import resumable_data as rd
from resumable_data.stages.load_tokenizer import load_tokenizer


def words() -> Tokenizer:
    found = Tokenizer(models.WordLevel({"?": 0, "one": 1, "</s>": 2}, unk_token="?"))
    found.pre_tokenizer = pre_tokenizers.Whitespace()
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    PreTrainedTokenizerFast(tokenizer_object=words(), eos_token="</s>").save_pretrained(tmp_path / "tok")
    return tmp_path / "tok"


def test_a_file_and_a_folder_are_loaded(folder: Path) -> None:
    assert load_tokenizer(str(folder / "tokenizer.json")).encode("one two").ids == [1, 0]
    assert load_tokenizer(str(folder))("one two")["input_ids"] == [1, 0]


def test_a_folder_need_not_look_like_a_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)

    assert load_tokenizer("tok")("one")["input_ids"] == [1]


@pytest.mark.parametrize("name", ["", "./tok", "../tok", "~/tok", "/tok", "a/b/c", "tok/", "tok.json"])
def test_a_path_is_not_looked_for_on_the_hub(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(rd.PipelineError, match=r"no such file or folder: '[^']*'$"):
        load_tokenizer(name)


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(rd.PipelineError, match=f"the tokenizer {tmp_path} cannot be loaded"):
        load_tokenizer(str(tmp_path))


LOAD = """
import sys
from resumable_data.errors import PipelineError
from resumable_data.stages.load_tokenizer import load_tokenizer
try:
    print(load_tokenizer(sys.argv[1], token="secret", cache_dir=sys.argv[2] or None)("one")["input_ids"])
except PipelineError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("name", "found"),
    [("own/tok", "[1]"), ("own/other", "no such file or folder: 'own/other'; and the Hugging Face Hub")],
)
@pytest.mark.parametrize("named", [False, True])
def test_without_a_network_a_name_is_found_in_the_cache_or_not_at_all(
    name: str, found: str, named: bool, folder: Path, tmp_path: Path
) -> None:
    # As the Hub's client lays out what it has downloaded.
    cached = folder.parent / "hub" / "models--own--tok"
    (cached / "refs").mkdir(parents=True)
    (cached / "snapshots").mkdir()
    (cached / "refs" / "main").write_text("1" * 40)
    (cached / ".no_exist" / ("1" * 40)).mkdir(parents=True)
    (cached / ".no_exist" / ("1" * 40) / "config.json").touch()  # the Hub was asked for it, and had none
    folder.rename(cached / "snapshots" / ("1" * 40))

    # Nobody listens at this port.
    home = tmp_path / "another" if named else folder.parent
    settings = {"HF_HOME": str(home), "HF_ENDPOINT": "http://127.0.0.1:9", "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "-c", LOAD, name, str(folder.parent / "hub") if named else ""],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )

    assert found in run.stdout, run.stderr
