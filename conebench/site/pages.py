"""Pages as HTML, from templates that escape everything."""

from collections.abc import Sequence

from conebench import __version__
from conebench.record import Record
from conebench.record.quantities import BOARD, QUANTITIES
from conebench.site.board.pairs import MAX_PAIRS, matched_pairs
from conebench.site.board.parts import all_parts, first_parts, page_name
from conebench.site.board.rows import Group, Row, filters_of
from conebench.site.board.scatter import Section
from conebench.site.charts.plot import Plot
from conebench.site.documents import Document, documents
from conebench.site.html.environment import environment
from conebench.site.record_page.chaos import chaos_plots, chaos_table
from conebench.site.record_page.groups import layers_of
from conebench.site.record_page.learning_rate import rate_plots
from conebench.site.record_page.plots import MAX_SEEDS, plots_of
from conebench.site.record_page.replications import replications_table
from conebench.site.record_page.tables import (
    arms_table,
    facts_table,
    figures_table,
    seeds_table,
    stretches_table,
)


def index_page(groups: Sequence[Group], skipped: Sequence[tuple[str, str]]) -> str:
    """The board; `skipped` are the records left out, each with the reason."""
    template = environment().get_template("index.html.j2")
    return template.render(
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
    """All rows of the board on plain pages, by file name; none where the index has them all."""
    template = environment().get_template("all.html.j2")
    pages = all_parts(groups)
    return {
        page_name(i): template.render(
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
    """The page that overlays records, which its script draws from their data files."""
    template = environment().get_template("compare.html.j2")
    return template.render(root="", page="compare", groups=groups, quantities=QUANTITIES)


def factors_page(groups: Sequence[Group], sections: Sequence[Section]) -> str:
    """Figures against what runs were made with, and the pairs that differ in one field only."""
    template = environment().get_template("factors.html.j2")
    rows = [row for group in groups for row in group.rows]
    return template.render(
        root="",
        page="factors",
        sections=sections,
        pairs=matched_pairs(rows),
        limit=MAX_PAIRS,
        quantities=BOARD,
    )


def documents_page() -> str:
    """The list of all pages of the documentation."""
    template = environment().get_template("documents.html.j2")
    return template.render(
        root="../", page="docs/index", documents=documents(), version=__version__
    )


def document_page(document: Document) -> str:
    """One page of the documentation."""
    template = environment().get_template("document.html.j2")
    return template.render(
        root="../", page=f"docs/{document.name}", document=document, documents=documents()
    )


def sections_of(record: Record) -> list[tuple[Plot, ...]]:
    """The plots of a record's page, one section each, in one a plot a seed."""
    layers = layers_of(record)
    more = [*rate_plots(record), *([layers.plot] if layers else []), *chaos_plots(record)]
    return [*plots_of(record), *((plot,) for plot in more)]


def record_page(record: Record, row: Row, sections: Sequence[Sequence[Plot]], spec: str) -> str:
    """The page of one record whose figures were recomputed; its plots and its spec's text."""
    template = environment().get_template("record.html.j2")
    return template.render(
        root="../",
        page="record",
        record=record,
        row=row,
        figures=figures_table(record),
        seeds=seeds_table(record),
        stretches=stretches_table(record),
        arms=arms_table(record),
        facts=facts_table(record),
        replications=replications_table(record, row.replications),
        chaos=chaos_table(record),
        layers=layers_of(record),
        sections=sections,
        seed_numbers=[seed.seed for seed in record.seeds[:MAX_SEEDS]],
        spec_text=spec,
    )
