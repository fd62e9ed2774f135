/** Where other machines find an endpoint; nothing where it is for this machine alone. */

import { copyButton } from "./copying.js";
import { h, show, whenChanged } from "./dom.js";

/** @typedef {import("./types.js").View} View */

/** @returns {View} */
export function addresses() {
  const list = h("span", { class: "nbserve-places" });
  const root = h("div", { class: "nbserve-elsewhere", hidden: "" }, h("span", {}, "For teammates"), list);
  const draw = whenChanged((urls) => urls.map(place));
  return {
    root,
    update({ addresses: urls = [], state }) {
      show(root, urls.length > 0 && state !== "stopped");
      draw(list, urls);
    },
  };
}

function place(url) {
  return h("span", {}, h("code", { class: "nbserve-url" }, url), copyButton("Copy", "copy", () => url, "nbserve-bare"));
}
