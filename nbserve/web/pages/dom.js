/** Elements made from data; text goes in as text, so nothing that a model is called can become markup. */

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties] DOM properties; `data-…`, `aria-…`, `role`, `for` and `list` are attributes
 * @param {...(Node | string | number | null | undefined)} children
 * @returns {any} the element; typed loosely because its kind is in `tag`
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (/^(data-|aria-|role$|for$|list$|scope$)/.test(name)) element.setAttribute(name, value);
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

const own = Math.random().toString(36).slice(2, 8);
let numbered = 0;
/** An id that is nowhere else on the page, where several cards may stand. @param {string} stem */
export const freshId = (stem) => `${stem}-${own}-${(numbered += 1)}`;

/**
 * A row of choices of which one is chosen; radio buttons, so that the arrow keys work.
 * @param {string} label
 * @param {{value: string, text: string}[]} choices
 * @param {string} chosen
 * @param {(value: string) => void} onChoice
 */
export function segmented(label, choices, chosen, onChoice) {
  const name = freshId("choice");
  const options = choices.map(({ value, text }) =>
    h("label", {}, h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => onChoice(value) }), h("span", {}, text)),
  );
  return h("fieldset", { className: "segmented" }, h("legend", { className: "unseen" }, label), ...options);
}

/** @param {number} count @param {string} noun */
export const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** Offer `text` as a file. @param {string} name @param {string} text @param {string} type */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** @param {string} text @returns {Promise<boolean>} whether it is in the clipboard */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** For pages that may not use the clipboard's own interface: plain HTTP, sandboxed frames. @param {string} text */
function copyBySelection(text) {
  const box = h("textarea", { value: text, className: "unseen", "aria-hidden": "true" });
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  before?.focus();
  return done;
}
