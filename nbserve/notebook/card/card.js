/** How a served endpoint shows itself in a cell: anywidget's `render`, plain DOM, no library. */

import { messenger } from "./comm.js";
import { dashboard } from "./dashboard.js";
import { h } from "./dom.js";
import { endpointCard } from "./endpoint.js";
import { watchLife } from "./life.js";

/**
 * @typedef {import("./types.js").Life} Life
 */

function render({ model, el }) {
  const { order, close } = messenger(model);
  const isDashboard = Boolean(model.get("snapshot").dashboard);
  const view = isDashboard ? dashboard(order) : endpointCard(order);
  /** @type {Life} */
  let life = { kind: "alive", text: "" };
  const root = h("div", { class: "nbserve", "data-lm-suppress-shortcuts": "true" }, view.root);

  function draw() {
    const snapshot = model.get("snapshot");
    if (isDashboard) view.update(snapshot, life);
    else if (snapshot.endpoints.length)
      view.update(snapshot.endpoints[0], snapshot.gone ? { kind: "alive", text: "" } : life);
    tick();
  }
  function tick() {
    if (model.get("snapshot").endpoints.length) view.tick(watch?.age() ?? 0);
  }
  function onLife(fresh) {
    life = fresh;
    draw();
  }
  /** @type {ReturnType<typeof watchLife> | undefined} */
  let watch;
  watch = watchLife(model, el, onLife, view.beat, tick);
  model.on("change:snapshot", draw);
  el.replaceChildren(root);
  draw();
  return () => {
    watch?.close();
    close();
    view.close();
    model.off("change:snapshot", draw);
  };
}

export default { render };
