"""Releases keep the order: digests of reference pipelines."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

from property_tests.testing import golden

ALGORITHMS = {
    "shuffled_best_fit": {"best_fit": 1, "permutation": 1},
    "first_fit_over_two_epochs": {"first_fit": 1},
    "block_shuffled_concat_split": {"concat_split": 1, "permutation": 1},
    "shuffled_pad": {"one_a_row": 1, "permutation": 1},
    "measured_text": {"best_fit": 1, "permutation": 1},
    "few_of_a_text": {"first_fit": 1, "permutation": 1},
    "mixed_documents": {"concat_split": 1, "mix": 1, "permutation": 1},
    "mixed_rows": {"best_fit": 1, "first_fit": 1, "mix": 1, "one_a_row": 1, "permutation": 1},
    "streamed_text": {"best_fit": 1},
}
DIGESTS = {
    "shuffled_best_fit": "c7c6438d1b9b8805eeac3d9da0886905704a70f98b9c05c739cb1ebf3054d6a2",
    "first_fit_over_two_epochs": "748cb325d939e86a1b2019e5297e6e61c759d209a3adbb6afdb5f330c9e0c28b",
    "block_shuffled_concat_split": "500b2bcb91c2d030b0fbf6d89224c90af372716223643f1331d6f1e86c540fec",
    "shuffled_pad": "c6535cc4aa0dda9d21594f10f26a0e18ba32b69f17adfcd8e14e63a5be1fba46",
    "measured_text": "f76688a941d99d4f6bbc487ca3d3d53519fab561192ab5fa9318ad0dc68c0bdf",
    "few_of_a_text": "8f8bccd4787d5749684a94c1e8693cb81385c0e3e25027b4540e50913428857e",
    "mixed_documents": "d96d03775927a9fda27028064ff4593637d4bba90224c7883f819cad8c977b05",
    "mixed_rows": "77b71b53cecddfe225d5489004e9015edac2d820b734bfac6c5d04e191649e32",
    "streamed_text": "b4f53089a892193a6a2aac6cfe200a28f66698e5e9e1a334eb8e23283092aa57",
}
CHANGED = """the order of this pipeline has changed: runs that resume under this release would see other data.
If that is a mistake, mend it. If it is meant, leave the old algorithm as it is and executable, give the new one a
new version (VERSIONS in packing/window.py, VERSION in order/permutation.py), add a golden digest for it here beside
the old one, and an entry to CHANGELOG.md."""


@pytest.mark.parametrize("name", golden.PIPELINES)
def test_releases_keep_the_order(name: str) -> None:
    assert golden.digest(golden.PIPELINES[name]()) == DIGESTS[name], CHANGED


@pytest.mark.parametrize("name", golden.PIPELINES)
def test_a_digest_belongs_to_the_versions_of_its_algorithms(name: str) -> None:
    description = iter(golden.PIPELINES[name]()).description()

    assert description["algorithms"] == ALGORITHMS[name], CHANGED


def test_the_order_does_not_depend_on_the_processor() -> None:
    dispatched = [feature for feature in __cpu_dispatch__ if __cpu_features__[feature]]
    if not dispatched:
        pytest.skip("this processor has none of the features that NumPy can be told not to use")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "NPY_DISABLE_CPU_FEATURES": " ".join(dispatched),
    }

    printed = subprocess.run(
        [sys.executable, golden.__file__], env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout

    assert json.loads(printed) == {"enabled": [], "digests": DIGESTS}, CHANGED
