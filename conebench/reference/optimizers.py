"""Write the list of optimizers that specs are checked against.

Run `python -m conebench.reference.optimizers > conebench/spec/optimizers.txt` to update the file.
It needs the newest timm, since older ones have fewer optimizers.
"""

import sys
from importlib.metadata import version

from conebench.networks.timm_models import list_optimizers


def optimizers_text() -> str:
    """Return a line per optimizer."""
    return "\n".join((f"# Optimizers of timm {version('timm')}.", *list_optimizers())) + "\n"


if __name__ == "__main__":
    sys.stdout.write(optimizers_text())
