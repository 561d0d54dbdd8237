"""The kernel of timm's own networks, and the table in docs/model-support.md.

All families are checked by `make families`; here are those with a tiny model, and those that need
a guard.
"""

import re
from pathlib import Path

import pytest
import timm
from families import check, families

PAGE = Path(__file__).parents[2] / "docs" / "model-support.md"
MODELS = {
    "byobnet": "test_byobnet",
    "convnext": "test_convnext",
    "efficientnet": "test_efficientnet",
    "levit": "levit_128s",
    "mambaout": "test_mambaout",
    "nfnet": "test_nfnet",
    "resnet": "test_resnet",
    "vision_transformer": "test_vit",
    "xcit": "xcit_nano_12_p16_224",
}


@pytest.mark.parametrize("family", MODELS)
def test_kernel_and_linearization_of_a_family(family: str) -> None:
    found = check(MODELS[family], family, parameters=0)
    assert found.autograd_error is not None
    assert found.autograd_error < 1e-10
    assert found.difference_error is not None
    assert found.difference_error < 1e-5
    assert found.tangent_error is not None
    assert found.tangent_error < 1e-10
    # LeViT keeps attention biases between passes: plain autograd loses their gradient.
    assert found.stale_error is not None
    assert (found.stale_error > 1e-10) == (family == "levit")


def test_every_family_is_in_the_table() -> None:
    text = PAGE.read_text()
    if f"timm {timm.__version__} " not in text:
        pytest.skip("the table was made with another timm")
    rows = re.findall(r"^\| (\w+) \|", text.partition("| family |")[2], re.MULTILINE)
    assert rows == list(families())
