"""Verdicts by permutation p-values, beside those by t intervals."""

from collections.abc import Sequence
from dataclasses import replace

from conebench.analysis.study import adjusted_p_values, decide
from conebench.study.findings import Finding
from conebench.study.shares import Shares


def permuted_verdicts(findings: Sequence[Finding], found: Sequence[Shares]) -> list[Finding]:
    """Judge the family with p-values by permutation for main effects of block A.

    Returns:
        The findings whose verdict differs, with the other verdict and its adjusted p.

    """
    by_permutation = {
        (shares.factors[effect.factors[0]], shares.response.key): effect.p
        for shares in found
        if shares.block == "A" and shares.found
        for effect in shares.found.effects
        if len(effect.factors) == 1
    }
    p_values = [
        by_permutation.get((f.hypothesis.factor, f.response.key), f.p)
        if f.test.block == "A" and f.p is not None
        else f.p
        for f in findings
    ]
    adjusted = adjusted_p_values(p_values)
    judged = [
        replace(f, adjusted_p=p, verdict=decide(f.effect, p, f.margin))
        for f, p in zip(findings, adjusted, strict=True)
    ]
    return [new for old, new in zip(findings, judged, strict=True) if new.verdict != old.verdict]
