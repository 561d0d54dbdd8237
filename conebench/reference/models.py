"""Write the list of models that specs are checked against.

Run `python -m conebench.reference.models > conebench/spec/models.txt` to update the file. It needs
the newest timm, since older ones have fewer models.
"""

import sys
from importlib.metadata import version

from conebench.networks.timm_models import list_models


def models_text() -> str:
    """Return a line per model: its name, and the arguments of a model of conebench."""
    head = f"# Models of timm {version('timm')}, and of conebench with their arguments."
    lines = (" ".join((name, *arguments)) for name, arguments in list_models().items())
    return "\n".join((head, *lines)) + "\n"


if __name__ == "__main__":
    sys.stdout.write(models_text())
