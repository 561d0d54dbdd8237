"""conebench.reference.models: the list that specs are checked against is timm's own."""

import subprocess
import sys
from importlib.metadata import version

from conebench.spec.model_names import FILE


def test_the_list_is_up_to_date() -> None:
    # A process of its own: other tests register networks with timm.
    command = [sys.executable, "-m", "conebench.reference.models"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    listed, found = FILE.read_text().splitlines(), printed.splitlines()
    if version("timm") in listed[0]:
        assert listed == found
    # Another timm has other models; those of conebench are the same.
    own = [[line for line in lines[1:] if " " in line] for lines in (listed, found)]
    assert own[0] == own[1]
    assert len(set(listed) & set(found)) > 1000
