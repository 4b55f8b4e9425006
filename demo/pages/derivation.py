"""Derivation: equations 7 to 13 of the article as one argument, each line computed at the visitor's x and z."""

import inspect
import textwrap

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from demo import address, cache, digits, drawn, layout, ledger, links, pictures
from demo.colours import coloured
from demo.densities import Array, sigmoid
from demo.derivation import DRAWS, TOLERANCE, Step, line_10, residuals
from demo.pretrained import PretrainedVAE
from demo.receipts import derivation as derivation_receipts
from demo.receipts import subject

REACH = 7.0  # of the sliders; codes of test digits lie within
FIELDS = (
    address.Field("x", "sample", address.one_of(("sample", "drawing", "test"))),
    address.SEED,
    address.Field("digit", 0, address.whole(0, 9999)),
    drawn.field(),
    address.Field("at1", None, address.real(-REACH, REACH), "{:.2f}".format),  # None: q's mean, wherever it is
    address.Field("at2", None, address.real(-REACH, REACH), "{:.2f}".format),
    ledger.FIELD,
)
COLOURS = {  # what of a formula has a colour of its own
    "q(z|x)": "q",
    "p(z|x)": "posterior",
    "p(z)": "prior",
}
state = st.session_state


def imagine() -> None:
    state.x, state.seed = "sample", (state.seed + 1) % 1_000_000


def seeded() -> None:
    state.x = "sample"


def moved() -> None:
    state.at1, state.at2 = state.slide1, state.slide2


def back() -> None:
    state.at1 = state.at2 = None


def chosen_x(vae: PretrainedVAE) -> tuple[NDArray[np.uint8], subject.Origin]:
    """The x of the other pages where there is one, else the model's own; and where it comes from."""
    own = digits.unpack(state.bits, vae.pixels) if state.x == "drawing" else None
    if own is not None:
        return own, subject.drawing(state.bits, vae.pixels)
    test_set = cache.test_images(vae.model_id) if state.x == "test" else None
    if test_set is not None:
        return test_set[state.digit], subject.test_digit(state.digit)
    logits = vae.decode(digits.sample_prior(1, vae.latent_dim, state.seed))
    return digits.sample_pixels(logits, state.seed)[0], subject.imagined(state.seed)


def choose_z(loc: Array) -> Array:
    """Two sliders, at q's mean until the visitor moves one."""
    for key, mean, name in (("1", loc[0], "z₁"), ("2", loc[1], "z₂")):
        wanted = state[f"at{key}"]
        state[f"slide{key}"] = float(np.clip(round(float(mean), 2) if wanted is None else wanted, -REACH, REACH))
        st.slider(name, -REACH, REACH, step=0.01, key=f"slide{key}", on_change=moved)
    return np.array([state.slide1, state.slide2])


def paint(latex: str) -> str:
    """The formula with its densities in their colours."""
    palette = layout.palette()
    for symbol, name in COLOURS.items():
        latex = latex.replace(symbol, coloured(symbol, palette[name]))
    return latex.replace(r"\mathbb{E}_q", rf"\mathbb{{E}}_{{{coloured('q', palette['q'])}}}")


def equation(step: Step) -> str:
    """Symbols, numbers, result, their relations under one another."""
    line, relation = step.line, {"=": "=", "≥": r"\ge"}[step.line.relation]
    rows = [rf"&{line.left}", rf"&\;\; {relation} {line.right}"]
    rows += [rf"&\;\; = {step.substituted}"] * bool(step.substituted)
    rows += [rf"&\;\; = \mathbf{{{layout.latex(step.value, 3)}}}\ \text{{nats}}"]
    return r"\begin{aligned} " + paint(r" \\[0.35em] ".join(rows)) + r" \end{aligned}"


def agreement(step: Step, left_over: dict[int, float]) -> str:
    """How the line stands to the one it follows."""
    if step.number not in left_over:
        return ""
    left = left_over[step.number]
    size = layout.small(abs(left))
    if abs(left) > TOLERANCE:
        return f"The rules differ by {size} nat here: $q$ or the posterior is finer than they can follow."
    if step.line.relation == "≥":
        return f"Below the evidence of (7) by the divergence of (9), to {size} nat."
    return f"Equal to ({step.line.after}), to {size} nat, by other nodes."


def sampling(step: Step) -> str:
    """What draws of q make of line 8."""
    value, error, effective = (step.terms.parts[name] for name in ("sampled", "standard_error", "effective"))
    words = (
        f"{DRAWS:,} draws of $q$ estimate {layout.nats(value)} ± {layout.nats(error)} nats, with an "
        f"effective sample size of {effective:,.0f}."
    )
    if abs(value - step.value) > 4 * error:
        words += (
            " The error bar is no help: $q$ hardly ever lands where the posterior is, and nothing in the draws says so."
        )
    return words


def show(step: Step, left_over: dict[int, float]) -> None:
    """The equation, and beside it the reason, how it stands to the line before, and its code."""
    st.markdown(f"##### {step.number} · {step.line.name}")
    formula, words = st.columns(2, gap="small")
    formula.latex(equation(step), width="content")
    with words:
        st.markdown(step.line.why)
        notes = [agreement(step, left_over), sampling(step) if step.number == 8 else ""]
        if any(notes):
            st.caption(" ".join(filter(None, notes)))
        with st.expander("The code that ran", type="compact"):
            sources = (inspect.getsource(function) for function in (step.line.compute, *step.line.code))
            st.code("\n\n".join(map(textwrap.dedent, sources)), language="python")


with layout.frame(
    "From the enemy to the bound",
    "The article goes from an integral nobody can do to a bound anybody can raise in seven lines. Here every line is "
    "computed for one $x$, by code of its own, and must agree with the line it follows.",
):
    layout.complain(address.restore(FIELDS))
    model_id = layout.planar_model()
    vae = layout.open_model(model_id)
    pictured, chosen = st.columns([2, 3], gap="small")
    with chosen:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.number_input("Seed", 0, 999_999, key="seed", width=150, on_change=seeded)
            st.button("Imagine another x", on_click=imagine)
        x, origin = chosen_x(vae)
        given, at_mean = cache.derivation_at(model_id, x.tobytes())
        z = choose_z(given.loc)
        st.button("Back to q’s mean", on_click=back, disabled=state.at1 is None and state.at2 is None)
    steps = tuple(Step(s.line, line_10(given.at(z))) if s.number == 10 else s for s in at_mean)
    value = {step.number: step.value for step in steps}
    left_over = residuals(steps)
    with pictured, st.container(horizontal=True, gap="medium"):
        for image, alt, words in (
            (x, "The x that is explained", f"x: {origin.words}"),
            (sigmoid(vae.decode(z[None])[0]), "What z decodes to", "z, decoded"),
        ):
            with st.container(width=140):
                st.html(pictures.html_digit(image, alt, layout.theme(), 140, vae.shape))
                st.caption(words)
    with st.container(horizontal=True, gap="large"):
        for label, shown in (
            ("log p(x), nats", layout.nats(value[7])),
            ("bound, nats", layout.nats(value[13])),
            ("gap, nats", layout.nats(value[9])),
            ("largest disagreement, nats", layout.small(max(map(abs, left_over.values())))),
        ):
            st.metric(label, shown, width="content")
    for step in steps:
        show(step, left_over)
    layout.caption(
        "Numbered as the article’s equations are on this site, and in its words: *The Biggest Enemy of Generative "
        "Modeling*, 17 April 2025. It leaves the d*z* out of (8); it stands here. To draw an $x$ or take a test digit, "
        "choose it on the evidence page: it comes along."
    )
    explained = subject.Subject(model_id, origin, x, vae.decode, given.loc, given.log_scale)
    ledger.show(lambda: derivation_receipts.receipts(explained, given, steps, z), "derivation")
    links.show(FIELDS)
