"""conebench: measures the cone effect in the learning dynamics of deep networks."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public names by their module. They are imported at their first use: `import conebench` loads
# nothing else, so the command line starts quickly, also without torch.
_PUBLIC = {"load_spec": "api", "read_record": "api", "run": "api", "frames": "frames"}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'conebench' has no attribute {name!r}")
    module = import_module(f"conebench.{_PUBLIC[name]}")
    return module if name == _PUBLIC[name] else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
