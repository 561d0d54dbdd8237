"""conebench plan: every parameter, the totals, and what cannot be run."""

import json
from pathlib import Path

import pytest
from command_line import Call, write_spec


def test_plan_prints_every_parameter_and_the_totals(call: Call, tmp_path: Path) -> None:
    code, out, err = call("plan", write_spec(tmp_path))
    assert (code, err) == (0, "")
    assert "layers.2.conv2.weight" in out
    starts = [line.split("  ")[0] for line in out.splitlines()[-7:]]
    assert starts == [
        "parameters",
        "one kernel",
        "all seeds",
        "TFLOP",
        "disk",
        "record",
        "time here",
    ]
    assert "18 kernels, 10 arms" in out


def test_plan_as_json(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("plan", write_spec(tmp_path), "--json")
    plan = json.loads(out)
    assert code == 0
    assert (plan["spec"], plan["kernels"], plan["arms"]) == ("tiny", 18, 10)
    assert sum(layer["entries"] for layer in plan["layers"]) == plan["parameters"]
    assert plan["kernel_peak_bytes"] <= plan["kernel_memory_limit_bytes"]
    assert plan["disk_bytes"] > 18 * 4 * plan["parameters"]
    assert all(seconds > 0 for seconds in plan["seconds"].values())


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (("cifar_resnet8, kwargs: {width: 2}", "vgg11"), 1, "cannot take images of [1, 8, 8]"),
        (("cifar_resnet8", "no_such_model"), 1, "tiny.yaml:3: model.name: got 'no_such_model'"),
        (("cifar_resnet8, kwargs: {width: 2}", "lcnet_035"), 1, "cannot be linearized"),
    ],
)
def test_plan_says_what_cannot_be_run(
    call: Call, tmp_path: Path, change: tuple[str, str], code: int, message: str
) -> None:
    found, out, err = call("plan", write_spec(tmp_path, "tiny", change))
    assert (found, out) == (code, "")
    assert message in err
    assert err.startswith("tiny.yaml")
    assert err.count("\n") == 1
