// The pure parts of the static page: the address bar, the verification of files, the bits of a drawing, the equations.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { register } from "node:module";
import { test } from "node:test";

// In the folder that is written the elements' modules lie in js/, beside host/.
const js = new URL("../../demo/components/js/", import.meta.url).href;
const found = `export const resolve = (name, context, next) => next(name.startsWith("../js/") ? "${js}" + name.slice(6) : name, context);`;
register(`data:text/javascript,${encodeURIComponent(found)}`);
const host = (name) => import(`../../export/static/host/${name}.js`);
const equations = await host("equations");
const { base64, bitsOfLink, linkOfPad, padOfBits } = await host("imagine");
const { verified } = await host("models");
const { BITS, readQuery, writeQuery } = await host("state");

test("a link and what it says are one and the same", () => {
  const drawn = linkOfPad(padOfBits(Uint8Array.from({ length: 784 }, (_, i) => (i * i) % 3 === 1)));
  const link = `?z1=-1.2531&z2=0&pin=${drawn}&model=z32&n=9&shown=draw&seed=7&picked=3&a=drawing&a_n=2&b=prior&b_n=5&via=27&closed=yes&route=great+circle&t=0.317&bits=${drawn}&k=1000&noise=12`;
  const { values, refused } = readQuery(link);
  assert.deepEqual(refused, []);
  assert.equal(values.z1, -1.2531);
  assert.equal(values.route, "great circle");
  assert.deepEqual(readQuery(writeQuery(values)).values, values);
  assert.equal(writeQuery(values), link);
});

test("what is not said is not written, and an empty link is the page's own", () => {
  const { values } = readQuery("");
  assert.equal(writeQuery(values), "");
  assert.equal(writeQuery({ ...values, seed: 2 }), "?seed=2");
});

test("what cannot be meant is refused by name", () => {
  const { values, refused } = readQuery("?z1=9&pin=AB&n=0&seed=1.5&seed2=4&a=eleven&via=11&closed=maybe&bits=AAAA&t=&k=1e3&model=../x&noise=-1&picked=5");
  assert.deepEqual(refused, ["z1", "pin", "model", "n", "seed", "a", "via", "closed", "t", "bits", "k", "noise"]);
  assert.equal(values.seed, readQuery("").values.seed);
  assert.equal(values.picked, 5);
});

test("a drawing's bits survive pad and link, and are those of the Streamlit site", () => {
  for (const x of [Uint8Array.from({ length: 784 }, (_, i) => (i % 7 === 0 ? 1 : 0)), new Uint8Array(784).fill(1)]) {
    const text = linkOfPad(padOfBits(x));
    assert.equal(text.length, 131);
    assert.match(text, BITS);
    assert.deepEqual(bitsOfLink(text), x);
  }
  assert.equal(padOfBits(new Uint8Array(784)), null);
  assert.equal(padOfBits(null), null);
  assert.doesNotMatch("A".repeat(130) + "B", BITS, "padding that is not empty");
});

test("any number of bytes becomes base64", () => {
  const bytes = Uint8Array.from({ length: 78_401 }, (_, i) => (i * 31) & 255);
  assert.equal(base64(bytes), Buffer.from(bytes).toString("base64"));
});

test("a file is used only if it is the listing's", async () => {
  const text = JSON.stringify({ arrays: [{ name: "loc", shape: [2, 2] }] }).padEnd(64);
  const bytes = new Uint8Array(68 + 16);
  new DataView(bytes.buffer).setUint32(0, 64, true);
  bytes.set(new TextEncoder().encode(text), 4);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const entry = { file: "toy.bin", bytes: bytes.length, sha256, shapes: { loc: [2, 2] } };
  assert.equal(await verified(bytes, entry), bytes);
  assert.equal(await verified(bytes, { ...entry, sha256: "?" }, null), bytes, "where there is no digest, on a plain page");
  const damaged = bytes.slice();
  damaged[80] ^= 1;
  await assert.rejects(verified(damaged, entry), /toy.bin is damaged/);
  await assert.rejects(verified(bytes.subarray(1), entry), /83 bytes, not 84/);
  await assert.rejects(verified(bytes, { ...entry, shapes: { loc: [4, 1] } }), /other shapes/);
});

const text = (html) => html.replace(/<p class="caption">.*/s, "").replace(/aria-label="[^"]*"/g, "").replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");

test("the numbers that are put in add up to the result", () => {
  assert.match(text(equations.joint(-3.3437, -102.6329)), /= −3\.344 − 102\.633 = −105\.98 nats/);
  const found = { reconstruction: -88.1234, kl: 5.6789, value: -93.8023, settled: true, order: 20, evaluations: 392 };
  assert.match(text(equations.bound(found)), /= −88\.123 − 5\.679 = −93\.80 nats/);
  const rough = { reconstruction: -88.1234, kl: 25.1, value: -113.2234, standardError: 0.254, samples: 100 };
  assert.match(text(equations.bound(rough)), /= −113\.22 ± 0\.25 nats/);
  const q = { loc: [1.6441, -0.6219], logScale: [Math.log(0.0391), Math.log(0.0102)] };
  assert.match(text(equations.divergence(q, [4.09, 4.28])), /½ \(1\.644² \+ 0\.039² − 1\) − log 0\.039 \+ ½ \(\(−0\.622\)² \+ 0\.010² − 1\) − log 0\.010 = 8\.37 nats/);
  const iw = { value: -111.02, standardError: 0.14, effectiveSampleSize: 32.6, samples: 100 };
  assert.match(text(equations.weighted(iw, -108.679)), /≈ −108\.679 \+ log 9\.6\d\d 100 = −111\.02 ± 0\.14 nats/);
});

test("an equation without numbers is symbols only, and each is spoken", () => {
  for (const html of [equations.proposal(), equations.divergence(), equations.bound(), equations.weighted()]) {
    assert.match(html, /role="math" aria-label="[^"<]+"/);
    assert.doesNotMatch(text(html), /NaN|undefined|nats/);
  }
});

test("doubtful numbers are called doubtful", () => {
  const few = { value: -120, standardError: 0.9, effectiveSampleSize: 1.2, samples: 100 };
  assert.match(equations.weighted(few, -115.5), /neither the value nor its error is to be trusted/);
  const wide = { reconstruction: -140, kl: 1, value: -141, settled: false, moved: 0.0676, evaluations: 3981 };
  assert.match(equations.bound(wide), /has not settled/);
});
