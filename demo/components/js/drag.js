// Carries a thing from here to there by mouse, pen or touch (the browser's own drag events know no touch), with a ghost
// under the pointer. Knows nothing of what is carried, nor of what becomes of it.

const SLACK = 6; // px a press may wander before it carries something
const AROUND = 14; // px around a place that count as the place

// The name of the place (or null) whose box lies under x, y or nearest to it, no further than AROUND from it.
export function placeUnder(x, y, places) {
  let [found, least] = [null, AROUND];
  for (const { name, box } of places) {
    const apart = Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
    if (apart <= least) [found, least] = [name, apart];
  }
  return found;
}

// `root` is positioned and holds all; `grip(target)` gives { item, canvas } for what may be carried, else null; `places()`
// gives [{ name, element }]; `over(name)` hears where the pointer is, null for nowhere; `dropped(item, name)` of a drop.
// → { busy(), stop() }.
export function carry(root, { grip, places, over, dropped }) {
  let press = null;
  let ghost = null;

  const boxes = () => places().map(({ name, element }) => ({ name, box: element.getBoundingClientRect() }));

  function lift() {
    const { canvas } = press;
    ghost = root.appendChild(document.createElement("canvas"));
    Object.assign(ghost, { className: "ghost", width: canvas.width, height: canvas.height });
    ghost.setAttribute("aria-hidden", "true");
    ghost.style.width = ghost.style.height = canvas.style.width;
    ghost.getContext("2d").drawImage(canvas, 0, 0);
    root.classList.add("carrying");
  }

  function move({ clientX, clientY }) {
    const box = root.getBoundingClientRect();
    const half = ghost.offsetWidth / 2;
    ghost.style.transform = `translate(${clientX - box.left - half}px, ${clientY - box.top - half}px)`;
    over(placeUnder(clientX, clientY, boxes()));
  }

  function end() {
    ghost?.remove();
    ghost = press = null;
    root.classList.remove("carrying");
    over(null);
  }

  root.addEventListener("pointerdown", (event) => {
    const held = event.isPrimary && event.button === 0 && grip(event.target);
    if (held) press = { ...held, x: event.clientX, y: event.clientY, id: event.pointerId };
  });
  root.addEventListener("pointermove", (event) => {
    if (event.pointerId !== press?.id) return;
    if (!ghost) {
      if (Math.hypot(event.clientX - press.x, event.clientY - press.y) < SLACK) return;
      root.setPointerCapture(event.pointerId); // from now on no click comes of it, and no button feels it
      lift();
    }
    move(event);
  });
  root.addEventListener("pointerup", (event) => {
    if (event.pointerId !== press?.id) return;
    const [item, name] = [press.item, ghost && placeUnder(event.clientX, event.clientY, boxes())];
    end();
    if (name) dropped(item, name);
  });
  const cancel = (event) => { if (event.pointerId === press?.id) end(); };
  root.addEventListener("pointercancel", cancel);
  root.addEventListener("lostpointercapture", (event) => { if (event.target === root) cancel(event); }); // a finger's own is lost first
  return { busy: () => ghost !== null, stop: end };
}
