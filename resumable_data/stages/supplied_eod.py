"""The end-of-document token that documents bring with them, so that rows need not be told it again."""

from __future__ import annotations

from collections.abc import Iterator

from resumable_data.errors import PipelineError
from resumable_data.stages.component import Component
from resumable_data.stages.mix import MixDocuments
from resumable_data.stages.stage import DocumentStage


def supplied_eod(documents: DocumentStage, method: str) -> int:
    """The end-of-document token of the tokenizer, or of ``append_eod`` where that comes later.

    Args:
        documents: A component, or a mix of them.
        method: Whose ``eod_id`` was left out.

    Raises:
        PipelineError: There is none, or the components of a mix have different ones.
    """
    found = dict(_eod_ids(documents, ""))
    tokens = set(found.values())
    if len(tokens) > 1:
        differing = ", ".join(f"{path or 'all'}: {token}" for path, token in found.items())
        raise PipelineError(
            f"{method}: pass eod_id=…, because the components have different end-of-document tokens ({differing})"
        )
    token = next(iter(tokens), None)
    if token is None:
        raise PipelineError(f"{method}: pass eod_id=…, the end-of-document token: no tokenizer below supplies it")
    return token


def _eod_ids(documents: DocumentStage, path: str) -> Iterator[tuple[str, int | None]]:
    """The token of each component, by its path below a mix."""
    if isinstance(documents, MixDocuments):
        for name, parent in zip(documents.mix.names, documents.parents, strict=True):
            yield from _eod_ids(parent, f"{path}/{name}" if path else name)
    elif isinstance(documents, Component):
        yield path, documents.eod_id
