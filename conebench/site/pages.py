"""Pages as HTML, from templates that escape all text."""

from collections.abc import Sequence

from conebench import __version__
from conebench.record import Record
from conebench.record.quantities import BOARD, QUANTITIES
from conebench.site.board.parts import all_parts, first_parts, page_name
from conebench.site.board.rows import Group, Row, filters_of
from conebench.site.charts.plot import Plot
from conebench.site.documents import Document, documents
from conebench.site.html.environment import render_template
from conebench.site.record_page.benefits import benefits_table
from conebench.site.record_page.chaos import chaos_plots, chaos_table
from conebench.site.record_page.groups import groups_section
from conebench.site.record_page.learning_rate import rate_plots
from conebench.site.record_page.plots import MAX_SEEDS, plots_of
from conebench.site.record_page.replications import replications_table
from conebench.site.record_page.tables import (
    arms_table,
    figures_table,
    provenance_table,
    seeds_table,
    stretches_table,
)
from conebench.site.record_page.views import views_table


def index_page(groups: Sequence[Group], skipped: Sequence[tuple[str, str]]) -> str:
    """Return the board, with `skipped` files and their reasons."""
    return render_template(
        "index.html.j2",
        root="",
        page="index",
        groups=groups,
        parts=first_parts(groups),
        paged=bool(all_parts(groups)),
        page_name=page_name,
        skipped=skipped,
        quantities=BOARD,
        filters=filters_of(groups),
    )


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
            quantities=BOARD,
        )
        for i, parts in enumerate(pages, start=1)
    }


def compare_page(groups: Sequence[Group]) -> str:
    """Return the page whose script overlays records."""
    return render_template(
        "compare.html.j2", root="", page="compare", groups=groups, quantities=QUANTITIES
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
    return render_template(
        "document.html.j2",
        root="../",
        page=f"docs/{document.name}",
        document=document,
        documents=documents(),
    )


def sections_of(record: Record) -> list[tuple[Plot, ...]]:
    """Return the plots of a record's page, by section."""
    groups = groups_section(record)
    more = [*rate_plots(record), *([groups.plot] if groups else []), *chaos_plots(record)]
    return [*plots_of(record), *((plot,) for plot in more)]


def record_page(record: Record, row: Row, sections: Sequence[Sequence[Plot]], spec: str) -> str:
    """Return the page of a recomputed record."""
    return render_template(
        "record.html.j2",
        root="../",
        page="record",
        record=record,
        row=row,
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
        sections=sections,
        seed_numbers=[seed.seed for seed in record.seeds[:MAX_SEEDS]],
        spec_text=spec,
    )
