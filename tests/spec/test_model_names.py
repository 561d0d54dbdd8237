"""conebench.spec.model_names: names and arguments of models, without timm."""

from typing import Any

import pytest
from synthetic import make_spec

from conebench.errors import SpecError
from conebench.spec.model_names import check_model, check_weights
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


@pytest.mark.parametrize(
    ("model", "linearization", "field"),
    [
        ({"name": "cifar_resnet20", "pretrained": True}, {}, "model.pretrained"),
        ({"name": "pixel_mlp"}, {"point": "pretrained"}, "linearization.point"),
    ],
)
def test_weights_that_no_model_of_conebench_has(
    model: dict[str, Any], linearization: dict[str, Any], field: str
) -> None:
    spec = make_spec(model=model, linearization=linearization)
    with pytest.raises(SpecError) as caught:
        check_weights(spec)
    assert str(caught.value) == f"{field}: timm has no pretrained weights for {model['name']!r}"


def test_weights_of_timm_are_not_known_here() -> None:
    check_weights(make_spec(model={"name": "resnet18", "pretrained": True}))
    check_weights(make_spec(model={"name": "pixel_mlp"}))
