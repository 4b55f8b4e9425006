"""What the explorer believes of what a browser sends, and what its tables keep of the codes."""

from __future__ import annotations

import base64
import json
import struct

import numpy as np
import pytest
from numpy.typing import NDArray

from demo import digits, pretrained
from demo.components.crate import crated
from demo.components.explorer import Shown, in_box, shown
from demo.components.tables import pack_tables
from tests.test_components import JS, node

PIN = digits.pack(np.arange(784) % 5 == 0)


def test_z_is_clipped_and_a_pin_kept() -> None:
    assert shown([0.5, -7]) == Shown(0.5, -3.0, "")
    assert shown([1, 2, ""]) == Shown(1.0, 2.0, "")
    assert shown([1, 2, PIN]) == Shown(1.0, 2.0, PIN)


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "ab",
        {"0": 1, "1": 2},
        [1],
        [1, 2, PIN, 4],
        [1, float("nan")],
        [True, 0],
        [1, 2, None],
        [1, 2, 7],
        [1, 2, [PIN]],
        [1, 2, PIN[:-1]],
        [1, 2, PIN + "A"],
        [1, 2, "+" + PIN[1:]],
        [1, 2, "é" * 131],
        [1, 2, "A" * 10_000_000],
    ],
    ids=lambda sent: repr(sent)[:30],
)
def test_anything_else_is_refused(sent: object) -> None:
    with pytest.raises(ValueError, match=r"must be two|two numbers|131 characters|could not"):
        shown(sent)


def arrays_of(blob: bytes) -> dict[str, NDArray]:
    """The arrays of a file of tables, each times its unit, read as the header says."""
    length = struct.unpack("<I", blob[:4])[0]
    found = {}
    for row in json.loads(blob[4 : 4 + length])["arrays"]:
        stored = np.frombuffer(blob, row["dtype"], int(np.prod(row["shape"])), 4 + length + row["offset"])
        found[row["name"]] = stored.reshape(row["shape"]) * row["unit"]
    return found


def test_codes_travel_class_after_class_with_the_decimals_of_a_link() -> None:
    rng = np.random.default_rng(3)
    loc, label = rng.uniform(-3.5, 3.5, (300, 2)), rng.permutation(np.arange(300) % 9)
    sent = arrays_of(pack_tables(None, {"loc": loc, "label": label})[1])
    inside = (np.abs(loc) <= 3).all(axis=1)
    assert sent["count"].tolist() == [int((label[inside] == digit).sum()) for digit in range(10)]
    expected = [code for digit in range(10) for code in loc[inside & (label == digit)]]
    assert np.array_equal(np.round(sent["loc"], 4), np.round(expected, 4))


def test_what_travels_of_the_shipped_model_is_off_by_less_than_is_shown() -> None:
    """Codes by less than half a dot where the plane is widest and nearest, logarithms by half a hundredth of a nat."""
    vae = next(vae for vae in map(pretrained.load, pretrained.available()) if vae.latent_dim == 2)
    assert vae.extras is not None
    sent = arrays_of(pack_tables(vae.extras, vae.codes._asdict())[1])
    wide, closest = 620, 20  # pixels of the plane on the widest page, times it can be enlarged
    loc = vae.codes.loc[(np.abs(vae.codes.loc) <= 3).all(axis=1)]
    off = np.abs(np.sort(sent["loc"], axis=0) - np.sort(loc, axis=0)).max()
    assert off * wide * closest / 6 < 0.5
    for name in ("log_p_x", "elbo", "kl"):
        assert np.abs(sent[name] - vae.extras[name]).max() <= 0.005 + 1e-9


def test_files_come_out_of_their_crates_as_they_went_in() -> None:
    rng = np.random.default_rng(0)
    halves = rng.normal(0, 0.05, 20_000).astype("<f2").tobytes()
    blobs = [b"", b"ab", bytes(range(256)) * 4, halves]
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ uncrate }} from "{(JS / "crate.js").as_uri()}";
        const crates = JSON.parse(readFileSync(0, "utf8"));
        const files = await Promise.all(crates.map((crate) => uncrate(new Uint8Array(Buffer.from(crate, "base64")))));
        console.log(JSON.stringify(files.map((file) => Buffer.from(file).toString("base64"))));
    """
    crates = [base64.b64encode(crated(blob)).decode() for blob in blobs]
    out = node("--input-type=module", "--eval", script, stdin=json.dumps(crates))
    assert [base64.b64decode(file) for file in json.loads(out)] == blobs
    assert len(crated(halves)) < 0.92 * len(halves), "half precision becomes smaller"
    with pytest.raises(ValueError, match="no halves"):
        crated(b"abc")


@pytest.mark.parametrize("z", [[10**400, -0.5], [5.0, -0.5], [3.0, -0.5]])
def test_a_place_beyond_the_plane_is_its_edge_however_large(z: list[float]) -> None:
    assert in_box(z) == (3.0, -0.5)


@pytest.mark.parametrize("z", [[float("nan"), 0], [float("inf"), 0], [True, 0], ["0", 0], [0], None, [[0], 0]])
def test_what_is_no_place_is_refused(z: object) -> None:
    with pytest.raises(ValueError, match="two"):
        in_box(z)
