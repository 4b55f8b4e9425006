"""A link restores a view, nonsense costs one sentence and nothing else, and choices outlive a change of page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from demo.address import SEED, Field, bits, one_of, real, whole
from tests.site import checked, open_page


def page() -> None:
    import streamlit as st

    from demo import address

    fields = (
        address.Field("seed", 7, address.whole(0, 99)),
        address.Field("t", 0.5, address.real(0, 1)),
        address.Field("route", "straight", address.one_of(("straight", "great circle"))),
    )
    shown = fields if not st.session_state.get("elsewhere") else fields[:1]
    for complaint in address.restore(shown):
        st.warning(complaint)
    st.number_input("seed", 0, 99, key="seed")
    if len(shown) > 1:
        st.slider("t", 0.0, 1.0, key="t")
        st.radio("route", ("straight", "great circle"), key="route")
    address.publish(shown)


def opened(**query: str) -> AppTest:
    app = AppTest.from_function(page, default_timeout=20)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def address_of(app: AppTest) -> dict[str, str]:
    return {k: v[0] if isinstance(v, list) else v for k, v in app.query_params.items()}


def test_without_a_link_the_defaults_are_shown_and_the_address_stays_empty() -> None:
    app = opened()
    assert not app.exception
    assert (app.number_input[0].value, app.slider[0].value, app.radio[0].value) == (7, 0.5, "straight")
    assert address_of(app) == {}


def test_a_link_restores_the_view() -> None:
    app = opened(seed="41", t="0.25", route="great circle")
    assert not app.exception
    assert not app.warning
    assert (app.number_input[0].value, app.slider[0].value, app.radio[0].value) == (41, 0.25, "great circle")
    assert address_of(app) == {"seed": "41", "t": "0.25", "route": "great circle"}


def test_what_the_visitor_sets_stands_in_the_address_unless_it_is_the_default() -> None:
    app = opened(seed="41")
    app.slider[0].set_value(0.75).run()
    assert address_of(app) == {"seed": "41", "t": "0.75"}
    app.number_input[0].set_value(7).run()
    assert address_of(app) == {"t": "0.75"}
    assert app.slider[0].value == 0.75


@pytest.mark.parametrize("text", ["", "x", "100", "-1", "--5", "1e3", "٣", "9" * 400, "<script>*_`[a](b)"])
def test_nonsense_gets_one_sentence_and_the_default(text: str) -> None:
    app = opened(seed=text, t="0.25")
    assert not app.exception
    assert [w.value.count("a whole number from 0 to 99") for w in app.warning] == [1]
    assert len(app.warning[0].value) < 160
    assert not set("<>*`[]") & set(app.warning[0].value)
    assert app.number_input[0].value == 7
    assert app.slider[0].value == 0.25
    assert address_of(app) == {"t": "0.25"}
    app.run()
    assert not app.warning


def test_choices_are_kept_while_another_page_is_shown() -> None:
    app = opened(t="0.25")
    app.radio[0].set_value("great circle").run()
    app.session_state["elsewhere"] = True
    app.run()
    assert not app.slider
    assert address_of(app) == {}
    app.session_state["elsewhere"] = False
    app.run()
    assert not app.exception
    assert (app.slider[0].value, app.radio[0].value) == (0.25, "great circle")


@given(st.text())
def test_readers_give_a_value_in_range_or_a_value_error(text: str) -> None:
    for read, fits in (
        (whole(-3, 40), lambda v: isinstance(v, int) and -3 <= v <= 40),
        (real(-1, 2), lambda v: -1 <= v <= 2),
        (one_of(("a", "b")), lambda v: v in ("a", "b")),
        (bits([784, 30]), lambda v: v == ""),
    ):
        try:
            value = read(text)
        except ValueError as error:
            said = str(error)
        else:
            said = ""
            assert fits(value)
        assert "invalid literal" not in said


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "3", "-1.5", "1e999", "0x1"])
def test_real_refuses_what_is_no_number_in_range(text: str) -> None:
    with pytest.raises(ValueError, match="a number from -1 to 2"):
        real(-1, 2)(text)


def test_read_undoes_write() -> None:
    for field, values in (
        (Field("n", 0, whole(-5, 5)), range(-5, 6)),
        (Field("t", 0.0, real(-3, 3)), (0.1, 1 / 3, -2.5e-7)),
    ):
        for value in values:
            assert field.read(field.write(value)) == value


def test_a_reset_puts_all_of_the_page_back_and_only_then_is_there_nothing_to_reset() -> None:
    app = open_page("sample", seed="41", count="9")
    assert next(w for w in app.number_input if w.key == "seed").value == 41
    app = checked(app.button(key="reset").click().run())
    assert next(w for w in app.number_input if w.key == "seed").value == SEED.default
    assert address_of(app) == {}
    assert not [button for button in app.button if button.key == "reset"]


def test_the_site_without_a_server_begins_with_the_same_seed() -> None:
    source = Path(__file__).parents[1].joinpath("export/static/host/state.js").read_text(encoding="utf-8")
    assert re.findall(r"^  seed: \[(\d+),", source, re.M) == [str(SEED.default)]
