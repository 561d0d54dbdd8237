"""Check every model family of timm and write docs/model-support.md: `make families`.

Each family runs in a process of its own, with a time limit; results are kept in a JSON lines file
until all are there, so an interrupted walk goes on.
"""

import json
import subprocess
import sys
from pathlib import Path

import timm
import torch
from families import LARGEST, Finding, check, families, smallest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "model-support.md"
KEPT = ROOT / ".families.jsonl"
SECONDS = 900


def main() -> None:
    if len(sys.argv) == 2:
        print(json.dumps(examine(sys.argv[1]).dump()))
        return
    done = (
        [Finding(**json.loads(line)) for line in KEPT.read_text().splitlines()]
        if KEPT.exists()
        else []
    )
    for family in families():
        if family in {finding.family for finding in done}:
            continue
        finding = in_process(family)
        print(finding, flush=True)
        done.append(finding)
        with KEPT.open("a") as file:
            file.write(json.dumps(finding.dump()) + "\n")
    PAGE.write_text(page(sorted(done, key=lambda finding: finding.family)))
    print(f"wrote {PAGE}")


def in_process(family: str) -> Finding:
    command = [sys.executable, "-W", "ignore", __file__, family]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Finding(family, reason=f"took more than {SECONDS} s")
    if run.returncode:
        last = (run.stderr.strip() or f"exit {run.returncode}").splitlines()[-1]
        return Finding(family, reason=last[:200])
    return Finding(**json.loads(run.stdout.splitlines()[-1]))


def examine(family: str) -> Finding:
    name, parameters = smallest(families()[family])
    try:
        return check(name, family, parameters)
    except Exception as error:  # noqa: BLE001  # any model file may raise anything
        if parameters > LARGEST:
            million = f"{parameters / 1e6:.0f} M parameters"
            return Finding(family, name, reason=f"not checked: its smallest model has {million}")
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        return Finding(family, name, parameters=parameters, reason=reason[:200])


def page(findings: list[Finding]) -> str:
    template = (Path(__file__).parent / "model-support.md.in").read_text()
    rows = "\n".join(row(finding) for finding in findings)
    good = [f for f in findings if f.autograd_error is not None and f.autograd_error <= 1e-10]
    return template.format(
        timm=timm.__version__,
        torch=torch.__version__,
        rows=rows,
        families=len(findings),
        exact=len(good),
        linear=sum(f.tangent_error is not None and f.tangent_error <= 1e-7 for f in findings),
    )


def row(finding: Finding) -> str:
    if finding.autograd_error is None:
        return f"| {finding.family} | `{finding.model}` | | | | | | | {finding.reason} |"
    remarks = []
    if finding.stale_error is not None and finding.stale_error > 1e-11:
        remarks.append(
            f"keeps tensors between passes: without the guard off by {finding.stale_error:.0e}"
        )
    if finding.tangent_error is None:
        remarks.append("no forward derivative")
    linear = "no" if finding.tangent_error is None else f"{finding.tangent_error:.0e}"
    return (
        f"| {finding.family} | `{finding.model}` | {finding.side} | {finding.parameters / 1e6:.1f} "
        f"| {finding.autograd_error:.0e} | {finding.difference_error:.0e} | {linear} "
        f"| {finding.generic_share:.0%} | {'; '.join(remarks)} |"
    )


if __name__ == "__main__":
    main()
