"""The training page says what its files say, the files agree with themselves, and the cost of a grid is arithmetic."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
from decimal import Decimal, getcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import stats
from streamlit.testing.v1 import AppTest

from demo import pretrained, published, training
from demo.receipts.training import seen
from tests.site import decoded, numbers, open_page

STORY = training.load() if (pretrained.ASSETS / training.FOLDER).exists() else None
pytestmark = pytest.mark.skipif(STORY is None, reason="demo/assets/training has not been exported yet")
DIMENSIONS = (1, 2, 3, 5, 10, 20, 40)


@pytest.fixture(scope="module")
def story() -> training.Training:
    return training.load()


@pytest.fixture(scope="module")
def page() -> AppTest:
    return open_page("training", model="z2")


# The sweep's file agrees with itself


def test_the_runs_differ_in_nothing_but_their_dimension(story: training.Training) -> None:
    assert [point["latent_dim"] for point in story.points] == list(DIMENSIONS)
    recipes = [dict(point["config"]) for point in story.points]
    assert [recipe.pop("latent_dim") for recipe in recipes] == list(DIMENSIONS)
    assert all(recipe == recipes[0] for recipe in recipes)
    assert recipes[0]["seed"] == 0
    assert recipes[0]["objective"] == "elbo"


@pytest.mark.parametrize("name", ["log_p_x", "elbo", "kl"])
def test_means_and_errors_are_those_of_the_single_digits(story: training.Training, name: str) -> None:
    for point in story.points:
        values = story.scores[name, point["latent_dim"]].astype(float)
        assert len(values) == point[name]["images"]
        assert point[name]["value"] == pytest.approx(values.mean(), abs=1e-4)
        assert point[name]["standard_error"] == pytest.approx(stats.sem(values), abs=1e-4)


def test_bounds_are_below_and_exact_is_called_exact_where_a_grid_is_affordable(story: training.Training) -> None:
    for point in story.points:
        d = point["latent_dim"]
        log_p_x, elbo, kl = (story.scores[name, d].astype(float) for name in ("log_p_x", "elbo", "kl"))
        assert point["log_p_x"]["exact"] == (d <= 2)
        assert elbo.mean() < log_p_x.mean() < -80, "one layer with this prior and 20 epochs: below 80 would be a bug"
        assert kl.min() > 0
        if d <= 2:  # ELBO from 64 draws, so a digit's may stray above by its noise
            assert (elbo - log_p_x).max() < 4
        else:
            assert point["log_p_x"]["samples"] >= 100
            sizes, told = story.scores["effective_sample_size", d], point["log_p_x"]["effective_sample_size"]
            assert told == {
                "median": pytest.approx(float(np.median(sizes)), rel=1e-5),
                "least": pytest.approx(sizes.min(), rel=1e-5),
            }
            assert 1 <= sizes.min() <= sizes.max() <= point["log_p_x"]["samples"]
        assert point["best_validation_elbo"] == pytest.approx(elbo.mean(), abs=4), "other digits, the same model"


def test_more_dimensions_explain_digits_better_and_codes_tell_more(story: training.Training) -> None:
    """Paired on the same digits, by four standard errors each; beyond ten dimensions little is left to win."""
    for low, high in pairwise(DIMENSIONS[:5]):
        for name in ("log_p_x", "kl"):
            gain = story.scores[name, high].astype(float) - story.scores[name, low]
            assert gain.mean() > 4 * stats.sem(gain), (name, low, high)
    late = story.scores["log_p_x", 40].astype(float) - story.scores["log_p_x", 10]
    assert abs(late.mean()) < 8


def test_latents_in_use_are_counted_from_their_variances(story: training.Training) -> None:
    for point in story.points:
        assert len(point["variances"]) == point["latent_dim"]
        assert point["active_units"] == int(np.greater(point["variances"], story.active_above).sum())
    assert [point["active_units"] for point in story.points[:4]] == [1, 2, 3, 5], "few latents are all in use"


# What the page makes of them

UNITS = {
    "microseconds": "1e-6", "milliseconds": "1e-3", "seconds": "1", "minutes": "60", "hours": "3600", "days": "86400",
    "years": "31557600", "thousand years": "31557600e3", "million years": "31557600e6",
    "thousand million years": "31557600e9", "ages of the universe": "4.3549488e17",
}  # fmt: skip


def amount(words: str) -> Decimal:
    """Seconds that words such as “2.4 × 10²³ ages of the universe” tell."""
    unit = next(unit for unit in sorted(UNITS, key=len, reverse=True) if words.endswith(" " + unit))
    number = words.removesuffix(" " + unit).replace(",", "")
    mantissa, _, power = number.partition(" × 10")
    exponent = int(power.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")) or 0)
    return Decimal(mantissa) * Decimal(10) ** exponent * Decimal(UNITS[unit])


def rows(page: AppTest, head: str = "the grid takes") -> list[list[str]]:
    """A table of the sweep."""
    (table,) = [m.value for m in page.markdown if head in m.value]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_table_has_the_figures_and_the_grids_cost_in_whole_numbers(page: AppTest, story: training.Training) -> None:
    getcontext().prec = 120
    table = rows(page)
    assert len(table) == len(story.points)
    for cells, point in zip(table, story.points, strict=True):
        d = point["latent_dim"]
        assert cells[0] == str(d)
        assert numbers(cells[1]) == [round(point["log_p_x"]["value"], 2), round(point["log_p_x"]["standard_error"], 2)]
        assert cells[1].startswith("= " if d <= 2 else "≥ ")
        assert numbers(cells[3]) == [round(point["kl"]["value"], 2)]
        exact = Decimal(201**d) * Decimal(point["seconds_per_decoding"])
        told = amount(cells[2])
        # One decimal of a mantissa, or a whole number of a unit of which there is at least one.
        assert abs(told / exact - 1) < Decimal("0.5"), (cells[2], exact)
        if told > 1000:
            assert abs(told / exact - 1) < Decimal("0.06"), (cells[2], exact)


def test_how_each_was_found_is_said(page: AppTest, story: training.Training) -> None:
    for cells, point in zip(rows(page, "latents in use"), story.points, strict=True):
        assert cells[0] == str(point["latent_dim"])
        figure = point["log_p_x"]
        if point["latent_dim"] <= 2:
            assert cells[1] == "quadrature"
        else:
            assert cells[1] == f"{figure['samples']} draws, {figure['effective_sample_size']['median']:.0f} effective"
        assert cells[2] == str(point["active_units"])


def specs(page: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in page.get("plotly_chart")]


@pytest.mark.parametrize("model", pretrained.available())
def test_curves_are_those_of_the_history(model: str) -> None:
    epochs = pretrained.load(model).history["epochs"]
    charts = specs(open_page("training", model=model))
    bounds = [("ELBO", "elbo")] + [("the run’s own bound", "bound")] * (len(charts[0]["data"]) == 4)
    wanted = [bounds, [("reconstruction", "reconstruction")], [("KL to the prior", "kl")]]
    for chart, names in zip(charts, wanted, strict=False):
        assert len(chart["data"]) == 2 * len(names)
        for i, (name, key) in enumerate(names):
            for trace, prefix, where in zip(
                chart["data"][2 * i : 2 * i + 2], ("", "validation_"), ("training", "held out"), strict=True
            ):
                assert trace["name"] == f"{name}, {where}"
                assert decoded(trace["x"]).tolist() == [epoch["epoch"] for epoch in epochs]
                assert decoded(trace["y"]).tolist() == [epoch[prefix + key] for epoch in epochs]
    has_own = any(abs(epoch.get("bound", epoch["elbo"]) - epoch["elbo"]) > 1e-3 for epoch in epochs)
    assert (len(bounds) == 2) == has_own


@pytest.mark.parametrize("model", pretrained.available())
def test_levels_stand_where_their_labels_say_and_are_called_log_p(model: str) -> None:
    vae = pretrained.load(model)
    chart = specs(open_page("training", model=model))[0]
    levels = [shape["y0"] for shape in chart["layout"]["shapes"]]
    labels = [note["text"] for note in chart["layout"]["annotations"] if "log p(x)" in note["text"]]
    assert len(levels) == len(labels) == len(published.comparable(vae.latent_dim)) + 1
    for level, label in zip(levels, labels, strict=True):
        assert numbers(label.split("log p(x)")[1]) == [pytest.approx(level, abs=0.0051)]
        assert ("published: " in label) == (label != labels[-1])
        assert "≥" in label or label.startswith(vae.model_id)
    assert len(set(labels)) == len(labels)


def test_the_figures_of_dimensions_have_the_files_numbers(page: AppTest, story: training.Training) -> None:
    left, right = specs(page)[-2:]
    crosses, log_p_x, kl = left["data"]
    assert decoded(log_p_x["y"]).tolist() == [-point["log_p_x"]["value"] for point in story.points]
    assert decoded(kl["y"]).tolist() == [point["kl"]["value"] for point in story.points]
    for trace in (log_p_x, kl):
        assert decoded(trace["x"]).tolist() == list(DIMENSIONS)
    filled = [colour == log_p_x["line"]["color"] for colour in log_p_x["marker"]["color"]]
    assert filled == [point["log_p_x"]["exact"] for point in story.points]
    told = {(one.latent_dim, one.nll) for one in published.PUBLISHED}
    assert set(zip(decoded(crosses["x"]), decoded(crosses["y"]), strict=True)) <= told
    dots = decoded(right["data"][1]["y"])
    wanted = [
        d * np.log10(201) + np.log10(p["seconds_per_decoding"]) for d, p in zip(DIMENSIONS, story.points, strict=True)
    ]
    assert dots == pytest.approx(wanted, abs=1e-9)
    line = right["data"][0]
    for d, y in zip(DIMENSIONS, dots, strict=True):
        assert np.interp(d, decoded(line["x"]), decoded(line["y"])) == pytest.approx(y, abs=0.5)


def test_others_numbers_are_in_order_and_only_the_like_is_compared() -> None:
    assert [one.nll for one in published.comparable(2)] == [135.7, 132.6]
    assert [one.nll for one in published.comparable(32)] == [86.76, 84.78, 81.07]
    assert published.comparable(3) == ()


# The plane that unfolds


def planes(found: training.Unfolding) -> NDArray[np.uint8]:
    """The sheet cut into its planes, [m, side, side], and what is left of it, empty."""
    pixels = np.asarray(Image.open(io.BytesIO(found.sheet)).convert("L"))
    side = found.nodes * 28
    grid = pixels.reshape(-1, side, found.columns, side).transpose(0, 2, 1, 3).reshape(-1, side, side)
    assert not grid[len(found.moments) :].any()
    return grid[: len(found.moments)]


def test_the_plane_begins_as_one_grey_mean_and_ends_as_many_digits(story: training.Training) -> None:
    found = story.unfolding
    cells = planes(found).reshape(len(found.moments), found.nodes, 28, found.nodes, 28).transpose(0, 1, 3, 2, 4)
    digits = cells.reshape(len(found.moments), found.nodes**2, 784).astype(float) / 255
    spread = digits.std(axis=1).mean(axis=1)
    assert spread[0] < 0.05 < 0.12 < spread[-1]
    grey = (np.abs(digits - 0.5) < 0.3).mean(axis=(1, 2))
    assert grey[-1] < grey[12], "ink and paper part"
    assert len(found.sheet) < 1_500_000


def test_the_plane_begins_as_the_mean_of_mnist(
    story: training.Training, mnist_train: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> None:
    mean = mnist_train[0][:-5000].mean(axis=0) / 255
    side = story.unfolding.nodes
    first = planes(story.unfolding)[0].reshape(side, 28, side, 28).transpose(0, 2, 1, 3).reshape(-1, 784) / 255
    assert np.abs(first.mean(axis=0) - mean).mean() < 0.03
    assert np.corrcoef(first.mean(axis=0), mean)[0, 1] > 0.98


def test_moments_rise_and_their_account_holds(story: training.Training) -> None:
    found = story.unfolding
    steps = [moment.step for moment in found.moments]
    per_epoch = -(-found.training_images // found.batch_size)
    (plane,) = [point for point in story.points if point["latent_dim"] == 2]
    assert steps[0] == 0
    assert steps[-1] == per_epoch * plane["config"]["epochs"]
    ratios = np.diff(np.log(steps[1:]))
    assert ratios == pytest.approx(np.full(len(ratios), ratios.mean()), abs=0.05), "evenly in the logarithm"
    assert all(moment.gap > 0 for moment in found.moments)
    for name, values in found.of_digits.items():
        assert values.shape == (len(steps), found.images)
        means = values.astype(float).mean(axis=1)
        assert [getattr(moment, name) for moment in found.moments] == pytest.approx(means, abs=1e-4)
    test_digits = story.scores["log_p_x", 2].astype(float)
    spread = test_digits.std() * np.sqrt(1 / found.images + 1 / len(test_digits))
    assert found.moments[-1].log_p_x == pytest.approx(test_digits.mean(), abs=4 * spread), "the same run, other digits"
    assert found.moments[-1].log_p_x - found.moments[0].log_p_x > 50
    batches = [min(found.batch_size, found.training_images - i * found.batch_size) for i in range(per_epoch)]
    total = np.concatenate([[0], np.cumsum(batches * plane["config"]["epochs"])])
    assert seen(found) == total[steps].tolist(), "the last batch of an epoch is smaller"


def test_the_element_is_given_what_the_file_says(story: training.Training) -> None:
    given = json.loads(
        next(e.proto.json for e in open_page("training").get("bidi_component") if "sheet" in e.proto.json)
    )
    while "sheet" not in given:
        (given,) = given.values() if isinstance(given, dict) else given
    moments = story.unfolding.moments
    assert given["step"] == [moment.step for moment in moments]
    assert given["log_p_x"] == pytest.approx([moment.log_p_x for moment in moments], abs=6e-4)
    assert given["elbo"] == pytest.approx([moment.elbo for moment in moments], abs=6e-4)
    assert base64.b64decode(given["sheet"]) == story.unfolding.sheet


def test_the_caption_has_the_last_moment_and_the_link_the_one_that_is_shown(story: training.Training) -> None:
    page = open_page("training", moment="5")
    assert page.session_state["moment"] == 5
    caption = next(c.value for c in page.caption if "Drag the slider" in c.value)
    last = story.unfolding.moments[-1]
    assert numbers(caption)[:2] == [round(last.log_p_x, 2), round(last.log_p_x - last.elbo, 2)]


# Files that are not what they should be


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(pretrained.ASSETS / training.FOLDER, tmp_path / training.FOLDER)
    return tmp_path


def test_a_whole_copy_is_read(copy: Path) -> None:
    assert len(training.load(copy).points) == len(DIMENSIONS)


@pytest.mark.parametrize("name", [training.SWEEP, training.SCORES, training.SHEET])
@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_what_is_damaged_is_named_in_one_line(copy: Path, name: str, damage: str) -> None:
    path = copy / training.FOLDER / name
    blob = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(blob[:-40] if damage == "cut" else b"x" + blob[1:])
    with pytest.raises(pretrained.AssetError) as told:
        training.load(copy)
    assert name in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_of_another_layout_is_refused(copy: Path) -> None:
    path = copy / training.FOLDER / training.SWEEP
    content = json.loads(path.read_bytes())
    del content["unfolding"]["nodes"]
    path.write_text(json.dumps(content))
    with pytest.raises(pretrained.AssetError, match="not what this site reads"):
        training.load(copy)


def test_the_digests_are_of_the_files(story: training.Training) -> None:
    folder = pretrained.ASSETS / training.FOLDER
    for name, digest in json.loads((folder / training.SWEEP).read_bytes())["sha256"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
