"""The site that browser tests visit."""

from pathlib import Path

import pytest
from board_site import board_records
from browser import Visit, chromium, served
from site_folders import save
from synthetic import make_replication, save_replication

from conebench.site import build_site


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    for record in board_records():
        path = save(record, folder / "records" / record.id)
        if record.spec.title == "Beta":
            save_replication(path, make_replication(record))
    return build_site([folder / "records"], folder / "site").index.parent


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def base(site):
    with served(site) as address:
        yield address


@pytest.fixture
def visit(browser, base):
    found = Visit(browser, base)
    yield found
    found.finish()
