"""Releases on the Python Package Index."""

import json
import urllib.error
import urllib.request

from conebench.text import first_line

INDEX = "https://pypi.org"
TIMEOUT_SECONDS = 20
# PEP 691, with versions from PEP 700.
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"


def release_page(package: str) -> str:
    """Return the address of a release's page, for a package as name==version."""
    return f"{INDEX}/project/{package.replace('==', '/')}/"


def release_problem(package: str) -> str | None:
    """Say why a package, as name==version, is not known to be on PyPI. None if it is."""
    name, _, version = package.partition("==")
    request = urllib.request.Request(  # noqa: S310  # INDEX is https
        f"{INDEX}/simple/{name}/", headers={"Accept": SIMPLE_JSON}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            versions = json.load(answer)["versions"]
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return f"model.package: got {package}, but PyPI has no package {name}"
        return f"model.package: cannot ask PyPI for {package}: {first_line(error)}"
    except (OSError, ValueError, KeyError) as error:
        return f"model.package: cannot ask PyPI for {package}: {first_line(error)}"
    if version not in versions:
        return f"model.package: got {package}, but PyPI has no version {version} of {name}"
    return None
