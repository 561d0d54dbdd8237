"""Connection to a Ray cluster, and checks that its nodes can do the work."""

import logging
import os
import secrets
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from conebench.errors import UnmetNeedError
from conebench.runner.executors.resources import Resources
from conebench.text import first_line

SECONDS_TO_CONNECT = 5.0
SECONDS_TO_ANSWER = 120.0
SECONDS_TO_SEND = 10.0
# A node's name and versions, and if it sees the run folder.
Facts = dict[str, Any]


@contextmanager
def token_file(run_dir: Path) -> Iterator[Path]:
    """Make a file that a node sees only if the run folder is shared."""
    path = run_dir.resolve() / f".ray-{uuid.uuid4().hex}"
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise UnmetNeedError(f"{run_dir}: {error.strerror or error}") from None
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Connect to a Ray cluster, without usage reports and output.

    Raises an UnmetNeedError if Ray is not installed or no cluster answers.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Each attempt takes 40 s.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")
    own: dict[str, Any] = {}
    if address == "local":
        # With this, a cluster of one machine listens only on the loopback address.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        own = {"include_dashboard": False, "object_store_memory": 2**27}
        # Ray would write a token to ~/.ray, and clusters started later would then ask for it.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = _import_ray()
    if address not in ("local", "auto"):
        _check_reachable(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (OSError, RuntimeError, ValueError) as error:
        raise UnmetNeedError(
            f"--address: no cluster at {address}: {first_line(error)}{_token_hint()}"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _token_hint() -> str:
    """Say that Ray's token may be why a cluster does not answer."""
    if "RAY_AUTH_MODE" in os.environ or not Path("~/.ray/auth_token").expanduser().exists():
        return ""
    return "; ~/.ray/auth_token is there, so set RAY_AUTH_MODE=token (or disabled) on all nodes"


def _import_ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise UnmetNeedError(
            '--executor ray: Ray is not installed; pip install "conebench[ray]"'
        ) from None
    return ray


def _check_reachable(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_CONNECT).close()
    except (OSError, OverflowError) as error:
        raise UnmetNeedError(
            f"--address: {address} cannot be reached: {getattr(error, 'strerror', None) or error}"
        ) from None


def facts_of(token: str) -> Callable[[], Facts]:
    """Return a function that describes a node, without need of conebench there."""

    def facts() -> Facts:
        import hashlib
        import socket
        from contextlib import suppress
        from importlib.metadata import PackageNotFoundError, version
        from pathlib import Path

        versions = {"conebench": "none"}
        # Another conebench may lack any module but the top one.
        with suppress(ImportError):
            import conebench

            digest = hashlib.sha256()
            for file in sorted(Path(conebench.__file__).parent.rglob("*.py")):
                digest.update(file.read_bytes())
            versions["conebench"] = f"{conebench.__version__} (code {digest.hexdigest()[:8]})"
        for package in ("torch", "timm"):
            try:
                versions[package] = version(package)
            except PackageNotFoundError:
                versions[package] = "none"
        seen = Path(token).exists()
        return {
            "node": socket.gethostname(),
            "versions": versions,
            "token": token,
            "sees_token": seen,
        }

    return facts


class RemoteParts:
    """Functions that run on other nodes.

    They are sent by value, so that a node with another conebench can report it.
    """

    def __init__(self, ray: Any, token: str) -> None:
        facts = facts_of(token)

        def compute(expected: Facts, mailbox: Any, number: int, work: bytes) -> Any:
            found = facts()
            if not found["sees_token"] or found["versions"] != expected["versions"]:
                return found, None
            import pickle

            from conebench.runner.executors import ray_worker

            sent: list[Any] = []

            def send(message: Any) -> None:
                sent[:] = [mailbox.send.remote((number, message))]

            # Unpickled only now: another conebench could not read it.
            error = ray_worker.compute(send, *pickle.loads(work))  # noqa: S301
            if sent:
                # So that the last message arrives before the task ends.
                ray.wait(sent, timeout=SECONDS_TO_SEND)
            return found, error

        class Mailbox:
            def __init__(self) -> None:
                self.messages: list[Any] = []

            def send(self, message: Any) -> None:
                self.messages.append(message)

            def take(self) -> list[Any]:
                messages, self.messages = self.messages, []
                return messages

        self.own = facts()
        self.facts = ray.remote(num_cpus=0)(facts)
        self.compute = ray.remote(compute)
        # It carries progress only: if it is lost with its node, no result is.
        self.mailbox = ray.remote(num_cpus=0, max_restarts=-1)(Mailbox).remote()


def check_nodes(ray: Any, parts: RemoteParts) -> None:
    """Raise an UnmetNeedError for a node with another conebench or other files."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = {}
    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get("CPU"):
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked[parts.facts.options(scheduling_strategy=there).remote()] = node
    answered, silent = (
        ray.wait(list(asked), num_returns=len(asked), timeout=SECONDS_TO_ANSWER)
        if asked
        else ([], [])
    )
    for reference in silent:
        raise UnmetNeedError(
            f"--executor ray: node {asked[reference]['NodeManagerHostname']} started no worker in "
            f"{SECONDS_TO_ANSWER:g} s"
        )
    for reference in answered:
        with suppress(ray.exceptions.RayError):
            check_node(ray.get(reference), parts.own)


def check_node(found: Facts, own: Facts) -> None:
    """Raise an UnmetNeedError for a node that cannot work for this machine."""
    if found["versions"] != own["versions"]:
        raise UnmetNeedError(
            f"--executor ray: node {found['node']} has {_listed(found['versions'])}, this machine "
            f"{_listed(own['versions'])}; expected one version on all nodes"
        )
    if not found["sees_token"]:
        raise UnmetNeedError(
            f"--run-dir: node {found['node']} does not see {Path(own['token']).parent}; expected "
            "a folder on a file system that all nodes share"
        )


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{package} {version}" for package, version in versions.items())


def check_fits(ray: Any, needed: Resources) -> None:
    """Raise an UnmetNeedError if no node could ever run a stage."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(_fits(needed, node) for node in nodes):
        there = "; ".join(
            f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs, "
            f"{node.get('memory', 0) / 2**30:.1f} GiB"
            for node in nodes
        )
        raise UnmetNeedError(
            f"--executor ray: a stage needs {needed}, the nodes have {there}; fewer CPUs: "
            "OMP_NUM_THREADS or --jobs, less memory: --kernel-memory"
        )


def _fits(needed: Resources, node: Mapping[str, float]) -> bool:
    return (
        node.get("CPU", 0) >= needed.cpus
        and node.get("GPU", 0) >= needed.gpus
        and node.get("memory", 0) >= needed.memory
    )
