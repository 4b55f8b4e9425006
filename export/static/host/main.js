// Starts the page: reads the listing and the link, mounts the plane at once and each further section when it comes near.
import { bound } from "./bound.js";
import { Context } from "./context.js";
import { Models } from "./models.js";
import { plane } from "./plane.js";
import { sample } from "./sample.js";
import { State } from "./state.js";
import { walk } from "./walk.js";

const NEAR = "600px"; // below the window's edge, a section is made ready

const HELD_MS = 3000;

// Sections grow while they are made ready: for a while, or until the visitor scrolls, the one that the address names stays put.
function holdPlace() {
  const target = document.getElementById(location.hash.slice(1));
  if (!target) return;
  const watch = new ResizeObserver(() => target.scrollIntoView({ behavior: "instant" }));
  const letGo = () => watch.disconnect();
  watch.observe(document.querySelector("main"));
  setTimeout(letGo, HELD_MS);
  for (const hand of ["wheel", "touchmove", "pointerdown", "keydown"]) addEventListener(hand, letGo, { once: true, passive: true });
}

async function start() {
  const answer = await fetch("site.json");
  if (!answer.ok) throw new Error(`site.json cannot be had: ${answer.status}`);
  const listing = await answer.json();
  const linked = location.search !== "";
  const state = new State(location.search);
  const models = new Models(listing);
  if (state.values.model && !models.ids.includes(state.values.model)) {
    state.values.model = "";
    state.refused.push("model");
  }
  if (state.values.model === models.ids[0]) state.values.model = "";
  const context = new Context(state, models, listing);
  if (state.refused.length) context.say(`This link’s ${state.refused.join(", ")} could not be read; the page shows its own.`);

  const failed = (error) => context.say(`${error.message}. Reload the page to try again.`);
  plane(document.querySelector("#plane"), context, linked).catch(failed);
  const later = { sample, walk, draw: bound };
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      later[target.id](target, context).catch(failed);
    }
  }, { rootMargin: NEAR });
  for (const id of Object.keys(later)) near.observe(document.getElementById(id));
  holdPlace();
  addEventListener("hashchange", holdPlace);
  addEventListener("pagehide", () => state.publish());
  await keep(listing.version);
}

// Lets sw.js keep the page on this device, where the browser allows it (https and localhost), and says so.
async function keep(version) {
  const registration = await navigator.serviceWorker?.register(`sw.js?${version}`).catch(() => null);
  const worker = registration?.installing ?? registration?.waiting ?? registration?.active;
  if (!worker) return;
  const say = () => {
    if (worker.state !== "activated") return;
    document.querySelector("footer .state").textContent = "Kept on this device: the page opens again without a network.";
  };
  worker.addEventListener("statechange", say);
  say();
}

start().catch((error) => {
  const notice = document.querySelector(".notice");
  notice.textContent = `${error.message}. Reload the page to try again.`;
  notice.hidden = false;
});
