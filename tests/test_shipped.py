"""The shipped models are as good as their manifests say, and as the project set out to make them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from demo import digits, pretrained
from demo.evidence import DecoderTable, account, draw, importance_bound
from demo.pretrained import PretrainedVAE
from demo.receipts import again, fitted

MODELS = {model_id: pretrained.load(model_id) for model_id in pretrained.available()}
PLANAR = [model_id for model_id, vae in MODELS.items() if vae.latent_dim == 2]
DEEPER = [model_id for model_id, vae in MODELS.items() if 16 <= vae.latent_dim <= 64]


@pytest.fixture(scope="module")
def some_digits(mnist_test: tuple[NDArray, NDArray]) -> tuple[NDArray, NDArray]:
    """60 of the 10,000, by chance; and their numbers."""
    chosen = np.random.default_rng(3).choice(10_000, 60, replace=False)
    return digits.binarised_test_set()[chosen], chosen


def test_both_kinds_of_model_are_there() -> None:
    assert PLANAR
    assert DEEPER


@pytest.mark.parametrize("model_id", PLANAR)
def test_the_plane_beats_its_mark(model_id: str) -> None:
    figure = MODELS[model_id].manifest["test"]["log_p_x"]
    assert figure["value"] >= -122.0
    assert figure["images"] == 10_000


@pytest.mark.parametrize("model_id", DEEPER)
def test_the_deeper_model_beats_the_classic(model_id: str) -> None:
    figure = MODELS[model_id].manifest["test"]["importance_weighted"]
    assert figure["value"] >= -82.0
    assert figure["images"] == 10_000


def within_errors(values: NDArray, figure: dict[str, float]) -> bool:
    """Whether a mean over a few images agrees with the manifest's over all, within 4 standard errors."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    return bool(abs(values.mean() - figure["value"]) < 4 * np.hypot(error, figure["standard_error"]))


@pytest.mark.parametrize("model_id", PLANAR)
def test_the_plane_scores_what_its_manifest_says(model_id: str, some_digits: tuple[NDArray, NDArray]) -> None:
    vae, test = MODELS[model_id], MODELS[model_id].manifest["test"]
    table = DecoderTable.build(vae.decode)
    x = some_digits[0]
    loc, log_scale = vae.encode(x)
    exact = [account(table, vae.decode, *row) for row in zip(x, loc, log_scale, strict=True)]
    assert within_errors(np.array([a.log_p_x for a in exact]), test["log_p_x"])
    assert within_errors(np.array([a.elbo.value for a in exact]), test["elbo"])
    assert within_errors(np.array([a.gap for a in exact]), test["gap"])
    assert max(abs(a.residual) for a in exact) < 1e-3
    assert test["log_p_x"]["value"] == pytest.approx(test["elbo"]["value"] + test["gap"]["value"], abs=1e-3)


@pytest.mark.parametrize("model_id", DEEPER)
def test_the_deeper_model_scores_what_its_manifest_says(model_id: str, some_digits: tuple[NDArray, NDArray]) -> None:
    vae, figure = MODELS[model_id], MODELS[model_id].manifest["test"]["importance_weighted"]
    x, chosen = some_digits
    loc, log_scale = vae.encode(x)
    rows = list(zip(x, loc, log_scale, strict=True))
    generators = (np.random.default_rng([0, number]) for number in chosen)
    if figure.get("proposal") == "refined":  # tests/workshop/test_evaluate.py has the same proposal; this is another
        log_w = [fitted.log_weights(vae.decode, r[0], (r[1], np.exp(r[2])), 500, next(generators)) for r in rows]
        values = [again.log_mean(w)[0] for w in log_w]
    else:
        values = [importance_bound(draw(vae.decode, *r, figure["samples"], next(generators))).value for r in rows]
    assert within_errors(np.array(values), figure)


@pytest.mark.parametrize("model_id", DEEPER)
def test_the_deeper_models_samples_look_like_digits(model_id: str) -> None:
    found = MODELS[model_id].manifest["samples"]
    assert found["samples"] == sum(found["classes"]) == 10_000
    assert found["judge_accuracy"] > 0.985
    assert found["frechet"]["ratio"] == pytest.approx(found["frechet"]["samples"] / found["frechet"]["test"])
    assert found["frechet"]["ratio"] <= 8
    assert min(found["classes"]) > 700, "no digit is missing"
    near = found["nearest_training_digit"]
    assert near["samples"]["median"] > near["test"]["median"], "no copies"


@pytest.mark.parametrize("model_id", MODELS)
def test_codes_are_the_encoders(model_id: str, some_digits: tuple[NDArray, NDArray]) -> None:
    vae: PretrainedVAE = MODELS[model_id]
    x, chosen = some_digits
    for found, kept in zip(vae.encode(x), (vae.codes.loc[chosen], vae.codes.log_scale[chosen]), strict=True):
        np.testing.assert_allclose(found, kept, atol=1e-4)


@pytest.mark.parametrize("model_id", PLANAR)
def test_the_atlas_holds_the_account_of_its_digits(model_id: str) -> None:
    vae = MODELS[model_id]
    atlas = vae.extras
    assert atlas is not None
    table = DecoderTable.build(vae.decode)
    axis = atlas["axis"]
    for row, column in np.random.default_rng(0).integers(5, len(axis) - 5, (6, 2)):
        x = digits.mode(vae.decode(np.array([[axis[column], axis[row]]])))
        loc, log_scale = vae.encode(x)
        exact = account(table, vae.decode, x[0], loc[0], log_scale[0])
        shown = [atlas[name][row, column] for name in ("log_p_x", "elbo", "kl")]
        assert shown == pytest.approx([exact.log_p_x, exact.elbo.value, exact.gap], abs=2e-3)
    np.testing.assert_allclose(atlas["log_p_x"], atlas["elbo"] + atlas["kl"], atol=0.02)


@pytest.mark.parametrize("model_id", PLANAR)
def test_no_bound_of_any_test_digit_passes_its_evidence(model_id: str) -> None:
    """ELBO ≤ log p(x) for all 10,000, where log p(x) is exact: a divergence below 0 would betray a missed needle."""
    scores = MODELS[model_id].scores
    assert scores is not None
    assert (scores.log_p_x.astype(float) - scores.elbo).min() > -1e-4
