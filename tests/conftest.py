"""Shared settings of the tests."""

import os

from jaxtyping import install_import_hook

# The networks of the tests are too small for more threads to pay.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shapes in the signatures of the mathematics are checked in every test.
install_import_hook(
    ["conebench.analysis", "conebench.entk", "conebench.linearize"], "beartype.beartype"
)
