/** What a card opens below itself, one at a time: the form, the links, the traffic. */

import { h, icon, mark, show } from "./dom.js";

/**
 * @typedef {{label: string, icon: string, root: HTMLElement, open: () => void, close?: () => void}} Panel
 *   `open` is called when it is going to be seen, `close` when it is not any more
 */

/** @param {Panel[]} panels */
export function tabs(panels) {
  /** @type {Panel | null} */
  let shown = null;
  const buttons = panels.map((panel) =>
    h(
      "button",
      { type: "button", class: "nbserve-link nbserve-tab", onclick: () => choose(shown === panel ? null : panel) },
      icon(panel.icon),
      panel.label,
    ),
  );
  const bar = h("div", { class: "nbserve-tabs", role: "group", "aria-label": "More" }, ...buttons);
  const root = h("div", { class: "nbserve-more-of-it" }, bar, ...panels.map((panel) => panel.root));

  function choose(panel) {
    const before = shown;
    shown = panel;
    draw();
    before?.close?.();
    panel?.open();
  }
  function draw() {
    panels.forEach((panel, i) => {
      show(panel.root, panel === shown);
      mark(buttons[i], "aria-expanded", panel === shown);
    });
  }
  draw();
  return {
    root,
    /** Nothing can be asked of what is gone: it closes. @param {boolean} isThere */
    enable(isThere) {
      if (!isThere && shown) choose(null);
      show(root, isThere);
    },
  };
}
