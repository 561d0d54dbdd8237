"""The way to a Ray cluster, and whether its nodes can do the work."""

import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from conebench.errors import UnmetNeedError
from conebench.networks.timm_models import first_line
from conebench.runner.executors.resources import Needs

SECONDS_TO_CONNECT = 5.0
SECONDS_TO_ANSWER = 120.0
SECONDS_TO_SEND = 10.0
# A node's versions, its name, and whether it sees the run directory.
Facts = dict[str, Any]


@contextmanager
def token_file(run_dir: Path) -> Iterator[Path]:
    """A file that a node sees only where the run directory is shared."""
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
    """Ray, connected to a cluster; it reports to nobody and prints nothing.

    Raises an UnmetNeedError where Ray is not installed or no cluster answers.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Each attempt takes 40 s.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")
    own: dict[str, Any] = {}
    if address == "local":
        # By this variable a cluster of one machine listens on the loopback address alone.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        own = {"include_dashboard": False, "object_store_memory": 2**27}
    ray = _import_ray()
    if address not in ("local", "auto"):
        _check_reachable(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (OSError, RuntimeError, ValueError) as error:
        raise UnmetNeedError(f"--address: no cluster at {address}: {first_line(error)}") from None
    try:
        yield ray
    finally:
        ray.shutdown()


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
    """What a node says of itself, as a function that needs no conebench there."""

    def facts() -> Facts:
        import hashlib
        import socket
        from contextlib import suppress
        from importlib.metadata import PackageNotFoundError, version
        from pathlib import Path

        versions = {"conebench": "none"}
        # Another conebench may lack any module but its first.
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
    """What runs on other nodes, sent there by value: one with another conebench can say so."""

    def __init__(self, ray: Any, token: str) -> None:
        facts = facts_of(token)

        def perform(expected: Facts, mailbox: Any, number: int, work: bytes) -> Any:
            found = facts()
            if not found["sees_token"] or found["versions"] != expected["versions"]:
                return found, [], None
            import pickle

            from conebench.runner.executors import ray_worker

            sent: list[Any] = []

            def send(message: Any) -> None:
                sent[:] = [mailbox.send.remote((number, message))]

            # Only now: another conebench could not read it.
            ended = ray_worker.perform(send, *pickle.loads(work))  # noqa: S301
            if sent:
                # What was told is there before the task has ended.
                ray.wait(sent, timeout=SECONDS_TO_SEND)
            return found, *ended

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
        self.perform = ray.remote(perform)
        # Progress alone goes through it: where it is lost with its node, no result is.
        self.mailbox = ray.remote(num_cpus=0, max_restarts=-1)(Mailbox).remote()


def check_nodes(ray: Any, parts: RemoteParts) -> None:
    """Raise an UnmetNeedError for a node that has another conebench or other files."""
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
            problem = node_problem(ray.get(reference), parts.own)
            if problem is not None:
                raise UnmetNeedError(problem)


def node_problem(found: Facts, own: Facts) -> str | None:
    """Why a node cannot work for this machine, None where it can."""
    if found["versions"] != own["versions"]:
        return (
            f"--executor ray: node {found['node']} has {_listed(found['versions'])}, this machine "
            f"{_listed(own['versions'])}; expected one version on all nodes"
        )
    if not found["sees_token"]:
        return (
            f"--run-dir: node {found['node']} does not see {Path(own['token']).parent}; expected "
            "a folder on a file system that all nodes share"
        )
    return None


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{package} {version}" for package, version in versions.items())


def check_fits(ray: Any, needs: Needs) -> None:
    """Raise an UnmetNeedError where no node could ever run a stage: it would wait for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(_fits(needs, resources) for resources in nodes):
        there = "; ".join(
            f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs, "
            f"{node.get('memory', 0) / 2**30:.1f} GiB"
            for node in nodes
        )
        raise UnmetNeedError(
            f"--executor ray: a stage needs {needs}, the nodes have {there}; fewer CPUs: "
            "OMP_NUM_THREADS or --jobs, less memory: --kernel-memory"
        )


def _fits(needs: Needs, resources: Mapping[str, float]) -> bool:
    return (
        resources.get("CPU", 0) >= needs.cpus
        and resources.get("GPU", 0) >= needs.gpus
        and resources.get("memory", 0) >= needs.memory
    )
