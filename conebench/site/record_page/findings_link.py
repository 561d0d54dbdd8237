"""Where Findings shows what a record is part of."""

from conebench.study.plan import BLOCK_OF, CENTER

# Sections of Findings by block; the rest is among its sentences.
SECTIONS = {"A": "shares", "C": "shares", "F": "measurement"}


def findings_link(spec_name: str) -> tuple[str, str] | None:
    """Return the section for a record of the study, and what to call it."""
    if spec_name == CENTER:
        return "findings", "the center of the study"
    block = BLOCK_OF.get(spec_name)
    return (SECTIONS.get(block, "findings"), f"block {block} of the study") if block else None
