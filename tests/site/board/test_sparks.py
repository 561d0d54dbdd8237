"""The small curve of a row: whole numbers, and both ends."""

import itertools
import re

from synthetic import make_record

from conebench.site.board.sparks import EDGE, HEIGHT, WIDTH, motion_spark


def places(path: str) -> list[tuple[int, int]]:
    """Return the points of a path of relative moves."""
    numbers = list(map(int, re.findall(r"-?[0-9]+", path)))
    across = list(itertools.accumulate(numbers[::2]))
    return list(zip(across, itertools.accumulate(numbers[1::2]), strict=True))


def test_curves_run_from_edge_to_edge_and_mark_w():
    record = make_record()
    spark = motion_spark(record)
    assert re.fullmatch(r"M[0-9]+ [0-9]+l[0-9 -]+", spark.path)
    found = places(spark.path)
    # The last interval begins at step 950.
    assert (found[0][0], found[-1][0]) == (EDGE, EDGE + round((WIDTH - 2 * EDGE) * 0.95))
    assert {y for _, y in found} >= {EDGE, HEIGHT - EDGE}
    assert spark.boundary == EDGE + round((WIDTH - 2 * EDGE) * 300 / 1000)
    assert spark.label.startswith("S over 50 steps, from ")
    assert spark.label.endswith(", seed 0")


def test_a_kernel_that_stands_still_has_no_curve():
    seed = make_record().seeds[0]
    t = len(seed.kernel.steps)
    still = seed.kernel.model_copy(
        update={"gram": [[1.0] * (i + 1) for i in range(t)], "views": None}
    )
    record = make_record()
    frozen = record.model_copy(update={"seeds": [seed.model_copy(update={"kernel": still})]})
    spark = motion_spark(frozen)
    assert (spark.path, spark.label) == ("", "S over 50 steps, seed 0")
