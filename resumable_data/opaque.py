"""Names for values whose type only their owner knows: the package hands them on, and does not look into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Record: TypeAlias = Any
"""What a source gives: tokens, text, bytes, or a mapping."""

Document: TypeAlias = Any
"""What the steps of a component make of a record. The functions that a user gives decide its type."""

Cursor: TypeAlias = Any
"""A cursor of a planner or an engine: a frozen dataclass that only its owner reads."""

Plan: TypeAlias = Any
"""What an engine planned for one element. Only the engine loads it."""

Tokenizer: TypeAlias = Any
"""A tokenizer of ``transformers``, ``tokenizers`` or SentencePiece, or another object that encodes text."""

PyTree: TypeAlias = Any
"""A tree of arrays, or of their shapes and dtypes, as ``jax.tree`` takes it."""

JsonObject: TypeAlias = Mapping[str, Any]
"""An object that was parsed from JSON."""

JsonDict: TypeAlias = dict[str, Any]
"""An object that was parsed from JSON, or that is about to be written, and may still be changed."""

Element: TypeAlias = Any
"""What an iterator hands over: a document, a row, or a batch in the form that was asked for."""

Arrow: TypeAlias = Any
"""A table, an array, a schema or a type of ``pyarrow``, which has no types of its own."""

HuggingFace: TypeAlias = Any
"""A dataset of ``datasets``, which the package imports only if a user does."""

Module: TypeAlias = Any
"""A package that is imported only if it is needed."""

Indexable: TypeAlias = Any
"""A dataset of another project: an object with ``len`` and ``[index]``, such as a ``grain.MapDataset`` or a list."""

Axes: TypeAlias = Any
"""Axes or a figure of matplotlib, which is imported only for a page with plots."""
