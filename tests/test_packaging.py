"""pyproject.toml: groups of packages that must agree with others."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Packages that only run, plan and verify import.
OF_RUNS = {"pillow", "safetensors", "timm", "torch", "torchvision"}


def name(requirement: str) -> str:
    return re.split(r"[<>=\[; ]", requirement)[0]


def test_the_light_group_is_the_package_without_what_runs_need() -> None:
    needed = PROJECT["project"]["dependencies"]
    light = [requirement for requirement in needed if name(requirement) not in OF_RUNS]
    assert PROJECT["dependency-groups"]["light"] == light


def test_the_lock_names_the_index_of_everybody() -> None:
    hosts = set(re.findall(r'https://([^/"]+)', (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
