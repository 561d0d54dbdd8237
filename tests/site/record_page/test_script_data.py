"""Data of a record for scripts."""

import json

import numpy as np
import pytest
from synthetic import make_record, make_spec

from conebench.record import Record
from conebench.site.board.rows import row_of
from conebench.site.record_page.script_data import record_data, record_script


def data_of(record: Record) -> dict:
    return record_data(record, row_of(record, record.id), "the group")


def test_every_list_has_one_entry_per_checkpoint():
    record = make_record()
    for seed, result in zip(data_of(record)["seeds"], record.seeds, strict=True):
        assert seed["steps"] == result.kernel.steps
        for name in ("S0", "velocity", "angle", "accuracy"):
            assert len(seed[name]) == len(seed["steps"]), name


def test_numbers_are_those_of_the_record():
    record = make_record()
    seed, result = data_of(record)["seeds"][0], record.seeds[0]
    G, steps = result.kernel.primary.G(), np.array(result.kernel.steps)
    assert seed["S0"] == pytest.approx(1 - G[0], rel=1e-4, abs=1e-12)
    assert seed["velocity"][3] == pytest.approx((1 - G[2, 3]) / (steps[3] - steps[2]), rel=1e-4)
    assert seed["accuracy"][-1] == pytest.approx(100 * result.training.test_accuracy[-1], rel=1e-4)
    late = [a for a, t in zip(seed["angle"], steps, strict=True) if t >= data_of(record)["w"]]
    assert np.percentile(late, 95) == pytest.approx(result.window.cone_95_deg, rel=1e-4)
    assert seed["angle"][0] == pytest.approx(result.window.turn_deg, rel=1e-4)


def test_without_a_late_window_there_is_no_angle():
    training = {
        "steps": 1000,
        "batch_size": 64,
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "schedule": {"name": "cosine"},
    }
    data = data_of(make_record(make_spec(training=training)))
    assert (data["w"], data["seeds"][0]["angle"]) == (None, [])


def test_the_script_is_one_assignment_of_plain_text():
    record = make_record(make_spec(title="</script><!-- \u2028 \u202e"))
    text = record_script(record, row_of(record, record.id), "</script>")
    assert text.isascii()
    assert "<" not in text
    start = f'(window.conebench ??= {{}})["{record.id}"] = '
    assert text.startswith(start)
    data = json.loads(text.removeprefix(start).removesuffix(";\n"))
    assert data["title"] == "</script><!-- \\u2028 \\u202e"
