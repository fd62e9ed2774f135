/** The list of endpoints, kept up to date. */

import { byId, h } from "./dom.js";
import { drawBar, totalOf, UNDESCRIBED } from "./gauge.js";
import { makeGauge, showFigures, showState, watch } from "./live.js";
import { call, methodPath } from "./wire.js";

/** @typedef {import("./live.js").View} View */

const cards = [...document.querySelectorAll("[data-name]")].map((element) => makeCard(/** @type {HTMLElement} */ (element)));

/** @param {HTMLElement} element */
function makeCard(element) {
  const { name = "" } = element.dataset;
  const [state, stats] = ["state", "stats"].map((part) => /** @type {HTMLElement} */ (element.querySelector(`.${part}`)));
  const gauge = makeGauge();
  const loader = h("button", { type: "button", className: "quiet", onclick: load }, "Load");
  const undescribed = h("p", { className: "undescribed", hidden: true }, h("span", {}, UNDESCRIBED), loader);
  stats.after(gauge.element, undescribed);

  async function load() {
    loader.setAttribute("aria-busy", "true");
    await call(methodPath(name, "load"), {}).then(
      () => location.reload(),
      (refusal) => (undescribed.firstChild.textContent = `${refusal.message} ${refusal.remedy}`),
    );
    loader.removeAttribute("aria-busy");
  }
  /** @param {View | undefined} view */
  function show(view) {
    if (!view) return end();
    showState(state, view.state);
    showFigures(stats, view);
    gauge.show(view.state === "unloaded" ? { ...view, memory: undefined } : view); // what others use is told above
    undescribed.hidden = view.described !== false;
    loader.hidden = view.state === "loading";
  }
  function end() {
    showState(state, "gone");
    gauge.rest();
  }
  return { name, show, end };
}

/** @param {View[]} views */
function show(views) {
  for (const card of cards) card.show(views.find((view) => view.name === card.name));
  const { bar, text } = totalOf(views);
  drawBar(byId("total-bar"), bar);
  byId("total").textContent = views.length ? text : "";
  byId("more").hidden = views.every((view) => cards.some((card) => card.name === view.name));
  return views.some((view) => view.state === "loading");
}

show(JSON.parse(byId("view").textContent));
watch(
  () => "/",
  ({ endpoints }) => show(endpoints),
  ({ status }) => status === 0 && cards.forEach((card) => card.end()),
);
