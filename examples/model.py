"""A small decoder-only transformer that respects the documents of packed rows."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from resumable_data.batch import LLMBatch


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the transformer.

    Attributes:
        vocabulary: Number of different tokens.
        length: Tokens of a row; no position in a document reaches it.
        width: Size of the residual stream.
        layers: Number of blocks.
        heads: Attention heads of a block.
    """

    vocabulary: int
    length: int
    width: int = 64
    layers: int = 2
    heads: int = 2


class Block(nnx.Module):
    """Attention and a feed-forward layer. Each is normalized before, and added to its input."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        """Initializes the weights."""
        width = config.width
        self.attention_norm = nnx.RMSNorm(width, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(config.heads, width, decode=False, rngs=rngs)
        self.feed_forward_norm = nnx.RMSNorm(width, rngs=rngs)
        self.expand = nnx.Linear(width, 4 * width, rngs=rngs)
        self.contract = nnx.Linear(4 * width, width, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array) -> jax.Array:
        """Maps [rows, length, width] to the same shape. `mask` says which tokens attend to which."""
        x = x + self.attention(self.attention_norm(x), mask=mask)
        return x + self.contract(nnx.gelu(self.expand(self.feed_forward_norm(x))))


class Transformer(nnx.Module):
    """A model that predicts each token of a row from the tokens before it in the same document."""

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs) -> None:
        """Initializes the weights."""
        self.token_embedding = nnx.Embed(config.vocabulary, config.width, rngs=rngs)
        self.position_embedding = nnx.Embed(config.length, config.width, rngs=rngs)
        self.blocks = nnx.List(Block(config, rngs=rngs) for _ in range(config.layers))
        self.norm = nnx.RMSNorm(config.width, rngs=rngs)

    def __call__(self, batch: LLMBatch) -> jax.Array:
        """Computes the logits for the targets of a batch, as float[rows, length, vocabulary]."""
        x = self.token_embedding(batch.inputs) + self.position_embedding(batch.inputs_position)
        mask = causal_document_mask(batch.inputs_segmentation)
        for block in self.blocks:
            x = block(x, mask)
        return self.token_embedding.attend(self.norm(x))


def causal_document_mask(segmentation: jax.Array) -> jax.Array:
    """Makes the attention mask with which a token sees only its own document, up to itself.

    Args:
        segmentation: int32[rows, length], the number of each token's document in its row.

    Returns:
        bool[rows, 1, length, length], indexed by query, then by key.
    """
    causal = nnx.make_causal_mask(segmentation, dtype=bool)
    same_document = nnx.make_attention_mask(segmentation, segmentation, jnp.equal, dtype=bool)
    return causal & same_document


def mean_loss(model: Transformer, batch: LLMBatch) -> jax.Array:
    """Returns the cross entropy in nats a token, over the targets that are not padding."""
    losses = optax.softmax_cross_entropy_with_integer_labels(model(batch), batch.targets)
    scored = batch.targets_segmentation != 0
    return jnp.sum(losses, where=scored) / jnp.maximum(scored.sum(), 1)
