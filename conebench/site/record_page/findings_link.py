"""The link from a record of the study to its part of the Findings page."""

from conebench.study.plan import BLOCK_OF, CENTER

# Sections of Findings by block; the rest is among its sentences.
SECTIONS = {"A": "shares", "C": "shares", "F": "measurement", "R": "measurement"}


def findings_link(spec_name: str) -> tuple[str, str] | None:
    """Return the section of Findings and the words of the link. None outside of the study."""
    if spec_name == CENTER:
        return "findings", "the center of the study"
    block = BLOCK_OF.get(spec_name)
    return (SECTIONS.get(block, "findings"), f"block {block} of the study") if block else None
