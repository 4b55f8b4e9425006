// Mounts an element as Streamlit does: a shadow root with its sheets, data in, the state `held` out, its value numbered
// (demo/components/held.py is the same for Python). Knows nothing of what an element shows.

const sheets = new Map();

async function sheet(name) {
  if (!sheets.has(name)) {
    const text = fetch(new URL(`../js/${name}.css`, import.meta.url)).then((answer) => answer.text());
    sheets.set(name, text.then((css) => new CSSStyleSheet().replace(css)));
  }
  return sheets.get(name);
}

// `show(data, value)`: mounts or updates the element with the value the page wants. What the visitor's hand chooses
// instead goes to `heard.held(value)`, and is the page's value from then on; what else the element says goes to `heard` too.
export async function mount(name, box, element, heard) {
  const parentElement = box.attachShadow({ mode: "open" });
  parentElement.adoptedStyleSheets = await Promise.all([sheet("base"), sheet(name)]);
  let number = -1;
  let base;
  let last;
  const setStateValue = (state, message) => {
    if (state !== "held") return heard[state]?.(message);
    if (message.number !== number) return; // an answer to an older value
    last = JSON.stringify(message.value);
    heard.held(message.value);
  };
  return (data, value, renewed = false) => {
    if (number < 0 || renewed || JSON.stringify(value) !== last) {
      number += 1;
      base = value;
      last = JSON.stringify(value);
    }
    element({ data: [{ slot: name, number, base, ...data }], parentElement, setStateValue });
    box.classList.add("mounted");
  };
}
