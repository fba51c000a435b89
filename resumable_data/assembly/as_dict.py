"""Batches as dictionaries: which fields, and under which names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Literal, cast

import jax
import numpy as np

from resumable_data.arrays import AnyArray
from resumable_data.batch import LLMBatch, LLMFieldsBatch
from resumable_data.errors import PipelineError
from resumable_data.opaque import JsonDict
from resumable_data.reading.learnt import NOT_LEARNT

Names = Mapping[str, str]
"""The name of a field, by key of the dictionary."""

_OWN = "fields."
_SIX = tuple(name for side in ("inputs", "targets") for name in (side, f"{side}_position", f"{side}_segmentation"))

PRESETS: Mapping[str, Names] = MappingProxyType(
    {
        "maxtext": MappingProxyType({name: name for name in _SIX}),
        "flax": MappingProxyType({name: name for name in (*_SIX, "weights")}),
        "huggingface": MappingProxyType(
            {
                "input_ids": "inputs",
                "labels": "labels",
                "position_ids": "inputs_position",
                "attention_mask": "attention_mask",
            }
        ),
    }
)
"""The names that trainers of these projects know.

Models of ``transformers`` shift the labels themselves, so that rows are not shifted for them.
"""

Preset = Literal["maxtext", "flax", "huggingface"]
"""The name of one of these."""

HUGGING_FACE: Preset = "huggingface"


def _weights(batch: LLMBatch, shift: str) -> AnyArray:
    return np.asarray(batch.targets_segmentation != 0, np.float32)


def _labels(batch: LLMBatch, shift: str) -> AnyArray:
    scored = np.asarray(batch.targets_segmentation != 0)
    if shift == "none":
        # A model that shifts the labels would predict a document's first token from the document before it.
        scored = scored & np.asarray(batch.targets_position != 0)
    return np.where(scored, np.asarray(batch.targets), np.int32(NOT_LEARNT)).astype(np.int32)


def _attention_mask(batch: LLMBatch, shift: str) -> AnyArray:
    return np.asarray(batch.inputs_segmentation != 0, np.int32)


def _document_borders(batch: LLMBatch, shift: str) -> AnyArray:
    segmentation = np.asarray(batch.inputs_segmentation)
    borders = np.ones(segmentation.shape, np.bool_)
    borders[:, 1:] = segmentation[:, 1:] != segmentation[:, :-1]
    return borders


_DERIVED: Mapping[str, tuple[Callable[[LLMBatch, str], AnyArray], str]] = MappingProxyType(
    {
        "weights": (_weights, "float32"),
        "labels": (_labels, "int32"),
        "attention_mask": (_attention_mask, "int32"),
        "document_borders": (_document_borders, "bool"),
    }
)


@dataclass(frozen=True)
class DictForm:
    """A dictionary of some fields of a batch.

    Attributes:
        names: For each key the name of the field: one of the batch, one that is derived from these (``"weights"``,
            ``"labels"``, ``"attention_mask"``, ``"document_borders"``), or ``"fields."`` with that of an own field.
        shift: What is shifted in the rows.
    """

    names: tuple[tuple[str, str], ...]
    shift: str = "inputs"

    def of(self, batch: LLMBatch) -> JsonDict:
        """Makes the dictionary of a batch in NumPy.

        >>> batch = LLMBatch.from_inputs(np.array([[5, 6]]))
        >>> found = DictForm((("x", "inputs"), ("w", "weights"))).of(batch)
        >>> found["x"].tolist(), found["w"].tolist()
        ([[0, 5]], [[1.0, 1.0]])
        """
        return {
            key: _DERIVED[name][0](batch, self.shift) if name in _DERIVED else _field(batch, name)
            for key, name in self.names
        }

    def struct(self, batch: LLMBatch) -> JsonDict:
        """Returns the shapes and dtypes of the dictionary, from those of the batch."""
        shape = cast(Any, batch.inputs).shape
        return {
            key: jax.ShapeDtypeStruct(shape, _DERIVED[name][1]) if name in _DERIVED else _field(batch, name)
            for key, name in self.names
        }


def _field(batch: LLMBatch, name: str) -> Any:
    if name.startswith(_OWN):
        return cast(LLMFieldsBatch, batch).fields[name.removeprefix(_OWN)]
    return getattr(batch, name)


def dict_form(
    given: bool | str | Names, batch_type: type[LLMBatch], own: Mapping[str, str], shift: str
) -> DictForm | None:
    """Returns what ``batch(as_dict=…)`` means; None if batches are not dictionaries.

    Args:
        given: True for all fields under their own names, the name of a preset, or the name of a field for each key.
        batch_type: The type of the batches.
        own: The fields that are not part of the type, each with its dtype.
        shift: What is shifted in the rows.

    Raises:
        PipelineError: There is no such preset, or no such field.

    >>> dict_form({"tokens": "inputs"}, LLMBatch, {}, "inputs")
    DictForm(names=(('tokens', 'inputs'),), shift='inputs')
    """
    if given is False:
        return None
    of_type = [field.name for field in fields(batch_type) if field.name not in ("_document_borders", "fields")]
    owned = [name for name in own if name not in of_type]
    if given is True:
        if len(owned) != len(own):
            double = next(name for name in own if name in of_type)
            raise PipelineError(
                f"batch: as_dict=True: two fields are called {double!r}; say which the dictionary has"
            )
        return DictForm((*((name, name) for name in of_type), *((name, _OWN + name) for name in owned)), shift)
    if isinstance(given, str) and given not in PRESETS:
        raise PipelineError(f"batch: as_dict={given!r}; the presets are {', '.join(PRESETS)}")
    if not isinstance(cast(object, given), str | Mapping):
        raise PipelineError(f"batch: as_dict={given!r}; it is True, the name of a preset, or a mapping of names")
    known = [*of_type, *_DERIVED, *owned, *(_OWN + name for name in own)]
    names: list[tuple[str, str]] = []
    for key, name in (PRESETS[given] if isinstance(given, str) else given).items():
        if name not in known or not isinstance(cast(object, key), str):
            raise PipelineError(f"batch: as_dict={{{key!r}: {name!r}}}; the fields are {', '.join(known)}")
        names.append((key, _OWN + name if name in owned and name not in _DERIVED else name))
    return DictForm(tuple(names), shift)
