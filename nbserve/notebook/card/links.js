/** Where a card leads to. */

import { h, icon, mark, show } from "./dom.js";
import { webAddress } from "./words.js";

/**
 * @typedef {import("./types.js").Endpoint} Endpoint
 * @typedef {import("./types.js").Ways} Ways
 */

/** The endpoint's page: below the Jupyter server, where it passes it on, for its own port cannot be reached from afar.
 * @param {Endpoint} endpoint @param {Ways["server"]} server */
export function pageOf(endpoint, server) {
  return server.isKnown() ? server.page(endpoint.name) : webAddress(endpoint.page_url);
}

/** A link to the page of all endpoints, where there is one. @param {Ways["server"]} server */
export function everything(server) {
  const root = link("list", "All endpoints");
  show(root, false);
  function update() {
    show(root, server.isKnown());
    mark(root, "href", server.isKnown() ? server.list() : null);
  }
  return { root, update };
}

/** @param {string} name the icon's @param {string} text */
export function link(name, text) {
  return h("a", { class: "nbserve-link", target: "_blank", rel: "noopener noreferrer" }, icon(name), text);
}
