"""Records of the site that browser tests visit, and what they read on its pages."""

from pathlib import Path

from synthetic import BASE_SPEC, make_record, make_spec

from conebench.record import Record

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u202e\" ' & javascript:"
# Pages that lead elsewhere at once, so that nothing can be looked at there.
MOVED = ("factors.html",)
ADAM = {
    "steps": 1000,
    "batch_size": 64,
    "optimizer": {"name": "adam", "learning_rate": 1e-3},
}
COSINE = {
    **BASE_SPEC["training"],
    "schedule": {"name": "cosine"},
}


def board_records() -> list[Record]:
    """Return records of three comparability groups, three model families, two optimizers."""
    return [
        make_record(make_spec(title="Alpha")),
        make_record(make_spec(title="Beta", training=ADAM), noise=0.12),
        make_record(
            make_spec(title="Gamma", model={"name": "vit_tiny_patch16_224"}, training=COSINE)
        ),
        make_record(
            make_spec(title="Delta", dataset={"name": "mnist"}, model={"name": "cifar_vgg16"}),
            turn_deg=0,  # no Phase I
        ),
        make_record(make_spec(title=HOSTILE[:120], seeds=[4])),
    ]


def one_page_of_each_kind(site: Path) -> list[str]:
    found = [
        *sorted(path.name for path in site.glob("*.html") if path.name not in MOVED),
        record_address("Alpha"),
    ]
    return [*found, *(f"docs/{name}.html" for name in ("index", "quick-start", "tutorial"))]


def pages_of(site: Path) -> list[str]:
    return sorted(
        path.relative_to(site).as_posix() for path in site.rglob("*.html") if path.name not in MOVED
    )


def record_address(title: str) -> str:
    (record,) = [record for record in board_records() if record.spec.title == title]
    return f"records/{record.id}.html"


def ids_of(*names: str) -> str:
    return ",".join(
        record.id for name in names for record in board_records() if record.spec.title == name
    )


def plot_of(page, key: str):
    figure = page.locator(f"figure[data-key={key}]")
    figure.locator(".plot-tools").wait_for()
    return figure


def address(page) -> str:
    return page.evaluate("location.hash")
