"""Programs in place of SLURM's, for machines without it: they run on this one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from fences import DOCS

PROGRAMS = {
    "sbatch": """\
cp "$1" "$SLURM_STAND_IN/submitted.sh"
echo "Submitted batch job 42"
""",
    "srun": """\
while [ "${1#-}" != "$1" ]; do
  case $1 in --output | --error) shift ;; esac
  shift
done
echo $$ > "$SLURM_STAND_IN/pid-$SLURM_ARRAY_TASK_ID"
exec "$@"
""",
    "scontrol": 'echo "$@" >> "$SLURM_STAND_IN/scontrol"\n',
    "conebench": f'exec {sys.executable} -m conebench "$@"\n',
}


class FakeSlurm:
    """A cluster of this machine, with its programs and what they wrote in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "bin").mkdir(parents=True)
        for name, text in PROGRAMS.items():
            program = folder / "bin" / name
            program.write_text(f"#!/bin/sh\n{text}")
            program.chmod(0o755)
        path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
        self.env = {
            **os.environ,
            "PATH": path,
            "PYTHONPATH": str(DOCS.parent),
            "SLURM_STAND_IN": str(folder),
        }

    @property
    def script(self) -> Path:
        """The script that was submitted last."""
        return self._folder / "submitted.sh"

    @property
    def requeued(self) -> list[str]:
        """What scontrol was asked to do."""
        path = self._folder / "scontrol"
        return path.read_text().splitlines() if path.exists() else []

    def start_task(self, script: Path, index: int, cwd: Path) -> subprocess.Popen[str]:
        """One task of an array of jobs."""
        ids = {"SLURM_JOB_ID": str(43 + index), "SLURM_ARRAY_JOB_ID": "42"}
        return subprocess.Popen(
            ["bash", str(script)],
            cwd=cwd,
            env={**self.env, **ids, "SLURM_ARRAY_TASK_ID": str(index)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def warn(self, index: int, number: signal.Signals) -> None:
        """Send a signal to the process of a task."""
        os.kill(int((self._folder / f"pid-{index}").read_text()), number)
