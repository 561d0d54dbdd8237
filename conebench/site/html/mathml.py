"""Formulas of the documentation as MathML, in blocks and within sentences.

They are written as plain text, such as "S = 1 - <H, H'>_F / (‖H‖_F ‖H'‖_F)". What follows _ or ^ is
a script of what stands before; all else stays in its order.
"""

import itertools
import re
from collections.abc import Sequence
from html import escape

TOKEN = re.compile(
    r"\s+|(?P<number>[0-9](?:[0-9.,]*[0-9])?)|(?P<word>[^\W\d_₀-₉ᵀ²³½]+['’*]*)"
    r"|(?P<script>[_^])|(?P<digits>[₀-₉ᵀ²³]+)|(?P<sign><-|.)",
    re.DOTALL,
)
PLAIN = str.maketrans("₀₁₂₃₄₅₆₇₈₉ᵀ²³", "0123456789T23")
SUPER = "ᵀ²³"
CLOSING = {"(": ")", "[": "]", "{": "}"}
# Signs that end a bracket, and those that begin it.
OPENING = {f"<mo>{end}</mo>": f"<mo>{start}</mo>" for start, end in ("()", "[]", "⟨⟩")}
SIGNS = {"<-": "←", "-": "−"}
# Words of two and more lower-case letters are text, but for these.
VARIABLES = ("dt",)

Token = tuple[str, str]


def formula(text: str) -> str:
    """Return a block of lines as MathML."""
    rows = "".join(
        f"<mtr><mtd>{_row(_tokens(line))}</mtd></mtr>" for line in text.strip("\n").splitlines()
    )
    return f'<math display="block"><mtable>{rows}</mtable></math>'


def inline_formula(text: str) -> str:
    """Return a formula within a sentence as MathML."""
    return f"<math>{_row(_tokens(' '.join(text.split())))}</math>"


def _tokens(line: str) -> list[Token]:
    found: list[Token] = []
    for match in TOKEN.finditer(line):
        if match.lastgroup:
            found.append((match.lastgroup, match[0]))
        # Wide gaps part a formula from a remark.
        elif found and len(match[0]) > 1:
            found.append(("gap", ""))
    return _with_angles(found)


def _with_angles(tokens: list[Token]) -> list[Token]:
    """Make brackets of pairs of < and >."""
    signs = [i for i, (_, text) in enumerate(tokens) if text in ("<", ">")]
    for left, right in itertools.pairwise(signs):
        if (tokens[left][1], tokens[right][1]) == ("<", ">"):
            tokens[left], tokens[right] = ("sign", "⟨"), ("sign", "⟩")
    return tokens


def _row(tokens: Sequence[Token]) -> str:
    parts: list[str] = []
    i = 0
    while i < len(tokens):
        kind, text = tokens[i]
        i += 1
        if kind == "script" and parts and i < len(tokens):
            inner, i = _argument(tokens, i)
            tag = "msub" if text == "_" else "msup"
            parts[-1] = f"<{tag}>{parts[-1]}{inner}</{tag}>"
        elif kind == "digits" and parts:
            tag = "msup" if text[0] in SUPER else "msub"
            parts[-1] = f"<{tag}>{parts[-1]}<mn>{text.translate(PLAIN)}</mn></{tag}>"
        else:
            before = tokens[i - 2][1] if i > 1 else ""
            after = tokens[i][1] if i < len(tokens) else ""
            parts.append(_leaf(kind, text, before, after))
            parts = _with_bracket(parts)
    return f"<mrow>{''.join(parts)}</mrow>"


def _with_bracket(parts: list[str]) -> list[str]:
    """Make one part of a bracket that has just been closed, since a script may follow."""
    opening = OPENING.get(parts[-1])
    if opening not in parts:
        return parts
    start = len(parts) - 1 - parts[::-1].index(opening)
    return [*parts[:start], f"<mrow>{''.join(parts[start:])}</mrow>"]


def _argument(tokens: Sequence[Token], i: int) -> tuple[str, int]:
    """Return what a script holds, and its end."""
    kind, text = tokens[i]
    if text not in CLOSING:
        return _leaf(kind, text), i + 1
    depth, end = 1, i + 1
    while end < len(tokens) and depth:
        depth += (tokens[end][1] == text) - (tokens[end][1] == CLOSING[text])
        end += 1
    return _row(tokens[i + 1 : end - 1]), end


def _leaf(kind: str, text: str, before: str = "", after: str = "") -> str:
    if kind == "gap":
        return '<mspace width="2em"/>'
    if kind == "number":
        return f"<mn>{escape(text)}</mn>"
    if kind != "word":
        return f"<mo>{escape(SIGNS.get(text, text))}</mo>"
    if len(text) > 1 and text.islower() and text.isascii() and text not in VARIABLES:
        # Words stand apart from others, but not from brackets.
        left = "" if before in ("", *"([⟨") else "&#160;"
        right = "" if after in ("", *"()[]⟩,") else "&#160;"
        return f"<mtext>{left}{escape(text)}{right}</mtext>"
    if text.isupper() or text in VARIABLES:
        return f"<mi>{escape(text)}</mi>"
    return "".join(f"<mi>{escape(letter)}</mi>" for letter in re.findall(r"\w['’*]*", text))
