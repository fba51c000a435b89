"""Settings of all tests: eight CPU devices, and how many examples Hypothesis tries.

``RESUMABLE_DATA_PROFILE=deep pytest property_tests`` tries many.
"""

import os

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
