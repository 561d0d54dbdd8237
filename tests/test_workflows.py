""".github: what holds for every workflow, and that the data lane executes nothing it is given."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"(actions|pypa)/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return data


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_workflow_is_pinned_read_only_and_ends(path: Path) -> None:
    workflow, text = read(path), path.read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert all(PINNED.fullmatch(action) for action in used), used
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]
    assert all(0 < job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    assert "pull_request_target" not in text
    assert "secrets." not in text


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_steps_are_the_scripts_that_run_here_too(path: Path) -> None:
    for step in steps(read(path)):
        script = re.match(r"\.ci/[a-z]+", step.get("run", ""))
        if script:
            assert os.access(ROOT / script.group(), os.X_OK)
        # What a stranger may choose, such as a branch's name, is never part of a command.
        assert "${{" not in step.get("run", "")


def test_the_data_lane_checks_out_the_base_alone() -> None:
    workflow = read(ROOT / ".github/workflows/data.yml")
    (checkout,) = [s for s in steps(workflow) if s.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["ref"] == "${{ github.base_ref }}"
    assert checkout["with"]["persist-credentials"] is False
    commands = "\n".join(step.get("run", "") for step in steps(workflow))
    assert not re.search(r"git (checkout|switch|merge|pull|worktree|restore)", commands)
    assert '.ci/review HEAD "$PROPOSAL" "$AUTHOR"' in commands
