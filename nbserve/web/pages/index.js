/** The list of endpoints, kept up to date. */

import { byId } from "./dom.js";
import { showFigures, showState, watch } from "./live.js";

/** @type {HTMLElement[]} */
const cards = [...document.querySelectorAll("[data-name]")].map((card) => /** @type {HTMLElement} */ (card));

/** @param {import("./live.js").View[]} views */
function show(views) {
  for (const card of cards) {
    const view = views.find((each) => each.name === card.dataset.name);
    showState(chipOf(card), view?.state ?? "gone");
    if (view) showFigures(/** @type {HTMLElement} */ (card.querySelector("[data-stats]")), view);
  }
  byId("more").hidden = views.every((view) => cards.some((card) => card.dataset.name === view.name));
}

/** @param {HTMLElement} card */
const chipOf = (card) => /** @type {HTMLElement} */ (card.querySelector(".state"));

show(JSON.parse(byId("view").textContent));
watch(
  "/",
  ({ endpoints }) => show(endpoints),
  ({ status }) => status === 0 && cards.forEach((card) => showState(chipOf(card), "gone")),
);
