// What pointers, wheel and keys ask of the plane. The scene answers: { view, z, held } and goTo(z, time), look(view),
// touched(), settle(clicked, reach, touch), toCode(z, reach), pin(). Knows nothing of what is drawn.
import { WHOLE, isWhole, pinched, placeOf, pointAt, wheelFactor, zoomed } from "./explorercamera.js";
import { afterKey } from "./latent.js";

const QUIET = 250; // ms after the page was scrolled in which the wheel goes on scrolling it
const CLICK = 4; // px that a click may wander

export function followHand(plane, scene) {
  const fingers = new Map(); // pointerId → place, of touches
  let pressed = null; // { x, y, wasHeld, moved, from } of the press in progress
  let pinching = false;
  let scrolled = -Infinity;

  const placeOfEvent = ({ clientX, clientY }) => {
    const box = plane.getBoundingClientRect();
    return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
  };
  const goTo = (event) => scene.goTo(pointAt(scene.view, placeOfEvent(event)), event.timeStamp);
  const pair = () => [...fingers.values()].slice(0, 2);

  plane.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") {
      fingers.set(event.pointerId, placeOfEvent(event));
      plane.setPointerCapture(event.pointerId);
      if (fingers.size === 2) {
        if (pressed) scene.goTo(pressed.from, event.timeStamp); // the first finger was no wish to go there
        pressed = null;
        pinching = true;
      }
    }
    if (event.button !== 0 || !event.isPrimary || pinching) return;
    scene.touched();
    plane.setPointerCapture(event.pointerId);
    pressed = { x: event.clientX, y: event.clientY, wasHeld: scene.held, moved: false, from: scene.z };
    goTo(event);
  });

  plane.addEventListener("pointermove", (event) => {
    if (fingers.has(event.pointerId) && pinching) {
      const before = pair();
      fingers.set(event.pointerId, placeOfEvent(event));
      if (fingers.size >= 2) scene.look(pinched(scene.view, before, pair()));
      return;
    }
    if (!event.isPrimary) return;
    if (pressed) pressed.moved ||= Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > CLICK;
    else if (scene.held || event.pointerType === "touch") return;
    scene.touched();
    goTo(event);
  });

  const lift = (event) => {
    fingers.delete(event.pointerId);
    if (!fingers.size) pinching = false;
  };
  plane.addEventListener("pointerup", (event) => {
    lift(event);
    if (!pressed || !event.isPrimary) return;
    const touch = event.pointerType === "touch";
    const clicked = !pressed.moved;
    const stay = pressed.moved || touch || !pressed.wasHeld;
    pressed = null;
    scene.settle(stay, clicked ? (touch ? 22 : 10) : 0);
  });
  plane.addEventListener("pointercancel", (event) => {
    lift(event);
    pressed = null;
  });

  // The wheel is the page's until the plane is in use, and while a scroll of the page passes over it.
  const onScroll = () => (scrolled = performance.now());
  document.addEventListener("scroll", onScroll, { capture: true, passive: true });
  plane.addEventListener("wheel", (event) => {
    const asked = event.ctrlKey || event.metaKey;
    const inUse = (scene.held || plane.matches(":focus")) && performance.now() - scrolled > QUIET;
    if (!asked && (!inUse || (event.deltaY > 0 && isWhole(scene.view)))) return;
    event.preventDefault();
    scene.touched();
    scene.look(zoomed(scene.view, wheelFactor(event), placeOfEvent(event)));
  }, { passive: false });

  plane.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const closer = { "+": 1.25, "=": 1.25, "-": 0.8, "_": 0.8, "−": 0.8 }[event.key];
    const next = afterKey(scene.z, event.key, event.shiftKey);
    if (closer) scene.look(zoomed(scene.view, closer, placeOf(scene.view, scene.z)));
    else if (event.key === "0") scene.look(WHOLE);
    else if (event.key === "p") scene.pin();
    else if (event.key === "Enter") scene.toCode();
    else if (next) scene.step(next, event.timeStamp);
    else return;
    event.preventDefault();
    scene.touched();
  });

  return { busy: () => pressed !== null, stop: () => document.removeEventListener("scroll", onScroll, { capture: true }) };
}
