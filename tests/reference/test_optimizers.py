"""conebench.reference.optimizers: the list that specs are checked against is timm's own."""

from importlib.metadata import version

from conebench.reference.optimizers import optimizers_text
from conebench.spec.optimizers import FILE


def test_the_list_is_up_to_date() -> None:
    listed, found = FILE.read_text().splitlines(), optimizers_text().splitlines()
    if version("timm") in listed[0]:
        assert listed == found
    # Another timm has other optimizers.
    assert len(set(listed) & set(found)) > 50
