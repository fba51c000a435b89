"""What importing a part of the package loads, in a fresh Python each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import resumable_data as rd

PACKAGE = Path(rd.__file__).parent
HEAVY = {"jax", "jaxlib", "orbax", "grain", "datasets", "transformers", "tokenizers", "pyarrow", "matplotlib"}


def loaded_by(*modules: str) -> set[str]:
    """The packages that are loaded after these modules are imported."""
    script = f"import sys, json, {', '.join(modules)}; print(json.dumps([m.partition('.')[0] for m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("folder", ["order", "packing"])
def test_index_arithmetic_needs_numpy_alone(folder: str) -> None:
    modules = [f"resumable_data.{folder}.{file.stem}" for file in sorted((PACKAGE / folder).glob("[!_]*.py"))]

    assert modules
    assert not loaded_by(*modules) & HEAVY


def test_the_package_loads_what_is_asked_for() -> None:
    assert not loaded_by("resumable_data") & HEAVY


def test_every_public_name_is_there() -> None:
    assert set(rd.__all__) <= set(dir(rd))
    assert all(getattr(rd, name) is not None for name in rd.__all__)
    assert rd.__all__ == sorted(rd.__all__, key=lambda name: (name.islower(), name))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'DatSet'"):
        _ = rd.DatSet


def test_a_name_from_before_still_works_and_says_so() -> None:
    with pytest.warns(DeprecationWarning, match="is now HuggingFaceIterableSource"):
        assert rd.HuggingFaceStream is rd.HuggingFaceIterableSource
