"""conebench.site.html.mathml: formulas of the documentation as MathML."""

import re
import xml.etree.ElementTree as ET

import pytest

from conebench.site.documents import documents, render
from conebench.site.html.mathml import formula


def words(text: str) -> str:
    """Return the text of MathML without its marks."""
    return "".join(ET.fromstring(formula(text)).itertext())  # noqa: S314  # our own text


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("h_t", "<msub><mi>h</mi><mi>t</mi></msub>"),
        ("lag^alpha", "<msup>"),
        ("Σ_(j<k) A", "<msub><mi>Σ</mi><mrow><mi>j</mi><mo>&lt;</mo><mi>k</mi></mrow></msub>"),
        # A script belongs to all that the bracket holds.
        ("(ln k)²", "<mo>)</mo></mrow><mn>2</mn></msup>"),
        ("f(x)_i", "<msub><mrow><mo>(</mo><mi>x</mi><mo>)</mo></mrow><mi>i</mi></msub>"),
        ("a)²", "<msup><mo>)</mo><mn>2</mn></msup>"),
        ("<h_0, a>", "<mo>⟨</mo>"),
        ("V_rest", "<msub><mi>V</mi><mtext>rest</mtext></msub>"),
        ("R_0²", "<msup><msub><mi>R</mi><mn>0</mn></msub><mn>2</mn></msup>"),
        ("x₁", "<msub><mi>x</mi><mn>1</mn></msub>"),
        ("R²", "<msup><mi>R</mi><mn>2</mn></msup>"),
        ("100 N", "<mn>100</mn><mi>N</mi>"),
        ("2 ln k", "<mtext>&#160;ln&#160;</mtext>"),
        ("ln k", "<mrow><mtext>ln&#160;</mtext>"),
        ("A(full)", "<mo>(</mo><mtext>full</mtext><mo>)</mo>"),
        ("= max(a)", "<mtext>&#160;max</mtext>"),
        ("kL", "<mi>k</mi><mi>L</mi>"),
        ("W  <-  W", "<mo>←</mo>"),
    ],
)
def test_what_is_written_is_marked_up(text: str, mark: str) -> None:
    assert mark in formula(text)


def test_nothing_is_lost_and_nothing_is_markup() -> None:
    text = "S(θ, θ') = 1 - <H, H'>_F / (‖H‖_F ‖H'‖_F) <script>_"
    found = words(text)
    for sign in "Sθ=1HF/‖(),'":
        assert found.count(sign) == text.count(sign)
    assert "<script" not in formula(text)


def test_every_formula_of_the_method_is_mathml_and_code_elsewhere_stays() -> None:
    pages = {page.name: page.text for page in documents()}
    assert len(re.findall("<math ", pages["method"])) >= 5
    assert not [name for name, text in pages.items() if "<math" in text and name != "method"]
    assert "<pre" in pages["specs"]


def test_formulas_within_sentences_are_mathml_too() -> None:
    text = render("method", "# A\n\nWith $h_t = H_t / ‖H_t‖_F$, *x* and $\n  R²$.\n", ()).text
    assert text.count("<math><mrow>") == 2
    assert "<msub><mi>h</mi><mi>t</mi></msub>" in text
    assert "<em>x</em>" in text
    assert "$" not in text
    # Elsewhere, and alone, it is a dollar.
    assert "costs $5 or $6" in render("x", "# A\n\ncosts $5 or $6\n", ()).text
    assert "costs $5" in render("method", "# A\n\ncosts $5\n", ()).text
    assert "<code>$HOME $x</code>" in render("method", "# A\n\n`$HOME $x`\n", ()).text
    hostile = render("method", "# A\n\n$<script>alert(1)</script>$\n", ()).text
    assert "<script" not in hostile


def test_no_formula_of_the_method_is_left_as_text() -> None:
    (page,) = [page for page in documents() if page.name == "method"]
    assert page.text.count("<math><mrow>") >= 40
    prose = re.sub(r"<(math|code|pre|table)\b.*?</\1>", "", page.text, flags=re.DOTALL)
    assert re.findall(r"\S*(?:\w_[\w({]|[‖Σ∈²ᵀ√]|\^)\S*", prose) == []
    searched = " ".join(words for _, _, words in page.parts)
    assert "<math" not in searched
    assert "$" not in searched
    assert "h_t = H_t / ‖H_t‖_F" in searched
