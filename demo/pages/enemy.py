"""The enemy: a region, its mass before and after dividing by Z, samples that only Z allows, and what Z costs."""

import math

import numpy as np
import streamlit as st

from demo import address, figures, layout, ledger, links, toys
from demo.colours import coloured
from demo.receipts import Receipt
from demo.receipts import enemy as enemy_receipts
from demo.toys import BY_NAME, Region, Toy

EDGE = toys.HALF_WIDTH
SHOWN_SAMPLES = 2000
COSTED = (*toys.RATED, 10, toys.IMAGE_DIMENSION)  # dimensions, a row each
CONTRAST_LOGITS = np.array([1.1, -0.6, -0.9, 0.4])


def read_interval(text: str) -> tuple[float, float]:
    """Reads “low..high”, two numbers of the box in this order."""
    low, separator, high = text.partition("..")
    try:
        if not separator:
            raise ValueError
        ends = address.real(-EDGE, EDGE)(low), address.real(-EDGE, EDGE)(high)
        if ends[0] > ends[1]:
            raise ValueError
    except ValueError:
        raise ValueError(f"two numbers from −{EDGE:g} to {EDGE:g}, as −1.0..2.5 with a plain minus") from None
    return round(ends[0], 2), round(ends[1], 2)


def write_interval(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.2f}..{ends[1]:.2f}"


FIELDS = (
    address.Field("toy", "net2", address.one_of(tuple(BY_NAME))),
    address.Field("a1", (-0.5, 2.5), read_interval, write_interval),
    address.Field("a2", (-2.0, 0.5), read_interval, write_interval),
    address.Field("cells", 40, address.whole(2, 200)),
    address.Field("draws", 2000, address.whole(100, 20_000)),
    address.SEED,
    address.Field("contrast", 1.0, address.real(0, 4), "{:.1f}".format),
    ledger.FIELD,
)
state = st.session_state


def chart_key() -> str:
    """The key of the figure that can be drawn on: a new one for each region, so that a drawn outline does not stay."""
    return f"before {state.toy} {write_interval(state.a1)} {write_interval(state.a2)}"


def drawn_interval(ends: object) -> tuple[float, float]:
    """The box's share of an interval as a browser sends it; ValueError for what is none."""
    if not isinstance(ends, list | tuple) or len(ends) < 2:
        raise ValueError("an interval has two ends")
    if any(isinstance(end, bool) or not isinstance(end, int | float) or end != end for end in ends[:2]):
        raise ValueError("the ends of an interval are numbers")
    low, high = sorted(round(float(min(max(end, -EDGE), EDGE)), 1) for end in ends[:2])
    return low, high


def take_drawn_region() -> None:
    """Takes over the region that the visitor drew on the figure of the run before."""
    axes = {"a1": "x", "a2": "y"} if BY_NAME[state.toy].dimension == 2 else {"a1": "x"}
    try:
        box = state[chart_key()]["selection"]["box"][0]
        drawn = {field: drawn_interval(box[axis]) for field, axis in axes.items()}
    except (KeyError, IndexError, TypeError, ValueError):
        return
    for field, interval in drawn.items():
        state[field] = interval


def amount(value: float) -> str:
    """A number of any size for a formula, with four digits or more."""
    if value == 0:
        return "0"
    if 1e-3 <= value < 1e5:
        return f"{value:.{min(max(3 - math.floor(math.log10(value)), 1), 6)}f}"
    mantissa, exponent = f"{value:.3e}".split("e")
    return rf"{mantissa} \cdot 10^{{{int(exponent)}}}"


def show_before(toy: Toy, region: Region, n: int) -> None:
    """f on its cells, with ∫_A f and Z."""
    theme = layout.theme()
    axes, cells = toys.centres(toy, n), np.exp(toys.log_values(toy, n))
    if toy.dimension == 1:
        x = np.linspace(-EDGE, EDGE, 401)
        f = np.exp(toy.log_density(x[:, None]))
        figure = figures.unnormalised_line(x, f, axes[0], cells, *region[0], theme)
    else:
        figure = figures.unnormalised_plane(axes[0], axes[1], cells.reshape(n, n), toy.box, region, theme)
    st.plotly_chart(figure, key=chart_key(), on_select="rerun", selection_mode="box", config={"displayModeBar": False})
    a = coloured("A", layout.palette()["z"])
    mass, z = (math.exp(log) for log in (toys.log_mass(toy, region, n), toys.log_normaliser(toy, n)))
    st.latex(
        rf"""\begin{{aligned}}
        \int_{{{a}}} f(x)\,dx &= {amount(mass)} \\
        Z = \int f(x)\,dx &= {amount(z)}
        \end{{aligned}}"""
    )


def show_after(toy: Toy, region: Region, n: int) -> None:
    """p and its samples, with p(A) and the share of samples in A."""
    theme = layout.theme()
    log_z, log_mass = toys.log_normaliser(toy, n), toys.log_mass(toy, region, n)
    p = toys.probability(toy, region, n)
    points = toys.sample(toy, n, state.draws, state.seed)
    share = toys.share(points, region, p)
    if toy.dimension == 1:
        x = np.linspace(-EDGE, EDGE, 401)
        density = np.exp(toy.log_density(x[:, None]) - log_z)
        figure = figures.normalised_line(x, density, points[:, 0], *region[0], theme)
    else:
        shown = slice(SHOWN_SAMPLES)
        figure = figures.normalised_plane(points[shown], share.inside[shown], toy.box, region, theme)
    st.plotly_chart(figure, key="after", config={"displayModeBar": False})
    a = coloured("A", layout.palette()["z"])
    st.latex(
        rf"""\begin{{aligned}}
        p(x \in {a}) &= \int_{{{a}}} p(x)\,dx = \frac{{\int_{{{a}}} f(x)\,dx}}{{\int f(x)\,dx}} \\[0.5em]
        &= \frac{{{amount(math.exp(log_mass))}}}{{{amount(math.exp(log_z))}}} = {p:.4f} \\[0.5em]
        \text{{samples in }}{a} &= \frac{{{share.hits}}}{{{state.draws}}}
        = {share.value:.4f} \pm {share.standard_error:.4f}
        \end{{aligned}}"""
    )


def show_convergence(toy: Toy, n: int) -> None:
    """Z_n against n, the error at the visitor's n, and ∫ p dx with the reference in the denominator."""
    table, truth = toys.convergence(toy), toys.reference(toy)
    z_n, z = math.exp(toys.log_normaliser(toy, n)), math.exp(truth.log_value)
    st.plotly_chart(
        figures.convergence(table.n, table.value, n, z_n, z, layout.theme()),
        config={"displayModeBar": False},
        key="convergence",
    )
    st.latex(rf"\int p(x)\,dx \approx \frac{{Z_{{{n}}}}}{{Z}} = \frac{{{amount(z_n)}}}{{{amount(z)}}} = {z_n / z:.6f}")
    layout.caption(
        f"The dashed line is Z by another rule, Gauss–Legendre on 24 panels an axis; halving the panels moves it by "
        f"a relative {layout.small(float(f'{truth.error:.1e}'))}. The ring is your n. Drag n down: a probability "
        "that should be 1 is lost or gained."
    )


def show_cost(n: int) -> None:
    """What n^d evaluations take on this machine, measured for d = 1, 2, 3 and extrapolated."""
    rates = toys.measured_rates()
    rows = ["| $d$ | cells, $n^d$ | $f$ a second | time |", "| ---: | ---: | ---: | :--- |"]
    for d in COSTED:
        rate = rates.get(d, rates[max(rates)])
        shown = f"{rate / 1e6:.1f} million" if d in rates else "as for 3"
        cells = toys.count_in_words(toys.log10_evaluations(n, d))
        time = toys.duration_in_words(toys.log10_seconds(n, d, rate))
        rows.append(f"| {d} | {cells} | {shown} | {time} |")
    st.markdown("\n".join(rows))
    layout.caption(
        f"In $d$ dimensions, $n = {n}$ cells an axis. The rates of $f$ are this server’s own, timed on a random "
        f"network of 16 hidden units. A digit has 28 × 28 = {toys.IMAGE_DIMENSION} pixels; one evaluation there costs "
        "more than in three dimensions, so the last line is a floor. Even n = 2 does not help: try it."
    )


def show_images(contrast: float) -> None:
    """Sixteen images of four pixels with their probabilities, and their sum."""
    model = toys.bernoulli_total(contrast * CONTRAST_LOGITS)
    tiles = []
    for image, p in zip(model.images.astype(int), model.probability, strict=True):
        pixels = "".join(
            f'<div style="aspect-ratio:1;border:1px solid rgba(128,128,128,.4);background:'
            f'{"currentColor" if ink else "transparent"}"></div>'
            for ink in image
        )
        tiles.append(
            f'<div style="width:3.6rem;text-align:center">'
            f'<div role="img" aria-label="pixels {"".join(map(str, image))}" '
            'style="display:grid;grid-template-columns:1fr 1fr;width:2.4rem;margin:0 auto .25rem">'
            f'{pixels}</div><span style="font-variant-numeric:tabular-nums">{p:.4f}</span></div>'
        )
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:.9rem 1.1rem;max-width:37rem">{"".join(tiles)}</div>')
    logits = contrast * CONTRAST_LOGITS
    log_z = float(np.logaddexp(0, logits).sum())
    st.latex(
        r"\sum_x p(x) = \frac{1}{Z} \sum_x e^{\,x^{\top} l}"
        rf" = \frac{{{amount(float(np.exp(model.images @ logits).sum()))}}}{{{amount(math.exp(log_z))}}}"
        rf" = {model.total:.6f}"
    )


def receipts(toy: Toy, region: Region, n: int) -> tuple[Receipt, ...]:
    """Of every number of the page, in its order."""
    return (
        *enemy_receipts.masses(toy, region, n),
        *enemy_receipts.samples(toy, region, n, state.draws, state.seed),
        *enemy_receipts.convergence(toy, n),
        *enemy_receipts.cost(n, COSTED),
        *enemy_receipts.images(state.contrast * CONTRAST_LOGITS),
    )


with layout.frame(
    "The enemy",
    "A neural network gives every point a height $f(x)$, but heights are no probabilities. To say how likely a region "
    "$A$ is, or to draw a sample, they must be divided by $Z = \\int f(x)\\,dx$. That integral is the enemy.",
):
    layout.complain(address.restore(FIELDS))
    take_drawn_region()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.selectbox("Function f", tuple(BY_NAME), key="toy", format_func=lambda name: BY_NAME[name].title, width=230)
        toy = BY_NAME[state.toy]
        st.slider(
            "Region A" if toy.dimension == 1 else "A along x₁",
            -EDGE,
            EDGE,
            step=0.1,
            format="%.1f",
            key="a1",
            width=230,
        )
        if toy.dimension == 2:
            st.slider("A along x₂", -EDGE, EDGE, step=0.1, format="%.1f", key="a2", width=230)
        st.slider("Cells an axis, n", 2, 200, key="cells", width=170)
        with st.popover("More"):
            st.slider("Samples", 100, 20_000, step=100, key="draws")
            st.number_input("Seed", 0, 999_999, key="seed")
    region: Region = (state.a1, state.a2)[: toy.dimension]
    n = state.cells
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Before** · heights $f$, in no unit")
        show_before(toy, region, n)
    with right:
        st.markdown("**After** · divided by $Z$: a density, and samples")
        show_after(toy, region, n)
    layout.caption(
        "Draw a region on the figure of $f$, or use the sliders (arrow keys work). One grid’s cells serve for $Z$, "
        "for $\\int_A f$ and for the samples: a cell is picked by its share of $Z$, then a place in it. No $Z$, no "
        "samples. The ± is one standard error of a share of that many draws."
    )
    nearest = toys.best_normal(toy)
    st.latex(toy.latex)
    layout.text(
        f"In the article’s notation the samples are $\\{{x^n\\}}_{{n=1}}^N$ with $N = {state.draws}$, and the data’s "
        f"own density $q_{{data}}$ is $f/Z$, whose $f$ holds {toy.parameters} numbers. One way out is a model "
        "$p_\\theta$ that is normalised by construction, such as a normal distribution of independent axes. The "
        "nearest one misses by"
    )
    st.latex(
        rf"""\begin{{aligned}}
        p_\theta(x) &\approx q_{{data}}(x) \\
        D_{{KL}}[q_{{data}} \,\|\, p_\theta] &= {nearest.kl:.3f}\ \text{{nats}}
        \end{{aligned}}"""
    )

    st.subheader("A grid finds Z, while dimensions are few", anchor=False)
    show_convergence(toy, n)

    st.subheader("What the same grid costs in more dimensions", anchor=False)
    show_cost(n)

    st.subheader("Where Z is free", anchor=False)
    layout.text(
        "Four pixels, each a coin of its own: 16 images. Because the coins are independent, $Z$ is a product of four "
        "brackets $1 + e^{l_i}$, and needs no sum over images, for 784 pixels no more than for four. A variational "
        "autoencoder’s decoder is built of such coins; its enemy hides elsewhere, in the integral over $z$."
    )
    st.slider("Contrast of the coins’ logits l", 0.0, 4.0, step=0.1, format="%.1f", key="contrast", width=330)
    show_images(state.contrast)
    layout.caption("At contrast 0 all images are equally likely; at 4 a few take nearly all. The sum stays 1.")
    st.caption(
        "Equations 1 to 5 of *The Biggest Enemy of Generative Modeling*. The article’s last one ends its numerator in "
        "“dx A”, a slip of the pen: the region belongs under the integral sign, as it stands here."
    )
    ledger.show(lambda: receipts(toy, region, n), "enemy")
    links.show(FIELDS)
