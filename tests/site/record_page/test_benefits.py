"""conebench.site.record_page.benefits: what non-linear training after a step is worth."""

from synthetic import make_record, make_spec

from conebench.site.board.rows import row_of
from conebench.site.pages import record_page
from conebench.site.record_page.benefits import benefits_table


def test_every_switch_step_has_a_row_and_w_is_named() -> None:
    record = make_record()
    table = benefits_table(record)
    assert [row[0] for row in table.rows] == ["100", "300 = w", "500", "T* of each seed"]
    (at_w,) = [switch for switch in record.figures.switches if switch.step == 300]
    cells = dict(zip(table.head, table.rows[1], strict=True))
    for name, estimate in (("B(s)", at_w.benefit), ("Kernel benefit", at_w.kernel_benefit)):
        low, high = 100 * estimate.low, 100 * estimate.high
        assert cells[name] == f"{100 * estimate.value:.1f} points [{low:.1f}, {high:.1f}]"
    assert cells["Γ(s)"].startswith(f"{at_w.Gamma.value:.2f} [")
    assert cells["Why undefined"] == "–"


def test_an_undefined_figure_has_its_reason() -> None:
    training = {
        "steps": 1000,
        "batch_size": 64,
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "schedule": {"name": "cosine"},
    }
    table = benefits_table(make_record(make_spec(training=training)))
    step, benefit, *_, reason = table.rows[-1]
    assert (step, benefit) == ("T* of each seed", "–")
    assert reason != "–"


def test_t_star_has_no_row_where_no_arm_switches_there() -> None:
    record = make_record(make_spec(switching={"steps": [300], "add_t_star": False}))
    assert [row[0] for row in benefits_table(record).rows] == ["300 = w"]
    record = make_record(make_spec(switching={"steps": [], "add_t_star": False}))
    assert benefits_table(record).rows == ()
    page = record_page(record, row_of(record, record.id), "")
    assert "Non-linear training after each switch step" not in page
