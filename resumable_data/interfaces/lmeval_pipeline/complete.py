"""Adds the missing fields of an ``LLMIndexedBatch`` to items."""

from __future__ import annotations

from typing import Any

import grain.python as grain
import numpy as np

from resumable_data.arrays import AnyArray
from resumable_data.opaque import JsonDict, JsonObject

TOKEN_FIELDS = (
    "inputs",
    "targets",
    "inputs_position",
    "inputs_segmentation",
    "targets_position",
    "targets_segmentation",
)
"""The fields of a batch with a value for each token: int32[batch, length]."""


class CompleteLLMIndexedBatch(grain.MapTransform):
    """Adds the fields of an ``LLMIndexedBatch`` beside its tokens: numbers of document and row, positions, borders.

    >>> tokens = {"inputs": np.array([[1, 2]]), "targets": np.array([[1, 2]]), "idx": np.array(0)}
    >>> item = CompleteLLMIndexedBatch().map(tokens)
    >>> {key: item[key].tolist() for key in ("document_idx", "sequence_idx", "inputs_position", "targets_position")}
    {'document_idx': [1], 'sequence_idx': [0], 'inputs_position': [[0, 1]], 'targets_position': [[0, 1]]}
    >>> item["_document_borders"].tolist(), "idx" in item
    ([[False, False]], False)
    """

    @staticmethod
    def map(element: JsonObject) -> JsonDict:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Adds the missing fields to an item.

        Args:
            element: ``inputs`` and ``targets``, int[batch, length]; optional are ``idx``, the index of the document
                from 0, ``sequence_idx``, int[batch], and positions. It is not changed.

        Returns:
            A new item. ``sequence_idx`` is 0 if it was missing. ``inputs_position`` and ``targets_position`` count
            from 0 in each row if they were missing. ``_document_borders`` is False everywhere. ``document_idx``,
            int32[batch], replaces ``idx`` and counts from 1.
        """
        item = {key: value for key, value in element.items() if key != "idx"}
        rows, length = np.shape(item["inputs"])
        if "idx" in element:
            item["document_idx"] = np.broadcast_to(np.asarray(element["idx"], np.int32) + 1, rows).copy()
        item.setdefault("sequence_idx", np.zeros(rows, np.int32))
        item.setdefault("inputs_position", _positions(rows, length))
        item.setdefault("targets_position", _positions(*np.shape(item["targets"])))
        item["_document_borders"] = np.zeros((rows, length), bool)
        return item


def _positions(rows: int, length: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.tile(np.arange(length, dtype=np.int32), (rows, 1))


def empty_llm_indexed_sample() -> dict[str, AnyArray]:
    """Makes a row of padding, one cell long. Every token and number is 0: it scores nothing and has no document.

    >>> sample = empty_llm_indexed_sample()
    >>> sample["document_idx"].tolist(), sample["targets_segmentation"].tolist()
    ([0], [[0]])
    """
    cells = {name: np.zeros((1, 1), np.int32) for name in TOKEN_FIELDS}
    rows = {name: np.zeros(1, np.int32) for name in ("document_idx", "sequence_idx")}
    return {**cells, **rows, "_document_borders": np.zeros((1, 1), bool)}
