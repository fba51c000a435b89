"""The rows of requests: one for each request, or one for each window of a long request."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from resumable_data.digest import digest
from resumable_data.interfaces.lmeval_pipeline.tokens import RequestTokens
from resumable_data.interfaces.lmeval_pipeline.windows import Window, split_into_windows
from resumable_data.opaque import JsonDict


class RequestRows:
    """All rows of all requests, in the order of the requests: a data source for Grain.

    Args:
        tokens: The requests' tokens.
        max_length: The most tokens of a row; None for no limit.

    Attributes:
        max_length: The most tokens of a row; None for no limit.
        sequences: int64[requests], the number of rows of each request; at least one.

    Raises:
        PipelineError: ``max_length`` is below 1.
    """

    def __init__(self, tokens: RequestTokens, max_length: int | None) -> None:
        self._tokens = tokens
        self.max_length = max_length
        self._rows: list[tuple[int, int, Window]] = [
            (request, sequence, window)
            for request in range(len(tokens))
            for sequence, window in enumerate(split_into_windows(*tokens.lengths(request), max_length))
        ]
        self.sequences: npt.NDArray[np.int64] = np.bincount(
            np.array([request for request, _, _ in self._rows], np.int64), minlength=len(tokens)
        ).astype(np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> JsonDict:
        """Makes a row: ``idx``, ``sequence_idx``, inputs and targets with their segmentations, int32[1, length]."""
        request, sequence, window = self._rows[index]
        tokens = self._tokens.whole(request)
        inputs = tokens[window.start : max(window.stop, 1)]
        # A request without tokens has one input, BOS, and no target to predict.
        targets = np.zeros(len(inputs), np.int32)
        targets[: window.stop - window.start] = tokens[window.start + 1 : window.stop + 1]
        places = np.arange(window.start, window.start + len(inputs))
        scored = (places >= window.score_from) & (places < window.stop)
        return {
            "idx": request,
            "sequence_idx": np.array([sequence], np.int32),
            "inputs": inputs[None],
            "targets": targets[None],
            "inputs_segmentation": np.ones((1, len(inputs)), np.int32),
            "targets_segmentation": scored.astype(np.int32)[None],
        }

    @property
    def cut(self) -> Sequence[int]:
        """The requests whose prefix was truncated at its beginning."""
        return [request for request, sequence, window in self._rows if sequence == 0 and window.start > 0]

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything that decides the rows."""
        return digest("rows", self._tokens.fingerprint(), str(self.max_length))
