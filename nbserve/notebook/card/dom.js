/** Elements, and changes that touch only what differs. What comes from the kernel goes in as text, so nothing in it can become markup. */

const ICONS = {
  copy: "M5.5 5.5v-2a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-2M3.5 5.5h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1z",
  done: "M3 8.5l3.2 3.2L13 4.8",
  open: "M9 2.5h4.5V7M13.2 2.8L7.5 8.5M11.5 9.5v3a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1h3",
  play: "M5 3.2v9.6l8-4.8z",
  share:
    "M5.9 7l4.2-2.4M5.9 9l4.2 2.4M6 8a2 2 0 1 1-4 0 2 2 0 0 1 4 0zM14 3.6a2 2 0 1 1-4 0 2 2 0 0 1 4 0zM14 12.4a2 2 0 1 1-4 0 2 2 0 0 1 4 0z",
  list: "M3 4.2h.01M6 4.2h7.5M3 8h.01M6 8h7.5M3 11.8h.01M6 11.8h7.5",
  serve:
    "M8 9.6a1.6 1.6 0 1 0 0-3.2 1.6 1.6 0 0 0 0 3.2zM4.8 11.2a4.5 4.5 0 0 1 0-6.4M11.2 4.8a4.5 4.5 0 0 1 0 6.4M2.7 13.3a7.5 7.5 0 0 1 0-10.6M13.3 2.7a7.5 7.5 0 0 1 0 10.6",
  code: "M5.5 4.5L2 8l3.5 3.5M10.5 4.5L14 8l-3.5 3.5",
};

/**
 * An element; strings become text nodes, `on…` become listeners.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node | string)} children
 */
export function h(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node | string)} children */
export function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Write text only when it differs: what a person has selected stays selected. */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute only when it differs; null takes it away. */
export function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

export function icon(name) {
  const path = svg("path", { d: ICONS[name] });
  return svg("svg", { viewBox: "0 0 16 16", class: "nbserve-icon", "aria-hidden": "true" }, path);
}

export function badge() {
  return h("span", { class: "nbserve-badge", "aria-hidden": "true" }, icon("serve"));
}

/** Rebuild `node` only when `facts` have changed since the last time. */
export function whenChanged(build) {
  let before = "";
  return (node, facts) => {
    const now = JSON.stringify(facts);
    if (now !== before) node.replaceChildren(...build(facts));
    before = now;
  };
}

/** Put one button in the other's place; the focus goes with it. */
export function swap({ root: before }, { root: after }) {
  const hadFocus = before === document.activeElement;
  show(before, false);
  show(after, true);
  if (hadFocus) after.focus();
}
