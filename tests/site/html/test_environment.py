"""conebench.site.html.environment: the address of the code."""

from email.message import Message
from importlib.metadata import PackageNotFoundError

import pytest

from conebench.site.html import environment
from conebench.site.html.environment import repository_url


@pytest.mark.parametrize(
    ("urls", "found"),
    [
        ([], ""),
        (["Documentation, https://a.example/docs"], ""),
        (
            ["Documentation, https://a.example/docs", "Repository, https://a.example"],
            "https://a.example",
        ),
    ],
)
def test_the_address_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, urls: list[str], found: str
) -> None:
    about = Message()
    for url in urls:
        about["Project-URL"] = url
    monkeypatch.setattr(environment, "metadata", lambda _: about)
    assert repository_url() == found


def test_a_checkout_that_is_not_installed_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Message:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "metadata", missing)
    assert repository_url() == ""
