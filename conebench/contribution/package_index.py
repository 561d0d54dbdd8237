"""Releases on the Python Package Index."""

import urllib.error
import urllib.request

from conebench.text import first_line

INDEX = "https://pypi.org"
TIMEOUT_SECONDS = 20


def release_page(package: str) -> str:
    """Return the address of a release's page, for a package as name==version."""
    return f"{INDEX}/project/{package.replace('==', '/')}/"


def release_problem(package: str) -> str | None:
    """Say why a package, as name==version, is not known to be on PyPI. None if it is."""
    address = f"{INDEX}/pypi/{package.replace('==', '/')}/json"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS):  # noqa: S310  # INDEX is https
            return None
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return f"model.package: got {package}, which is not on PyPI"
        return f"model.package: {package} was not found on PyPI: {first_line(error)}"
    except OSError as error:
        return f"model.package: cannot ask PyPI for {package}: {first_line(error)}"
