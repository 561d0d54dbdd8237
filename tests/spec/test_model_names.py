"""conebench.spec.model_names: names and arguments of models, without timm."""

from typing import Any

import pytest

from conebench.errors import SpecError
from conebench.spec.model_names import check_model
from conebench.spec.schema import Model


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("resnet18", {}),
        ("resnet18.a1_in1k", {"any": 1}),
        ("cifar_resnet20", {"width": 8, "norm": "group"}),
        ("pixel_mlp", {"img_size": 8, "depth": 1}),
    ],
)
def test_known_models_pass(name: str, kwargs: dict[str, Any]) -> None:
    check_model(Model(name=name, kwargs=kwargs))


@pytest.mark.parametrize(
    ("name", "kwargs", "message"),
    [
        (
            "resnet81",
            {},
            "model.name: got 'resnet81', expected a model of timm, conebench or --import; ",
        ),
        ("resnet20", {}, "did you mean 'cifar_resnet20'?"),
        (
            "cifar_resnet20",
            {"widht": 4},
            "model.kwargs.widht: unknown argument of cifar_resnet20, expected one of width, norm, "
            "skips, head_init; did you mean 'width'?",
        ),
    ],
)
def test_others_do_not(name: str, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_model(Model(name=name, kwargs=kwargs))
    assert message in str(caught.value)
