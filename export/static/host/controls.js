// Buttons, choices and numbers that show a field of the state and set it. Knows nothing of what the fields mean.

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") node.toggleAttribute(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

let groups = 0;

// A row of which one is chosen. choices: [[value, label], …].
export function segmented(state, field, legend, choices, read = String) {
  const group = `choice-${groups++}`;
  const radios = choices.map(([value, label]) => {
    const radio = make("input", { type: "radio", name: group, value, onchange: () => state.set({ [field]: read(value) }) });
    return [radio, make("label", {}, radio, make("span", {}, label))];
  });
  const show = () => radios.forEach(([radio]) => { radio.checked = radio.value === String(state.values[field]); });
  state.on([field], show);
  show();
  return make("fieldset", { class: "segmented" }, make("legend", {}, legend), make("div", {}, ...radios.map(([, label]) => label)));
}

export function select(state, field, legend, choices) {
  const box = make("select", { onchange: () => state.set({ [field]: box.value }) }, ...choices.map(([value, label]) => make("option", { value }, label)));
  const show = () => { box.value = state.values[field]; };
  state.on([field], show);
  show();
  return make("label", { class: "field" }, make("span", {}, legend), box);
}

export function number(state, field, legend, low, high) {
  const box = make("input", { type: "number", min: low, max: high, step: 1, inputmode: "numeric", onchange: () => {
    const value = Number(box.value);
    if (Number.isInteger(value) && value >= low && value <= high && box.value !== "") state.set({ [field]: value });
    show();
  } });
  const show = () => { box.value = state.values[field]; };
  state.on([field], show);
  show();
  return make("label", { class: "field" }, make("span", {}, legend), box);
}

export function button(text, onclick, attributes = {}) {
  return make("button", { type: "button", onclick, ...attributes }, text);
}
