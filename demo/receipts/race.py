"""Receipts of the race of estimators: draws of q, of the prior, and of the posterior's modes. Knows no page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from demo import estimators
from demo.contest import mode_starts
from demo.densities import Array
from demo.estimators import Race
from demo.evidence import Account, Draws
from demo.receipts import Receipt, Second, again, near
from demo.receipts.evidence import ACCOUNT
from demo.receipts.sampling import BY_SHARES, EFFECTIVE, MEAN_W, other_weights, seeded, standard_error
from demo.receipts.subject import Subject


@dataclass(frozen=True)
class _Proposal:
    """What a lane of the race draws from: its name, its even mixture (loc, scale), Python and function of its draws."""

    name: str
    components: Sequence[tuple[Array, Array]]
    code: str
    draw: Callable[[], Draws]


def receipts(
    subject: Subject, lanes: Sequence[Race], k: int, seed: int, exact: Account | None = None
) -> tuple[Receipt, ...]:
    """Mean, standard error and effective sample size of the estimates of K = k draws: of q, of the prior and, where
    there is an account, of the mixture of modes. Each lane's pool is estimators.POOL draws of the same seed.
    """
    d, pool = subject.dimension, estimators.POOL
    single = f"{seeded(seed)}draws = draw(vae.decode, x, *{{}}, estimators.POOL, rng)"
    proposals = [
        _Proposal("from q", [subject.q], single.format("(loc, log_scale)"), lambda: subject.draws(pool, seed)),
        _Proposal(
            "from the prior",
            [(np.zeros(d), np.ones(d))],
            single.format("np.zeros((2, vae.latent_dim))"),
            lambda: subject.draws(pool, seed, from_prior=True),
        ),
    ]
    if exact is not None:
        proposals.append(_refined(subject, exact, seed))
    found = zip(proposals, lanes, strict=True)
    return tuple(receipt for proposal, lane in found for receipt in _lane(subject, proposal, lane, k, seed))


def _refined(subject: Subject, exact: Account, seed: int) -> _Proposal:
    """Normals at q and at each mode of the posterior, widened."""
    modes = estimators.widened([(subject.loc, subject.log_scale), *mode_starts(exact.evidence, n=8)])
    code = (
        f"{ACCOUNT}modes = estimators.widened([(loc, log_scale), *mode_starts(exact.evidence, n=8)])\n"
        f"{seeded(seed)}draws = estimators.draw_mixture(vae.decode, x, modes, estimators.POOL, rng)"
    )

    def draw() -> Draws:
        rng = np.random.default_rng(seed)
        return estimators.draw_mixture(subject.decode, subject.x, modes, estimators.POOL, rng)

    return _Proposal("refined", [(loc, np.exp(log_scale)) for loc, log_scale in modes], code, draw)


def _lane(subject: Subject, proposal: _Proposal, lane: Race, k: int, seed: int) -> tuple[Receipt, ...]:
    at = lane.n_samples.tolist().index(k)
    repeats, error = int(lane.repeats[at]), float(lane.standard_error[at])
    sheet = subject.sheet(
        f"{proposal.code}\nrace = estimators.race(draws, [{k}])",
        {"draws": f"{repeats:,} repeats of {k}, {proposal.name}", "seed": str(seed)},
    )

    def blocks() -> Array:
        return proposal.draw().log_w[: repeats * k].reshape(-1, k)

    def fresh() -> Second:
        other = _log_means(other_weights(subject, proposal.components, repeats * k).reshape(-1, k))
        return Second(float(other.mean()), 4 * float(np.hypot(error, standard_error(other))))

    return (
        sheet.receipt(
            f"mean estimate, {proposal.name}",
            MEAN_W,
            "The mean over all repeats; each is the logarithm of K weights’ mean.",
            float(lane.mean[at]),
            "race.mean[0]",
            "As many other draws; four standard errors are allowed.",
            fresh,
        ),
        sheet.receipt(
            f"standard error, {proposal.name}",
            r"s / \sqrt{\text{repeats}}",
            "The spread of the repeats, divided by the root of their number.",
            error,
            "race.standard_error[0]",
            "The repeats by np.logaddexp, their spread from sums of squares.",
            near(lambda: standard_error(_log_means(blocks())), 1e-6 * (1 + error)),
        ),
        sheet.given(unit="draws", places=".1f").receipt(
            f"draws that count, {proposal.name}",
            EFFECTIVE,
            "The effective sample size, a mean over the repeats.",
            float(lane.effective_sample_size[at]),
            "race.effective_sample_size[0]",
            BY_SHARES,
            near(lambda: float(np.mean([again.effective_sample_size(block) for block in blocks()])), 1e-6 * k),
        ),
    )


def _log_means(blocks: Array) -> Array:
    """log of the mean of each block's weights. [repeats, K] → [repeats]."""
    means: Array = np.logaddexp.reduce(blocks, axis=-1) - np.log(blocks.shape[1])
    return means
