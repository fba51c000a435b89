"""Settings of all tests: eight CPU devices, how many examples Hypothesis tries, and what is done once for all tests.

``RESUMABLE_DATA_PROFILE=deep pytest property_tests`` tries many.
"""

import gc
import os
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, derandomize=True, max_examples=60, stateful_step_count=40)
settings.register_profile(
    "deep",
    deadline=None,
    max_examples=2000,
    stateful_step_count=50,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile(os.environ.get("RESUMABLE_DATA_PROFILE", "default"))

# Read when JAX is used first, which no test module has done yet.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"

# What one process of the tests has compiled, the others load: workers of pytest and the processes that tests start.
_COMPILED = tempfile.mkdtemp() if "JAX_COMPILATION_CACHE_DIR" not in os.environ else None
if _COMPILED is not None:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _COMPILED
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"


def pytest_unconfigure() -> None:
    """Deletes what was compiled, in the process that made the folder."""
    if _COMPILED is not None:
        shutil.rmtree(_COMPILED, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def only_objects_of_tests_are_visited() -> None:
    """Keeps the garbage collector, which many tests call, from the million objects of the imported modules."""
    gc.collect()
    gc.freeze()
