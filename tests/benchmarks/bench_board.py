"""The board of many records: time to build, build again, open, sort, and point at a plot."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import Visit, chromium, wait_until
from synthetic import make_record, make_spec

from conebench.record import Record, record_text
from conebench.site import build_site

RECORDS = 1_000
KINDS = 20
SEEDS = [0, 1, 2]
SLOWER = 6
# Times a sort with its layout and the next frame, from the click on.
SORT = """async () => {
  const busy = () => document.querySelector("[aria-busy]");
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  await frame();
  const start = performance.now();
  document.querySelector("th[data-key=N] button").click();
  while (busy()) await new Promise((done) => setTimeout(done));
  await frame();
  return performance.now() - start;
}"""


# Times moves of the pointer over a plot, each with its layout and the next frame.
POINT = """async () => {
  const svg = document.querySelector("figure[data-key=velocity] svg");
  svg.scrollIntoView({ block: "center" });
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  await frame();
  const box = svg.getBoundingClientRect();
  const times = [];
  for (let i = 0; i < 40; i += 1) {
    const at = { clientX: box.left + box.width * (0.2 + 0.01 * i), clientY: box.top + 80 };
    const start = performance.now();
    svg.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, ...at }));
    document.body.offsetHeight;
    times.push(performance.now() - start);
    await frame();
  }
  return times;
}"""


def many_records() -> Iterator[Record]:
    """Records of 3 seeds and 23 checkpoints: 20 trajectories, each title its own."""
    bases = [
        make_record(make_spec(seeds=SEEDS), noise=0.05 + 0.005 * i, settle=100 + 10 * i)
        for i in range(KINDS)
    ]
    for i in range(RECORDS):
        spec = make_spec(title=f"Synthetic run {i}", seeds=SEEDS)
        yield bases[i % KINDS].model_copy(update={"spec": spec, "spec_hash": spec.hash})


def save(record: Record, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(record_text(record))


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("board") / "records"
    for i, record in enumerate(many_records()):
        save(record, folder / str(i))
    return folder


@pytest.fixture(scope="module")
def site(records: Path) -> Path:
    return build_site([records], records.parent / "site").index.parent


@pytest.fixture
def visit(site: Path) -> Iterator[Visit]:
    with chromium() as browser:
        found = Visit(browser, site.as_uri())
        yield found
        found.finish()


def test_building_the_board(benchmark, records: Path, tmp_path: Path) -> None:
    def build() -> int:
        return build_site([records], tmp_path / "site").shown

    assert benchmark.pedantic(build, rounds=1) == RECORDS
    shutil.rmtree(tmp_path / "site")


def test_building_again_with_one_record_more(benchmark, records: Path, site: Path) -> None:
    save(make_record(make_spec(title="One more")), records / "more")

    def build() -> int:
        return build_site([records], site).shown

    assert benchmark.pedantic(build, rounds=1) == RECORDS + 1
    for name in ("index.html", "rows.js"):
        benchmark.extra_info[f"{name} bytes"] = (site / name).stat().st_size


def test_opening_the_board(benchmark, visit: Visit) -> None:
    def open_index() -> None:
        visit.open("index.html")
        visit.page.evaluate("new Promise(requestAnimationFrame)")

    benchmark.pedantic(open_index, rounds=10, warmup_rounds=1)


@pytest.mark.parametrize("which", ["at once", "when idle", "again"])
def test_sorting_the_board(benchmark, visit: Visit, which: str) -> None:
    """By a reader who clicks before all rows are there, after they came, and a second time."""

    def setup() -> None:
        visit.open("index.html")
        if which == "when idle":
            wait_until(visit.page, "window.board")
            visit.page.evaluate("new Promise((done) => requestIdleCallback(() => done()))")
        if which == "again":
            visit.page.evaluate(SORT)

    times: list[float] = []
    sort: Callable[[], None] = lambda: times.append(visit.page.evaluate(SORT))  # noqa: E731
    benchmark.pedantic(sort, setup=setup, rounds=10)
    benchmark.extra_info["ms in the page, sorted"] = sorted(round(time) for time in times)


def test_pointing_at_a_plot(benchmark, visit: Visit, site: Path) -> None:
    """On a processor slowed six times: the values and the crosshair on every plot."""
    page = visit.open(min((site / "records").glob("*.html")).relative_to(site).as_posix())
    wait_until(page, "document.querySelectorAll('.plot-tools').length >= 10")
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    times: list[float] = []
    point: Callable[[], None] = lambda: times.extend(page.evaluate(POINT))  # noqa: E731
    benchmark.pedantic(point, rounds=3)
    benchmark.extra_info["ms a move, sorted"] = sorted(round(time, 1) for time in times)
