import assert from "node:assert/strict";
import test from "node:test";

import { addressOf, copied } from "../../demo/components/js/link.js";

test("a link is copied where the clipboard takes it", async () => {
  const taken = [];
  assert.equal(await copied("https://a.b/?x=1", { writeText: async (text) => void taken.push(text) }), true);
  assert.deepEqual(taken, ["https://a.b/?x=1"]);
});

test("a clipboard that refuses, or is not there, is said and never thrown", async () => {
  assert.equal(await copied("x", { writeText: () => Promise.reject(new Error("denied")) }), false);
  assert.equal(await copied("x", null), false);
});

test("the address is that of the window", () => {
  assert.equal(addressOf({ location: { href: "http://h/p?q=1" } }), "http://h/p?q=1");
});
