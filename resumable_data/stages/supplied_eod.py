"""Finds the end-of-document token of documents, so that users need not pass it to rows again."""

from __future__ import annotations

import warnings

from resumable_data.errors import PipelineError
from resumable_data.stages.component import Component, components_of
from resumable_data.stages.stage import DocumentStage


def supplied_eod(documents: DocumentStage, method: str) -> int:
    """Returns the end-of-document token of the tokenizer, or of an ``append_eod`` after it.

    Args:
        documents: A component, or a mix of them.
        method: The method that was called without ``eod_id``.

    Raises:
        PipelineError: There is none, or the components of a mix have different ones.
    """
    found = {path: component.eod_id for path, component in components_of(documents).items()}
    tokens = set(found.values())
    if len(tokens) > 1:
        differing = ", ".join(f"{path}: {token}" for path, token in found.items())
        raise PipelineError(
            f"{method}: pass eod_id=…, because the components have different end-of-document tokens ({differing})"
        )
    token = next(iter(tokens), None)
    if token is None:
        raise PipelineError(
            f"{method}: there is no end-of-document token. Call tokenize(…) first if documents are text, and "
            f"append_eod(token) if they are tokens; or pass eod_id=… to {method}"
        )
    return token


def warn_of_two_tokens(documents: Component) -> None:
    """Warns if documents are closed before ``append_eod`` closes them."""
    closing = documents.closed_by
    if closing is None:
        return
    advice = "" if closing.name == "append_eod" else f", or pass add_eod=False to {closing.name}"
    warnings.warn(
        f"append_eod: {closing.name} puts the token {closing.appended} after every document already; each then has "
        f"two. Leave append_eod out{advice}",
        stacklevel=3,
    )


def warn_of_padding(documents: DocumentStage, method: str, pad_id: int) -> None:
    """Warns if the token that closes documents is also the padding of rows."""
    closing = [component.closed_by for component in components_of(documents).values()]
    if any(stage is not None and stage.appended == pad_id for stage in closing):
        warnings.warn(
            f"{method}: pad_id={pad_id} is also the end-of-document token. A trainer that masks by targets != "
            f"{pad_id} never learns where a document ends: pass another pad_id=…, or mask by batch.weights",
            stacklevel=4,
        )
