"""Text without hidden characters."""

import unicodedata


def visible(text: str) -> str:
    """Write out control and direction characters of a text."""
    if text.isprintable():
        return text
    return "".join(f"\\u{ord(char):04x}" if _is_hidden(char) else char for char in text)


def _is_hidden(char: str) -> bool:
    return char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
