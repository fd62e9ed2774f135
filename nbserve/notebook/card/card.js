/** How a served endpoint shows itself in a cell: anywidget's `render`, plain DOM, no library. */

import { dashboard } from "./dashboard.js";
import { h } from "./dom.js";
import { endpointCard } from "./endpoint.js";
import { watchLife } from "./life.js";
import { waysOf } from "./ways.js";

/**
 * @typedef {import("./types.js").Life} Life
 */

function render({ model, el }) {
  const ways = waysOf(model);
  const isDashboard = Boolean(model.get("snapshot").dashboard);
  const view = isDashboard ? dashboard(ways) : endpointCard(ways);
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
  watch = watchLife(model, el, ways, { changed: onLife, beaten: view.beat, ticked: tick });
  model.on("change:snapshot", draw);
  el.replaceChildren(root);
  draw();
  ways.server.isThere(model.get("snapshot").endpoints[0]?.name ?? "").then(draw);
  return () => {
    watch?.close();
    ways.close();
    view.close();
    model.off("change:snapshot", draw);
  };
}

export default { render };
