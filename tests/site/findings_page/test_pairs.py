"""Pairs of records that differ in one choice, with their difference."""

import numpy as np
import pytest
from synthetic import BASE_SPEC, make_record, make_spec

from conebench.record import Record
from conebench.site.board.rows import row_of
from conebench.site.findings_page.pairs import OPTIMIZER, Pair, matched_pairs
from conebench.study.figures import figures_of
from conebench.study.responses import CONE, LAZY_GAP

SGD = BASE_SPEC["training"]["optimizer"]


def with_training(title: str, optimizer: dict | None = None, **changes: object) -> Record:
    training = {**BASE_SPEC["training"], **changes}
    return make_record(
        make_spec(title=title, training={**training, "optimizer": optimizer or SGD}),
    )


def pairs_of(*records: Record) -> list[Pair]:
    rows = [row_of(record, record.id) for record in records]
    return matched_pairs(rows, {r.id: figures_of(r, r.id) for r in records})


def told(*records: Record) -> list[tuple[str, ...]]:
    return [(p.field, *p.values, *(r.row.title for r in p.records)) for p in pairs_of(*records)]


def test_a_pair_differs_in_one_choice_only() -> None:
    base = with_training("base")
    slow = with_training("slow", {**SGD, "learning_rate": 0.01})
    large = with_training("large", batch_size=128)
    both = with_training("both", {**SGD, "learning_rate": 0.01}, batch_size=256)
    assert told(base, slow, large, both) == [
        ("training.batch_size", "64", "128", "base", "large"),
        ("training.batch_size", "64", "256", "slow", "both"),
        ("training.optimizer.learning_rate", "0.01", "0.1", "slow", "base"),
    ]


def test_an_optimizer_with_its_learning_rate_is_one_choice() -> None:
    sgd, adam = with_training("sgd"), with_training("adam", {"name": "adam", "learning_rate": 1e-3})
    # Without the center of the study, the first of equal names is the base.
    (found,) = told(sgd, adam)
    assert found[0] == OPTIMIZER
    assert set(found[1:3]) == {"adam 0.001", "sgd 0.1"}
    heavy = with_training("heavy", {**SGD, "weight_decay": 0.01})
    assert told(sgd, heavy) == [
        ("training.optimizer.weight_decay", "0.0", "0.01", "sgd", "heavy"),
    ]


def test_parts_of_the_dataset_are_choices_of_their_own() -> None:
    base = make_record(make_spec(title="base"))
    crops = {"name": "digits", "augmentation": {"crop_padding": 1}}
    other = make_record(make_spec(title="crops", dataset=crops))
    assert told(base, other) == [("dataset.augmentation.crop_padding", "0", "1", "base", "crops")]
    more = {**crops, "train_size": 500}
    assert told(base, make_record(make_spec(title="more", dataset=more))) == []


def test_a_longer_run_takes_its_steps_with_it() -> None:
    base = make_record(make_spec(title="base"))
    longer = make_record(
        make_spec(
            title="longer",
            training={**BASE_SPEC["training"], "steps": 2000},
            switching={"steps": [200, 600, 1000]},
            kernel={"samples": 50, "checkpoints": {"every": 100, "extra": [10, 40]}},
        )
    )
    assert told(base, longer) == [("training.steps", "1000", "2000", "base", "longer")]


def test_the_rate_of_linear_arms_moves_with_that_of_training() -> None:
    specs = [
        make_spec(
            title=str(rate),
            training={**BASE_SPEC["training"], "optimizer": {**SGD, "learning_rate": rate}},
            linearization={"learning_rate": rate / 10},
        )
        for rate in (0.1, 0.2)
    ]
    assert told(*map(make_record, specs)) == [
        ("training.optimizer.learning_rate", "0.1", "0.2", "0.1", "0.2"),
    ]


@pytest.mark.parametrize("center", ["study-center", "study-r-center"])
def test_categories_are_compared_with_the_center_of_the_study(center: str) -> None:
    def record(name: str, model: str) -> Record:
        return make_record(make_spec(name=name, title=name, model={"name": model}))

    names = {"a": "cifar_resnet20", center: "cifar_resnet8", "z": "cifar_resnet32"}
    found = told(*(record(name, model) for name, model in names.items()))
    assert [(p[3], p[4]) for p in found] == [(center, "a"), (center, "z")]


@pytest.mark.parametrize("first", ["a", "z"])
def test_without_the_center_its_value_comes_first(first: str) -> None:
    def record(name: str, model: str, rate: float) -> Record:
        training = {**BASE_SPEC["training"], "optimizer": {**SGD, "learning_rate": rate}}
        spec = make_spec(name=name, title=name, model={"name": model}, training=training)
        return make_record(spec)

    last = "z" if first == "a" else "a"
    found = told(
        record("study-center", "cifar_resnet8", 0.1),
        record(first, "cifar_resnet20", 0.2),
        record(last, "cifar_resnet8", 0.2),
    )
    assert ("model.name", "cifar_resnet8", "cifar_resnet20", last, first) in found


def test_pairs_are_in_the_order_of_their_numbers() -> None:
    records = [with_training("b", batch_size=b) for b in (8, 16, 128)]
    assert [p[1:3] for p in told(*records)] == [("8", "16"), ("16", "128")]


def test_neighboring_values_make_pairs_in_the_order_of_numbers() -> None:
    records = [with_training(f"b{b}", batch_size=b) for b in (128, 16, 64)]
    assert [p[1:3] for p in told(*records)] == [("16", "64"), ("64", "128")]


def test_kernels_of_another_kind_and_other_seeds_are_no_pair() -> None:
    other = {**BASE_SPEC["kernel"], "samples": 20}
    assert told(make_record(), make_record(make_spec(kernel=other))) == []
    assert told(make_record(), make_record(make_spec(title="more seeds", seeds=[0, 1]))) == []


def test_the_difference_is_within_seeds_second_minus_first() -> None:
    narrow = make_record(make_spec(title="narrow"), noise=0.05)
    wide = make_record(
        make_spec(title="wide", training={**BASE_SPEC["training"], "batch_size": 128}), noise=0.2
    )
    (pair,) = pairs_of(narrow, wide)
    values = [
        np.array([seed.window.cone_deg for seed in record.seeds]) for record in (narrow, wide)
    ]
    effect = pair.differences["cone"]
    assert effect.value == pytest.approx((values[1] - values[0]).mean())
    assert effect.squared_error == pytest.approx((values[1] - values[0]).var(ddof=1) / 5)
    assert CONE.effect_text(effect.value).startswith("+")
    # The arms of both are the same.
    assert pair.differences[LAZY_GAP.key].value == 0
