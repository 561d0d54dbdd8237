"""Serving a site, and when it is rebuilt."""

import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from synthetic import make_record

from conebench.errors import StorageError
from conebench.record import record_text
from conebench.site.serve import SiteServer, fingerprint


def fetch(address: str) -> tuple[bytes, str]:
    with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  # our own server
        return answer.read(), answer.headers["Cache-Control"]


def test_files_are_served_as_they_are_now(tmp_path):
    page = tmp_path / "index.html"
    page.write_text("one")
    calls = threading.Event()
    with SiteServer(tmp_path, 0, calls.set) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        assert server.address.startswith("http://127.0.0.1:")
        assert fetch(f"{server.address}/index.html") == (b"one", "no-store")
        page.write_text("two")
        assert fetch(f"{server.address}/") == (b"two", "no-store")
        with pytest.raises(urllib.error.HTTPError) as missing:
            fetch(f"{server.address}/../secret")
        missing.value.close()
        assert calls.wait(10)
        server.shutdown()


def test_a_port_in_use_is_named(tmp_path):
    with SiteServer(tmp_path, 0) as first, pytest.raises(StorageError, match="cannot be used"):
        SiteServer(tmp_path, first.server_port)


def test_the_fingerprint_changes_with_the_records(tmp_path):
    def save(name: str) -> Path:
        (tmp_path / name).mkdir()
        path = tmp_path / name / "record.json"
        path.write_text(record_text(make_record()))
        return path

    first = save("a")
    (tmp_path / "notes.txt").write_text("no record")
    before = fingerprint([tmp_path])
    assert fingerprint([tmp_path]) == before
    second = save("b")
    assert fingerprint([tmp_path]) != before
    second.unlink()
    assert fingerprint([tmp_path]) == before
    first.write_text("{}")
    assert fingerprint([tmp_path]) != before
