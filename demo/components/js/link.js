// A button that copies the page's address, which holds all that the visitor set. Knows nothing of what stands in it.
import { debounce } from "./wire.js";

const WORDS = { ready: "Copy link", done: "Link copied", failed: "Copy it here:" };
const BACK_AFTER_MS = 2500;

// Writes the text to the clipboard; false where the browser keeps it from us (no https, no permission).
export async function copied(text, clipboard = globalThis.navigator?.clipboard) {
  try {
    await clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

// The address of the page that holds the element; Streamlit may show the page in a frame.
export function addressOf(view) {
  return view.location.href;
}

function create(parent) {
  const root = parent.appendChild(document.createElement("div"));
  root.className = "element link";
  root.innerHTML = `<button type="button" class="small">${WORDS.ready}</button>
    <input class="small" readonly hidden aria-label="The link to this view"><span class="spoken" aria-live="polite"></span>`;
  const [button, field, spoken] = ["button", "input", ".spoken"].map((selector) => root.querySelector(selector));
  const rest = debounce(() => {
    button.textContent = WORDS.ready;
    spoken.textContent = "";
  }, BACK_AFTER_MS);
  button.addEventListener("click", async () => {
    const link = addressOf(window);
    const done = await copied(link);
    button.textContent = done ? WORDS.done : WORDS.failed;
    spoken.textContent = done ? WORDS.done : "";
    field.hidden = done;
    if (!done) {
      field.value = link;
      field.select();
    }
    rest();
  });
  return () => {
    rest.cancel();
    root.remove();
  };
}

export default function ({ parentElement }) {
  parentElement.closeLink ??= create(parentElement);
  return () => {
    parentElement.closeLink?.();
    delete parentElement.closeLink;
  };
}
