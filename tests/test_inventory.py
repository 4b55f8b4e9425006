"""Every number that a page shows has a receipt: as its value, as one of its inputs, or as one of a few that need none.

What a page hands to a component is drawn in the browser; tests/test_receipts.py compares the film and the atlas.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest
from streamlit.testing.v1 import AppTest

from demo import pretrained
from demo.receipts import Receipt
from tests.receipts import STATES, visited

pytestmark = pytest.mark.skipif("z2" not in pretrained.available(), reason="demo/assets/z2 has not been exported yet")

# What is not a result: pattern of it, reason. Taken out of a page's text before its numbers are read.
NO_RESULT = (
    (r"\\textcolor\{#\w+\}|\\\\\[[\d.]+em\]", "a colour or a distance, in LaTeX"),
    (r"\\[td]?frac1[A-Z]|\\tfrac12|\\tfrac\{1\}\{K\}|\\frac\{1\}\{Z\}|1/K", "a fraction of a formula"),
    (r"(?<=[a-zA-Z|)}])\^(?:\{2\}|2(?!\d))", "a square"),
    (r"_\{\w+=1\}|(?<=\\sigma_j) +- 1 |(?<=\d) - 1 - (?=\()|Z_(?=\{)", "an index or a 1 of a formula"),
    (r"l_i/2|log 2\b|never below 0", "a constant of a formula"),
    (r"f\(x\) = \\exp.*", "the definition of f, not a result"),
    (r"\[0,1\]\^\{784\}|28 × 28( = 784)?|784 (images|pixels)", "the pixels of a digit"),
    (r"[Ff]our pixels.*?(?=\Z)", "the four coins in words; their numbers stand in the formula below"),
    (r"\b\d+ (images|σ)|[123]σ", "how many there are by definition"),
    (r"(each|pixels?) 0 or 1|storage takes 1|\{=\}1|integrate to 1|makes the volume 1|sum stays 1", "0 and 1"),
    (r"thin 1\b|curly 8\b|(?<=\d for )\d\b", "names of digits"),
    (r"17 April 2025|Duvenaud 2018|[Ee]quations? \d+( to \d+)?", "a date or a number in the article"),
    (r"##### \d+|\((?:7|8|9|10|11|12|13)\)", "the number of an equation"),
    (r"log \(1/K\)|at \$K = 1\$|\$z_\{\d+\}\$", "a formula in words"),
    (r"contrast 0\b|at 4 a few|Even n = 2|should be 1\b|K = 1\b(?= the line)", "an advice of what to try"),
    (r"holds 80 %|with 5 % of q|until it moves less than 0\.001|on 24 panels|as for 3", "how a figure is made"),
    (r"grey_i / 255|with seed 0", "how digits were binarised"),
    (r"\d+ (latent )?dimensions|\bz\d+\b", "the dimension of a model, or its name"),
    (r"\bpixels [01]{4}\b|, \d+\Z|N\}?\(0, I\)", "the name of a picture, or of the prior"),
    (r"201² = 40401", "arithmetic within the sentence"),
    (r"<extra></extra>|%\{[^}]*\}|± 2\.5 nats|K = (?=<br>)", "what a figure says under the pointer"),
    (r"\d+ points of the prior", "how many the visitor asked for"),
)
IN_THE_BROWSER = ("home", "interpolate", "explore")  # what these show is drawn there
IN_A_FIGURE = ("KL to the prior, dimension",)  # a bar each, named by the one that is worked out
SUPERSCRIPTS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def said(app: AppTest) -> list[str]:
    """Every text of the page outside its receipts, also what is only read out or shown under the pointer."""
    texts = [str(e.value) for kind in (app.latex, app.caption, app.markdown, app.info) for e in kind]
    for metric in app.metric:
        texts += [metric.label, str(metric.value), metric.help]
    for element in app.get("html"):
        body = re.sub(r'<style.*?</style>|<div class="axis".*?</div>', " ", element.proto.body, flags=re.DOTALL)
        texts += re.findall(r'(?:alt|aria-label)="([^"]*)"', body)
        texts.append(re.sub(r"<[^>]+>", " ", body))
    for chart in app.get("plotly_chart"):
        figure = json.loads(chart.proto.spec)
        texts += [note.get("text", "") for note in figure["layout"].get("annotations", [])]
        for trace in figure["data"]:
            texts += [str(trace.get(part) or "") for part in ("name", "hovertemplate", "texttemplate")]
            texts += map(str, trace["text"]) if isinstance(trace.get("text"), list) else [str(trace.get("text") or "")]
    return [html.unescape(text) for text in texts]


def plain(text: str) -> str:
    """With one spelling of minus signs, thousands and powers of ten: −1,250 → -1250, 1.2 × 10⁻³ → 1.2e-3."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.replace("−", "-").replace("$$", ""))
    text = re.sub(r"(?<=\d) × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda found: "e" + found[1].translate(SUPERSCRIPTS), text)
    return re.sub(r"(?<=\d) ?\\cdot 10\^\{(-?\d+)\}", r"e\1", text)


def numbers(text: str) -> list[str]:
    """The numbers of a text that could be results."""
    text = plain(text)
    for pattern, _ in NO_RESULT:
        text = re.sub(pattern, " ", text)
    return NUMBER.findall(re.sub(r"(?<=[({^=])(?=-?\d)", " ", text))


@cache
def _spelled(value: float, places: str) -> frozenset[str]:
    """The value as a page may write it: with the receipt's places, one fewer or one more."""
    kind, count = places[-1], int(places[1:-1])
    around = [count] if count == 0 else [count - 1, count, count + 1]
    return frozenset(_canonical(f"{value:.{n}{kind}}") for n in around) | ({"0"} if value == 0 else set())


def _canonical(number: str) -> str:
    """-0.00 → 0.00, 1.2e-05 → 1.2e-5."""
    mantissa, *exponent = number.split("e")
    mantissa = mantissa.removeprefix("-") if float(mantissa) == 0 else mantissa
    return "e".join([mantissa, *(str(int(part)) for part in exponent)])


def covers(receipt: Receipt, number: str) -> bool:
    """Whether the number is one of the receipt's values, as it is written, or stands in its inputs."""
    return any(_canonical(number) in value for value in spelled(receipt)) or _canonical(number) in inputs(receipt)


def spelled(receipt: Receipt) -> list[frozenset[str]]:
    """Each of the receipt's values, as a page may write it."""
    if receipt.words:
        return [frozenset(map(_canonical, NUMBER.findall(plain(receipt.words(value))))) for value in receipt.values]
    return [_spelled(value, receipt.places) for value in receipt.values]


def inputs(receipt: Receipt) -> set[str]:
    """The numbers that went in: the visitor's, the model's, and what the formula is given of others."""
    return {_canonical(n) for words in receipt.inputs.values() for n in NUMBER.findall(plain(words))}


def uncovered(app: AppTest, receipts: Sequence[Receipt]) -> list[str]:
    """Numbers of the page that no receipt covers, with the text they stand in."""
    return [
        f"{number} in {text.strip()[:200]!r}"
        for text in said(app)
        for number in numbers(text)
        if not any(covers(receipt, number) for receipt in receipts)
    ]


@pytest.mark.parametrize(("name", "query"), STATES)
def test_every_number_of_a_page_has_a_receipt(name: str, query: dict[str, str]) -> None:
    assert uncovered(*visited(name, query)) == []


def test_the_exceptions_are_all_needed() -> None:
    texts = [plain(text) for name, query in STATES for text in said(visited(name, query)[0])]
    assert [reason for pattern, reason in NO_RESULT if not any(re.search(pattern, text) for text in texts)] == []


def shown(app: AppTest) -> set[str]:
    return {_canonical(number) for text in said(app) for number in numbers(text)}


@pytest.mark.parametrize(("name", "query"), [state for state in STATES if state[0] not in IN_THE_BROWSER])
def test_every_receipt_is_of_a_number_that_is_shown(name: str, query: dict[str, str]) -> None:
    app, receipts = visited(name, query)
    of_page = shown(app)
    missing = [f"{receipt.name}: {value}" for receipt in receipts for value in spelled(receipt) if not value & of_page]
    assert [line for line in missing if not line.startswith(IN_A_FIGURE)] == []


# The test of the test


def test_a_number_without_a_receipt_is_seen() -> None:
    app, receipts = visited("evidence", {"model": "z2", "lens": "identity", "seed": "5"})
    wrong = [replace(receipt, value=receipt.value + 1) for receipt in receipts]
    found = uncovered(app, wrong)
    seen = {line.split(" in ")[0] for line in found}
    for receipt in receipts:
        if receipt.name in ("log p(x)", "ELBO", "gap", "−log₂ p(x)", "BCE of the grey picture"):
            assert spelled(receipt)[0] & seen, receipt.name
    assert len(uncovered(app, [])) > len(found) > 10


def test_numbers_are_read_as_pages_write_them() -> None:
    assert numbers(r"$$ \textcolor{#0e6af1}{A} = \frac{1,250}{3.5} \\[0.5em] -4.25 \cdot 10^{-7} $$") == [
        "1250", "3.5", "-4.25e-7",
    ]  # fmt: skip
    assert numbers("KL above 0.01 nat, −1.0 × 10⁻³, 2 of 32; h = 0.25; 11.3 %") == [
        "0.01", "-1.0e-3", "2", "32", "0.25", "11.3",
    ]  # fmt: skip
    assert numbers(r"e^{-1350.8} \log p(x) &= (-170.38) - (-175.29)") == ["-1350.8", "-170.38", "-175.29"]
