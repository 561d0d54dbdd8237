"""`conebench plan SPEC...`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from conebench.cli.exits import errors_as_exit_codes, show_error
from conebench.cli.options import (
    DATA_ROOT,
    DataRoot,
    Device,
    DeviceName,
    Imports,
    KernelMemory,
    Settings,
    SpecFiles,
    SpecNames,
    kernel_bytes,
    quiet_torch_jit,
)
from conebench.cli.terminal import Terminal, echo
from conebench.errors import ConebenchError, SpecError
from conebench.record.files import MAX_BYTES
from conebench.spec import Spec, load_all

if TYPE_CHECKING:
    from conebench.runner.estimate import Estimate


def plan(
    specs: SpecFiles,
    names: SpecNames = None,
    settings: Settings = None,
    data_root: DataRoot = DATA_ROOT,
    device: DeviceName = "auto",
    kernel_memory: KernelMemory = None,
    imports: Imports = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per spec.")
    ] = False,
) -> None:
    """Estimate operations, memory, disk and time of specs, layer by layer.

    Time a few steps on this machine. Read no images, except those of imagefolder and hf.
    """
    with errors_as_exit_codes():
        loaded = load_all(specs, names or (), settings or ())
        memory = kernel_bytes(kernel_memory)
        if imports:
            # It imports torch, which takes seconds.
            from conebench.networks.imported import import_modules

            import_modules(imports)
    codes: list[int] = []
    shown: set[str] = set()
    for found in loaded:
        spec = found.spec
        try:
            figures = _estimate(spec, data_root, device, memory)
        except ConebenchError as error:
            show_error(found.located(error) if isinstance(error, SpecError) else error, shown)
            codes.append(error.exit_code)
            continue
        if as_json:
            echo(json.dumps(_as_json(spec, figures)))
        else:
            _print(spec, figures)
    if codes:
        raise typer.Exit(max(codes))


def _estimate(spec: Spec, data_root: Path, device: Device, memory: int | None) -> "Estimate":
    # These import torch, which takes seconds.
    from conebench.data.datasets import load_data
    from conebench.entk import default_memory_limit
    from conebench.runner.estimate import estimate
    from conebench.runner.preflight import check_counts
    from conebench.runner.stages.context import build_network
    from conebench.runner.stages.device import choose_device

    quiet_torch_jit()
    chosen = choose_device(device)
    facts = spec.dataset.facts
    classes, channels, side = facts.classes, facts.channels, spec.dataset.image_size
    if classes is None or side is None:
        data = load_data(spec.dataset, data_root, chosen)
        classes, side = len(data.classes), data.train.pixels.shape[2]
        network = build_network(spec.model, classes=classes, channels=channels, seed=0)
        check_counts(spec, data, network)
    limit = memory or default_memory_limit(chosen)
    return estimate(spec, classes, (channels, side, side), chosen, limit)


def _as_json(spec: Spec, found: "Estimate") -> dict[str, Any]:
    kernel = found.kernel
    return {
        "spec": spec.name,
        **{
            name: value for name, value in asdict(found).items() if name not in ("kernel", "layers")
        },
        "kernel_peak_bytes": kernel.peak_bytes,
        "kernel_memory_limit_bytes": kernel.memory_limit,
        "kernel_passes": [
            {"parameters": len(planned.pieces), "samples_at_once": planned.chunk}
            for planned in kernel.passes
        ],
        "layers": [asdict(layer) for layer in found.layers],
    }


def _print(spec: Spec, found: "Estimate") -> None:
    console = Terminal()
    table = Table(title=Text(f"{spec.title} ({spec.name})"), title_justify="left", box=None)
    for column in ("parameter", "route", "order"):
        table.add_column(column, overflow="fold")
    for column in ("positions", "entries", "GFLOP", "kept MB"):
        table.add_column(column, justify="right")
    for layer in found.layers:
        table.add_row(
            layer.parameter,
            layer.route,
            layer.order,
            f"{layer.positions:,}",
            f"{layer.entries:,}",
            f"{2e-9 * layer.multiply_adds:,.2f}",
            f"{layer.kept_bytes / 1e6:,.1f}",
        )
    console.print(table)
    for line in _totals(found):
        console.print(line, highlight=False, soft_wrap=True)


def _totals(found: "Estimate") -> list[str]:
    kernel = found.kernel
    chunks = min(planned.chunk for planned in kernel.passes)
    passes = "one pass" if len(kernel.passes) == 1 else f"{len(kernel.passes)} passes"
    work = ", ".join(f"{name} {1e-12 * flops:,.1f}" for name, flops in found.flops.items())
    times = ", ".join(f"{name} {_duration(s)}" for name, s in found.seconds.items())
    copies = f", {found.copies} perturbed copies" if found.copies else ""
    return [
        f"parameters   {found.parameters:,}",
        f"one kernel   {passes} through the network, {chunks} images at a time, peak "
        f"{kernel.peak_bytes / 1e6:,.0f} MB of {kernel.memory_limit / 1e6:,.0f} MB allowed",
        f"all seeds    {found.kernels} kernels, {found.arms} arms{copies}",
        f"TFLOP        {1e-12 * sum(found.flops.values()):,.1f}: {work}",
        f"disk         checkpoints {found.disk_bytes / 1e6:,.0f} MB, "
        f"kernels {found.kernel_disk_bytes / 1e6:,.0f} MB while a seed is measured",
        f"record       {found.record_bytes / 1e6:,.1f} MB of {MAX_BYTES / 1e6:,.0f} MB allowed",
        f"time here    about {_duration(sum(found.seconds.values()))}: {times}",
    ]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
