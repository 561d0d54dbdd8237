"""Every module can be imported, without a warning."""

import subprocess
import sys

PROGRAM = """
import importlib, pkgutil, conebench
for module in pkgutil.walk_packages(conebench.__path__, "conebench."):
    importlib.import_module(module.name)
    print(module.name)
"""


def test_every_module_is_imported_without_a_warning() -> None:
    # timm hands classes to torch.jit at its import.
    strict = ["-W", "error", "-W", "ignore:`torch.jit:DeprecationWarning"]
    done = subprocess.run(
        [sys.executable, *strict, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert {"conebench.cli", "conebench.entk.kernel", "conebench.__main__"} <= set(
        done.stdout.split()
    )
