"""A seed gives the same x always, samples follow their probabilities, and a link gives back the drawing or nothing."""

from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats

from demo import mnist
from demo.digits import PIXELS, TEST_SEED, binarised_test_set, mode, pack, sample_pixels, sample_prior, unpack

ALPHABET = string.ascii_letters + string.digits + "-_"


@given(arrays(np.uint8, PIXELS, elements=st.integers(0, 1)))
def test_unpack_undoes_pack(x: np.ndarray) -> None:
    text = pack(x)
    assert len(text) == 131
    assert set(text) <= set(ALPHABET)
    back = unpack(text)
    assert back is not None
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, x)
    assert pack(x.astype(bool)) == pack(x.astype(float)) == text


def test_the_first_pixel_is_the_highest_bit() -> None:
    x = np.zeros(PIXELS, np.uint8)
    x[0] = 1
    assert pack(x) == "g" + "A" * 130


@given(
    st.one_of(st.text(), st.text(min_size=131, max_size=131), st.text(ALPHABET + "+/= ", min_size=131, max_size=131))
)
def test_unpack_never_raises_and_takes_only_what_pack_writes(text: str) -> None:
    x = unpack(text)
    if x is not None:
        assert x.shape == (PIXELS,)
        assert pack(x) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A" * 130,
        "A" * 132,
        "A" * 130 + "=",
        "+" * 131,
        "/" * 131,
        "A" * 130 + "B",
        "é" * 131,
        "A" * 130 + "\n",
        "\0" * 131,
    ],
)
def test_unpack_refuses_what_is_no_drawing(text: str) -> None:
    assert unpack(text) is None


def test_the_same_seed_gives_the_same_samples_and_fewer_are_the_first() -> None:
    many, logits = sample_prior(20, 3, seed=5), np.random.default_rng(0).normal(size=(20, PIXELS))
    np.testing.assert_array_equal(many, sample_prior(20, 3, seed=5))
    np.testing.assert_array_equal(many[:7], sample_prior(7, 3, seed=5))
    assert not np.array_equal(many, sample_prior(20, 3, seed=6))
    pixels = sample_pixels(logits, seed=5)
    np.testing.assert_array_equal(pixels[:7], sample_pixels(logits[:7], seed=5))
    assert not np.array_equal(pixels, sample_pixels(logits, seed=6))


def test_the_two_steps_do_not_share_their_randomness() -> None:
    z = sample_prior(1000, 1, seed=0).ravel()
    x = sample_pixels(np.zeros((1000, 1)), seed=0).ravel()
    assert abs(np.corrcoef(z, x)[0, 1]) < 0.13


def test_prior_samples_are_standard_normal() -> None:
    z = sample_prior(5000, 2, seed=1)
    assert z.shape == (5000, 2)
    assert all(stats.kstest(column, "norm").pvalue > 1e-3 for column in z.T)


def test_pixel_frequencies_are_their_probabilities() -> None:
    logits = np.array([-40.0, -3.0, -1.0, 0.0, 2.0, 40.0])
    x = sample_pixels(np.tile(logits, (20_000, 1)), seed=2)
    assert x.dtype == np.uint8
    assert set(np.unique(x)) == {0, 1}
    p = special.expit(logits)
    assert (np.abs(x.mean(axis=0) - p) <= 4.5 * np.sqrt(p * (1 - p) / 20_000) + 1e-12).all()


def test_mode_is_the_most_probable_image() -> None:
    logits = np.array([[-1.0, 1e-9, 0.0], [3.0, -0.0, -1e-9]], np.float32)
    assert mode(logits).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert mode(logits).dtype == np.uint8


def test_the_binarised_test_set_is_one_for_ever(mnist_test: tuple[np.ndarray, np.ndarray]) -> None:
    x = binarised_test_set()
    assert x.shape == (10_000, PIXELS)
    assert set(np.unique(x)) == {0, 1}
    np.testing.assert_array_equal(x, mnist.binarise(mnist_test[0], np.random.default_rng(TEST_SEED)))
    assert x.mean() == pytest.approx(mnist_test[0].mean() / 255, abs=1e-3)
