"""The tokens of requests. Each different text is tokenized once, all in one call, and not truncated."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
from etils import epath

from resumable_data.digest import digest
from resumable_data.errors import PipelineError
from resumable_data.interfaces.grain_data_processing.tokenizer import find_tokenizer
from resumable_data.opaque import JsonDict
from resumable_data.stages.fast_tokenizer import FastTokenizer

LOGGER = logging.getLogger("resumable_data.lmeval_pipeline")

Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True)
class RequestTokens:
    """The tokens of each request: its prefix, and its text to score.

    Attributes:
        bos_id: The token before all others, the first input.
        texts: The tokens of the different texts, int32 each.
        prefixes: The place in ``texts`` of each request's prefix.
        scored: The place in ``texts`` of each request's text to score.
    """

    bos_id: int
    texts: Sequence[Int32Array]
    prefixes: Sequence[int]
    scored: Sequence[int]

    @classmethod
    def of(cls, items: Sequence[JsonDict], tokenizer: FastTokenizer, bos_id: int) -> RequestTokens:
        """Tokenizes the texts of requests.

        Args:
            items: ``prefix`` and ``text`` of each request, from ``ParseLMEval``.
            tokenizer: The tokenizer.
            bos_id: The token before all others. If a prefix begins with it, as with a chat template, it is not added
                again.
        """
        places: dict[tuple[str, bool], int] = {}
        prefixes = [places.setdefault((item["prefix"], True), len(places)) for item in items]
        scored = [places.setdefault((item["text"], False), len(places)) for item in items]
        encoded = chain.from_iterable(tokenizer.encode([text for text, _ in places]))
        texts = [
            np.array(ids[1:] if opens and ids[:1] == [bos_id] else ids, np.int32)
            for (_, opens), ids in zip(places, encoded, strict=True)
        ]
        return cls(bos_id, texts, prefixes, scored)

    def __len__(self) -> int:
        return len(self.scored)

    def lengths(self, request: int) -> tuple[int, int]:
        """Returns the number of tokens of a request's prefix, and of its text to score."""
        return len(self.texts[self.prefixes[request]]), len(self.texts[self.scored[request]])

    def whole(self, request: int) -> Int32Array:
        """Joins BOS, the prefix and the text of a request: int32[1 + prefix + text]."""
        bos = np.array([self.bos_id], np.int32)
        return np.concatenate([bos, self.texts[self.prefixes[request]], self.texts[self.scored[request]]])

    def fingerprint(self) -> str:
        """Returns a digest of all tokens of all requests, in order."""
        lengths = np.array([self.lengths(request) for request in range(len(self))], "<i8").tobytes()
        places = ([self.prefixes[request], self.scored[request]] for request in range(len(self)))
        used = (self.texts[place].astype("<i4").tobytes() for place in chain.from_iterable(places))
        return digest("requests", str(self.bos_id), lengths, *used)


def open_tokenizer(
    path: epath.PathLike | None,
    access_token: str | None,
    cache_dir: epath.PathLike | None,
    bos_token_id: int | None,
    eos_token_id: int | None,
) -> tuple[FastTokenizer, int]:
    """Opens a tokenizer. Also returns the token that comes before all others.

    This token is the first that exists: the tokenizer's BOS token, ``bos_token_id``, the tokenizer's EOS token,
    ``eos_token_id``.

    Args:
        path: A folder, a ``tokenizer.json``, or a name on the Hugging Face Hub.
        access_token: Access token for the Hub.
        cache_dir: Folder of downloaded tokenizers.
        bos_token_id: The BOS token, if the tokenizer names none.
        eos_token_id: The EOS token, if the tokenizer names none.

    Raises:
        PipelineError: The tokenizer cannot be loaded, or there is no token to begin with.
    """
    if path is None:
        raise PipelineError(
            "tokenizer_path is None, but requests are text: pass a folder, a tokenizer.json, or a name on the "
            "Hugging Face Hub"
        )
    tokenizer = FastTokenizer.of(find_tokenizer(path, access_token, cache_dir))
    for name, own, given in (("bos", tokenizer.bos_id, bos_token_id), ("eos", tokenizer.eos_id, eos_token_id)):
        if own is not None and given is not None and own != given:
            LOGGER.warning("%s_token_id=%d is not used: the tokenizer's own is %d", name, given, own)
    candidates = (tokenizer.bos_id, bos_token_id, tokenizer.eos_id, eos_token_id)
    found = next((token for token in candidates if token is not None), None)
    if found is None:
        raise PipelineError(
            f"the tokenizer {path} has no BOS token and no EOS token, but a request needs one before its first "
            "token: pass bos_token_id"
        )
    return tokenizer, int(found)
