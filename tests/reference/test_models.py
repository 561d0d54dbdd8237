"""conebench.reference.models: the list that specs are checked against is timm's own."""

from importlib.metadata import version

from conebench.reference.models import models_text
from conebench.spec.model_names import FILE


def test_the_list_is_up_to_date() -> None:
    listed, found = FILE.read_text().splitlines(), models_text().splitlines()
    if version("timm") in listed[0]:
        assert listed == found
    # Another timm has other models; those of conebench are the same.
    own = [[line for line in lines[1:] if " " in line] for lines in (listed, found)]
    assert own[0] == own[1]
    assert len(set(listed) & set(found)) > 1000
