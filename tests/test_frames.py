"""conebench.frames: what frames hold, where they come from, and what docs/api.md says of them."""

import gzip
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser import served
from fences import DOCS
from pandas.testing import assert_frame_equal
from site_folders import save_all
from synthetic import make_record, make_replication, make_spec, save_replication

from conebench import frames
from conebench.analysis.cone import to_axis_deg
from conebench.errors import DataMissingError, InputError, RecordError
from conebench.record import Record
from conebench.site import build_site
from conebench.site.board.download import frame_csv
from conebench.spec import load_all, spec_text

KINDS = ("board", "arms", "trajectories", "curves")
AVERAGED = {"samples": 50, "averaged": True, "checkpoints": {"every": 50, "extra": [5]}}
RECORDS = [
    make_record(make_spec(title="Alpha")),
    make_record(make_spec(title="Beta", kernel=AVERAGED), noise=0.12),
    make_record(make_spec(title="Gamma", seeds=[4])),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records, one of which somebody replicated."""
    found = save_all(RECORDS, tmp_path_factory.mktemp("x") / "records")
    save_replication(found / RECORDS[0].id / "record.json", make_replication(RECORDS[0]))
    return found


@pytest.fixture(scope="module")
def site(folder: Path) -> Path:
    return build_site([folder], folder.parent / "site").index.parent


@pytest.fixture(scope="module")
def address(site: Path):
    with served(site) as found:
        yield found


def frame(kind: str, *sources: Record | Path | str) -> pd.DataFrame:
    return getattr(frames, kind)(*sources)


def sorted_frame(found: pd.DataFrame) -> pd.DataFrame:
    """Rows in one order: boards list records by rank, folders by name."""
    return found.sort_values(list(found.columns), ignore_index=True)


@pytest.mark.parametrize("kind", KINDS)
def test_records_files_folders_and_a_board_give_the_same_frame(kind, folder, address) -> None:
    whole = frame(kind, folder)
    assert set(whole["record"]) == {record.id for record in RECORDS}
    files = [str(path) for path in sorted(folder.rglob("record.json"))]
    assert_frame_equal(frame(kind, *files), whole)
    # A record is counted once.
    assert_frame_equal(frame(kind, folder, files[0]), whole)
    for written in (address, f"{address}/", f"{address}/index.html"):
        assert_frame_equal(sorted_frame(frame(kind, written)), sorted_frame(whole))
    given = frame(kind, *RECORDS)
    # Only files have replications next to them.
    trust = ["trust", "replicated_by"] if kind == "board" else []
    assert_frame_equal(
        sorted_frame(given.drop(columns=trust)), sorted_frame(whole.drop(columns=trust))
    )


def test_the_files_of_the_site_are_these_frames(folder: Path, site: Path) -> None:
    for kind, name in (("board", "table"), ("arms", "arms")):
        found = frame(kind, folder)
        assert_frame_equal(pd.read_parquet(site / f"{name}.parquet"), found)
        assert (site / f"{name}.csv").read_text("utf-8") == frame_csv(found)


def test_a_replication_counts_on_the_board(folder: Path) -> None:
    trust = frames.board(folder).set_index("record")["trust"]
    assert trust[RECORDS[0].id] == "replicated"
    assert set(trust) == {"replicated", "self-reported"}


def test_trajectories_are_those_of_the_kernels() -> None:
    record = RECORDS[1]
    found = frames.trajectories(record)
    assert set(found["view"]) == {"trace", "full", "sum", "averaged"}
    seed = record.seeds[2]
    chosen = found[(found["seed"] == seed.seed) & (found["view"] == "trace")]
    kernel, steps = seed.kernel.primary, np.array(seed.kernel.steps)
    S = 1 - kernel.G()
    assert chosen["step"].tolist() == seed.kernel.steps
    assert chosen["S_first"].tolist() == pytest.approx(S[0].tolist())
    assert chosen["S_before"].isna().tolist() == [True, *[False] * (len(steps) - 1)]
    before = [S[i, i + 1] for i in range(len(steps) - 1)]
    assert chosen["S_before"].tolist()[1:] == pytest.approx(before)
    assert chosen["velocity"].tolist()[1:] == pytest.approx((before / np.diff(steps)).tolist())
    # The late window begins at 30 % of 1,000 steps.
    members = np.flatnonzero((steps >= 300) & (steps % 50 == 0))
    assert np.flatnonzero(chosen["in_window"]).tolist() == members.tolist()
    assert chosen["to_axis_deg"].tolist() == pytest.approx(
        to_axis_deg(kernel.G(), members).tolist()
    )
    for name in ("norm", "trace", "top_eigenvalue_share", "label_alignment"):
        assert chosen[name].tolist() == getattr(kernel, name)


def test_averaged_kernels_have_no_trace_and_start_later() -> None:
    found = frames.trajectories(RECORDS[1])
    averaged = found[found["view"] == "averaged"]
    assert averaged["step"].min() == 50
    assert averaged[["trace", "top_eigenvalue_share", "label_alignment"]].isna().all(axis=None)
    assert averaged[["S_first", "norm", "to_axis_deg"]].notna().all(axis=None)


def test_without_a_late_window_there_is_no_axis() -> None:
    training = {**make_spec().dump()["training"], "schedule": {"name": "cosine"}}
    found = frames.trajectories(make_record(make_spec(training=training)))
    assert not found["in_window"].any()
    assert found["to_axis_deg"].isna().all()


def test_curves_are_those_of_training_and_of_the_arms() -> None:
    record = RECORDS[2]
    (seed,) = record.seeds
    found = frames.curves(record)
    full = found[found["arm"] == "full"]
    assert full["switch_step"].isna().all()
    assert full["train_loss"].isna().tolist() == [True, *[False] * (len(full) - 1)]
    assert full["test_accuracy"].tolist() == seed.training.test_accuracy
    for arm in seed.arms:
        if arm.curve is None:
            continue
        chosen = found[(found["arm"] == arm.arm) & (found["switch_step"] == arm.step)]
        assert chosen["step"].tolist() == arm.curve.steps
        assert chosen["train_loss"].tolist() == arm.curve.train_loss
        assert chosen["test_loss"].tolist() == arm.curve.test_loss
    assert len(found) > 2 * len(full)


@pytest.mark.parametrize("kind", KINDS)
def test_titles_tell_runs_with_set_apart(kind: str, tmp_path: Path) -> None:
    (tmp_path / "synthetic.yaml").write_text(spec_text(make_spec(title="A title " * 14)))
    settings = ("training.batch_size=32", "training.batch_size=16")
    specs = [load_all([tmp_path], settings=[setting])[0].spec for setting in settings]
    found = frame(kind, *map(make_record, specs))
    titles = found.drop_duplicates("spec")["title"].tolist()
    assert {title.rpartition(", ")[2] for title in titles} == set(settings)
    assert max(map(len, titles)) <= 120


@pytest.mark.parametrize("kind", ["trajectories", "curves"])
def test_types_do_not_depend_on_values(kind: str, tmp_path: Path) -> None:
    some = frame(kind, RECORDS[0])
    some.to_parquet(tmp_path / "some.parquet")
    assert_frame_equal(pd.read_parquet(tmp_path / "some.parquet"), some)
    assert "object" not in set(map(str, some.dtypes))


def columns_in_docs(kind: str) -> list[str]:
    """Columns in the table below the heading of a frame."""
    text = DOCS.joinpath("api.md").read_text("utf-8")
    section = text.partition(f"#### frames.{kind}\n")[2].partition("\n#")[0]
    return [
        name
        for cell in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", cell)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_column_is_documented(kind: str) -> None:
    documented = columns_in_docs(kind)
    found = frame(kind, RECORDS[0]).columns.tolist()
    if kind == "board":
        # Each figure has both ends of its interval.
        found = [name for name in found if not name.endswith(("_low", "_high"))]
    assert documented == found


def test_sources_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got none"):
        frames.board()
    with pytest.raises(InputError, match=r"got a source of type list, .* argument of its own"):
        frames.board([tmp_path])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="an address among 2 sources, expected it alone"):
        frames.arms("https://example.org/board", tmp_path)
    with pytest.raises(RecordError, match="the folder holds no record"):
        frames.board(tmp_path)
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(RecordError, match="schema_version: missing"):
        frames.curves(tmp_path / "record.json")


def test_a_board_that_cannot_be_read_is_named(tmp_path: Path, address: str) -> None:
    with pytest.raises(DataMissingError, match=r"nowhere/table\.parquet: cannot be read: .*404"):
        frames.board(f"{address}/nowhere")
    with pytest.raises(DataMissingError, match=r"arms\.parquet: cannot be read"):
        frames.arms("http://127.0.0.1:1")
    with pytest.raises(DataMissingError, match="cannot be read: Invalid"):
        frames.curves("http://[::1")
    site = tmp_path / "site"
    site.mkdir()
    (site / "table.parquet").write_bytes(b"no table")
    with served(site) as other:
        with pytest.raises(RecordError, match=r"table\.parquet: not Parquet"):
            frames.board(other)
        pd.DataFrame({"title": ["Alpha"]}).to_parquet(site / "table.parquet")
        with pytest.raises(RecordError, match=r"table\.parquet: has no column `record`"):
            frames.curves(other)


def test_ids_of_a_board_lead_to_no_other_address(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    pd.DataFrame({"record": ["../../x"]}).to_parquet(tmp_path / "site" / "table.parquet")
    refused = pytest.raises(RecordError, match=r"no id of a record: '\.\./\.\./x'")
    with served(tmp_path / "site") as other, refused:
        frames.curves(other)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, r"cannot be read: .*404"),
        (b"no gzip", "not gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-20], "not gzip"),
        (gzip.compress(b"{}", mtime=0), "schema_version"),
    ],
)
def test_a_record_of_a_board_that_cannot_be_read_is_named(
    content: bytes | None, expected: str, site: Path, tmp_path: Path
) -> None:
    broken = shutil.copytree(site, tmp_path / "site")
    file = broken / "records" / f"{RECORDS[0].id}.json.gz"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with (
        served(broken) as other,
        pytest.raises((DataMissingError, RecordError), match=rf"records/{file.name}: .*{expected}"),
    ):
        frames.curves(other)


@pytest.mark.parametrize("kind", ["board", "trajectories"])
def test_figures_that_cannot_be_recomputed_are_an_error(kind: str, monkeypatch) -> None:
    def fail(_: Record) -> Record:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(frames, "recompute", fail)
    expected = f"record {RECORDS[0].id}: its figures cannot be recomputed: division by zero"
    with pytest.raises(RecordError, match=expected):
        frame(kind, RECORDS[0])
