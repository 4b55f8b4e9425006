"""Which page shows each equation of the article, and which tests recompute it. Knows nothing of models or numbers.

`python -m export.readme` writes the table into README.md; tests/test_readme.py holds it to the pages and the tests
that there are.
"""

from __future__ import annotations

from typing import NamedTuple


class Equation(NamedTuple):
    """One line of the article: its number, what it says, the pages that show it, the tests of its numbers."""

    number: int
    says: str
    pages: tuple[str, ...]  # names in demo.pages.PAGES
    tests: tuple[str, ...]  # file::function below tests/


EQUATIONS = (
    Equation(
        1,
        "{xⁿ}, p_θ(x), q_data(x), p(z∣x)",
        ("model", "enemy"),
        ("test_model_page.py::test_equation_3_has_the_manifests_numbers",),
    ),
    Equation(
        2,
        "∫ p(x) dx = 1",
        ("enemy",),
        ("test_toys.py::test_sixteen_images_sum_to_one", "test_enemy_page.py::test_sixteen_tiles_and_their_sum"),
    ),
    Equation(
        3,
        "p_θ(x) ≈ q_data(x)",
        ("model",),
        (
            "test_model_page.py::test_equation_3_has_the_manifests_numbers",
            "test_model_page.py::test_independent_pixels_are_those_of_mnist",
        ),
    ),
    Equation(4, "p(x∈A) = ∫_A p(x) dx", ("enemy",), ("test_enemy_page.py::test_the_formulae_hold_what_scipy_finds",)),
    Equation(5, "p(x∈A) = ∫_A f / ∫ f", ("enemy",), ("test_enemy_page.py::test_the_formulae_hold_what_scipy_finds",)),
    Equation(
        6, "p(x,z) = p(z) p(x∣z)", ("sample",), ("test_pages.py::test_the_three_logarithms_of_a_sample_are_right",)
    ),
    Equation(
        7,
        "p(x) = ∫ p(z) p(x∣z) dz",
        ("evidence", "derivation"),
        (
            "test_evidence_page.py::test_a_coarse_grid_is_what_a_coarse_grid_gives",
            "test_evidence_page.py::test_the_evidence_page_shows_what_brute_force_finds",
        ),
    ),
    Equation(
        8,
        "p(x) = ∫ p(x,z)/q(z∣x) · q(z∣x) dz",
        ("evidence", "derivation"),
        (
            "test_evidence_page.py::test_the_race_is_run_as_said",
            "test_evidence_page.py::test_the_deep_model_shows_bounds",
        ),
    ),
    Equation(
        9,
        "D_KL[q(z∣x) ‖ p(z∣x)]",
        ("evidence", "derivation"),
        (
            "test_evidence_page.py::test_the_evidence_page_shows_what_brute_force_finds",
            "test_evidence_page.py::test_the_map_shows_q_of_the_encoder",
        ),
    ),
    Equation(
        10,
        "p(z∣x) = p(x,z)/p(x)",
        ("evidence", "derivation"),
        ("test_evidence_page.py::test_bayes_rule_divides_by_the_evidence",),
    ),
    Equation(
        11,
        "KL = E_q[log q/p(x,z)] + log p(x)",
        ("derivation",),
        ("test_derivation_page.py::test_the_numbers_are_brute_forces",),
    ),
    Equation(
        12,
        "log p(x) = KL + E_q[log p(x,z)/q]",
        ("evidence", "derivation"),
        (
            "test_evidence_page.py::test_the_evidence_page_shows_what_brute_force_finds",
            "test_derivation_page.py::test_the_numbers_are_brute_forces",
        ),
    ),
    Equation(
        13,
        "log p(x) ≥ E_q[log p(x∣z)] − D_KL[q(z∣x) ‖ p(z)]",
        ("evidence", "derivation"),
        (
            "test_evidence_page.py::test_the_visitors_q_gets_its_bound_and_never_passes_the_evidence",
            "test_evidence_page.py::test_both_gaps_are_those_of_an_optimiser_that_knows_nothing_of_ours",
        ),
    ),
    Equation(
        14,
        "the KL to a normal prior is analytic",
        ("evidence",),
        ("test_evidence_page.py::test_the_divergence_per_dimension",),
    ),
)


def table() -> str:
    """The equations as a Markdown table, one row each."""
    rows = ["| # | the article says | page | recomputed by |", "| --: | --- | --- | --- |"]
    for equation in EQUATIONS:
        tests = "<br>".join(f"`tests/{test}`" for test in equation.tests)
        rows.append(f"| {equation.number} | {equation.says} | {', '.join(equation.pages)} | {tests} |")
    return "\n".join(rows)
