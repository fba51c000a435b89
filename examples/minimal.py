"""The whole of it: a corpus, a pipeline, a training loop, and a resume. Run it twice, or kill it and run it again."""

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from array_record.python.array_record_module import ArrayRecordWriter
from etils import epath

import resumable_data as rd

folder = epath.Path("minimal_run").absolute()
if not folder.exists():  # a corpus of token ids: one document a record
    (folder / "corpus").mkdir(parents=True)
    writer = ArrayRecordWriter(str(folder / "corpus" / "train_0.arecord"), "group_size:1")
    for length in range(5, 505):
        writer.write(((np.arange(length) * length) % 30 + 2).astype(np.int32).tobytes())
    writer.close()

source = rd.ArrayRecordSource(folder / "corpus" / "*.arecord", parse=rd.parse_int32_tokens)
rows = rd.Dataset.from_source(source, name="toy").shuffle(seed=7).repeat().append_eod(1).pack(256, vocab_size=32)
data = rows.batch(8).place(jax.sharding.Mesh(jax.devices(), ("data",))).prefetch()


@jax.jit
def train_step(model: dict[str, jax.Array], batch: rd.LLMBatch) -> tuple[dict[str, jax.Array], jax.Array]:
    """One step of gradient descent on a table of bigrams."""

    def loss_of(model: dict[str, jax.Array]) -> jax.Array:
        scores = jax.nn.log_softmax(model["bigrams"][batch.inputs])
        losses = -jnp.take_along_axis(scores, batch.targets[..., None], axis=-1)[..., 0]
        return (losses * batch.weights).sum() / batch.weights.sum()

    loss, slopes = jax.value_and_grad(loss_of)(model)
    return jax.tree.map(lambda value, slope: value - 9 * slope, model, slopes), loss


model = {"bigrams": jnp.zeros((32, 32))}
with ocp.CheckpointManager(folder / "checkpoints") as manager, iter(data) as batches:
    if manager.latest_step() is not None:
        args = ocp.args.Composite(state=ocp.args.StandardRestore(model), data=rd.checkpoint.DataRestore(batches))
        model = manager.restore(manager.latest_step(), args=args).state
    for batch in batches:
        model, loss = train_step(model, batch)
        if batches.step % 20 == 0:
            print(f"step {batches.step}, epoch {batches.epoch}: loss {loss:.3f}")
            saved = rd.checkpoint.DataSave(batches)
            manager.save(batches.step, args=ocp.args.Composite(state=ocp.args.StandardSave(model), data=saved))
        if batches.step % 100 == 0:
            break
