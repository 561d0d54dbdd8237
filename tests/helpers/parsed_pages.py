"""Pages of the site as tests read them."""

from html.parser import HTMLParser

from conebench.record import Record, Replication
from conebench.site.board.rows import row_of
from conebench.site.pages import record_page

VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = "<script>alert(1)</script> \u202e\u2066 {{ 7 * 7 }} \" ' & %"


class Page(HTMLParser):
    """Tags must nest; ids, links, text and element names are kept."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.references: list[str] = []
        self.attributes: list[str] = []
        self.headings: list[int] = []
        self.text = ""
        self.text_inside: set[str] = set()
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        """Note what the tag says."""
        self.tags.append(tag)
        found = dict(attrs)
        assert len(found) == len(attrs)
        self.attributes += found
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("href", "src") if name in found]
        for name in ("aria-labelledby", "aria-describedby"):
            self.references += found.get(name, "").split()
        if len(tag) == 2 and tag[0] == "h" and tag[1].isdigit():
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Open and close at once."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        """Close the innermost tag, and no other."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Keep the text, and in what kind of element it stands."""
        self.text += data
        self.text_inside.update(self.open[-1:] if data.strip() else [])


def page_of(record: Record, *replications: Replication) -> Page:
    row = row_of(record, record.id, replications)
    return Page(record_page(record, row, ""))
