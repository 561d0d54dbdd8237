"""conebench new, schema, validate, show, list, plan and run on files of several specs."""

import json
import re
from pathlib import Path

import pytest
from command_line import TINY, Call
from PIL import Image

from conebench.spec import load_spec

FAMILY = """\
extends: tiny.yaml
name: family
title: A family
matrix:
  narrow: {model: {kwargs: {width: 1}}}
  slow: {training: {optimizer: {learning_rate: 0.01}}}
"""

FOLDER = "{name: imagefolder, folder: pets, image_size: 8}"


def test_specs_of_a_matrix_by_name(call: Call, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "family.yaml").write_text(FAMILY)
    code, out, _ = call("validate", ".")
    assert code == 0
    assert re.findall(r"(\S+): valid", out) == ["family-narrow", "family-slow", "tiny.yaml"]
    code, out, _ = call("show", "family.yaml", "--name", "family-slow")
    assert (code, out.splitlines()[2]) == (0, "title: A family, slow")
    code, out, _ = call("show", "family.yaml", "--resolved")
    assert (code, out.count("weight_decay: 0.0"), out.count("---")) == (0, 2, 1)
    code, out, _ = call("plan", "family.yaml", "--name", "family-narrow", "--json")
    assert (code, json.loads(out)["spec"]) == (0, "family-narrow")
    code, _, err = call("run", "family.yaml", "--name", "narrow")
    assert code == 1
    assert err.startswith("--name: got 'narrow', expected one of family")


def test_a_new_spec_is_valid_and_nothing_is_overwritten(call: Call, tmp_path: Path) -> None:
    chosen = ("--model", "resnet18", "--dataset", "digits", "--steps", "1000")
    code, out, _ = call("new", "mine", *chosen, "--title", 'Mine: "a"')
    assert (code, out.partition(";")[0]) == (0, "wrote specs/mine.yaml")
    text = (tmp_path / "specs/mine.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=spec.schema.json\n")
    assert json.loads((tmp_path / "specs/spec.schema.json").read_text()) == json.loads(
        call("schema")[1]
    )
    assert call("validate", "specs")[0] == 0
    code, _, err = call("new", "mine", *chosen)
    assert (code, err) == (1, "specs/mine.yaml already exists; nothing is overwritten\n")
    assert (tmp_path / "specs/mine.yaml").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits"], "NAME: got 'digits', the name of a shipped spec; choose another\n"),
        (["Mine"], "NAME: got 'Mine', expected up to 64 of a-z, 0-9, '.', '_' and '-'\n"),
        (
            ["mine", "--dataset", "pets"],
            "--dataset: got 'pets', expected one of digits",
        ),
        (
            ["mine", "--dataset", "imagefolder"],
            "--dataset: imagefolder needs --set dataset.folder=..., --set dataset.image_size=...\n",
        ),
        (
            ["mine", "--dataset", "hf", "--set", "dataset.repo=a/b"],
            "--dataset: hf needs --set dataset.revision=..., --set dataset.image_size=...\n",
        ),
        (
            ["mine", "--set", "training.steps=500"],
            "--set: got training; without --extends, expected fields of the dataset, such as ",
        ),
        (["mine", "--set", "dataset=digits"], "--set: got dataset; without --extends, expected "),
        (["mine", "--set", "dataset.size=8"], "dataset.size: unknown field, "),
        (["mine", "--steps", "997"], "--steps: got 997, expected a multiple of some number"),
        (
            ["mine", "--model", "a b"],
            "--model: got 'a b', expected a model of timm, conebench or --import",
        ),
    ],
)
def test_a_new_spec_that_cannot_be(
    call: Call, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, out, err = call("new", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith(message)
    assert not list(tmp_path.glob("specs/*"))


REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("dataset", "fields", "title"),
    [
        ("imagefolder", {"folder": "pets", "image_size": 32}, "resnet18 on pets"),
        ("hf", {"repo": "a/b", "revision": REVISION, "image_size": 64}, "resnet18 on a/b"),
    ],
)
def test_a_new_spec_of_images_of_your_own(
    call: Call, tmp_path: Path, dataset: str, fields: dict[str, object], title: str
) -> None:
    options = [f"dataset.{name}={value}" for name, value in fields.items()]
    settings = [word for option in options for word in ("--set", option)]
    chosen = ("--model", "resnet18", "--dataset", dataset)
    code, out, _ = call("new", "mine", *chosen, *settings)
    root = " --data-root FOLDER" if dataset == "imagefolder" else ""
    assert (code, out.partition("conebench plan ")[2]) == (0, f"specs/mine.yaml{root}\n")
    spec = load_spec(tmp_path / "specs/mine.yaml")
    assert (spec.title, spec.dataset.name, spec.kernel.outputs) == (title, dataset, "full")
    assert {name: getattr(spec.dataset, name) for name in fields} == fields
    assert call("validate", "specs/mine.yaml")[::2] == (0, "")


def test_a_new_spec_of_a_network_of_your_own(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "drafted_nets.py").write_text(
        "from timm.models import register_model\n"
        "@register_model\n"
        "def drafted_net(pretrained=False, **kwargs): ...\n"
    )
    chosen = ("mine", "--model", "drafted_net", "--dataset", "digits")
    assert call("new", *chosen)[0] == 1
    code, out, _ = call("new", *chosen, "--import", "drafted_nets")
    assert (code, out) == (
        0,
        "wrote specs/mine.yaml; now: conebench validate specs/mine.yaml --import drafted_nets, "
        "conebench plan specs/mine.yaml --import drafted_nets\n",
    )


def test_validate_warns_as_a_reviewer_would(call: Call, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace("[0, 1]", "[0]"))
    code, out, err = call("validate", "tiny.yaml")
    assert (code, out.partition(",")[0]) == (0, "tiny.yaml: valid")
    assert err.splitlines()[-1] == (
        "tiny.yaml:11: warning: seeds: only one seed, so there will be no intervals and no rank"
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cifar_resnet8", "resnet81", "tiny.yaml:3: model.name: got 'resnet81', expected a model "),
        (
            "sgd, learning_rate: 0.05, momentum: 0.9",
            "sdg, learning_rate: 0.05",
            "tiny.yaml:8: training.optimizer.name: got 'sdg', expected an optimizer of timm's; did",
        ),
        ("width: 2", "widht: 2", "tiny.yaml:3: model.kwargs.widht: unknown argument of cifar_re"),
    ],
)
def test_names_are_looked_up_without_timm(
    call: Call, tmp_path: Path, old: str, new: str, message: str
) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.replace(old, new))
    code, out, err = call("validate", "tiny.yaml")
    assert (code, out) == (1, "")
    assert err.startswith(message)


@pytest.mark.parametrize("file", ["mine/models.py", "./mine/models.py", "mine/models"])
def test_a_file_in_place_of_a_module_is_told(call: Call, file: str) -> None:
    message = f"conebench: --import: got {file!r}, expected a module, such as mine.models."
    for command in ("validate", "plan", "run", "new"):
        code, out, err = call(command, "tiny", "--import", file)
        assert (code, out, err) == (1, "", f"{message} See conebench {command} --help.\n")


def test_a_new_spec_needs_a_known_model_and_dataset(call: Call, tmp_path: Path) -> None:
    code, _, err = call("new", "mine", "--model", "resnet20")
    assert (code, err) == (
        1,
        "--model: got 'resnet20', expected a model of timm, conebench or --import; did you mean "
        "'cifar_resnet20'?\n",
    )
    assert not list(tmp_path.glob("specs/*"))


def test_a_new_spec_with_a_wrong_number_names_no_file(call: Call, tmp_path: Path) -> None:
    message = "training.optimizer.learning_rate: got -1.0, expected at least 1e-30\n"
    assert call("new", "mine", "--learning-rate", "-1") == (1, "", message)
    assert not list(tmp_path.glob("specs/*"))


def test_the_schema_of_records(call: Call) -> None:
    code, out, _ = call("schema", "--record")
    assert (code, json.loads(out)["title"].partition(",")[0]) == (0, "A record of conebench")


def test_a_resolved_spec_is_the_same_spec(call: Call, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "family.yaml").write_text(FAMILY)
    name = "family-slow"
    _, shown, _ = call("show", "family.yaml", "--name", name, "--resolved")
    (tmp_path / f"{name}.yaml").write_text(shown)
    _, again, _ = call("show", f"{name}.yaml", "--resolved")
    assert again == shown


def test_a_record_has_no_names_to_choose_from(call: Call) -> None:
    code, _, err = call("show", "record.json", "--resolved")
    assert (code, err) == (1, "record.json: --name and --resolved are for .yaml files only\n")


def test_without_a_folder_specs_the_shipped_ones_are_listed(call: Call, tmp_path: Path) -> None:
    assert not (tmp_path / "specs").exists()
    code, out, err = call("list")
    names = {line.split()[0] for line in out.splitlines()}
    assert (code, err) == (0, "")
    assert {"digits", "digits-window", "resnet20"} <= names


def test_a_shipped_spec_is_shown_by_name(call: Call) -> None:
    code, out, err = call("show", "digits")
    assert (code, err) == (0, "")
    assert "\nname: digits\n" in out
    message = "specs/digits.yaml: no such file; did you mean digits, a shipped spec?\n"
    for command in ("run", "plan", "validate", "show"):
        assert call(command, "specs/digits.yaml") == (1, "", message)


def test_a_spec_has_no_requirements(call: Call) -> None:
    code, _, err = call("show", "family.yaml", "--requirements")
    assert (code, err) == (1, "family.yaml: --requirements is for records only\n")


def test_a_smoke_run_is_kept_apart_and_says_what_it_is(call: Call, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    code, out, _ = call("run", "tiny.yaml", "--smoke")
    assert code == 0
    assert out == (
        "Smoke run of tiny, its figures mean nothing (tiny.smoke)\n"
        "the spec works; a smoke run measures too few kernels for figures\n"
        "record: runs-smoke/tiny.smoke/record.json\n"
    )
    assert (tmp_path / "runs-smoke/tiny.smoke/record.json").is_file()
    assert not (tmp_path / "runs").exists()
    assert call("leaderboard", "build")[1].startswith("0 records on the board")


def write_pets(folder: Path) -> str:
    """Write 60 training images of pets, and return the spec of a run on them."""
    for part, images in (("train", 20), ("test", 3)):
        for name in ("cat", "dog", "fox"):
            of_class = folder / "data/pets" / part / name
            of_class.mkdir(parents=True)
            for i in range(images):
                Image.new("RGB", (8, 8), (9 * i, 0, 0)).save(of_class / f"{i}.png")
    text = TINY.replace("{name: digits, train_size: 200, test_size: 50}", FOLDER)
    return text.replace("samples: 10,", "samples: 10, outputs: sum,")


def test_a_plan_refuses_what_a_run_would(call: Call, tmp_path: Path) -> None:
    text = write_pets(tmp_path)
    (tmp_path / "tiny.yaml").write_text(text.replace("calibration_samples: 40", "by: null"))
    code, out, err = call("plan", "tiny.yaml", "--data-root", "data")
    assert (code, out) == (1, "")
    assert err == (
        "tiny.yaml:10: kernel.calibration_samples: got 512, expected at most the 60 training "
        "images to re-estimate BatchNorm on; set kernel.calibration_samples: 60\n"
    )
    assert call("run", "tiny.yaml", "--data-root", "data")[::2] == (1, err)


def test_a_plan_tells_of_all_limits_at_once(call: Call, tmp_path: Path) -> None:
    text = write_pets(tmp_path).replace("batch_size: 20", "batch_size: 100")
    (tmp_path / "tiny.yaml").write_text(text.replace("samples: 10,", "samples: 70,"))
    code, out, err = call("plan", "tiny.yaml", "--data-root", "data")
    assert (code, out, err.splitlines()) == (
        1,
        "",
        [
            "tiny.yaml:7: training.batch_size: got 100, expected at most the 60 images",
            "tiny.yaml:10: kernel.samples: got 70, expected at most the 60 images",
        ],
    )
    assert call("run", "tiny.yaml", "--data-root", "data")[::2] == (1, err)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_what_all_specs_of_a_file_lack_is_told_once(
    command: str, call: Call, tmp_path: Path
) -> None:
    text = write_pets(tmp_path) + "matrix: {a: {}, b: {}, c: {}}\n"
    (tmp_path / "tiny.yaml").write_text(text)
    code, out, err = call(command, "tiny.yaml", "--data-root", "elsewhere")
    assert (code, out) == (3, "")
    assert err == (
        "dataset folder elsewhere/pets/train is missing; put images there as "
        "<class>/<image>.png, or choose --data-root or CONEBENCH_DATA\n"
    )


def test_a_smoke_run_of_a_small_folder(call: Call, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(write_pets(tmp_path))
    (tmp_path / "data/pets/train/fox/0.png").unlink()
    code, _, err = call("run", "tiny.yaml", "--smoke", "--data-root", "data")
    assert code == 0
    note = "data, train images by class: cat 20, dog 20, fox 19"
    assert re.search(rf"^tiny\.smoke:   0% \d:\d\d: {note}\n", err, re.MULTILINE)


def test_set_a_field_and_keep_the_run_apart(call: Call, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    code, out, _ = call("run", "tiny.yaml", "--smoke", "--set", "seeds=[5]")
    assert code == 0
    path = r"runs-smoke/tiny\.set-[0-9a-f]{8}\.smoke/record\.json"
    assert re.fullmatch(f"record: {path}", out.splitlines()[-1])
    code, _, err = call("run", "tiny.yaml", "--set", "seeds=[]")
    assert (code, err) == (1, "--set seeds=[]: seeds: got [], expected at least 1 values\n")


def test_write_a_spec_that_changes_another(call: Call, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/tiny.yaml").write_text(TINY)
    options = ("--extends", "tiny", "--set", "training.batch_size=8")
    assert call("new", "mine", *options)[0] == 0
    text = (tmp_path / "specs/mine.yaml").read_text()
    assert "extends: tiny.yaml\nname: mine\n" in text
    assert text.endswith("training:\n  batch_size: 8\n")
    assert call("validate", "specs/mine.yaml")[0] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--extends", "tiny"], "--extends: needs a field to change, --set FIELD=VALUE"),
        (
            ["--extends", "tiny", "--set", "seeds=[0]", "--model", "resnet18"],
            "--model: not with --extends; use --set model.name=resnet18",
        ),
        (
            ["--extends", "tiny", "--set", "seeds=[0]", "--batch-size", "128"],
            "--batch-size: not with --extends; use --set training.batch_size=128",
        ),
        (
            ["--extends", "tny", "--set", "seeds=[0]"],
            "--extends: got 'tny', expected a spec in specs; did you mean 'tiny'?",
        ),
        (
            ["--extends", "digits", "--set", "seeds=[0]"],
            "--extends: got 'digits', expected a spec in specs; to copy the shipped one: "
            "conebench show digits > specs/digits.yaml",
        ),
        (
            ["--extends", "tiny", "--set", "seeds=[]"],
            "--set seeds=[]: seeds: got [], expected at least 1 values",
        ),
        (
            ["--extends", "tiny", "--set", "training.optimizer.name=adam"],
            "specs/tiny.yaml:8: training.optimizer.momentum: unknown field, expected one of "
            "betas, eps, learning_rate, name, weight_decay\n"
            "set also training.optimizer.momentum=null",
        ),
    ],
)
def test_a_change_of_another_spec_that_is_refused(
    call: Call, tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/tiny.yaml").write_text(TINY)
    code, _, err = call("new", "mine", *options)
    assert (code, err.strip()) == (1, message)
    assert not (tmp_path / "specs/mine.yaml").exists()
