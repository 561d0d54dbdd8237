"""Factors of runs, and all fields of their specs."""

import pytest
from synthetic import BASE_SPEC, make_record, make_spec

from conebench.record import Record
from conebench.site.board.factors import factors_of, fields_of, model_family
from conebench.site.board.rows import Row, row_of


def with_training(title: str, optimizer: dict | None = None, **changes: object) -> Record:
    training = {**BASE_SPEC["training"], **changes}
    return make_record(
        make_spec(title=title, training={**training, "optimizer": optimizer or SGD}),
    )


SGD = BASE_SPEC["training"]["optimizer"]


def row(record: Record) -> Row:
    return row_of(record, record.id)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("cifar_resnet20", "resnet"),
        ("resnetv2_50", "resnet"),
        ("mobilenetv3_small_100", "mobilenet"),
        ("vit_tiny_patch16_224", "vit"),
        ("tf_efficientnet_b0", "efficientnet"),
        ("convnext_tiny", "convnext"),
        ("vgg16", "vgg"),
    ],
)
def test_a_family_is_what_a_name_begins_with(name, family):
    assert model_family(name) == family


def test_width_and_depth_are_known_where_the_spec_says_them():
    wide = make_record(make_spec(model={"name": "cifar_resnet20", "kwargs": {"width": 8}}))
    assert (factors_of(wide)["width"], factors_of(wide)["depth"]) == (8, 20)
    vit = make_record(make_spec(model={"name": "vit_tiny_patch16_224", "kwargs": {"depth": 4}}))
    assert (factors_of(vit)["width"], factors_of(vit)["depth"]) == (None, 4)
    assert factors_of(make_record(make_spec(model={"name": "mixer_b16_224"})))["depth"] is None


def test_every_field_of_a_spec_is_compared_once():
    fields = fields_of(make_spec())
    assert {"dataset", "training.optimizer", "training.optimizer.learning_rate"} <= set(fields)
    assert not {name for name in fields if name.startswith(("title", "seeds", "training.epochs"))}
