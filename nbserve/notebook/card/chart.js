/** The last minute, drawn. */

import { h, mark, svg, write } from "./dom.js";
import { count, digits, plural } from "./words.js";

/**
 * @typedef {import("./types.js").Second} Second
 */

const SECONDS = 60;

/** The last minute: requests a second as bars, p50 and p99 as lines, each with a scale of its own. */
export function chart(isSmall = false) {
  const bars = svg("g", { class: "nbserve-bars" });
  const lines = ["p99", "p50"].map((name) => svg("path", { class: `nbserve-line nbserve-${name}` }));
  const marks = svg("g", { class: "nbserve-hover" });
  const drawing = svg("svg", { class: "nbserve-drawing", role: "img" }, bars, ...(isSmall ? [] : lines), marks);
  const quiet = h("span", { class: "nbserve-still" });
  const peak = h("span", { class: "nbserve-peak" });
  const root = h(
    "div",
    { class: isSmall ? "nbserve-spark" : "nbserve-chart" },
    h("div", { class: "nbserve-plot" }, drawing, quiet),
  );
  if (!isSmall) root.append(legend(peak));
  /** @type {ReturnType<typeof slot>[]} */
  let slots = []; // made for the first request: a dashboard may have a hundred idle rows
  /** @type {Second[]} */
  let history = [];
  const resized = new ResizeObserver(draw);
  resized.observe(drawing);

  function draw() {
    const { clientWidth: width, clientHeight: height } = drawing;
    if (!width || !height) return;
    mark(drawing, "viewBox", `0 0 ${width} ${height}`);
    if (!slots.length && history.length) slots = Array.from({ length: SECONDS }, () => slot(bars, marks));
    const last = history.length ? history[history.length - 1][0] : 0;
    const most = Math.max(isSmall ? 1 : 4, ...history.map((second) => second[1]));
    const at = new Map(history.map((second) => [SECONDS - 1 - Math.round(last - second[0]), second]));
    slots.forEach((each, i) => each.draw(at.get(i), (i * width) / SECONDS, width / SECONDS, height, most));
    const slowest = Math.max(...history.map((second) => second[4] ?? second[3] ?? 0)) || 1;
    lines.forEach((line, i) => mark(line, "d", trace(at, 4 - i, width, height, slowest)));
  }
  return {
    root,
    update(endpoint) {
      history = endpoint.history;
      const isQuiet = !history.some((second) => second[1] > 0);
      write(
        quiet,
        !isQuiet ? "" : isSmall ? "" : endpoint.counters.requests ? "quiet for a minute" : "no requests yet",
      );
      write(peak, isQuiet ? "" : `peak ${count(Math.max(...history.map((second) => second[1])))}/s`);
      mark(
        drawing,
        "aria-label",
        isQuiet ? "No requests in the last minute" : `Requests in the last minute, ${peak.textContent}`,
      );
      draw();
    },
    close: () => resized.disconnect(),
  };
}

/** One second of the chart: its bar, the part of it that failed, and its tooltip. */
function slot(bars, marks) {
  const all = svg("rect", { class: "nbserve-bar" });
  const failed = svg("rect", { class: "nbserve-bar nbserve-failed" });
  const title = svg("title");
  const hover = svg("rect", { class: "nbserve-second" }, title);
  bars.append(all, failed);
  marks.append(hover);
  return {
    /** @param {Second | undefined} second */
    draw(second, x, width, height, most) {
      const [t, requests, errors] = second ?? [0, 0, 0];
      const scale = (number) => (number ? Math.max(2, Math.round((number / most) * (height - 4))) : 0);
      place(all, x, width, height, scale(requests));
      place(failed, x, width, height, Math.min(scale(errors), scale(requests)));
      place(hover, x - 0.5, width + 1, height, second ? height : 0);
      write(title, second ? told(second, t) : "");
    },
  };
}

function place(rect, x, width, height, tall) {
  const box = { x: x + 0.5, y: height - tall, width: Math.max(1, width - 1), height: tall };
  for (const [name, value] of Object.entries(box)) mark(rect, name, Number(value.toFixed(2)));
}

/** `12:01:33: 14 requests, 1 error, p50 1.2 ms, p99 3.4 ms` */
function told([, requests, errors, p50, p99], t) {
  const parts = [plural(requests, "request")];
  if (errors) parts.push(plural(errors, "error"));
  if (p50 !== null) parts.push(`p50 ${digits(p50)} ms`);
  if (p99 !== null) parts.push(`p99 ${digits(p99)} ms`);
  return `${new Date(t * 1000).toLocaleTimeString()}: ${parts.join(", ")}`;
}

/** The path through column `column` of the seconds; broken where there was no request. */
function trace(at, column, width, height, slowest) {
  let path = "";
  let isDown = false;
  for (let i = 0; i < SECONDS; i++) {
    const value = at.get(i)?.[column] ?? null;
    if (value !== null) {
      const point = `${(((i + 0.5) * width) / SECONDS).toFixed(1)} ${(height - 3 - (value / slowest) * (height - 8)).toFixed(1)}`;
      path += isDown ? `L${point}` : `M${point}h0.01`;
    }
    isDown = value !== null;
  }
  return path;
}

function legend(peak) {
  const key = (look, text) => h("span", { class: `nbserve-key nbserve-key-${look}` }, text);
  return h("div", { class: "nbserve-legend" }, key("bar", "requests/s"), key("p50", "p50"), key("p99", "p99"), peak);
}
