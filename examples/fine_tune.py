"""Demo: fine-tunes on questions and answers, with a loss only on the answers; killed, and resumed to the bit.

Makes a real instruction dataset of the docstrings of Python's standard library, as JSON Lines, and trains a tokenizer
on it. Every example has its own row: question and answer, with a loss mask that is 0 on the question. Checks that
exactly the answers are scored. Then trains a small language model without interruption, and again with a trainer that
is killed (SIGKILL) at random steps. Compares every batch, with its masks, to the byte and every loss to the bit. Exit
code 0 only if all are equal.

    python examples/fine_tune.py
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import jax
import numpy as np
import orbax.checkpoint as ocp
from corpus import EOD_TOKEN, stdlib_files, train_tokenizer
from demo_options import seed_of
from jax.sharding import Mesh
from model import ModelConfig
from report import compare, result_table
from rich.console import Console
from tokenizers import Tokenizer
from train_lm import Run, choose_kills, run_trainer
from trainer import BATCH_SIZE, CHECKPOINTS_KEPT, LENGTH, create_state, restore_latest, save, train_step

import resumable_data as rd

LONGEST_ANSWER = 300  # characters, so that a row of LENGTH tokens has room for the question too
EXAMPLES = 600


@dataclass(frozen=True)
class FineTuning(Run):
    """A run of this file as a trainer."""

    def command(self) -> list[str]:
        """Returns the command line of the trainer, the same for each start."""
        return [sys.executable, __file__, "--train", *super().command()[2:]]


def questions_and_answers() -> Iterator[dict[str, str]]:
    """Yields what the functions and classes of the standard library do, in the words of their docstrings."""
    for path in stdlib_files():
        try:
            module = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue  # a template, or a module in an older encoding
        for node in module.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                answer = (ast.get_docstring(node) or "").split("\n\n")[0].strip()
                if answer and len(answer) <= LONGEST_ANSWER:
                    question = f"Question: what does {node.name} in {path.stem} do?\nAnswer: "
                    yield {"question": question, "answer": answer}


def write_examples(folder: Path) -> list[dict[str, str]]:
    """Writes `examples.jsonl` and `tokenizer.json` into a folder; returns the examples."""
    folder.mkdir(parents=True)
    examples = list(islice(questions_and_answers(), EXAMPLES))
    lines = "".join(f"{json.dumps(example)}\n" for example in examples)
    (folder / "examples.jsonl").write_text(lines, encoding="utf-8")
    tokenizer = train_tokenizer(example["question"] + example["answer"] for example in examples)
    tokenizer.save(str(folder / "tokenizer.json"))
    return examples


def build_pipeline(folder: Path) -> rd.Dataset[rd.LLMBatch]:
    """Makes endless batches, a row an example, in which questions and padding are not scored."""
    file = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(file))

    def tokenize(example: Mapping[str, str]) -> dict[str, list[int]]:
        question = tokenizer.encode(example["question"]).ids
        answer = tokenizer.encode(example["answer"]).ids
        return {"tokens": question + answer, "loss_mask": [0] * len(question) + [1] * len(answer)}

    source = rd.HuggingFaceSource.from_files(folder / "examples.jsonl", cache_dir=folder / "cache")
    return (
        rd.Dataset.from_source(source, name="docstrings")
        .map(tokenize, name="tokenize", version=hashlib.sha256(file.read_bytes()).hexdigest())
        .shuffle(seed=7)
        .repeat()
        .append_eod(tokenizer.token_to_id(EOD_TOKEN), fields={"loss_mask": 1})
        .pad(LENGTH, truncate=True, fields=["loss_mask"])
        .batch(BATCH_SIZE)
    )


def digest(batch: rd.LLMBatch) -> str:
    """Returns a SHA-256 of the structure of a batch, and of the types, shapes and bytes of all its arrays."""
    leaves, structure = jax.tree.flatten(batch)
    result = hashlib.sha256(str(structure).encode())
    for leaf in leaves:
        array = np.ascontiguousarray(leaf)
        result.update(f"{array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    return result.hexdigest()


def train(folder: Path, checkpoints: Path, *, steps: int, save_every: int) -> None:
    """Trains up to a step, from the latest checkpoint if there is one; reports each step as a line of JSON."""
    mesh = Mesh(np.array(jax.devices()), ("data",))
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    state = create_state(ModelConfig(vocabulary, LENGTH), steps, mesh)
    options = ocp.CheckpointManagerOptions(max_to_keep=CHECKPOINTS_KEPT)
    pipeline = build_pipeline(folder).place(mesh).prefetch()
    with iter(pipeline) as batches, ocp.CheckpointManager(checkpoints.absolute(), options=options) as manager:
        restore_latest(manager, state, batches)
        while batches.step < steps:
            step, batch = batches.step, next(batches)
            loss = train_step(state.model, state.optimizer, batch)
            print(json.dumps({"step": step, "batch": digest(batch), "loss": float(loss).hex()}), flush=True)
            if batches.step % save_every == 0:
                save(manager, state, batches)


def scored_are_the_answers(folder: Path, examples: list[dict[str, str]], console: Console) -> bool:
    """Says whether the scored targets of an epoch are exactly the answers, each with its end token."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    eod = tokenizer.token_to_id(EOD_TOKEN)
    expected = sorted([*tokenizer.encode(example["answer"]).ids, eod] for example in examples)
    found: list[list[int]] = []
    cells = 0
    for batch in islice(build_pipeline(folder), len(examples) // BATCH_SIZE):
        for row in batch:
            found.append(row.targets[row.targets_segmentation != 0].tolist())
            cells += int(np.count_nonzero(row.inputs_segmentation))
    scored = sum(map(len, found))
    console.print(f"{len(found)} rows of an epoch: {scored:,} of {cells:,} tokens are scored, those of the answers.")
    return sorted(found) == expected


def demonstrate(folder: Path, options: argparse.Namespace, console: Console) -> bool:
    """Runs the demo in an empty folder. Says whether everything is as it should be."""
    data = folder / "data"
    examples = write_examples(data)
    shown = examples[len(examples) // 2]
    console.print(f"{len(examples)} examples, such as: {shown['question']}{shown['answer']}")
    answers_alone = scored_are_the_answers(data, examples, console)
    run, other = (
        FineTuning(data, folder / name, options.steps, options.save_every)
        for name in ("uninterrupted", "interrupted")
    )
    expected = run_trainer(run, on_step=lambda step: None)
    kills = choose_kills(options.seed, other, options.kills)
    attempts = []
    for kill_after in (*kills, None):
        attempts.append(run_trainer(other, lambda step: None, kill_after))
        if kill_after is not None:
            console.print(f"Killed the trainer after step {attempts[-1].records[-1].step}.")
    comparison = compare(options.steps, expected, attempts)
    console.print(result_table(expected, attempts, comparison))
    console.print(f"What is scored are the answers: {'yes' if answers_alone else 'NO'}")
    return comparison.equal and answers_alone


def parse_options() -> Any:
    """Defines the command line."""
    parser = argparse.ArgumentParser(description="Fine-tune on answers alone, killed and resumed to the bit.")
    parser.add_argument("--steps", type=int, default=60, help="steps of either run (default: %(default)s)")
    parser.add_argument("--save-every", type=int, default=10, help="steps between checkpoints (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=2, help="number of kills (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="seed of the steps to kill at (default: drawn and printed)")
    parser.add_argument("--train", action="store_true", help="be the trainer of one run")
    parser.add_argument("--corpus", type=Path, help="the trainer's data")
    parser.add_argument("--checkpoints", type=Path, help="the trainer's checkpoints")
    options = parser.parse_args()
    options.seed = seed_of(options)
    return options


def main() -> int:
    """Runs the demo, or the trainer; returns the exit code, 0 only if everything is equal."""
    options = parse_options()
    datasets.disable_progress_bars()
    if options.train:
        train(options.corpus, options.checkpoints, steps=options.steps, save_every=options.save_every)
        return 0
    console = Console()
    console.print(f"Seed {options.seed}.")
    with tempfile.TemporaryDirectory(prefix="resumable_data_demo_") as folder:
        return 0 if demonstrate(Path(folder), options, console) else 1


if __name__ == "__main__":
    sys.exit(main())
