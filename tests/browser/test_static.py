"""The static build under a real hand: what it loads, what it shows, what a reload and a lost network leave of it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from demo import digits, ends, pretrained
from demo.evidence import elbo, importance_bound
from tests.site import log_bernoulli
from tests.static import compare, drawn, given, made_images, serve

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MODELS = pretrained.available()
COMPUTE = """async ([model, asked]) => {
    const { compute } = await import('/repo/tests/js/parity.js');
    const bytes = async (name) => new Uint8Array(await (await fetch(`/${model}/${name}.bin`)).arrayBuffer());
    return compute({ encoder: await bytes('encoder'), decoder: await bytes('decoder') }, asked);
}"""
COMPUTED = "() => document.querySelector('#draw .equations').getAttribute('aria-busy') === 'false'"


def export_site(folder: Path, dtype: Any = "float16") -> None:
    pytest.importorskip("onnx", reason="needs onnx (pip install -r requirements-dev.txt)")
    from export import site

    site.export_site(folder, dtype=dtype, say=lambda _: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("static") / "out"
    export_site(out)
    return out


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with serve(folder) as address:
        yield address


class Watch:
    """What a page asked for and complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.faults: list[str] = []
        self.asked: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda line: self.faults.append(line.text) if line.type in ("error", "warning") else None)
        page.on("requestfailed", lambda request: self.faults.append(f"failed: {request.url}"))
        page.on("request", lambda request: self.asked.append(request.url.removeprefix(url)))


@contextmanager
def visit(browser: Browser, url: str, query: str = "", **options: Any) -> Iterator[tuple[Page, Watch]]:
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", **options})
    try:
        page = context.new_page()
        watch = Watch(page, url)
        page.goto(f"{url}/{query}")
        page.wait_for_selector(".explorer[data-mosaic=whole]")
        yield page, watch
    finally:
        context.close()


def go_to(page: Page, section: str, ready: str) -> None:
    page.evaluate("id => document.getElementById(id).scrollIntoView({ behavior: 'instant' })", section)
    page.locator(f"#{section} {ready}").first.wait_for()


def walk_through(page: Page) -> None:
    """Scrolls through all sections until each shows its element and its numbers."""
    go_to(page, "sample", "[role=option]")
    go_to(page, "walk", ".player input[type=range]")
    go_to(page, "draw", ".pad canvas")
    page.locator("#draw .rise svg").wait_for()
    page.wait_for_function(COMPUTED)


def numbers(page: Page, section: str, equation: int) -> list[float]:
    """The numbers with a decimal point of one equation, in the order of the text."""
    text = page.locator(f"#{section} .equation").nth(equation).inner_text()
    return [float(found) for found in re.findall(r"-?\d+\.\d+", text.replace("−", "-"))]


def stroke(page: Page) -> None:
    """A seven, drawn with the mouse."""
    page.locator("#draw .pad .clear").click()
    box = page.locator("#draw .pad .sheet canvas").bounding_box()
    assert box is not None
    at = [(0.25, 0.25), (0.72, 0.25), (0.45, 0.85)]
    points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in at]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=12)
    page.mouse.up()
    page.wait_for_function("() => /bits=[\\w-]{131}/.test(location.search)")
    page.wait_for_function(COMPUTED)


@pytest.mark.parametrize(
    ("width", "theme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"), (360, "light")]
)
def test_every_section_opens_without_a_fault(browser: Browser, url: str, width: int, theme: str) -> None:
    phone = width < 600
    options = {
        "viewport": {"width": width, "height": 844},
        "color_scheme": theme,
        "has_touch": phone,
        "is_mobile": phone,
    }
    with visit(browser, url, **options) as (page, watch):
        walk_through(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator(".notice:visible").count() == 0
        assert not re.search(r"NaN|undefined|Infinity", page.locator("body").inner_text())
        paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (paper == "rgb(255, 253, 248)") == (theme == "light")
        assert watch.faults == []
        assert [asked for asked in watch.asked if not asked.startswith("/")] == [], "nobody else is asked"


def test_the_second_model_is_fetched_only_when_asked_for(browser: Browser, url: str) -> None:
    with visit(browser, url) as (page, watch):
        assert not any("encoder" in asked for asked in watch.asked), "the encoder waits for its section"
        walk_through(page)
        page.wait_for_function("() => navigator.serviceWorker.controller")
        assert not any(asked.startswith(f"/{MODELS[1]}/") for asked in watch.asked)
        before = numbers(page, "draw", 2)
        page.locator("#draw").get_by_label(f"{MODELS[1]}:").check(force=True)
        page.wait_for_function(f"() => location.search.includes('model={MODELS[1]}')")
        page.locator("#draw .equation", has_text="terms").wait_for()
        page.wait_for_function(COMPUTED)
        assert numbers(page, "draw", 2) != before
        assert any(asked.startswith(f"/{MODELS[1]}/decoder") for asked in watch.asked)
        assert page.locator("#sample .beside").inner_text().count("from the origin") == 1
        assert watch.faults == []


@pytest.mark.parametrize("model_id", MODELS)
def test_chromium_computes_what_the_site_computes(
    browser: Browser, url: str, model_id: str, record_property: Any
) -> None:
    vae = pretrained.load(model_id)
    asked = given(vae, made_images(vae))
    with visit(browser, url) as (page, _):
        found = page.evaluate(COMPUTE, [model_id, asked])
    assert compare(asked, found, vae, limit=1e-4) < 1e-4
    record_property("ms", {name: float(np.median(times)) for name, times in found["ms"].items()})


def test_the_numbers_of_a_drawing_are_those_of_the_site(browser: Browser, url: str) -> None:
    """End to end: from the mouse to the text on the page, against demo/evidence.py and NumPy's noise."""
    with visit(browser, url, "?noise=5&k=100") as (page, _):
        go_to(page, "draw", ".pad canvas")
        stroke(page)
        vae = pretrained.load(MODELS[0])
        for _ in range(100):  # until what is computed is of the x in the link, not of a stroke half drawn
            x = digits.unpack(re.search(r"bits=([\w-]+)", page.url)[1])  # type: ignore[index]
            assert x is not None
            loc, log_scale = (row[0].astype(np.float64) for row in vae.encode(x[None]))
            shown = [numbers(page, "draw", equation) for equation in range(4)]
            if np.allclose(shown[0][:2], loc, atol=0.0051):
                break
            page.wait_for_timeout(200)
        page.wait_for_function(COMPUTED)
        shown = [numbers(page, "draw", equation) for equation in range(4)]
    noise = np.random.default_rng(5).standard_normal((100, 2))
    expected = elbo(vae.decode, x, loc, log_scale)
    bound = importance_bound(drawn(vae.decode, x, loc, log_scale, noise))
    np.testing.assert_allclose(shown[0], [*loc, *np.exp(log_scale)], atol=0.0051)
    assert shown[1][-1] == pytest.approx(expected.kl, abs=0.0051)
    assert shown[2] == pytest.approx([expected.reconstruction, expected.kl, expected.value], abs=0.0051)
    assert shown[3][-2:] == pytest.approx([bound.value, bound.standard_error], abs=0.0051)


def test_a_reload_restores_what_the_hand_did(browser: Browser, url: str) -> None:
    with visit(browser, url) as (page, _):
        page.locator(".explorer .plane").click(position={"x": 100, "y": 400})
        go_to(page, "sample", "[role=option]")
        page.locator("#sample").get_by_label("Seed").fill("77")
        page.keyboard.press("Enter")
        page.locator("[role=option]").nth(7).click()
        go_to(page, "walk", ".player input[type=range]")
        page.locator("#walk summary").click()
        page.locator("#walk select").nth(1).select_option("4")
        page.locator("#walk").get_by_label("great circle").check(force=True)
        page.locator("#walk .player .strip button").nth(3).click()
        go_to(page, "draw", ".pad canvas")
        page.locator("#draw").get_by_label("10", exact=True).check(force=True)
        stroke(page)
        page.wait_for_timeout(400)

        def seen() -> list[str]:
            places = (".explorer .where", "#sample .equation", ".player dl", "#draw .equations")
            return [page.locator(place).first.inner_text() for place in places]

        before, link = seen(), page.url
        for field in ("z1=", "seed=77", "picked=7", "b=4", "route=great+circle", "t=0.3", "bits=", "k=10"):
            assert field in link
        page.reload()
        walk_through(page)
        assert seen() == before
        assert page.url == link
        assert page.locator("[role=option]").nth(7).get_attribute("aria-selected") == "true"


@pytest.mark.parametrize("section", ["sample", "walk", "draw"])
def test_a_link_to_a_section_leads_there(browser: Browser, url: str, section: str) -> None:
    """Also where the sections above it grow after the page has opened."""
    with visit(browser, url, f"#{section}") as (page, _):
        page.locator(f"#{section} .element-box.mounted").wait_for()
        page.wait_for_timeout(1000)
        top = page.evaluate("id => document.querySelector(`#${id} h2`).getBoundingClientRect().top", section)
        assert 44 <= top <= 180


def test_what_a_link_gets_wrong_is_said(browser: Browser, url: str) -> None:
    with visit(browser, url, "?seed=many&model=z99&picked=2") as (page, watch):
        assert "seed, model could not be read" in page.locator(".notice").inner_text()
        walk_through(page)
        assert page.locator("[role=option]").nth(2).get_attribute("aria-selected") == "true"
        assert watch.faults == []


def test_everything_can_be_done_by_keyboard(browser: Browser, url: str) -> None:
    with visit(browser, url) as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        walk_through(page)
        page.locator("#sample").get_by_label("p(x|z)", exact=True).focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => location.search.includes('shown=draw')")
        page.locator("[role=listbox]").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("() => location.search.includes('picked=1')")
        before = numbers(page, "draw", 2)
        page.locator("#draw .pad .clear").focus()
        page.keyboard.press("Enter")
        page.wait_for_function("() => location.search.includes('bits=blank')")
        assert numbers(page, "draw", 2) == [], "symbols alone while the pad is blank"
        page.locator("#draw .pad .sheet canvas").focus()
        for key in ("Shift+ArrowDown",) * 9 + ("Shift+ArrowRight",) * 4:
            page.keyboard.press(key)
        page.wait_for_function("() => /bits=[\\w-]{131}/.test(location.search)")
        page.wait_for_function(COMPUTED)
        assert numbers(page, "draw", 2) not in ([], before)
        page.locator(".spoken", has_text="ELBO").first.wait_for(state="attached")


def test_a_drawing_can_be_an_end_of_the_walk(browser: Browser, url: str) -> None:
    with visit(browser, url, "?b=drawing") as (page, _):
        walk_through(page)
        route = page.locator(".player .map .route")
        before = route.get_attribute("d")
        stroke(page)
        for _ in range(50):
            if route.get_attribute("d") != before:
                return
            page.wait_for_timeout(100)
        raise AssertionError("the walk still leads to the digit that was on the pad before")


def test_a_pinned_digit_comes_with_the_link_and_goes_into_it(browser: Browser, url: str) -> None:
    """As the Streamlit site has it: the same field, the same line, the numbers of onnxruntime and SciPy."""
    x = np.zeros(784, np.uint8)
    x[300:420:7] = 1
    z = np.array([-1.2531, 0.75])
    with visit(browser, url, f"?z1=-1.2531&z2=0.75&pin={digits.pack(x)}") as (page, watch):
        shown = [
            float(page.locator(f".explorer .{name}-value").inner_text().replace("−", "-"))
            for name in ("joint", "prior", "likelihood")
        ]
        logits = pretrained.load(MODELS[0]).decode(z[None])[0].astype(float)
        log_p_z, log_p_x_given_z = stats.norm.logpdf(z).sum(), log_bernoulli(x, logits)
        assert shown == pytest.approx([log_p_z + log_p_x_given_z, log_p_z, log_p_x_given_z], abs=0.0051)
        page.locator(".explorer .plane").press("p")
        page.wait_for_function("() => !location.search.includes('pin=')")
        page.locator(".explorer .plane").press("p")
        page.wait_for_function("() => /pin=[\\w-]{131}/.test(location.search)")
        assert watch.faults == []


def place(page: Page) -> list[float]:
    """Where on the plane the walk stands."""
    text = page.locator("#walk dd.z").inner_text().replace("−", "-")
    return [float(found) for found in re.findall(r"-?[\d.]+", text)]


def test_a_closed_tour_goes_past_the_digits_on_the_way(browser: Browser, url: str) -> None:
    with visit(browser, url, "?a=7&via=24&b=1&closed=yes&t=0.25") as (page, watch):
        go_to(page, "walk", ".player .strip button:last-child canvas[data-painted]")
        page.locator("#walk .map .route").wait_for(state="attached")
        vae = pretrained.load(MODELS[0])
        assert place(page) == pytest.approx(ends.latent(vae, "2", 0).tolist(), abs=0.0051)
        page.locator("#walk .player .scrub input").press("End")
        page.wait_for_function("() => location.search.includes('t=1')")
        assert place(page) == pytest.approx(ends.latent(vae, "7", 0).tolist(), abs=0.0051)
        page.locator('#walk .tile[aria-label="a draw of the prior, number 3"]').click()
        page.wait_for_function("() => location.search.includes('a=prior') && location.search.includes('a_n=2')")
        assert place(page) == pytest.approx(ends.latent(vae, "prior", 2).tolist(), abs=0.0051)
        assert watch.faults == []


def test_without_a_network_the_page_opens_again(browser: Browser, folder: Path) -> None:
    with serve(folder) as address, visit(browser, address) as (page, _):
        page.wait_for_function("() => navigator.serviceWorker.controller")
        page.locator("footer .state", has_text="without a network").wait_for()
        page.context.set_offline(True)
        page.goto(f"{address}/?seed=9&picked=4")
        page.wait_for_selector(".explorer[data-mosaic=whole]")
        walk_through(page)
        assert numbers(page, "draw", 2)
        page.locator("#draw").get_by_label(f"{MODELS[1]}:").check(force=True)
        page.locator(".notice", has_text="Reload the page to try again").wait_for()


def test_a_new_export_replaces_what_was_kept(browser: Browser, folder: Path, tmp_path: Path) -> None:
    """Same place, other weights (here float32): what is kept is all new, or nothing would fit together."""
    place = tmp_path / "place"
    shutil.copytree(folder, place)
    kept = "footer .state:has-text('without a network')"
    with serve(place) as address, visit(browser, address) as (page, watch):
        page.locator(kept).wait_for()
        export_site(place, "float32")
        page.reload()
        page.locator(kept).wait_for()
        page.wait_for_timeout(300)
        page.context.set_offline(True)
        page.reload()
        walk_through(page)
        assert numbers(page, "draw", 2)
        assert page.locator(".notice:visible").count() == 0
        names = page.evaluate("caches.keys()")
        assert len(names) == 1, names
        assert [fault for fault in watch.faults if "damaged" in fault] == []


@pytest.mark.parametrize("damage", ["a bit", "a shape", "missing"])
def test_a_damaged_file_is_refused_and_named(browser: Browser, folder: Path, tmp_path: Path, damage: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    path = copy / MODELS[0] / "encoder.bin"
    if damage == "a bit":
        blob = bytearray(path.read_bytes())
        blob[-100] ^= 1
        path.write_bytes(blob)
    elif damage == "a shape":
        listing = json.loads((copy / "site.json").read_text())
        listing["models"][0]["files"]["encoder"]["shapes"]["last.bias"] = [5]
        (copy / "site.json").write_text(json.dumps(listing))
    else:
        path.unlink()
    with serve(copy) as address, visit(browser, address) as (page, _):
        page.evaluate("document.getElementById('draw').scrollIntoView()")
        page.locator(".notice", has_text=f"{MODELS[0]}/encoder.bin").wait_for()
        assert numbers(page, "draw", 2) == []


def test_the_same_link_gives_the_same_pixels(browser: Browser, url: str) -> None:
    link = "?seed=5&picked=3&a=7&b=2&t=0.5&z1=1&z2=1"
    digests = []
    for _ in range(2):
        with visit(browser, url, link) as (page, _watch):
            walk_through(page)
            shots = [
                page.locator(place).first.screenshot()
                for place in (".explorer .digit canvas", "#sample .element-box", "#walk .large canvas")
            ]
            digests.append([hashlib.sha256(shot).hexdigest() for shot in shots])
    assert digests[0] == digests[1]
