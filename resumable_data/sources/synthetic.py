"""Computed documents: any number of them, with any distribution of lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from resumable_data.arguments import as_integer, as_integers, as_number
from resumable_data.arrays import Int64Array, Ragged, offsets_of, ranges
from resumable_data.digest import digest
from resumable_data.errors import PipelineError, SourceError
from resumable_data.order.keyed_hash import derive_key, mix64
from resumable_data.sources.source import check_indices

_QUANTILES = 4096


class SyntheticSource:
    """Pseudo-random token documents in constant memory, for tests and for sizing a run.

    Every record is a function of (seed, index). A hash picks its length from the quantiles. Its tokens are hashes of
    their places.

    Args:
        size: Number of documents.
        lengths: int[q], the quantiles of the length distribution: document lengths are drawn from these,
            each with the same probability. ``log_normal_lengths`` makes such a table.
        vocabulary: Tokens are drawn from [1, vocabulary); 0 is left free for an end-of-document token.
        seed: Each seed gives another corpus.

    Raises:
        SourceError: ``size`` is below 1.
        PipelineError: A length is negative, there are no lengths, or the vocabulary has fewer than two tokens.

    >>> source = SyntheticSource(10**9, lengths=[2, 3], vocabulary=100)
    >>> source.lengths(np.array([0, 999_999_996])).tolist()
    [2, 3]
    >>> [document.tolist() for document in source.read(np.array([0, 999_999_996]))]
    [[66, 21], [56, 3, 50]]
    """

    def __init__(self, size: int, lengths: Sequence[int], vocabulary: int = 32_000, seed: int = 0) -> None:
        size = as_integer("SyntheticSource: size", size)
        vocabulary = as_integer("SyntheticSource: vocabulary", vocabulary)
        seed = as_integer("SyntheticSource: seed", seed, most=None)
        if size < 1:
            raise SourceError(f"a synthetic source needs at least one document, got size={size}")
        self._quantiles = as_integers("SyntheticSource: lengths", lengths)
        if self._quantiles.ndim != 1 or not self._quantiles.size or self._quantiles.min() < 0:
            raise PipelineError("lengths= must be a non-empty list of document lengths, none of them negative")
        if not 2 <= vocabulary <= 2**31:
            raise PipelineError(f"vocabulary={vocabulary}: tokens are drawn from [1, vocabulary), within int32")
        self._size = size
        self._vocabulary = vocabulary
        self._seed = seed
        self._length_key, self._token_key = (np.uint64(word) for word in derive_key("synthetic", seed, words=2))

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"synthetic source ({self._size} records)"

    def lengths(self, indices: Int64Array) -> Int64Array:
        """Returns the number of tokens of each document: int64[n]."""
        check_indices(indices, self._size, "synthetic source")
        hashed = mix64(indices.astype(np.uint64) ^ self._length_key)
        return self._quantiles[(hashed % np.uint64(len(self._quantiles))).astype(np.int64)]

    def read(self, indices: Int64Array) -> Ragged:
        """Computes the documents at int64[n] indices, with one free cell after each."""
        lengths = self.lengths(indices)
        cells = lengths + 1
        places = ranges(np.zeros(len(indices), np.int64), cells).astype(np.uint64)
        documents = np.repeat(mix64(indices.astype(np.uint64) + self._token_key), cells)
        tokens = mix64(documents + places) % np.uint64(self._vocabulary - 1) + np.uint64(1)
        return Ragged(tokens.astype(np.int32), offsets_of(cells)[:-1], lengths, spare=1)

    def fingerprint(self) -> str:
        """Digests all settings of the source."""
        return self.fingerprint_of_first(self._size)

    def fingerprint_of_first(self, records: int) -> str:
        """Returns the fingerprint of the first records alone: a source of that size."""
        settings = f"{records} {self._vocabulary} {self._seed}"
        return digest("synthetic", settings, self._quantiles.astype("<i8").tobytes())


def log_normal_lengths(mean: float, sigma: float = 1.0, longest: int = 20_000) -> list[int]:
    """Computes quantiles of a log-normal distribution of lengths, which web text resembles.

    Args:
        mean: Mean length in tokens, before clipping.
        sigma: Standard deviation of the logarithm.
        longest: Lengths are clipped to [1, longest].

    Returns:
        4,096 lengths, ascending.

    Raises:
        PipelineError: ``mean`` or ``sigma`` is not positive, or ``longest`` is below 1.

    >>> lengths = log_normal_lengths(540)
    >>> lengths[0], lengths[2048], lengths[-1]
    (8, 328, 12835)
    """
    mean, sigma = as_number("log_normal_lengths: mean", mean), as_number("log_normal_lengths: sigma", sigma)
    longest = as_integer("log_normal_lengths: longest", longest)
    if mean <= 0 or sigma <= 0 or longest < 1:
        raise PipelineError(
            f"log_normal_lengths: mean={mean} and sigma={sigma} must be positive, and longest={longest} at least 1"
        )
    normal = NormalDist(math.log(mean) - sigma**2 / 2, sigma)
    quantiles = (math.exp(normal.inv_cdf((i + 0.5) / _QUANTILES)) for i in range(_QUANTILES))
    return [min(max(round(length), 1), longest) for length in quantiles]
