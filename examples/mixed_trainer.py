"""Trains on a mix that changes, with batches that grow. In the middle of the run the mix is edited.

    python examples/mixed_trainer.py --corpus CORPUS --checkpoints CHECKPOINTS --phase 40 --save-every 10

trains up to the edit, and the same command with `--edited` goes on from there with a fourth component and other
weights. `ramp_and_mix.py` writes the corpus and proves that interruptions leave no trace.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from corpus import EOD_TOKEN
from flax import nnx
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from mixed_corpus import CODE, COMMENTS, DOCSTRINGS, MANUAL
from model import ModelConfig
from tokenizers import Tokenizer
from trainer import LENGTH, TrainState, create_state, report, save, train_step

import resumable_data as rd

BATCH_SIZE = 8
WINDOW = 512
EASY = {CODE: 1, COMMENTS: 2, DOCSTRINGS: 3}
HARD = {CODE: 6, COMMENTS: 1, DOCSTRINGS: 1}
WITHOUT_MANUAL = {CODE: 2, COMMENTS: 1, DOCSTRINGS: 1, MANUAL: 0}
WITH_MANUAL = {CODE: 2, COMMENTS: 1, DOCSTRINGS: 1, MANUAL: 4}


@dataclass(frozen=True)
class Timetable:
    """The steps at which a run changes. It has three phases of equal length.

    Attributes:
        phase: Steps of each phase: with a growing batch, with a constant batch, and after the edit.
    """

    phase: int

    @property
    def edit(self) -> int:
        """The step before which the mix is edited."""
        return 2 * self.phase

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return 3 * self.phase

    @property
    def batches(self) -> rd.BatchSchedule:
        """Starts with a quarter of the batch size, then half of it, and the whole from the second phase on."""
        return rd.BatchSchedule(BATCH_SIZE, factors={0: 0.25, self.phase // 2: 0.5, self.phase: 1})

    @property
    def weights(self) -> rd.WeightSchedule:
        """The weights planned at the start: more and more code, up to the last step."""
        return rd.WeightSchedule({0: EASY, self.steps: HARD}, between="linear")

    @property
    def edited_weights(self) -> rd.WeightSchedule:
        """The weights after the edit: from there on the manual is faded in. The past keeps its weights."""
        return rd.WeightSchedule(
            {0: WITHOUT_MANUAL, self.edit: WITHOUT_MANUAL, self.steps: WITH_MANUAL}, between="linear"
        )


def build_pipeline(corpus: Path, timetable: Timetable, *, edited: bool) -> rd.Dataset:
    """Makes batches of a mix of rows. Each row holds one kind of documents.

    Args:
        corpus: Folder that `write_mixed_corpus` has filled.
        timetable: The steps at which the run changes.
        edited: Whether it is the pipeline after the edit.
    """
    eod_id = Tokenizer.from_file(str(corpus / "tokenizer.json")).token_to_id(EOD_TOKEN)
    weights = timetable.edited_weights if edited else timetable.weights
    rows = {kind: build_component(corpus / f"{kind}.arecord", eod_id) for kind in weights.names}
    return rd.mix(rows, weights).batch(timetable.batches)


def build_component(shard: Path, eod_id: int) -> rd.Dataset:
    """Makes endless packed rows of one kind of documents. The seed and the component's name fix the order."""
    source = rd.ArrayRecordSource(str(shard), parse=rd.parse_int32_tokens, progress=False)
    documents = rd.Dataset.from_source(source).shuffle(seed=7).repeat().append_eod(eod_id)
    return documents.pack(length=LENGTH, strategy="best_fit", window=WINDOW, eod_id=eod_id)


def restore_latest(
    manager: ocp.CheckpointManager, state: TrainState, batches: rd.DataIterator, *, edited: bool
) -> None:
    """Resumes from the latest complete checkpoint, or changes nothing if there is none.

    Args:
        manager: The run's checkpoints.
        state: Model and optimizer.
        batches: The data iterator.
        edited: Whether the checkpoint may be from before the edit. Without `allow=` it would be refused, since it
            belongs to another pipeline.
    """
    latest = manager.latest_step()
    if latest is None:
        return
    arguments = ocp.args.Composite(
        state=ocp.args.StandardRestore(nnx.state(state)),
        data=rd.checkpoint.DataRestore(batches, allow={"weights", "sources"} if edited else ()),
    )
    nnx.update(state, manager.restore(latest, args=arguments)["state"])


def train(corpus: Path, checkpoints: Path, timetable: Timetable, *, save_every: int, edited: bool) -> None:
    """Trains from the latest checkpoint, if there is one, up to the edit, or from the edit up to the end.

    Args:
        corpus: Folder that `write_mixed_corpus` has filled.
        checkpoints: Folder of the checkpoints.
        timetable: The steps at which the run changes.
        save_every: Number of steps from one checkpoint to the next. There is also one at the edit and at the end.
        edited: Whether the mix is edited.
    """
    vocabulary = Tokenizer.from_file(str(corpus / "tokenizer.json")).get_vocab_size()
    mesh = Mesh(np.array(jax.devices()), ("data",))
    pipeline = build_pipeline(corpus, timetable, edited=edited)
    placed = pipeline.place(NamedSharding(mesh, PartitionSpec("data"))).prefetch()
    state = create_state(ModelConfig(vocabulary, LENGTH), timetable.steps, mesh)
    until = timetable.steps if edited else timetable.edit
    with iter(placed) as batches, ocp.CheckpointManager(checkpoints.absolute()) as manager:
        restore_latest(manager, state, batches, edited=edited)
        while batches.step < until:
            step = batches.step
            batch = next(batches)
            loss = train_step(state.model, state.optimizer, batch)
            report(step, batch, loss)
            if batches.step % save_every == 0 or batches.step == until:
                save(manager, state, batches)


def main() -> None:
    """Parses the command line of the trainer."""
    parser = argparse.ArgumentParser(description="Train a small language model on a mix, resumably.")
    parser.add_argument("--corpus", type=Path, required=True, help="folder that write_mixed_corpus has filled")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder to save to and resume from")
    parser.add_argument("--phase", type=int, default=40, help="steps of each of the three phases")
    parser.add_argument("--save-every", type=int, default=10, help="steps from one checkpoint to the next")
    parser.add_argument("--edited", action="store_true", help="go on from the edit, with the edited mix")
    options = parser.parse_args()
    timetable = Timetable(options.phase)
    train(options.corpus, options.checkpoints, timetable, save_every=options.save_every, edited=options.edited)


if __name__ == "__main__":
    main()
