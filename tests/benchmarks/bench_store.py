"""What a checksum costs: a network's tensors written, and looked at again."""

from pathlib import Path

import torch

from conebench.storage.atomic_files import whole_or_set_aside
from conebench.storage.store import Store

# ResNet-18's number of parameters.
PARAMETERS = 11_200_000


def test_writing_a_sealed_file(benchmark, tmp_path: Path) -> None:
    tensors = {"weight": torch.randn(PARAMETERS)}
    benchmark(Store(tmp_path).write_tensors, tmp_path / "network.safetensors", tensors, {})


def test_looking_at_its_checksum(benchmark, tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    Store(tmp_path).write_tensors(path, {"weight": torch.randn(PARAMETERS)}, {})
    assert benchmark(whole_or_set_aside, path)
