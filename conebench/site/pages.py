"""Pages as HTML, from templates that escape all text."""

from collections.abc import Sequence

from conebench import __version__
from conebench.record import Record
from conebench.record.quantities import BOARD, QUANTITIES
from conebench.site.board.data_page import record_bibtex
from conebench.site.board.parts import EXTRA, all_parts, first_parts, page_name, tabs_of, tiles_of
from conebench.site.board.rows import Group, Row, filters_of
from conebench.site.board.sentences import rank_sentence, record_sentence, so_far
from conebench.site.documents import Document, documents
from conebench.site.html.environment import render_template
from conebench.site.record_page.benefits import benefits_table
from conebench.site.record_page.chaos import chaos_table
from conebench.site.record_page.findings_link import findings_link
from conebench.site.record_page.groups import groups_section
from conebench.site.record_page.of_seed import MAX_SEEDS
from conebench.site.record_page.panels import panels_of
from conebench.site.record_page.replications import replications_table
from conebench.site.record_page.tables import (
    arms_table,
    figures_table,
    provenance_table,
    seeds_table,
    stretches_table,
)
from conebench.site.record_page.views import views_table

# Rows of the comparison for readers without scripts.
MOST_WITHOUT_SCRIPTS = 30


def index_page(
    groups: Sequence[Group],
    skipped: Sequence[tuple[str, str]],
    findings: Sequence[str] = (),
) -> str:
    """Return the board, with `skipped` files and their reasons.

    `findings` are sentences of the study. Without them, the page counts what the records say.
    """
    rows = [row for group in groups for row in group.shown]
    first = next((row.record_id for row in sorted(rows, key=_best_first)), None)
    return render_template(
        "index.html.j2",
        root="",
        page="index",
        groups=groups,
        parts=first_parts(groups),
        tabs=tabs_of(groups),
        tiles=tiles_of(groups),
        first=first,
        so_far=findings or so_far(groups),
        shown=len(rows),
        paged=bool(all_parts(groups)),
        page_name=page_name,
        skipped=skipped,
        columns=[*((q.field, q.symbol) for q in EXTRA), ("seeds", "Seeds"), ("date", "Date")],
        filters=filters_of(groups),
    )


def _best_first(row: Row) -> tuple[bool, int]:
    return row.rank is None, row.rank or 0


def all_pages(groups: Sequence[Group]) -> dict[str, str]:
    """Return plain pages with all rows, by file name."""
    pages = all_parts(groups)
    return {
        page_name(i): render_template(
            "all.html.j2",
            root="",
            page="all",
            parts=parts,
            number=i,
            count=len(pages),
            page_name=page_name,
        )
        for i, parts in enumerate(pages, start=1)
    }


def moved_page(target: str, label: str) -> str:
    """Return a page that leads to the new address of its contents."""
    return render_template("moved.html.j2", root="", page="moved", target=target, label=label)


def compare_page(groups: Sequence[Group]) -> str:
    """Return the page whose script overlays records."""
    rows = [row for group in groups for row in group.shown]
    return render_template(
        "compare.html.j2",
        root="",
        page="compare",
        groups=groups,
        quantities=QUANTITIES,
        board=BOARD,
        first=rows[:MOST_WITHOUT_SCRIPTS],
    )


def documents_page() -> str:
    """Return the list of all pages of the documentation."""
    return render_template(
        "documents.html.j2",
        root="../",
        page="docs/index",
        documents=documents(),
        version=__version__,
    )


def document_page(document: Document) -> str:
    """Return one page of the documentation."""
    pages = documents()
    at = next((i for i, page in enumerate(pages) if page.name == document.name), 0)
    return render_template(
        "document.html.j2",
        root="../",
        page=f"docs/{document.name}",
        document=document,
        documents=pages,
        before=pages[at - 1] if at else None,
        after=pages[at + 1] if at + 1 < len(pages) else None,
    )


def record_page(record: Record, row: Row, spec: str) -> str:
    """Return the page of a recomputed record."""
    return render_template(
        "record.html.j2",
        root="../",
        page="record",
        record=record,
        row=row,
        sentence=record_sentence(row),
        rank_sentence=rank_sentence(row),
        found_in=findings_link(row.spec_name),
        panels=panels_of(record),
        figures=figures_table(record),
        seeds=seeds_table(record),
        views=views_table(record),
        benefits=benefits_table(record),
        stretches=stretches_table(record),
        arms=arms_table(record),
        provenance=provenance_table(record),
        replications=replications_table(record, row.replications),
        chaos=chaos_table(record),
        groups=groups_section(record),
        seed_numbers=[seed.seed for seed in record.seeds[:MAX_SEEDS]],
        spec_text=spec,
        bibtex=record_bibtex(row),
    )
