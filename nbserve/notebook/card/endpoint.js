/** The card of one endpoint. */

import { addresses } from "./addresses.js";
import { chart } from "./chart.js";
import { controls } from "./controls.js";
import { copyButton } from "./copying.js";
import { badge, h, mark, write } from "./dom.js";
import { expects } from "./expects.js";
import { everything, link, pageOf } from "./links.js";
import { alarm, blink, chip, notice, strip, tile, usage } from "./parts.js";
import { sharing } from "./share.js";
import { tabs } from "./tabs.js";
import { traffic } from "./traffic.js";
import { tryIt } from "./tryit.js";
import { count, kind, latency, memory, plural } from "./words.js";

/**
 * @typedef {import("./types.js").Endpoint} Endpoint
 * @typedef {import("./types.js").LiveView} LiveView
 * @typedef {import("./types.js").Ways} Ways
 */

/** @param {Ways} ways @returns {LiveView} */
export function endpointCard(ways) {
  /** @type {Endpoint} */
  let endpoint;
  const name = h("span", { class: "nbserve-name" });
  const heading = h("span", { class: "nbserve-heading" });
  const version = h("span", { class: "nbserve-version" });
  const what = h("div", { class: "nbserve-kind" });
  const url = h("code", { class: "nbserve-url" });
  const [page, all] = [link("open", "Open page"), everything(ways.server)];
  const links = h(
    "div",
    { class: "nbserve-links" },
    copyButton("Copy curl", "code", () => endpoint.curl),
    page,
    all.root,
  );
  const address = h(
    "div",
    { class: "nbserve-address" },
    url,
    copyButton("Copy URL", "copy", () => endpoint.url, "nbserve-bare"),
    links,
  );
  const [held, requests, errors, speed] = ["Memory", "Requests", "Errors", "p50 / p99"].map(tile);
  const [state, news, warning, needs, graph] = [chip(), notice(), alarm(), expects(), chart()];
  const clocks = [usage(), strip()];
  const [times, gauge] = clocks;
  const elsewhere = addresses();
  const buttons = controls(ways.order, news.say);
  const panels = [tryIt(ways.ask), sharing(ways), traffic(ways.ask)];
  const more = tabs(panels);
  const title = h("div", { class: "nbserve-title" }, name, heading, version, state.root);
  const root = h(
    "section",
    { class: "nbserve-card", role: "group" },
    h("header", { class: "nbserve-head" }, badge(), h("div", { class: "nbserve-who" }, title, what), buttons.root),
    warning.root,
    news.root,
    address,
    elsewhere.root,
    h(
      "div",
      { class: "nbserve-body" },
      h("div", { class: "nbserve-tiles" }, held.root, requests.root, errors.root, speed.root, times.root),
      graph.root,
    ),
    gauge.root,
    more.root,
    needs.root,
  );

  function update(fresh, life) {
    if (fresh.state === "stopped" && endpoint?.state !== "stopped") news.say("");
    endpoint = fresh;
    const { counters } = fresh;
    const isOver = life.kind === "gone" || fresh.state === "stopped";
    mark(root, "aria-label", `Endpoint ${fresh.name}`);
    mark(root, "data-life", isOver ? "gone" : life.kind);
    write(name, fresh.name);
    write(heading, fresh.title ?? "");
    write(version, fresh.version > 1 ? `v${fresh.version}` : "");
    write(what, kind(fresh));
    write(url, fresh.url);
    mark(page, "href", isOver ? null : pageOf(fresh, ways.server));
    all.update();
    held.update(...memory(fresh));
    requests.update(
      count(counters.requests),
      counters.in_flight ? `${counters.in_flight} running` : plural(counters.rows, "row"),
    );
    errors.update(count(counters.errors), counters.errors ? share(counters) : "", counters.errors > 0);
    speed.update(latency(fresh.latency_ms), fresh.latency_ms.p50 === null ? "" : "milliseconds");
    warning.update(life.kind !== "alive" ? life : ending(fresh));
    for (const part of [state, elsewhere, buttons, needs, graph, ...clocks, ...panels]) part.update(fresh, life);
    more.enable(!isOver);
  }
  const tick = (age) => clocks.forEach((clock) => clock.tick(age));
  return { root, update, tick, beat: () => blink(state.root), close: graph.close };
}

/** Why it does not answer, when the kernel is well. */
function ending({ state, reason }) {
  if (state === "stopped") return { kind: "stopped", text: "Stopped. Run the %serve cell to serve it again." };
  if (state === "failed") return { kind: "gone", text: reason || "The model could not be loaded." };
  return { kind: "alive", text: "" };
}

function share({ errors, requests }) {
  const percent = (100 * errors) / Math.max(1, requests);
  return percent < 0.1 ? "under 0.1 %" : `${percent.toFixed(1)} %`;
}
