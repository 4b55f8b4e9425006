"""Receipts of the model page: every figure of the manifest, from the scores and codes that are shipped. Knows no page.

Where MNIST's pixels lie on this machine some digits are scored anew; elsewhere those figures say what they lack.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from demo import mnist
from demo.receipts import MissingError, Receipt, Second, Sheet, again, fitted, near
from demo.receipts.again import Array
from demo.receipts.sampling import other_weights, standard_error
from demo.receipts.subject import Subject, test_digit

ROUNDING = 1e-4  # nats: scores and codes are kept in float32
TOLERANCE = 1e-3  # nats between two rules of quadrature
_MEAN = r"\frac1N \sum_{n=1}^N s_n \pm \frac{\mathrm{sd}(s)}{\sqrt N}"
_JUDGE = "It needs the judge, a network of torch that is not part of this site: python -m vae.judge trains it anew."
OFFLINE = "Judged anew offline, where the models are trained."
_MNIST = "MNIST"  # as a manifest names it; of other data the site has no pixels
_TITLES = {
    "log_p_x": ("log p(x)", r"\log p(x^n)"),
    "importance_weighted": ("importance-weighted bound", r"\log \frac1K \sum_k p(x^n, z_k) / q(z_k|x^n)"),
    "elbo": ("ELBO", r"\mathbb{E}_q[\log p(x^n|z)] - D_{KL}[q(z|x^n) \,\|\, p(z)]"),
    "reconstruction": ("reconstruction", r"\mathbb{E}_q[\log p(x^n|z)]"),
    "kl": ("KL from q to the prior", r"D_{KL}[q(z|x^n) \,\|\, p(z)]"),
    "gap": ("gap", r"D_{KL}[q(z|x^n) \,\|\, p(z|x^n)]"),
    "independent_pixels": ("independent pixels", r"\textstyle\sum_i \log m_i^{x_i} (1 - m_i)^{1 - x_i}"),
}


class Model(Protocol):
    """What is asked of a model: its manifest, what it says of the test digits, its networks and its training."""

    @property
    def model_id(self) -> str: ...
    @property
    def manifest(self) -> Mapping[str, Any]: ...
    @property
    def codes(self) -> Any: ...
    @property
    def scores(self) -> Any: ...
    @property
    def history(self) -> Mapping[str, Any]: ...
    def encode(self, x: Any) -> tuple[NDArray, NDArray]: ...
    def decode(self, z: Any) -> NDArray: ...


@dataclass(frozen=True)
class _Figure:
    """One row of the card: Python of its 10,000 values, how each is found again, and that again."""

    code: str
    second_method: str
    again: Callable[[], Second]


def receipts(vae: Model, networks: Callable[[], tuple[bytes, ...]], test_set: NDArray | None) -> tuple[Receipt, ...]:
    """Of all figures of the manifest; `networks` reads the ONNX files, `test_set` [10000, 784] may be absent."""
    card = _Card(vae, test_set)
    shown = [name for name in vae.manifest["test"] if name in _TITLES and (card.scored or name == "independent_pixels")]
    return (*map(card.receipt, shown), *_samples(vae), *_counts(vae, networks), *_training(vae))


class _Card:
    """The figures of one model's card."""

    def __init__(self, vae: Model, test_set: NDArray | None) -> None:
        self.vae, self.test_set, self.scored = vae, test_set, vae.scores is not None
        test = vae.manifest["test"]
        self.exact = "log_p_x" in test
        bound = test.get("importance_weighted", {})
        self.refined, self.samples = bound.get("proposal") == "refined", bound.get("samples", 0)

    def receipt(self, name: str) -> Receipt:
        found, (title, formula), row = self.vae.manifest["test"][name], _TITLES[name], self.figure(name)
        inputs = {"model": self.vae.model_id, "N": f"{found['images']:,} test digits"}
        if "samples" in found:
            inputs["draws"] = f"{found['samples']:,} a digit"
            if size := found.get("effective_sample_size", {}).get("median"):
                inputs["draws"] += f", worth {size:.0f} of equal weight on the median digit"
        elif many := re.search(r"by ([\d,]+) draws", found["method"]):
            inputs["draws"] = f"{many[1]} a digit"
        return Sheet(inputs, f'vae = pretrained.load("{self.vae.model_id}")').receipt(
            title,
            rf"\begin{{aligned}} &{_MEAN} \\ &s_n = {formula} \end{{aligned}}",
            f"From the manifest: {found['method']}.",
            found["value"],
            row.code,
            row.second_method,
            row.again,
            rest={"standard error": found["standard_error"]},
        )

    def figure(self, name: str) -> _Figure:
        """How the figure is found again."""
        scores, pair = "s = vae.scores.{}.astype(float)\n", "(s.mean(), s.std(ddof=1) / len(s) ** 0.5)"
        kl = "kl = kl_to_prior_per_dimension(vae.codes.loc, vae.codes.log_scale).sum(axis=1)\n"
        kept = {"elbo": "elbo", "log_p_x" if self.exact else "importance_weighted": "log_p_x"}
        if name in kept:
            words = f"The shipped scores, added up anew{self.some(name)}."
            return _Figure(scores.format(kept[name]) + pair, words, lambda: self.corrected(name, kept[name]))
        match name:
            case "kl":
                words = "∫ q log(q/p) of each shipped code, summed on 401 nodes a dimension."
                return _Figure(f"{kl}s = kl\n{pair}", words, lambda: _mean(self.kl()))
            case "reconstruction":
                words = "The shipped ELBOs, and ∫ q log(q/p) of each shipped code, summed on 401 nodes a dimension."
                code = f"{kl}s = vae.scores.elbo + kl\n{pair}"
                return _Figure(code, words, lambda: _mean(_float(self.vae.scores.elbo) + self.kl()))
            case "gap":
                words = "The differences of the shipped log p(x) and ELBO of every digit; the first used neither."
                code = f"s = vae.scores.log_p_x.astype(float) - vae.scores.elbo\n{pair}"
                both = self.vae.scores
                return _Figure(code, words, lambda: _mean(_float(both.log_p_x) - _float(both.elbo)))
            case "independent_pixels":
                words = "From the share of test digits that ink each pixel, and the spread over them."
                if _dataset(self.vae) == _MNIST:
                    code = _INDEPENDENT.format(held_out=self.held_out) + pair
                    return _Figure(code, words, self.independent_pixels)
                entry = f'vae.manifest["test"]["{name}"]'
                return _Figure(f'({entry}["value"], {entry}["standard_error"])', words, self.independent_pixels)
        entry = f'vae.manifest["test"]["{name}"]'
        many = f"The first 200 test digits with {self.samples:,} other draws each"
        words = f"{many}; their mean and spread, four errors allowed."
        return _Figure(f'({entry}["value"], {entry}["standard_error"])', words, self.few_bounds)

    @property
    def held_out(self) -> int:
        return int(self.vae.manifest["data"]["validation_images"])

    def kl(self) -> Array:
        """By a lattice a dimension, [N]; two hundred codes at a time."""
        codes = self.vae.codes
        starts = range(0, len(codes.loc), 200)
        parts = [(_float(codes.loc[i : i + 200]), np.exp(_float(codes.log_scale[i : i + 200]))) for i in starts]
        d = codes.loc.shape[1]
        return np.concatenate(
            [again.kl_to_prior(loc.ravel(), scale.ravel()).reshape(-1, d).sum(axis=1) for loc, scale in parts]
        )

    def subject(self, number: int) -> Subject:
        """A test digit."""
        if self.test_set is None:
            raise _pixels(self.vae)
        x = self.test_set[number]
        loc, log_scale = (_float(part[0]) for part in self.vae.encode(x[None]))
        return Subject(self.vae.model_id, test_digit(number), x, self.vae.decode, loc, log_scale)

    def few(self, name: str) -> int:
        """How many digits are scored anew while a visitor waits a second or three."""
        if self.exact:
            return 3 if name == "log_p_x" else 20
        return 12 if name == "importance_weighted" and self.refined else 40

    def some(self, name: str) -> str:
        if self.test_set is None:
            return ""
        how = "on even lattices" if self.exact else "from other draws, four errors allowed"
        if name == "importance_weighted" and self.refined:
            how = "through a normal laid over each posterior’s peak, four errors allowed"
        return f", and the first {self.few(name)} digits scored anew {how}: what they are off is added to the mean"

    def corrected(self, name: str, column: str) -> Second:
        """The mean of all scores in a column, corrected by what some are off when they are found anew."""
        scores = _float(getattr(self.vae.scores, column))
        found = _mean(scores)
        if self.test_set is None:
            return found
        anew = self.by_lattices if self.exact else self.by_draws
        off = np.array([anew(name, self.subject(n)) - scores[n] for n in range(self.few(name))])
        tolerance = TOLERANCE if self.exact else 4 * float(off.std(ddof=1)) / len(off) ** 0.5
        return Second(found.value + float(off.mean()), tolerance, found.rest)

    def by_lattices(self, name: str, digit: Subject) -> float:
        if name == "log_p_x":
            return digit.log_p_x()
        return again.mean_by_lattice(lambda z: digit.log_joint(z) - digit.log_q(z), *digit.q)

    def by_draws(self, name: str, digit: Subject) -> float:
        if name != "elbo" and self.refined:
            rng = np.random.default_rng([2, 2026])
            return again.log_mean(fitted.log_weights(digit.decode, digit.x, digit.q, 1000, rng))[0]
        if name == "elbo":  # a mean, which is the same for any number of draws; the bound rises with it
            return float(other_weights(digit, [digit.q], min(500, self.samples)).mean())
        return again.log_mean(other_weights(digit, [digit.q], self.samples))[0]

    def few_bounds(self) -> Second:
        """Mean and standard error of the importance bound from 200 digits; the ELBO's mean is known, so that only what
        the bound is above it need be estimated.
        """
        count, scores = 200, _float(self.vae.scores.elbo)
        bounds = np.array([self.by_draws("importance_weighted", self.subject(n)) for n in range(count)])
        above = bounds - scores[:count]
        error = float(bounds.std(ddof=1)) / len(scores) ** 0.5
        # A standard deviation from 200 digits of heavy tails: to a third.
        return Second(
            float(scores.mean() + above.mean()),
            4 * float(above.std(ddof=1)) / count**0.5,
            (Second(error, error / 3),),
        )

    def independent_pixels(self) -> Second:
        if self.test_set is None:
            raise _pixels(self.vae)
        try:
            images = mnist.load("train")[0]
        except mnist.DataError:
            raise _pixels(self.vae) from None
        train = images[: len(images) - self.held_out].reshape(-1, self.test_set.shape[1])
        odds = (train.sum(axis=0, dtype=np.int64) + 255) / (255.0 * (len(train) + 2))
        logits = np.log(odds) - np.log(1 - odds)
        share = self.test_set.mean(axis=0, dtype=np.float64)
        value = float(share @ np.log(odds) + (1 - share) @ np.log(1 - odds))
        parts = [again.log_bernoulli(x, logits[None])[0] for x in self.test_set]
        return Second(value, ROUNDING, (Second(standard_error(np.array(parts)), ROUNDING),))


def _dataset(vae: Model) -> str:
    return str(vae.manifest["data"].get("dataset", "its data"))


def _pixels(vae: Model) -> MissingError:
    whose = _dataset(vae)
    needed = "MNIST’s pixels" if whose == _MNIST else f"the pixels of {whose}"
    return MissingError(f"It needs {needed}, which are not on this machine.")


_INDEPENDENT = """\
train, x = mnist.load("train")[0], digits.binarised_test_set()
train = train[:-{held_out}].reshape(-1, x.shape[1])
m = (train.sum(axis=0, dtype=np.int64) / 255 + 1) / (len(train) + 2)
s = x @ np.log(m) + (1.0 - x) @ np.log(1 - m)
"""


def _float(values: NDArray) -> Array:
    return np.asarray(values, np.float64)


def _mean(values: Array) -> Second:
    """The mean of the scores [N] and its standard error."""
    total = float(np.sort(values).sum() / len(values))
    return Second(total, ROUNDING, (Second(standard_error(values), ROUNDING),))


def _samples(vae: Model) -> tuple[Receipt, ...]:
    """What a classifier said of draws of the prior, where the manifest has it."""
    found = vae.manifest.get("samples")
    if found is None:
        return ()

    def elsewhere() -> Second:
        raise MissingError(_JUDGE)

    code = f'vae = pretrained.load("{vae.model_id}")\nfound = vae.manifest["samples"]'
    sheet = Sheet({"model": vae.model_id, "draws": f"{found['samples']:,} of the prior"}, code, "", ".1f")
    apart, near_by = found["frechet"], found["nearest_training_digit"]
    return (
        sheet.receipt(
            "Fréchet distance of samples",
            r"\frac{d(\text{samples}, \text{training})}{d(\text{test}, \text{training})},\quad d = |\mu - \mu'|^2 + "
            r"\mathrm{tr}\,(\Sigma + \Sigma' - 2 (\Sigma \Sigma')^{1/2})",
            "Means and covariances of a classifier’s last features, of samples and of as many digits.",
            apart["ratio"],
            '(found["frechet"]["ratio"], 100 * found["judge_accuracy"])',
            OFFLINE,
            elsewhere,
            rest={"test digits that the classifier reads, %": 100 * found["judge_accuracy"]},
        ),
        sheet.given(places=".0f").receipt(
            "classes of samples",
            r"n_c",
            "How many of the draws the classifier takes for each digit, 0 to 9.",
            found["classes"][0],
            'found["classes"]',
            OFFLINE,
            elsewhere,
            rest={f"taken for {c}": count for c, count in enumerate(found["classes"]) if c},
        ),
        sheet.given(places=".2f").receipt(
            "nearest training digit",
            r"\min_m \lVert p - x^m \rVert_2",
            "Median and least over 2,000 samples of the distance to the nearest of 60,000 digits, grey from 0 to 1.",
            near_by["samples"]["median"],
            '[found["nearest_training_digit"][of][what] for of in ("samples", "test") for what in ("median", "least")]',
            OFFLINE,
            elsewhere,
            rest={
                "the least": near_by["samples"]["least"],
                "of test digits, median": near_by["test"]["median"],
                "of test digits, the least": near_by["test"]["least"],
            },
        ),
    )


def _counts(vae: Model, networks: Callable[[], tuple[bytes, ...]]) -> tuple[Receipt, ...]:
    """Numbers learnt, and digits learnt from."""
    data = vae.manifest["data"]
    sheet = Sheet({"model": vae.model_id}, f'vae = pretrained.load("{vae.model_id}")', "", ".0f")
    parts = " + ".join(f"{name} {count:,}" for name, count in vae.manifest["parameters"].items())
    kinds, whose = ("training", "validation", "test"), _dataset(vae)
    counted = "60,000" if whose == _MNIST else f"All of {whose}’s images"

    def split() -> Second:
        """60,000 and 10,000 are MNIST's own; the last of the former are held out."""
        if whose != _MNIST:
            raise _pixels(vae)
        held_out = Second(vae.history["config"]["validation_images"], 0)
        return Second(60_000 - held_out.value, 0, (held_out, Second(len(vae.codes.label), 0)))

    return (
        sheet.given({"networks": parts}).receipt(
            "numbers in θ",
            r"|\theta|",
            "The parameters of encoder and decoder, as the manifest counts them.",
            sum(vae.manifest["parameters"].values()),
            'sum(vae.manifest["parameters"].values())',
            "The shapes of all tensors in the two ONNX files, read from their bytes.",
            near(lambda: float(sum(map(again.count_weights, networks()))), 0),
        ),
        sheet.receipt(
            "digits learnt from",
            r"N",
            f"{whose}’s training images without the last ones, which validate; and its test images.",
            data["training_images"],
            f'[vae.manifest["data"][f"{{kind}}_images"] for kind in {kinds}]',
            f"{counted} less those that the training’s own record held out; and the codes that are shipped, counted.",
            split,
            rest={"held out": data["validation_images"], "test digits": data["test_images"]},
        ),
    )


def _training(vae: Model) -> tuple[Receipt, ...]:
    """The epoch that was kept, and its bound."""
    training, epochs = vae.manifest["training"], vae.history["epochs"]
    sheet = Sheet(
        {"model": vae.model_id}, f'vae = pretrained.load("{vae.model_id}")\ntraining = vae.manifest["training"]'
    )

    # What a run was to raise: the ELBO, or where its manifest says so a bound above it.
    of_manifest, of_epoch = ("best_validation_bound", "validation_bound")
    if of_manifest not in training:
        of_manifest, of_epoch = ("best_validation_elbo", "validation_elbo")

    price = vae.history["config"].get("likeness", 0)

    def best() -> Mapping[str, float]:
        found: Mapping[str, float] = max(epochs, key=lambda e: e[of_epoch] - price * e.get("validation_likeness", 0))
        return found

    return (
        sheet.given(unit="", places=".0f").receipt(
            "best epoch",
            r"\arg\max_e \mathcal{L}_e",
            "The epoch of the best bound on held-out digits, and how many there were.",
            training["best_epoch"],
            '(training["best_epoch"], training["epochs"])',
            "The highest of all in history.json, which keeps every epoch’s.",
            lambda: Second(best()["epoch"], 0, (Second(len(epochs), 0),)),
            rest={"epochs": training["epochs"]},
        ),
        sheet.receipt(
            "bound of the best epoch",
            r"\max_e \mathcal{L}_e",
            "The mean over the held-out digits, one draw of z each.",
            training[of_manifest],
            f'training["{of_manifest}"]',
            "The highest of all in history.json.",
            near(lambda: best()[of_epoch], 1e-9),
        ),
    )
