import assert from "node:assert/strict";
import test from "node:test";

import mount, { clicked, enter, leave } from "../../demo/components/js/menu.js";

// A page with Streamlit's folded menu as far as menu.js knows it; `done` lists what happened to it.
function page({ collapsed = "false", menu = true } = {}) {
  const done = [];
  const sidebar = { dataset: { collapsed }, querySelector: () => ({ click: () => done.push("folded") }) };
  const parts = {
    '[data-testid="stSidebar"]': menu ? sidebar : null,
    '[data-testid="stSidebar"] [data-testid="stSidebarNavLink"]': menu ? { focus: () => done.push("first link") } : null,
    '[data-testid="stMain"]': { focus: (options) => done.push(options.preventScroll ? "page" : "page, scrolled") },
  };
  return { done, querySelector: (selector) => parts[selector] };
}

const on = (testid) => ({ target: { closest: (selector) => (selector === `[data-testid="${testid}"]` ? {} : null) } });
const now = (act) => act();

test("a link that is followed folds the menu, and the page has the keyboard", () => {
  const view = page();
  clicked(on("stSidebarNavLink"), view, now);
  assert.deepEqual(view.done, ["folded", "page"]);
});

test("where Streamlit has folded it already it is not unfolded", () => {
  const view = page({ collapsed: "true" });
  leave(view);
  assert.deepEqual(view.done, ["page"]);
});

test("a menu that opens has the keyboard", () => {
  const view = page();
  clicked(on("stExpandSidebarButton"), view, now);
  assert.deepEqual(view.done, ["first link"]);
});

test("other clicks, on text too, and a page without a menu are let be", () => {
  const view = page({ menu: false });
  clicked(on("stBaseButton-primary"), view, now);
  clicked({ target: {} }, view, now);
  assert.deepEqual(view.done, []);
  enter(view);
  leave(view);
  assert.deepEqual(view.done, ["page"]);
});

test("it listens once however often it is drawn, and no more when it is gone", () => {
  const heard = new Set();
  const ownerDocument = {
    addEventListener: (_, listen) => heard.add(listen),
    removeEventListener: (_, listen) => heard.delete(listen),
  };
  const parentElement = { ownerDocument };
  mount({ parentElement });
  const close = mount({ parentElement });
  assert.equal(heard.size, 1);
  close();
  assert.equal(heard.size, 0);
  mount({ parentElement });
  assert.equal(heard.size, 1);
});
