"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# A machine with much else to do is slow, and that is no mistake of what is tested.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

# Processes of tests side by side share the cores: threads of their own would spin while they wait for one.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
