"""The study as plain data: findings for JSON, figures as one long table."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from conebench.analysis.study import Effect, Pooled
from conebench.study.claims import CellClaim, claim_counts, claims
from conebench.study.effects import BlockEffect, Cells
from conebench.study.exploratory import exploratory_findings
from conebench.study.figures import Cell
from conebench.study.findings import Finding, find_all
from conebench.study.measurement.recalibrated import RecalibratedTest, recalibrated_tests
from conebench.study.measurement.views import ViewTest, view_tests
from conebench.study.plan import BLOCK_OF, BLOCKS, RECALIBRATED, REGISTERED
from conebench.study.responses import BY_KEY
from conebench.study.words.findings import sentence
from conebench.study.words.measurement import recalibrated_sentence, view_sentence


def findings_json(cells: Cells) -> dict[str, Any]:
    """Return cells, claim and findings. Effects are on the scale of the analysis."""
    judged, found = claims(cells), find_all(cells)
    return {
        "registered": REGISTERED,
        "cells": {
            block: {"records": [n for n in names if n in cells], "missing": _missing(names, cells)}
            for block, names in {**BLOCKS, "R": tuple(RECALIBRATED.values())}.items()
        },
        "claim": {
            "counts": {k: {"true": t, "judged": n} for k, (t, n) in claim_counts(judged).items()},
            "cells": [_claim(found) for found in judged],
        },
        "findings": [_finding(finding) for finding in found],
        "exploratory": [_finding(finding) for finding in exploratory_findings(cells)],
        "recalibrated": [_recalibrated(test) for test in recalibrated_tests(found, cells)],
        "otherwise": [_otherwise(test) for test in view_tests(found, cells)],
    }


def _missing(names: tuple[str, ...], cells: Cells) -> list[str]:
    return [name for name in names if name not in cells]


def _claim(found: CellClaim) -> dict[str, Any]:
    return {
        "spec": found.cell.spec,
        "record": found.cell.record,
        "motion": _effect(found.motion),
        "alpha": _effect(found.alpha),
        "benefit": _effect(found.benefit),
        "moves": found.claim.moves,
        "confined": found.claim.confined,
        "pays": found.claim.pays,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "row": finding.hypothesis.row,
        "contrast": finding.hypothesis.subject,
        "response": finding.response.key,
        "scale": finding.response.kind,
        "per_doubling": finding.hypothesis.per_doubling,
        "predicted": finding.predicted,
        "source": finding.hypothesis.source,
        "test": _block(finding.test),
        "p": finding.p,
        "adjusted_p": finding.adjusted_p,
        "margin": finding.margin,
        "same_sign": finding.test.same_sign,
        "pairs": dict(finding.test.pairs),
        "undivided": _effect(finding.undivided),
        "undivided_replications": [_block(found) for found in finding.undivided_replications],
        "verdict": finding.verdict,
        "standing": finding.standing,
        "replications": [_block(found) for found in finding.replications],
        "together": _pooled(finding.pooled),
        "sentence": sentence(finding),
    }


def _recalibrated(test: RecalibratedTest) -> dict[str, Any]:
    return {
        "row": test.finding.hypothesis.row,
        "response": test.finding.response.key,
        "scale": test.finding.response.kind,
        "per_doubling": test.finding.hypothesis.per_doubling,
        "running": _block(test.running),
        "recalibrated": _block(test.recalibrated),
        "change": _effect(test.change),
        "result": test.result,
        "sentence": recalibrated_sentence(test),
    }


def _otherwise(test: ViewTest) -> dict[str, Any]:
    return {
        "row": test.finding.hypothesis.row,
        "response": test.finding.response.key,
        "measured_by": test.name,
        "scale": test.response.kind,
        "per_doubling": test.finding.hypothesis.per_doubling,
        "effect": _block(test.other),
        "result": test.result,
        "sentence": view_sentence(test),
    }


def _block(found: BlockEffect) -> dict[str, Any]:
    effect = _effect(found.effect)
    return {
        "block": found.block,
        "effect": effect,
        "runs": found.runs,
        "missing": list(found.missing),
    }


def _effect(effect: Effect | None) -> dict[str, Any] | None:
    if effect is None:
        return None
    low, high = effect.interval() or (None, None)
    return {"value": effect.value, "low": low, "high": high, "seeds": effect.seeds}


def _pooled(pooled: Pooled | None) -> dict[str, Any] | None:
    if pooled is None:
        return None
    low, high = pooled.predicted
    return {**(_effect(pooled.effect) or {}), "tau": pooled.tau, "predicted": [low, high]}


def tidy_rows(cells: Sequence[Cell]) -> Iterator[tuple[str, str, str, int, str, str, float]]:
    """Yield every figure. A row is block, spec, record, seed, response, view and value."""
    for cell in sorted(cells, key=lambda c: (c.spec, c.record)):
        block = BLOCK_OF.get(cell.spec, "")
        for seed in cell.seeds:
            for name, value in sorted(seed.values.items()):
                key, _, view = name.partition("@")
                if key in BY_KEY and math.isfinite(value):
                    shown = view or (cell.view if BY_KEY[key].of_kernel else "")
                    yield block, cell.spec, cell.record, seed.seed, key, shown, value
