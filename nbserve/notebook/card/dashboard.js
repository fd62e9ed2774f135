/** The dashboard: everything that is served, a row each. */

import { barOf, drawBar, leftText, origin, timesText, totalOf, weightText } from "../../web/pages/gauge.js";
import { chart } from "./chart.js";
import { controls } from "./controls.js";
import { copyButton } from "./copying.js";
import { badge, h, mark, show, write } from "./dom.js";
import { everything, pageOf } from "./links.js";
import { alarm, blink, chip, notice, writeNote } from "./parts.js";
import { count, kind, latency, memory, plural } from "./words.js";

/**
 * @typedef {import("./types.js").Endpoint} Endpoint
 * @typedef {import("./types.js").Life} Life
 * @typedef {import("./types.js").LiveView} LiveView
 * @typedef {import("./types.js").Ways} Ways
 * @typedef {import("./types.js").Snapshot} Snapshot
 */

/** @param {Ways} ways */
export function dashboard(ways) {
  const heads = ["Endpoint", "Memory", "Requests", "Errors", "p50 / p99 ms", "Last minute", ""];
  const body = h("tbody");
  const table = h("table", { class: "nbserve-table" }, h("thead", {}, h("tr", {}, ...heads.map(head))), body);
  const total = h("div", { class: "nbserve-kind" });
  const [warning, news, bar] = [alarm(), notice(), h("div", { class: "nbserve-meter" })];
  const list = everything(ways.server);
  const rest = h("p", { class: "nbserve-empty" });
  const empty = h(
    "p",
    { class: "nbserve-empty" },
    "Nothing is served yet. Type ",
    h("code", {}, "%serve model"),
    " to serve the model in your notebook.",
  );
  const who = h(
    "div",
    { class: "nbserve-who" },
    h("div", { class: "nbserve-title" }, h("span", { class: "nbserve-name" }, "nbserve")),
    total,
  );
  const title = h("header", { class: "nbserve-head" }, badge(), who, list.root);
  const root = h(
    "section",
    { class: "nbserve-card nbserve-dashboard", role: "group", "aria-label": "Everything served" },
    title,
    bar,
    warning.root,
    news.root,
    table,
    rest,
    empty,
  );
  const rows = new Map();

  /** @param {Snapshot} snapshot @param {Life} life */
  function update({ endpoints, endpoint_count = endpoints.length }, life) {
    const names = new Set(endpoints.map((endpoint) => endpoint.name));
    for (const [name, row] of rows) if (!names.has(name)) drop(name, row);
    endpoints.forEach((endpoint, i) => {
      if (!rows.has(endpoint.name)) rows.set(endpoint.name, dashboardRow(ways, news.say));
      const row = rows.get(endpoint.name);
      if (body.children[i] !== row.root) body.insertBefore(row.root, body.children[i] ?? null);
      row.update(endpoint, life);
    });
    const all = totalOf(endpoints);
    drawBar(bar, all.bar);
    write(total, endpoint_count ? `${plural(endpoint_count, "endpoint")} · ${all.text}` : "no endpoints");
    warning.update(life);
    list.update();
    mark(root, "data-life", life.kind);
    show(table, endpoints.length > 0);
    show(empty, endpoints.length === 0);
    write(rest, `… and ${plural(endpoint_count - endpoints.length, "more endpoint")}.`);
    show(rest, endpoint_count > endpoints.length);
  }
  function drop(name, row) {
    row.close();
    row.root.remove();
    rows.delete(name);
  }
  return {
    root,
    update,
    tick: (age) => rows.forEach((row) => row.tick(age)),
    beat: () => rows.forEach((row) => row.beat()),
    close: () => rows.forEach((row) => row.close()),
  };
}

function head(text) {
  return h("th", { scope: "col", "data-column": text }, text);
}

/** @returns {LiveView} */
function dashboardRow(ways, say) {
  /** @type {Endpoint} */
  let endpoint;
  let isGone = false;
  const name = h("a", { class: "nbserve-name", target: "_blank", rel: "noopener noreferrer" });
  const what = h("div", { class: "nbserve-kind" });
  const [state, graph, buttons] = [chip(), chart(true), controls(ways.order, say, true)];
  const copy = copyButton("Copy URL", "copy", () => endpoint.url, "nbserve-bare");
  const first = h("td", {}, h("div", { class: "nbserve-title" }, name, copy, state.root), what);
  const [requests, errors, speed] = Array.from({ length: 3 }, () => h("td", { class: "nbserve-number" }));
  const [bytes, where, bar] = [
    h("div", { class: "nbserve-number" }),
    h("div", { class: "nbserve-note" }),
    h("div", { class: "nbserve-meter" }),
  ];
  const root = h(
    "tr",
    {},
    first,
    h("td", {}, bytes, bar, where),
    requests,
    errors,
    speed,
    h("td", {}, graph.root),
    h("td", {}, buttons.root),
  );

  function update(fresh, life) {
    endpoint = fresh;
    isGone = life.kind === "gone";
    write(name, fresh.name);
    mark(name, "href", isGone || fresh.state === "stopped" ? null : pageOf(fresh, ways.server));
    write(what, fresh.title || fresh.model.type || origin(fresh));
    mark(what, "title", kind(fresh));
    write(bytes, memory(fresh)[0]);
    drawBar(bar, fresh.state === "loading" ? barOf(fresh) : null);
    write(requests, count(fresh.counters.requests));
    write(errors, count(fresh.counters.errors));
    errors.classList.toggle("nbserve-bad", fresh.counters.errors > 0);
    write(speed, latency(fresh.latency_ms));
    for (const part of [state, graph, buttons]) part.update(fresh, life);
  }
  function tick(age) {
    const { state, idle_unload_in_s: idle_s = null } = endpoint;
    const isLeaving = !isGone && state === "loaded" && idle_s !== null;
    writeNote(where, isLeaving ? leftText(idle_s - age) : memory(endpoint)[1]);
    const texts = isGone ? [] : [weightText(endpoint, age), timesText(endpoint, age)];
    mark(where, "title", texts.filter(Boolean).join(" · ") || null);
  }
  return { root, update, tick, beat: () => blink(state.root), close: graph.close };
}
