"""The family of errors and the exit code of each."""

import pickle
import re

import pytest

from conebench import errors
from conebench.errors import ConebenchError, ExitCode, SpecError, StageFailedError

CODES = {
    "ConebenchError": 2,
    "InputError": 1,
    "SpecError": 1,
    "RecordError": 1,
    "RunError": 2,
    "KernelError": 2,
    "MemoryLimitError": 2,
    "StageFailedError": 2,
    "UnmetNeedError": 3,
    "DataMissingError": 3,
    "DeviceMissingError": 3,
    "StorageError": 3,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_exit_code(name: str, code: int) -> None:
    error = getattr(errors, name)
    assert issubclass(error, ConebenchError)
    assert error.exit_code == code


def test_the_docstring_shows_the_whole_family() -> None:
    shown = re.findall(r"\w+Error", errors.__doc__ or "")
    family = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert sorted(shown) == sorted(family - {"IntEnum", "ExitCode"}) == sorted(CODES)


def test_a_failed_stage_says_which_also_in_another_process() -> None:
    error = pickle.loads(pickle.dumps(StageFailedError(1, "probe(4)", "out of memory")))  # noqa: S301
    assert (error.seed, error.stage, str(error)) == (1, "probe(4)", "out of memory")


def test_success_and_interruption_have_their_usual_codes() -> None:
    assert (ExitCode.OK, ExitCode.INTERRUPTED) == (0, 130)


def test_a_spec_error_keeps_its_field_on_the_way_from_another_process() -> None:
    error = pickle.loads(pickle.dumps(SpecError("got 1, expected 2", field="model.kwargs")))  # noqa: S301
    assert (str(error), error.field) == ("model.kwargs: got 1, expected 2", "model.kwargs")
