"""Text in which nothing can hide."""

import unicodedata


def visible(text: str) -> str:
    """The text with control and direction characters written out, so that none can hide."""
    if text.isprintable():
        return text
    return "".join(f"\\u{ord(char):04x}" if _is_hidden(char) else char for char in text)


def _is_hidden(char: str) -> bool:
    return char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
