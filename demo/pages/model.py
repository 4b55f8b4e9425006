"""The model: how near p_θ comes to the data, every figure with its method from the manifest, and what it cannot do."""

from collections.abc import Mapping
from typing import Any

import streamlit as st
from numpy.typing import NDArray

from demo import address, cache, digits, figures, layout, ledger, links, pictures, pretrained
from demo.densities import sigmoid
from demo.pretrained import PretrainedVAE
from demo.receipts import Receipt
from demo.receipts import model as model_receipts

models = layout.models()
SHOWN = 10  # digits in a row
FIELDS = (
    address.Field("model", models[0], address.one_of(models)),
    address.SEED,
    ledger.FIELD,
)
NAMES = {
    "log_p_x": "log p(x)",
    "importance_weighted": "importance-weighted bound",
    "elbo": "ELBO",
    "reconstruction": "reconstruction, E_q[log p(x|z)]",
    "kl": "KL from q to the prior",
    "gap": "gap, KL from q to the posterior",
    "independent_pixels": "independent pixels",
}
state = st.session_state


def again() -> None:
    state.seed = (state.seed + 1) % 1_000_000


def best(test: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """The figure that says most of log p(x): exact where there is one, else the bound; and its relation to it."""
    if "log_p_x" in test:
        return "=", test["log_p_x"]
    return (r"\ge", test["importance_weighted"]) if "importance_weighted" in test else None


def plus_minus(figure: Mapping[str, Any]) -> str:
    return f"{layout.nats(figure['value'])} ± {layout.nats(figure['standard_error'])}"


def show_fit(vae: PretrainedVAE) -> None:
    """Equation 3 with its numbers, and the spread of log p(x) over the test digits."""
    test = vae.manifest.get("test", {})
    found = best(test)
    parameters, data = vae.manifest.get("parameters", {}), vae.manifest.get("data", {})
    if found is None:
        st.info(f"{vae.model_id} was exported without test figures; run python -m vae.evaluate and export it again.")
        return
    relation, figure = found
    lines = [
        r"p_\theta(x) &\approx q_{data}(x)",
        rf"\frac1N \sum_{{n=1}}^{{N}} \log p_\theta(x^n) &{relation} {layout.latex(figure['value'])}\ \text{{nats}}",
    ]
    if "independent_pixels" in test:
        lines.append(
            rf"\text{{independent pixels: }} &\hphantom{{=}}\; "
            rf"{layout.latex(test['independent_pixels']['value'])}\ \text{{nats}}"
        )
    st.latex(r"\begin{aligned} " + r" \\[0.4em] ".join(lines) + r" \end{aligned}")
    layout.caption(
        f"$\\theta$: {sum(parameters.values()):,} numbers, learnt from $N$ = {data.get('training_images', 0):,} "
        f"{vae.noun}s; the mean is over {figure['images']:,} test {vae.noun}s that training never saw. The third line "
        "is the best model without latents, each pixel inked as often as in training."
    )
    alike = [model for name in models if (model := layout.open_model(name)).dataset == vae.dataset]
    scored = {model.model_id: model.scores.log_p_x for model in alike if model.scores is not None}
    if scored and "independent_pixels" in test:
        layout.chart(
            figures.score_histogram(scored, test["independent_pixels"]["value"], layout.theme()), key="histogram"
        )
        layout.caption(
            f"How $\\log p(x)$ is spread over the test {vae.noun}s: exact with two dimensions, a lower bound with "
            f"more. Easy {vae.noun}s{', thin ones,' if vae.kinds == 'digits' else ''} are on the right."
        )


def show_samples(vae: PretrainedVAE) -> None:
    """Draws of p_θ above digits of the data, both binary."""
    logits = vae.decode(digits.sample_prior(SHOWN, vae.latent_dim, state.seed))
    drawn = digits.sample_pixels(logits, state.seed)
    mean = sigmoid(logits)
    test_set = cache.test_images(vae.model_id)
    rows: list[tuple[str, NDArray]] = [("drawn from the model", drawn), ("the same, p(x|z)", mean)]
    if test_set is not None:
        start = state.seed * SHOWN % (len(test_set) - SHOWN)
        rows.append((f"test {vae.noun}s, binarised", test_set[start : start + SHOWN]))
    for words, images in rows:
        st.caption(words)
        st.html(
            pictures.html_digits(
                [(image, f"{words}, {i + 1}", "") for i, image in enumerate(images)], layout.theme(), 72, vae.shape
            )
        )
    if test_set is None:
        folder = "; set MNIST_DIR to their folder to see them beside" if vae.dataset == pretrained.MNIST else ""
        layout.caption(f"The images of {vae.dataset} themselves are not on this machine{folder}.")
    st.button("Draw again", on_click=again, type="primary")


def show_card(vae: PretrainedVAE) -> None:
    """The manifest in words: figures with method and error, data, training, limits, how to reproduce."""
    manifest = vae.manifest
    rows = [f"| figure | nats per {vae.noun} | how |", "| --- | ---: | --- |"]
    for name, figure in manifest.get("test", {}).items():
        samples = f", {figure['samples']:,} samples" if "samples" in figure else ""
        if size := figure.get("effective_sample_size", {}).get("median"):
            samples += f" worth {size:.0f} of equal weight on the median {vae.noun}"
        cells = (NAMES.get(name, name), plus_minus(figure), figure["method"] + samples)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    st.markdown("\n".join(rows))
    data, config = manifest.get("data", {}), manifest.get("config", {})
    many = f"{vae.noun}s"
    layout.text(
        f"**What.** A variational autoencoder: one layer of {vae.latent_dim} latent dimensions $z$ with the prior "
        "$N(0, I)$, an encoder that answers with a normal $q(z|x)$ of independent coordinates, and a decoder under "
        "which each pixel is a coin of its own. No labels, no second layer, no pixel that looks at another.\n\n"
        f"**Data.** {data.get('dataset')}: {data.get('split')}. Binarisation {data.get('binarisation')}, test {many} "
        f"once with seed {data.get('seed')}.\n\n"
        f"**Protocol.** Every figure above is of binary {many}, with all constants, and says how it was found. ± is "
        f"one standard error over the {many}; it does not cover another draw of the binarisation or another training. "
        f"Recipes and epochs were chosen on held-out training {many}, never on test {many}.\n\n"
        f"{trained(vae)}\n\n"
        f"{judged(vae)}"
        f"**Limits.** It knows {layout.by(vae.shape)} binary {many} and nothing else. Averages hide {many} on which "
        "the encoder misses the posterior; a bound by sampling hides how far it is below. A likelihood is no measure "
        "of beauty, nor of what belongs to the data: another kind of image may have a higher one.\n\n"
        "**Licence.** Code and weights: MIT. No pixel of the data is shipped, only what the model makes of them."
    )
    with st.expander("Train it again", type="compact"):
        before = manifest.get("before", [])
        first = (before[0]["config"] if before else config).get("init", "none")
        if first != "none":
            layout.text(
                f"The first run went on from the weights of another, {first}: train that before, as LOG.md tells."
            )
        elif before:
            layout.text("Each run but the first begins with the weights of the one before.")
        runs = [(run["config"], f"RUN{number}") for number, run in enumerate(before, start=1)] + [(config, "RUN")]
        commands = "".join(f"python -m vae.train --out {out} {options(run, i)}\n" for i, (run, out) in enumerate(runs))
        how = manifest.get("test", {}).get("importance_weighted", {})
        scored = f" --proposal {how['proposal']} --samples {how['samples']}" if "proposal" in how else ""
        judge = "python -m vae.judge RUN\n" if "samples" in manifest else ""
        made = ", ".join(f"{name} {version}" for name, version in manifest.get("versions", {}).items())
        st.code(
            f"# exported {manifest['created'][:10]} with {made}\n"
            f"{commands}python -m vae.evaluate RUN{scored}\n{judge}python -m export RUN --as ID",
            wrap_lines=True,
        )


def options(config: Mapping[str, Any], before: int) -> str:
    """A config on the command line; `before` runs of the same recipe went ahead of it."""
    told = dict(config)
    if before:
        told["init"] = f"RUN{before}"
    return " ".join(f"--{key.replace('_', '-')} {value}" for key, value in told.items())


def judged(vae: PretrainedVAE) -> str:
    """What a classifier that saw no model says of its samples, where it was asked."""
    found = vae.manifest.get("samples")
    if found is None:
        return ""
    near, classes = found["nearest_training_digit"], found["classes"]
    watched = ""
    if vae.manifest["config"].get("likeness"):
        watched = (
            "Its training also paid for draws of the prior whose features, under two other classifiers, were not those "
            "of digits: the bound alone says nothing of a draw that no posterior reaches. "
        )
    return (
        f"**Samples.** {found['samples']:,} draws of the prior, shown to a classifier that was trained on digits alone "
        f"and reads {found['judge_accuracy']:.1%} of the test digits: the Fréchet distance of its features is "
        f"{found['frechet']['ratio']:.1f} times that of the test digits. It takes "
        f"{', '.join(f'{count:,} for {c}' for c, count in enumerate(classes))}. {watched}"
        f"They are no copies: the nearest training digit is {near['samples']['median']:.2f} away at the median, "
        f"{near['samples']['least']:.2f} at least, and of test digits {near['test']['median']:.2f} and "
        f"{near['test']['least']:.2f}.\n\n"
    )


def trained(vae: PretrainedVAE) -> str:
    """How long it was trained, and by what its weights were picked."""
    data, training = vae.manifest.get("data", {}), vae.manifest.get("training", {})
    bound = training.get("best_validation_bound", training.get("best_validation_elbo", 0))
    return (
        f"**Training.** {training.get('epochs')} epochs; the weights are an average, kept from the epoch that was best "
        f"on {data.get('validation_images', 0):,} held-out training {vae.noun}s "
        f"(number {training.get('best_epoch'):.0f}, bound {layout.nats(bound)})."
    )


def receipts(vae: PretrainedVAE) -> tuple[Receipt, ...]:
    """Of every figure of the manifest."""

    def networks() -> tuple[bytes, ...]:
        files = (pretrained.ENCODER, pretrained.DECODER)
        return tuple((pretrained.ASSETS / vae.model_id / file).read_bytes() for file in files)

    return model_receipts.receipts(vae, networks, cache.test_images(vae.model_id))


with layout.frame(
    "The model",
    "Learning is to bring $p_\\theta$, what the network believes, close to $q_{data}$, where digits come from. Nobody "
    "knows $q_{data}$; what can be measured is how much probability the model gives to digits it has never seen.",
):
    layout.complain(address.restore(FIELDS))
    st.segmented_control("Model", models, key="model", format_func=layout.model_name, required=True)
    vae = layout.open_model(state.model)
    show_fit(vae)
    st.subheader("Samples beside data", anchor=False)
    show_samples(vae)
    st.subheader("Model card", anchor=False)
    show_card(vae)
    ledger.show(lambda: receipts(vae), "model")
    links.show(FIELDS)
