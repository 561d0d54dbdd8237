"""Measure the referee on every model family of timm: `python tests/families/referee.py`.

Each family by its smallest model, as it starts and with uneven weights, in float64 and in float32:
is it refused, and how far are right gradients from differences by each step? Results are kept in a
JSON lines file until all are there, so an interrupted walk goes on.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from families import LARGEST, families, small_network, smallest
from torch import Tensor, nn

from conebench.entk import KernelError, prove
from conebench.linearize import LinearizedModel
from conebench.networks.functional import FrozenNetwork
from conebench.networks.kept import forget_kept
from conebench.networks.noise import noise_like
from conebench.networks.referee import STEPS, slopes
from conebench.networks.reference import take_reference

KEPT = Path(__file__).resolve().parents[2] / ".referee.jsonl"
SECONDS = 1200


def main() -> None:
    if len(sys.argv) == 2:
        print(json.dumps(measured(sys.argv[1])))
        return
    done = [json.loads(line) for line in KEPT.read_text().splitlines()] if KEPT.exists() else []
    for family in sorted(families().keys() - {found["family"] for found in done}):
        found = in_process(family)
        print(found, flush=True)
        with KEPT.open("a") as file:
            file.write(json.dumps(found) + "\n")
        done.append(found)
    summarize(done)


def in_process(family: str) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", __file__, family]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {"family": family, "reason": f"took more than {SECONDS} s"}
    if run.returncode:
        last = (run.stderr.strip() or f"exit {run.returncode}").splitlines()[-1]
        return {"family": family, "reason": last[:200]}
    return json.loads(run.stdout.splitlines()[-1])


def measured(family: str) -> dict[str, Any]:
    """What is found of one family: a list of cases, or a reason why there is none."""
    name, parameters = smallest(families()[family])
    # VGG takes no depth.
    shape = {"depth": 2} if parameters > LARGEST and family != "vgg" else {}
    cases = []
    for is_uneven in (False, True):
        try:
            network, side = small_network(name, is_uneven=is_uneven, **shape)
        except (KernelError, TypeError) as error:
            return {"family": family, "reason": str(error)}
        torch.manual_seed(3)
        x = torch.randn(2, 3, side, side, dtype=torch.float64)
        for dtype in (torch.float64, torch.float32):
            found = case(network.to(dtype), x.to(dtype))
            cases.append({"is_uneven": is_uneven, "dtype": str(dtype)[6:], **found})
    return {"family": family, "model": name, "cases": cases}


def case(network: nn.Module, x: Tensor) -> dict[str, Any]:
    """Refusals of a network in one type, and errors by each step."""
    found: dict[str, Any] = {"kernel": None, "linearization": None}
    try:
        prove(network, x)
    except KernelError as error:
        found["kernel"] = str(error)
    try:
        LinearizedModel(network)(x)
    except KernelError as error:
        found["linearization"] = str(error)
    return {**found, "errors": step_errors(network, x)}


def step_errors(network: nn.Module, x: Tensor) -> dict[str, float]:
    """How far autograd's gradients are from differences by each step."""
    frozen = FrozenNetwork(network, is_anchored=False)
    forget_kept(frozen, x)
    reference = take_reference(frozen, x)
    along = sum(
        float((g * noise_like(g, 2, number)).sum())
        for number, g in enumerate(reference.gradients.values())
    )
    return {
        f"{step:.0e}": abs(slope - along) / reference.size
        for step, (slope, _, _) in zip(
            STEPS[torch.float64], slopes(frozen, reference, 2), strict=True
        )
    }


def summarize(done: list[dict[str, Any]]) -> None:
    good = [found for found in done if "cases" in found]
    print(f"{len(good)} of {len(done)} families; without one:")
    print([(found["family"], found["reason"]) for found in done if "cases" not in found])
    for dtype in ("float64", "float32"):
        cases = [(f["family"], c) for f in good for c in f["cases"] if c["dtype"] == dtype]
        for what in ("kernel", "linearization"):
            refused = {
                family: c[what]
                for family, c in cases
                if c[what] and "cannot be linearized" not in c[what]
            }
            print(f"{dtype}: {what} of {len(refused)} families refused: {refused}")
        for steps in (("1e-07",), ("1e-07", "1e-08"), tuple(cases[0][1]["errors"])):
            errors = sorted(
                ((min(c["errors"][s] for s in steps), family) for family, c in cases), reverse=True
            )
            over = {family for error, family in errors if error > 1e-5}
            print(f"{dtype}, best of {steps}: worst {errors[:4]}; over 1e-5: {len(over)} families")


if __name__ == "__main__":
    main()
