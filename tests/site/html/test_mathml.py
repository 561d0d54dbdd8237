"""conebench.site.html.mathml: formulas of the documentation as MathML."""

import re
import xml.etree.ElementTree as ET

import pytest

from conebench.site.documents import documents
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
        ("<h_0, a>", "<mo>⟨</mo>"),
        ("x₁", "<msub><mi>x</mi><mn>1</mn></msub>"),
        ("R²", "<msup><mi>R</mi><mn>2</mn></msup>"),
        ("100 N", "<mn>100</mn><mi>N</mi>"),
        ("ln k", "<mtext>&#160;ln&#160;</mtext>"),
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
