"""Factors of runs, their plots, and pairs that differ in one field."""

import pytest
from synthetic import BASE_SPEC, make_record, make_spec

from conebench.record import Record
from conebench.site.board.factors import factors_of, fields_of, model_family
from conebench.site.board.pairs import matched_pairs
from conebench.site.board.rows import Row, row_of
from conebench.site.board.scatter import factor_sections


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


def test_a_pair_differs_in_one_field_only():
    base = with_training("base")
    slow = with_training("slow", {**SGD, "learning_rate": 0.01})
    large = with_training("large", batch_size=128)
    both = with_training("both", {**SGD, "learning_rate": 0.01}, batch_size=256)
    pairs = matched_pairs([row(r) for r in (base, slow, large, both)])
    found = [(p.field, *p.values, *(r.title for r in p.rows)) for p in pairs]
    assert found == [
        ("training.batch_size", "64", "128", "base", "large"),
        ("training.batch_size", "64", "256", "slow", "both"),
        ("training.learning_rate", "0.01", "0.1", "slow", "base"),
    ]


def test_another_optimizer_is_one_field_and_seeds_are_none():
    sgd = with_training("sgd", {"name": "sgd", "learning_rate": 0.1})
    adam = with_training("adam", {"name": "adam", "learning_rate": 0.1, "eps": 1e-6})
    more = make_record(make_spec(title="more seeds", seeds=[0, 1]))
    assert {p.field for p in matched_pairs([row(sgd), row(adam)])} == {"training.optimizer"}
    assert matched_pairs([row(make_record()), row(more)]) == []


def test_neighboring_values_make_pairs_in_the_order_of_numbers():
    rows = [row(with_training(f"b{b}", batch_size=b)) for b in (128, 16, 64)]
    values = [p.values for p in matched_pairs(rows)]
    assert values == [("16", "64"), ("64", "128")]


def test_kernels_of_another_kind_are_no_pair():
    other = {**BASE_SPEC["kernel"], "samples": 20}
    assert matched_pairs([row(make_record()), row(make_record(make_spec(kernel=other)))]) == []


def test_every_field_of_a_spec_is_compared_once():
    fields = fields_of(make_spec())
    assert {"dataset", "training.optimizer", "training.learning_rate", "model.name"} <= set(fields)
    assert not {name for name in fields if name.startswith(("title", "seeds", "training.epochs"))}


def test_a_factor_is_drawn_where_records_differ_in_it_and_named_where_not():
    rows = [row(with_training("a")), row(with_training("b", batch_size=128))]
    sections = {section.factor.key: section for section in factor_sections(rows)}
    assert [plot.key for plot in sections["batch_size"].plots] == [
        "batch_size-CES",
        "batch_size-N",
        "batch_size-benefit",
    ]
    assert sections["learning_rate"].plots == ()
    assert sections["learning_rate"].shared == "0.1"
    plot = sections["batch_size"].plots[0]
    assert len(plot.drawing.dots) == 2
    assert [cells[0] for cells in plot.table.rows] == ["64", "128"]


def test_names_stand_side_by_side_and_colors_are_those_of_datasets():
    rows = [
        row(make_record(make_spec(model={"name": name}, dataset={"name": data})))
        for name, data in (("vgg16", "digits"), ("resnet18", "mnist"), ("vgg16", "mnist"))
    ]
    sections = {section.factor.key: section for section in factor_sections(rows)}
    plot = sections["family"].plots[1]
    assert [tick.label for tick in plot.drawing.x_ticks] == ["resnet", "vgg"]
    assert [(key.name, key.style) for key in plot.drawing.legend] == [
        ("digits", "c0"),
        ("mnist", "c1"),
    ]


def test_what_has_no_value_is_counted():
    cosine = with_training("c", schedule={"name": "cosine"}, batch_size=32)
    (section,) = [
        s
        for s in factor_sections([row(make_record()), row(cosine)])
        if s.factor.key == "batch_size"
    ]
    assert "1 of 2 records have no value" in section.plots[0].caption
    assert len(section.plots[0].drawing.dots) == 1
