"""conebench.storage.manifest: expected stages, and why a stored one no longer serves."""

from pathlib import Path
from typing import Any

import pytest

from conebench.storage.manifest import Planned, describe_changes, read_manifest, update_manifest
from conebench.storage.store import StageKey, StageResult, Store


def lazy(**inputs: Any) -> Planned:
    return Planned("seed 0: lazy", 0, StageKey("linear-seed0-from0", inputs), 100.0, 0, 16)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ({"a": 1}, {"a": 1}, ""),
        ({"torch": "2.13.0"}, {"torch": "2.14.0"}, "torch: 2.13.0 -> 2.14.0"),
        (
            {"training": {"steps": 9, "optimizer": {"learning_rate": 0.1}}},
            {"training": {"steps": 9, "optimizer": {"learning_rate": 0.05}}},
            "training.optimizer.learning_rate: 0.1 -> 0.05",
        ),
        ({}, {"a": {}}, "a: absent -> {}"),
        ({"a": "1"}, {"a": 1}, "a: 1 -> 1"),
        (
            {"data": "0" * 64, "b": 1, "c": 1, "d": 1, "e": 1},
            {"data": "1" * 64},
            f"data: {'0' * 37}... -> {'1' * 37}...; b: 1 -> absent; c: 1 -> absent; 2 more",
        ),
    ],
)
def test_changes_are_named_by_field(
    before: dict[str, Any], after: dict[str, Any], text: str
) -> None:
    assert describe_changes(before, after) == text


def test_a_manifest_comes_back(store: Store) -> None:
    assert read_manifest(store).stages == ()
    written = update_manifest(store, [lazy(rate=0.1)])
    assert read_manifest(store) == written
    assert written.stages == (lazy(rate=0.1),)
    assert written.find("seed 0: lazy") == lazy(rate=0.1)
    assert written.find("seed 1: lazy") is None


def test_a_stage_is_stale_while_another_of_its_label_is_stored(store: Store) -> None:
    update_manifest(store, [lazy(rate=0.1)])
    # Nothing is stored yet, so nothing is stale.
    assert update_manifest(store, [lazy(rate=0.2)]).stages[0].stale == ""
    store.save_result(lazy(rate=0.2).stage, StageResult(1, 1.0))
    for _ in range(2):
        manifest = update_manifest(store, [lazy(rate=0.3)])
        assert manifest.stages[0].stale == "rate: 0.2 -> 0.3"
        assert [planned.stage for planned in manifest.before] == [lazy(rate=0.2).stage]
    store.save_result(lazy(rate=0.3).stage, StageResult(1, 1.0))
    assert update_manifest(store, [lazy(rate=0.3)]).stages[0].stale == ""
    back = update_manifest(store, [lazy(rate=0.2)])
    assert back.stages[0].stale == ""
    assert [planned.stage for planned in back.before] == [lazy(rate=0.3).stage]


def test_a_stage_that_is_not_expected_for_a_while_is_remembered(store: Store) -> None:
    update_manifest(store, [lazy(rate=0.1)])
    store.save_result(lazy(rate=0.1).stage, StageResult(1, 1.0))
    update_manifest(store, [])
    assert update_manifest(store, [lazy(rate=0.2)]).stages[0].stale == "rate: 0.1 -> 0.2"
