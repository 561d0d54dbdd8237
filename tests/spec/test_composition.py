"""conebench.spec.composition: `extends` and `matrix`, and places of what they bring together."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conebench.errors import SpecError
from conebench.spec import find_specs, load_all, load_spec, load_specs
from conebench.spec.composition import Composed, Place
from conebench.spec.yaml_text import FieldPath

BASE = """\
name: base
title: The center
model: {name: cifar_resnet8, kwargs: {width: 4}}
dataset: {name: digits}
training:
  steps: 1000
  batch_size: 64
  optimizer: {name: sgd, learning_rate: 0.1, momentum: 0.9}
switching: {steps: [50, 100]}
kernel: {samples: 50, checkpoints: {every: 50}}
seeds: [0, 1]
"""
CHILD = """\
extends: base.yaml
name: child
title: Another
training:
  optimizer: {learning_rate: 0.2}
switching: {steps: [200]}
"""
FAMILY = """\
extends: base.yaml
name: family
title: A family
matrix:
  lr-0.5:
    training: {optimizer: {learning_rate: 0.5}}
  adam:
    title: With Adam
    training:
      optimizer: {name: adam, learning_rate: 0.001, momentum: null}
  wide: {model: {kwargs: {width: 8}}}
"""
GRID = """\
extends: base.yaml
name: grid
title: A grid
grid:
  optimizer:
    sgd: {}
    adam: {training: {optimizer: {name: adam, momentum: null}}}
  lr:
    lr0.1: {training: {optimizer: {learning_rate: 0.1}}}
    lr0.5: {training: {optimizer: {learning_rate: 0.5}}}
  width:
    w4: {model: {kwargs: {width: 4}}}
    w8: {model: {kwargs: {width: 8}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text(BASE)
    return tmp_path


def write(folder: Path, text: str, name: str = "child.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(path: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_specs(path)
    return str(caught.value).replace(f"{path.parent}/", "").split("\n")


def test_a_file_that_extends_another_changes_its_fields_and_keeps_the_others(folder: Path) -> None:
    spec, base = load_spec(write(folder, CHILD)), load_spec(folder / "base.yaml")
    assert (spec.name, spec.title) == ("child", "Another")
    assert spec.training.optimizer.learning_rate == 0.2
    assert spec.training.optimizer.momentum == 0.9  # type: ignore[union-attr]
    assert spec.switching.steps == (200,)
    changed = {"name", "title", "training", "switching"}
    assert spec.model_dump(exclude=changed) == base.model_dump(exclude=changed)


def test_a_composed_spec_is_the_one_written_out(folder: Path) -> None:
    written_out = (
        BASE.replace("name: base", "name: child")
        .replace("The center", "Another")
        .replace("learning_rate: 0.1", "learning_rate: 0.2")
        .replace("[50, 100]", "[200]")
    )
    composed = load_spec(write(folder, CHILD))
    assert load_spec(write(folder, written_out)).hash == composed.hash


def test_a_matrix_stands_for_one_spec_a_variant(folder: Path) -> None:
    specs = [found.spec for found in load_specs(write(folder, FAMILY, "family.yaml"))]
    assert [spec.name for spec in specs] == ["family-lr-0.5", "family-adam", "family-wide"]
    assert [spec.title for spec in specs] == ["A family, lr-0.5", "With Adam", "A family, wide"]
    assert [spec.training.optimizer.name for spec in specs] == ["sgd", "adam", "sgd"]
    assert [spec.model.kwargs["width"] for spec in specs] == [4, 4, 8]
    assert len({spec.hash for spec in specs}) == 3
    with pytest.raises(SpecError, match=r"got 3 specs, expected one$"):
        load_spec(folder / "family.yaml")


def test_a_grid_stands_for_every_combination_of_levels(folder: Path) -> None:
    loaded = load_specs(write(folder, GRID, "grid.yaml"))
    specs = [found.spec for found in loaded]
    assert [spec.name for spec in specs] == [
        f"grid-{optimizer}-{lr}-{width}"
        for optimizer in ("sgd", "adam")
        for lr in ("lr0.1", "lr0.5")
        for width in ("w4", "w8")
    ]
    assert specs[-1].title == "A grid, adam-lr0.5-w8"
    assert specs[-1].training.optimizer.name == "adam"
    assert specs[-1].training.optimizer.learning_rate == 0.5
    assert specs[-1].model.kwargs == {"width": 8}
    place = loaded[-1].written.place
    assert place(("training", "optimizer", "name")).line == 7
    assert place(("training", "optimizer", "learning_rate")).line == 10
    assert place(("model", "kwargs", "width")).line == 13


def test_a_grid_is_the_matrix_of_its_combinations(folder: Path) -> None:
    written_out = FAMILY.partition("matrix:")[0].replace("family", "grid") + (
        "matrix:\n"
        "  adam-lr0.5-w8:\n"
        "    title: A grid, adam-lr0.5-w8\n"
        "    model: {kwargs: {width: 8}}\n"
        "    training: {optimizer: {name: adam, learning_rate: 0.5, momentum: null}}\n"
    )
    *_, last = load_specs(write(folder, GRID, "grid.yaml"))
    (only,) = load_specs(write(folder, written_out, "grid.yaml"))
    assert last.spec.hash == only.spec.hash


def _levels(count: int) -> str:
    return "{" + ", ".join(f"l{i}: {{}}" for i in range(count)) + "}"


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ("grid: [1]", "grid.yaml:4: grid: got [1], expected a mapping of factors, each with its"),
        ("grid: {}", "grid.yaml:4: grid: got {}, expected a mapping of factors"),
        ("grid: {lr: 1}", "grid.yaml:4: grid.lr: got 1, expected a mapping of 1 to 200 variants"),
        ("grid: {lr: {}}", "grid.yaml:4: grid.lr: got {}, expected a mapping of 1 to 200 variants"),
        ("grid: {lr: {a: 1}}", "grid.yaml:4: grid.lr.a: got 1, expected a mapping of sections"),
        ("grid: {lr: {A: {}}}", "grid.yaml:4: grid.lr.A: expected a name of lower-case"),
        ("grid: {lr: {a: {title: b}}}", "grid.yaml:4: grid.lr.a.title: not allowed in a variant"),
        ("grid: {lr: {a: {grid: {}}}}", "grid.yaml:4: grid.lr.a.grid: not allowed in a variant"),
        ("grid: {lr: {a: {}}}\nmatrix: {a: {}}", "grid.yaml:4: grid: got a matrix too, expected"),
        (
            f"grid: {{a: {_levels(15)}, b: {_levels(15)}}}",
            "grid.yaml:4: grid: got 225 combinations, expected at most 200",
        ),
    ],
)
def test_a_grid_that_is_none_is_named_in_one_line(folder: Path, grid: str, expected: str) -> None:
    found = problems(write(folder, GRID.partition("grid:\n")[0] + f"{grid}\n", "grid.yaml"))
    assert found[0].startswith(expected)
    assert len(found) == 1


def test_a_problem_of_a_level_names_one_combination_and_counts_the_others(folder: Path) -> None:
    text = GRID.replace("lr0.5: {training: {optimizer: {learning_rate: 0.5}}}", "bad: {seeds: []}")
    (found,) = problems(write(folder, text, "grid.yaml"))
    assert found.startswith("grid.yaml:10: seeds: got []")
    assert found.endswith("(in sgd-bad-w4 and 3 more)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CHILD.replace("0.2", "-1"), "child.yaml:5: training.optimizer.learning_rate: got -1, "),
        (CHILD.replace("[200]", "[60]"), "child.yaml:6: switching.steps: got step 60, "),
        (
            CHILD + "dataset: {train_size: 60}\nkernel: {calibration_samples: 2}\n",
            "base.yaml:7: training.batch_size: got 64, expected at most the 60 images",
        ),
        (CHILD + "seeds: null\n", "child.yaml:7: seeds: missing"),
        (CHILD.replace("name: child\n", ""), "child.yaml:1: name: missing"),
        (CHILD.replace("title: Another\n", ""), "child.yaml:1: title: missing"),
        (CHILD + "sedes: [1]\n", "child.yaml:7: sedes: unknown field, expected one of chaos, "),
        (CHILD.replace("base.yaml", "bas.yaml"), "child.yaml:1: extends: got 'bas.yaml', no file"),
        (CHILD.replace("base.yaml", "../base.yaml"), 'child.yaml:1: extends: got "../base.yaml",'),
        (CHILD.replace("base.yaml", "/base.yaml"), 'child.yaml:1: extends: got "/base.yaml",'),
        (CHILD.replace("base.yaml", "[base.yaml]"), 'child.yaml:1: extends: got ["base.yaml"],'),
        (CHILD.replace("base.yaml", "child.yaml"), "child.yaml:1: extends: got 'child.yaml', wh"),
        (CHILD + "matrix: [1]\n", "child.yaml:7: matrix: got [1], expected a mapping of 1 to"),
        (CHILD + "matrix:\n", "child.yaml:7: matrix: got null, expected"),
        (CHILD + "matrix: {}\n", "child.yaml:7: matrix: got {}, expected"),
        (CHILD + "matrix:\n  a: 1\n", "child.yaml:8: matrix.a: got 1, expected a mapping"),
        (CHILD + "matrix:\n  A: {}\n", "child.yaml:8: matrix.A: expected a name of lower-case"),
        (CHILD + "matrix:\n  a: {name: b}\n", "child.yaml:8: matrix.a.name: not allowed in a var"),
        (
            CHILD.replace("child", "other") + "matrix: {a: {}}\n",
            "child.yaml:2: name: got \"other\", expected the file's name 'child'",
        ),
        (CHILD + f"matrix: {{{'a' * 60}: {{}}}}\n", "child.yaml:7: name: got "),
    ],
)
def test_a_problem_is_named_where_it_is_written(folder: Path, text: str, expected: str) -> None:
    found = problems(write(folder, text))
    assert found[0].startswith(expected)
    assert len(found) == 1


def test_a_problem_of_a_matrix_names_its_variants_once(folder: Path) -> None:
    changes = "{dataset: {train_size: 60}, kernel: {calibration_samples: 2}}"
    text = FAMILY + f"  small: {changes}\n  tiny: {changes}\n"
    assert problems(write(folder, text, "family.yaml")) == [
        "base.yaml:7: training.batch_size: got 64, expected at most the 60 images "
        "(in small and 1 more)"
    ]


def test_a_problem_of_every_variant_is_one_line(folder: Path) -> None:
    text = FAMILY.replace("matrix:", "seeds: [1, 1]\nmatrix:")
    assert problems(write(folder, text, "family.yaml")) == [
        "family.yaml:4: seeds: got [1, 1], expected each seed once"
    ]


def test_files_that_extend_each_other_end_in_one_line(folder: Path) -> None:
    write(folder, CHILD.replace("base.yaml", "other.yaml"))
    other = write(folder, CHILD.replace("base.yaml", "child.yaml"), "other.yaml")
    assert problems(other) == ["child.yaml:1: extends: got 'other.yaml', which extends this file"]


def test_a_long_row_of_files_is_refused(folder: Path) -> None:
    for i in range(6):
        base = f"step{i - 1}.yaml" if i else "base.yaml"
        write(folder, f"extends: {base}\nname: step{i}\ntitle: t\n", f"step{i}.yaml")
    assert load_spec(folder / "step3.yaml").seeds == (0, 1)
    assert problems(folder / "step5.yaml") == [
        "step1.yaml:1: extends: expected a chain of at most 5 files"
    ]


@pytest.mark.parametrize(("family", "text"), [("matrix", FAMILY), ("grid", GRID)])
def test_a_file_of_several_specs_is_not_extended(folder: Path, family: str, text: str) -> None:
    write(folder, text, "many.yaml")
    found = problems(write(folder, CHILD.replace("base", "many")))
    assert found == [f"child.yaml:1: extends: got 'many.yaml', expected a file without a {family}"]


def test_a_link_is_not_followed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "base.yaml"
    outside.write_text(BASE)
    (folder / "link.yaml").symlink_to(outside)
    found = problems(write(folder, CHILD.replace("base.yaml", "link.yaml")))
    assert found[0].startswith("child.yaml:1: extends: got 'link.yaml', no file in this folder")


def test_names_are_unique_over_a_folder_and_pick_specs(folder: Path) -> None:
    write(folder, FAMILY, "family.yaml")
    picked = load_all([folder], ["family-wide", "base"])
    assert [found.spec.name for found in picked] == ["base", "family-wide"]
    with pytest.raises(
        SpecError, match=r"--name: got 'family-wid', .*; did you mean 'family-wide'"
    ):
        load_all([folder], ["family-wid"])
    write(folder, CHILD.replace("name: child", "name: family-wide"), "family-wide.yaml")
    with pytest.raises(SpecError, match=r"'family-wide' twice, also in .*; expected each name"):
        load_all(find_specs([folder]))


def test_a_line_of_the_file_where_the_value_stands(folder: Path) -> None:
    found = load_specs(write(folder, FAMILY, "family.yaml"))[0]
    name = folder / "family.yaml"
    places = {
        SpecError("x", field="training.optimizer"): f"{name}:6: training.optimizer: x",
        SpecError("x", field="model.name"): f"{folder / 'base.yaml'}:3: model.name: x",
        SpecError("data/a.png: no image"): "data/a.png: no image",
    }
    assert [str(found.located(error)) for error in places] == list(places.values())


def test_names_of_smoke_runs_are_kept(folder: Path) -> None:
    text = CHILD.replace("name: child", "name: child.smoke")
    assert problems(write(folder, text, "child.smoke.yaml")) == [
        "child.smoke.yaml:2: name: got 'child.smoke', but '.smoke' is kept for smoke runs"
    ]


VALUES = st.recursive(
    st.none() | st.integers(),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def placed(data: dict[str, Any], file: str) -> Composed:
    places: dict[FieldPath, Place] = {}

    def walk(value: Any, at: FieldPath) -> None:
        places[at] = Place(Path(file), len(places) + 1)
        items = value.items() if isinstance(value, dict) else []
        for key, inner in items:
            walk(inner, (*at, key))

    walk(data, ())
    return Composed(data, places)


def merge_patch(target: Any, patch: Any) -> Any:
    """The pseudocode of RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


@given(MAPPINGS, MAPPINGS)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_merging_is_that_of_the_rfc_and_every_field_has_the_place_it_came_from(
    data: dict[str, Any], patch: dict[str, Any]
) -> None:
    merged = placed(data, "base").merged(placed(patch, "patch"))
    assert merged.data == merge_patch(data, patch)
    for field in placed(merged.data, "merged").places:
        inside: Any = patch
        for part in field:
            inside = inside.get(part, "absent") if isinstance(inside, dict) else "absent"
        assert merged.place(field).path == Path("base" if inside == "absent" else "patch")
