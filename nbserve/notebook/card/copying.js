/** Buttons that copy. */

import { h, icon } from "./dom.js";

const COPIED_MS = 1600;

/** @param {string} label @param {string} name the icon's @param {() => string} text what is copied */
export function copyButton(label, name, text, look = "") {
  const word = h("span", { class: "nbserve-word" }, label);
  const faces = h("span", { class: "nbserve-faces" }, icon(name), icon("done"));
  const root = h(
    "button",
    { type: "button", class: `nbserve-link ${look}`, title: label, onclick: press },
    faces,
    word,
  );
  let timer = 0;
  async function press() {
    await copyText(text());
    root.classList.add("nbserve-copied");
    word.textContent = "Copied";
    clearTimeout(timer);
    timer = setTimeout(() => {
      root.classList.remove("nbserve-copied");
      word.textContent = label;
    }, COPIED_MS);
  }
  return root;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyByHand(text); // no clipboard API on plain http, or not allowed
  }
}

function copyByHand(text) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const area = h("textarea", { class: "nbserve-offstage", readonly: "" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  focused?.focus?.();
}
