"""The Findings page, from the figures of all records."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from conebench.site.board.rows import Row
from conebench.site.charts.plot import Plot
from conebench.site.findings_page.bars import share_plot
from conebench.site.findings_page.curves import dose_plot, interaction_plot, largest_interactions
from conebench.site.findings_page.forest import forest_plots
from conebench.site.findings_page.glance import COLUMNS, glance_rows
from conebench.site.findings_page.pairs import MOST_PAIRS, matched_pairs
from conebench.site.findings_page.pairs import RESPONSES as PAIR_RESPONSES
from conebench.site.findings_page.tables import (
    change_text,
    claim_table,
    measurement_table,
    outcome_table,
    paper_table,
    prediction_table,
    recalibrated_table,
    reported_table,
    view_table,
)
from conebench.site.html.environment import render_template
from conebench.study.claims import claims
from conebench.study.confront import paper_rows
from conebench.study.doses import dose_curves
from conebench.study.effects import Cells, latest_cells
from conebench.study.exploratory import exploratory_findings
from conebench.study.figures import Cell
from conebench.study.findings import Finding, find_all
from conebench.study.measurement.changes import averaged_change, measured_changes
from conebench.study.measurement.permutation import permuted_verdicts
from conebench.study.measurement.recalibrated import recalibrated_tests
from conebench.study.measurement.views import view_tests
from conebench.study.outcomes import SINGLE_BLOCKS, is_odd, outcome_rows
from conebench.study.plan import BLOCK_OF, BLOCKS, REGISTERED
from conebench.study.responses import ALPHA, BENEFIT, CONE, MOTION, TURN
from conebench.study.shares import shares
from conebench.study.words.claim import claim_sentences, claim_words
from conebench.study.words.findings import (
    coverage_sentence,
    effect_words,
    headlines,
    is_told,
    sentence,
    standing_sentence,
)
from conebench.study.words.measurement import (
    decay_sentences,
    permutation_sentence,
    recalibrated_sentences,
    view_sentences,
)

KERNEL_RESPONSES = (TURN, CONE, ALPHA, MOTION)
DOSE_RESPONSES = (*KERNEL_RESPONSES, BENEFIT)
DOCUMENT = "docs/study.html"


@dataclass(frozen=True)
class FindingsPage:
    """The page, and the plots that have files."""

    html: str
    plots: tuple[Plot, ...]


def index_sentences(cells: Iterable[Cell], count: int = 3) -> list[str]:
    """Return how often the claim holds, and the strongest findings. Empty without any."""
    found = study_cells(cells)
    best = headlines(find_all(found), count)
    return [claim_words(claims(found)), *best] if best else []


def study_cells(cells: Iterable[Cell]) -> dict[str, Cell]:
    """Return one record of each spec of the study."""
    return latest_cells([cell for cell in cells if cell.spec in BLOCK_OF])


def findings_page(rows: Sequence[Row], all_cells: Sequence[Cell]) -> FindingsPage:
    """Return the page of all records."""
    cells = study_cells(all_cells)
    # Each part is found once, for sentences, plots and tables.
    findings = find_all(cells)
    found_shares = shares(cells)
    curves = dose_curves(cells, DOSE_RESPONSES)
    doses: dict[str, list[Plot]] = {curve.dose.factor: [] for curve in curves}
    for curve in curves:
        doses[curve.dose.factor].append(dose_plot(curve))
    interactions = [interaction_plot(i) for i in largest_interactions(found_shares, cells)]
    bars = [plot for block in ("A", "C") if (plot := share_plot(block, found_shares))]
    forests = forest_plots(findings)
    judged = claims(cells)
    repeated = recalibrated_tests(findings, cells)
    otherwise = view_tests(findings, cells)
    pairs = matched_pairs(rows, {cell.record: cell for cell in all_cells})
    html = render_template(
        "findings.html.j2",
        root="",
        page="findings",
        document=DOCUMENT,
        commit=REGISTERED,
        started=bool(cells),
        coverage=coverage_sentence(cells),
        missing={b: [n for n in names if n not in cells] for b, names in BLOCKS.items()},
        claim=" ".join(claim_sentences(judged)),
        claims=claim_table(judged),
        glance=glance_rows(findings),
        glance_columns=[response.symbol for response in COLUMNS],
        standings=standing_sentence(findings),
        decay=" ".join(decay_sentences(latest_cells(list(all_cells)))),
        sentences=_sentences(findings, exploratory_findings(cells)),
        forests=forests,
        doses=doses,
        interactions=interactions,
        bars=bars,
        incomplete=_incomplete(cells),
        outcomes=outcome_table(outcome_rows(cells)),
        usual=sum(not is_odd(cells[n]) for n in cells if BLOCK_OF[n] in SINGLE_BLOCKS),
        measurement=measurement_table(
            measured_changes(cells, KERNEL_RESPONSES), findings, cells, KERNEL_RESPONSES
        ),
        averaged=_averaged_words(cells),
        recalibration=" ".join(recalibrated_sentences(cells, repeated)),
        recalibrated=recalibrated_table(repeated),
        permutation=permutation_sentence(permuted_verdicts(findings, found_shares)),
        views=" ".join(view_sentences(cells, otherwise)),
        view_tests=view_table(otherwise),
        predictions=prediction_table(findings),
        papers=paper_table(paper_rows(cells)),
        reported=reported_table(),
        pairs=pairs,
        pair_responses=PAIR_RESPONSES,
        change=change_text,
        image_sizes=_image_sizes(cells),
        most_pairs=MOST_PAIRS,
    )
    return FindingsPage(html, (*forests, *itertools.chain(*doses.values()), *interactions, *bars))


def _sentences(
    findings: Sequence[Finding], later: Sequence[Finding]
) -> dict[str, list[tuple[str, str]]]:
    """Return sentences with their standing, in four groups."""
    tested = [finding for finding in findings if finding.verdict != "undefined"]
    predicted = [f for f in tested if f.predicted is not None]
    others = [f for f in tested if f.predicted is None]
    groups = {
        "Predicted": predicted,
        "Found without a prediction": [f for f in others if f.verdict == "found"],
        "Asked after the runs (exploratory, a family of its own)": [f for f in later if is_told(f)],
        "No effect, or not found": [f for f in others if f.verdict != "found"],
    }
    return {
        name: [(f"{f.hypothesis.row}", f.standing, sentence(f)) for f in members]  # type: ignore[misc]
        for name, members in groups.items()
    }


def _averaged_words(cells: Cells) -> list[str]:
    """Write how averaged weights change the cone and its motion."""
    found = [(response, averaged_change(cells, response)) for response in (CONE, MOTION)]
    return [f"{r.symbol} {effect_words(r, effect)}" for r, effect in found if effect]


def _image_sizes(cells: Cells) -> str:
    """Return the sizes of the images, 8x8 but for blocks C and D."""
    larger = (("D", "8x8 to 32x32"), ("C", "8x8 and 16x16"))
    return next((s for b, s in larger if any(n in cells for n in BLOCKS[b])), "8x8")


def _incomplete(cells: Cells) -> dict[str, int]:
    """Count the missing cells of each factorial."""
    missing = {block: sum(name not in cells for name in BLOCKS[block]) for block in ("A", "C")}
    return {block: count for block, count in missing.items() if count}
