"""Training: a latent plane that unfolds, the curves of the shipped runs, and what more dimensions buy and cost."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from demo import address, cache, figures, layout, ledger, links, pretrained, published, toys
from demo.components.unfolding import unfolding
from demo.figures import Curve
from demo.pretrained import PretrainedVAE
from demo.receipts import Receipt
from demo.receipts import training as training_receipts
from demo.training import Training, Unfolding

NODES = 201  # of the grid whose cost is told, a side
COMPARED = (2, 5, 10)  # dimensions of which others published models
models = layout.models()
state = st.session_state


def open_story() -> Training:
    """The sweep and the plane, or one clear sentence and the end of the page."""
    try:
        return cache.training_story()
    except pretrained.AssetError as error:
        layout.stop(str(error))


story = open_story()
LAST = len(story.unfolding.moments) - 1
FIELDS = (
    address.Field("moment", LAST, address.whole(0, LAST)),
    address.Field("model", models[0], address.one_of(models)),
    ledger.FIELD,
)


def show_unfolding(found: Unfolding) -> None:
    """The scrubber, and what it shows in words."""
    moments = found.moments
    state.moment = unfolding(
        found.sheet,
        columns=found.columns,
        nodes=found.nodes,
        half_width=found.half_width,
        step=[moment.step for moment in moments],
        seen=training_receipts.seen(found),
        log_p_x=[moment.log_p_x for moment in moments],
        elbo=[moment.elbo for moment in moments],
        picked=state.moment,
        key="unfolding",
    )
    last = moments[-1]
    layout.caption(
        "Drag the slider or the curve, or press play. At first every place decodes to the same grey mean of all "
        f"digits; in the end $\\log p(x)$ is {layout.nats(last.log_p_x)} nats and the ELBO {layout.nats(last.gap)} "
        f"below it. Means over {found.images} held-out digits; $\\log p(x)$ is summed over the plane, the ELBO is all "
        f"that training knows of it. The weights of {len(moments)} moments, steps on a logarithmic axis."
    )


def show_curves(vae: PretrainedVAE) -> None:
    """Bound, reconstruction and KL of the shipped run over its epochs, with the numbers of others."""
    epochs = vae.history["epochs"]
    number = np.array([epoch["epoch"] for epoch in epochs])

    def curve(name: str, symbol: str, key: str) -> Curve:
        return Curve(name, symbol, *([epoch[prefix + key] for epoch in epochs] for prefix in ("", "validation_")))

    bounds = [curve("ELBO", "q", "elbo")]
    if training_receipts.has_bound(epochs):
        bounds.append(curve("the run’s own bound", "posterior", "bound"))
    figure = training_receipts.best_figure(vae.manifest)
    own = None
    if figure is not None:
        sign = "=" if figure.exact else "≥"
        own = (figure.value, f"{vae.model_id}, test {vae.noun}s: log p(x) {sign} {layout.nats(figure.value)}")
    others = comparable(vae)
    marks = [(-one.nll, f"log p(x) ≥ {layout.nats(-one.nll)}, published: {one.name}") for one in others]
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**The bound** that training raises")
        layout.chart(figures.curves(number, bounds, marks, own, layout.theme()), key="bounds")
    with right:
        st.markdown("**Its two parts**: reconstruction $-$ KL")
        parts = [curve("reconstruction", "x", "reconstruction")]
        layout.chart(figures.curves(number, parts, [], None, layout.theme(), height=200), key="reconstruction")
        kl = [curve("KL to the prior", "prior", "kl")]
        layout.chart(figures.curves(number, kl, [], None, layout.theme(), height=200), key="kl")
    layout.caption(
        f"Solid: held-out training {vae.noun}s, with averaged weights. Dotted: training {vae.noun}s, with the weights "
        f"of the moment. Curves are lower bounds of $\\log p(x)$; level lines are no ELBO but $\\log p(x)$ of the test "
        f"{vae.noun}s: the published ones estimated from below by importance sampling, ours as its label says."
        + began_elsewhere(vae)
    )
    if figure is not None and others:
        best = others[-1]
        ahead = figure.value + best.nll
        layout.text(
            f"**{vae.model_id}** ends {layout.nats(abs(ahead))} nats {'above' if ahead > 0 else 'below'} the best "
            f"published number for {'two latent dimensions' if vae.latent_dim == 2 else 'one layer of latents'} "
            f"that we know of ({best.name})."
        )
    if not others:
        return
    with st.expander("Where the published numbers stand", type="compact"):
        layout.text(
            "\n".join(
                f"- **{one.name}**, {one.latent_dim} dimensions: log p(x) ≥ {layout.nats(-one.nll)} nats, from "
                f"{one.samples:,} samples a digit. {one.source[0].upper()}{one.source[1:]}."
                for one in others
            )
        )


def comparable(vae: PretrainedVAE) -> Sequence[published.Published]:
    """Numbers of others that may stand beside the model's: all are of MNIST."""
    return published.comparable(vae.latent_dim) if vae.dataset == pretrained.MNIST else ()


def began_elsewhere(vae: PretrainedVAE) -> str:
    """A sentence where the run went on from the weights of another."""
    init = vae.manifest["config"].get("init", "none")
    return "" if init == "none" else f" This run went on from the weights of another, {init}, so its curves begin high."


def show_sweep(found: Training) -> None:
    """The article's thesis: what dimensions buy, and what they make of the integral."""
    points = found.points
    d = np.array([point["latent_dim"] for point in points])
    log_p_x, kl = (np.array([point[name]["value"] for point in points]) for name in ("log_p_x", "kl"))
    exact = np.array([point["log_p_x"]["exact"] for point in points])
    seconds = training_receipts.log10_seconds(points, NODES)
    words = [toys.duration_in_words(value) for value in seconds]
    others = [
        (one.latent_dim, one.nll, f"published: {one.name}") for one in published.PUBLISHED if one.latent_dim in COMPARED
    ]
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**What more dimensions buy**: digits explained better")
        layout.chart(figures.dimensions(d, log_p_x, exact, kl, others, layout.theme()), key="dimensions")
    with right:
        st.markdown(f"**What they cost**: the integral, on a grid of {NODES} nodes an axis")
        layout.chart(figures.cost(d, seconds, words, layout.theme()), key="cost")
    layout.caption(
        "Left: filled marks are exact, by quadrature; open ones by importance sampling, which errs upwards. Crosses: "
        "published models of that size. Lower is better, while the KL, what a code tells about its digit, rises. Means "
        f"over the first {points[0]['log_p_x']['images']:,} test digits. Right: {NODES}$^d$ decodings at a "
        "decoder’s measured rate, one core."
    )
    st.markdown(table(points, words))
    with st.expander("How each was found", type="compact"):
        st.markdown(further(points))
        layout.caption("A latent is in use where its mean varies from digit to digit.")
    taken = [point["cpu_seconds"] for point in points]
    layout.text(
        "Where the integral can be done, the model is poor; where the model is good, it cannot be done. That is why "
        "variational autoencoders are trained on a bound: one draw of $z$ a digit, with forty dimensions as with one. "
        f"All runs have one recipe, and each took {min(taken):.0f} to {max(taken):.0f} seconds of one core."
    )


def drawn(figure: Mapping[str, Any]) -> str:
    """How many draws a digit a bound took, and how many of equal weight they are worth."""
    return f"{figure['samples']} draws, {figure['effective_sample_size']['median']:.0f} effective"


def table(points: Sequence[Mapping[str, Any]], words: Sequence[str]) -> str:
    """One row a run, as Markdown, narrow enough for a phone."""
    rows = ["| $d$ | $\\log p(x)$ | the grid takes | KL |", "| ---: | :--- | :--- | ---: |"]
    for point, time in zip(points, words, strict=True):
        figure = point["log_p_x"]
        sign = "=" if figure["exact"] else "≥"
        value = f"{sign} {layout.nats(figure['value'])} ± {layout.nats(figure['standard_error'])}"
        rows.append(f"| {point['latent_dim']} | {value} | {time} | {layout.nats(point['kl']['value'])} |")
    return "\n".join(rows)


def further(points: Sequence[Mapping[str, Any]]) -> str:
    """How log p(x) of each run was found, and how many of its latents are in use."""
    rows = ["| $d$ | $p(x)$ by | latents in use |", "| ---: | :--- | ---: |"]
    for point in points:
        way = "quadrature" if point["log_p_x"]["exact"] else drawn(point["log_p_x"])
        rows.append(f"| {point['latent_dim']} | {way} | {point['active_units']} |")
    return "\n".join(rows)


with layout.frame(
    "Training",
    "Training turns the knobs of encoder and decoder until the bound stops rising. Nobody says where on the plane a "
    "digit belongs: the order that you see unfold is the model’s own.",
):
    layout.complain(address.restore(FIELDS))
    show_unfolding(story.unfolding)

    st.subheader("How the site’s models were trained", anchor=False)
    st.segmented_control("Model", models, key="model", format_func=layout.model_name, required=True)
    vae = layout.open_model(state.model)
    show_curves(vae)

    st.subheader("More dimensions: better models, no integral", anchor=False)
    show_sweep(story)

    def receipts() -> tuple[Receipt, ...]:
        return training_receipts.receipts(story, vae, comparable(vae), NODES)

    ledger.show(receipts, "training")
    links.show(FIELDS)
