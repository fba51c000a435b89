"""Settings of all tests: eight CPU devices, how many examples Hypothesis tries, and what the garbage collector visits.

``RESUMABLE_DATA_PROFILE=deep pytest property_tests`` tries many.
"""

import gc
import os

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


@pytest.fixture(scope="module", autouse=True)
def only_objects_of_tests_are_visited() -> None:
    """Takes the objects of imported modules from the garbage collector: many tests call it, and there are a million."""
    gc.collect()
    gc.freeze()
