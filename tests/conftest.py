"""Shared settings of the tests."""

import os

from jaxtyping import install_import_hook

# The networks of the tests are too small for more threads to pay, and runs that are compared bit
# for bit, in this process and in others, need the same number.
os.environ["OMP_NUM_THREADS"] = "1"

# Shapes in the signatures of the mathematics are checked in every test.
install_import_hook(
    [
        "conebench.analysis",
        "conebench.chaos",
        "conebench.entk",
        "conebench.linearize",
        "conebench.output_scale",
    ],
    "beartype.beartype",
)
