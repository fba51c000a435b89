"""Trains a small language model. Killed at any point and started again, it goes on to the last bit.

One Orbax checkpoint holds the model, the optimizer and the position in the data. Each step is reported on
standard output as one line of JSON: the step, a digest of all the batch's bytes, and the exact loss.

    python examples/trainer.py --corpus CORPUS --checkpoints CHECKPOINTS --steps 300

Several processes train together when each is started with the address of one of them, and its own number:

    python examples/trainer.py … --coordinator HOST:PORT --processes 4 --process 0

Each process reads and holds only its own rows. Another number of processes can go on with the run. If one process
gets SIGTERM, all finish the same step, save it and end.
`train_lm.py` writes the corpus and proves that interruptions leave no trace.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import optax
import orbax.checkpoint as ocp
from corpus import EOD_TOKEN
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from model import ModelConfig, Transformer, mean_loss
from preemption_notice import PreemptionNotice
from tokenizers import Tokenizer

import resumable_data as rd
from resumable_data.batch import LLMBatch

BATCH_SIZE = 8
LENGTH = 256
WINDOW = 1024
PEAK_LEARNING_RATE = 5e-3
WARMUP_STEPS = 20
CHECKPOINTS_KEPT = 2


class TrainState(nnx.Module):
    """Everything that training changes, except the position in the data."""

    def __init__(self, config: ModelConfig, steps: int) -> None:
        """Initializes the model and the optimizer for a run of `steps` steps."""
        schedule = optax.warmup_cosine_decay_schedule(0.0, PEAK_LEARNING_RATE, WARMUP_STEPS, steps)
        self.model = Transformer(config, rngs=nnx.Rngs(0))
        self.optimizer = nnx.Optimizer(self.model, optax.adamw(schedule), wrt=nnx.Param)


def create_state(config: ModelConfig, steps: int, mesh: Mesh) -> TrainState:
    """Initializes the model and the optimizer, the same on every device of a mesh."""
    everywhere = NamedSharding(mesh, PartitionSpec())
    return nnx.jit(lambda: TrainState(config, steps), out_shardings=everywhere)()


@nnx.jit
def train_step(model: Transformer, optimizer: nnx.Optimizer, batch: LLMBatch) -> jax.Array:
    """Updates the model on one batch; returns the loss before the update."""
    loss, gradients = nnx.value_and_grad(mean_loss)(model, batch)
    optimizer.update(model, gradients)
    return loss


def build_pipeline(corpus: Path, eod_id: int) -> rd.Dataset:
    """Makes endless packed batches of a folder of tokenized ArrayRecord shards. The seed fixes the order."""
    source = rd.ArrayRecordSource(str(corpus / "train_*.arecord"), parse=rd.parse_int32_tokens)
    return (
        rd.Dataset.from_source(source, name="stdlib")
        .shuffle(seed=7)
        .repeat()
        .append_eod(eod_id)
        .pack(length=LENGTH, strategy="best_fit", window=WINDOW, eod_id=eod_id)
        .batch(BATCH_SIZE)
    )


def save(manager: ocp.CheckpointManager, state: TrainState, batches: rd.DataIterator) -> None:
    """Starts to write a checkpoint of the last finished step. Training does not wait for it."""
    arguments = ocp.args.Composite(
        state=ocp.args.StandardSave(nnx.state(state)),
        data=rd.checkpoint.DataSave(batches),
    )
    manager.save(batches.step, args=arguments)


def restore_latest(manager: ocp.CheckpointManager, state: TrainState, batches: rd.DataIterator) -> None:
    """Resumes from the latest complete checkpoint, or changes nothing if there is none."""
    latest = manager.latest_step()
    if latest is None:
        return
    arguments = ocp.args.Composite(
        state=ocp.args.StandardRestore(nnx.state(state)),
        data=rd.checkpoint.DataRestore(batches),
    )
    nnx.update(state, manager.restore(latest, args=arguments)["state"])


def digest(batch: LLMBatch) -> str:
    """Returns a SHA-256 of the names, types, shapes and bytes of all the arrays of a batch."""
    result = hashlib.sha256()
    for field in dataclasses.fields(batch):
        value = getattr(batch, field.name)
        if value is not None:
            array = np.ascontiguousarray(value)
            result.update(f"{field.name} {array.dtype.str} {array.shape}\n".encode())
            result.update(array.tobytes())
    return result.hexdigest()


def report(step: int, batch: LLMBatch, loss: jax.Array, **figures: object) -> None:
    """Prints one step as a line of JSON, once a run. The loss is in hexadecimal, which does not round."""
    whole = multihost_utils.process_allgather(batch, tiled=True)
    if jax.process_index() == 0:
        line = {"step": step, "batch": digest(whole), "loss": float(loss).hex(), **figures}
        print(json.dumps(line), flush=True)


def train(corpus: Path, checkpoints: Path, *, steps: int, save_every: int) -> None:
    """Trains on a folder of `train_*.arecord` shards and `tokenizer.json`; see `train_on`."""
    tokenizer = Tokenizer.from_file(str(corpus / "tokenizer.json"))
    pipeline = build_pipeline(corpus, tokenizer.token_to_id(EOD_TOKEN))
    train_on(pipeline, tokenizer.get_vocab_size(), checkpoints, steps=steps, save_every=save_every)


def train_on(
    pipeline: rd.Dataset,
    vocabulary: int,
    checkpoints: Path,
    *,
    steps: int,
    save_every: int,
    report: Callable[[int, LLMBatch, jax.Array], None] = report,
) -> None:
    """Trains up to a step, from the latest checkpoint of the folder if it has one.

    Args:
        pipeline: Global batches of rows of `LENGTH` tokens.
        vocabulary: Number of different tokens.
        checkpoints: Folder of the checkpoints.
        steps: Total number of steps, with those before an interruption.
        save_every: Number of steps from one checkpoint to the next.
        report: Called with each step, its batch and its loss, by all processes.
    """
    notice = PreemptionNotice()
    mesh = Mesh(np.array(jax.devices()), ("data",))
    placed = pipeline.place(NamedSharding(mesh, PartitionSpec("data"))).prefetch()
    state = create_state(ModelConfig(vocabulary=vocabulary, length=LENGTH), steps, mesh)
    options = ocp.CheckpointManagerOptions(max_to_keep=CHECKPOINTS_KEPT)
    with iter(placed) as batches, ocp.CheckpointManager(checkpoints.absolute(), options=options) as manager:
        restore_latest(manager, state, batches)
        while batches.step < steps:
            step = batches.step
            batch = next(batches)
            loss = train_step(state.model, state.optimizer, batch)
            report(step, batch, loss)
            leaves = notice.asks_to_leave(manager, batches.step)
            if leaves or batches.step % save_every == 0:
                save(manager, state, batches)
            if leaves:
                break  # the manager waits for its writes before it closes


def main(train: Callable[..., None] = train) -> None:
    """Parses the command line of a trainer that takes the arguments of `train`."""
    parser = argparse.ArgumentParser(description="Train a small language model, resumably.")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of the data and the tokenizer")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder to save to and resume from")
    parser.add_argument("--steps", type=int, default=300, help="total number of steps")
    parser.add_argument("--save-every", type=int, default=25, help="steps from one checkpoint to the next")
    parser.add_argument("--coordinator", help="HOST:PORT at which process 0 waits for the others")
    parser.add_argument("--processes", type=int, help="number of processes that train together")
    parser.add_argument("--process", type=int, help="number of this process, from 0")
    options = parser.parse_args()
    if options.coordinator is not None:
        jax.distributed.initialize(options.coordinator, options.processes, options.process)
    train(options.corpus, options.checkpoints, steps=options.steps, save_every=options.save_every)


if __name__ == "__main__":
    main()
