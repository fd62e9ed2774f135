/** What changes while the page is open: state, memory, traffic. */

import { h } from "./dom.js";
import { Refusal } from "./refusal.js";
import { call, endpointPath } from "./wire.js";
import { durationText } from "./duration.js";
import { barOf, bytesText, drawBar, timesText, weightText } from "./gauge.js";

const EVERY_MS = 2000;
const OFTEN_MS = 400;
const TICK_MS = 500;

/**
 * @typedef {import("./gauge.js").Told & {version: number, reason: string | null, served_at: string,
 *   described?: boolean, latency_ms?: {p50?: number | null, p99?: number | null}, model?: any,
 *   counters?: {requests: number, errors: number, rows: number, in_flight: number}}} View
 */

/** @param {View} view @returns {[string, string][]} */
function figures(view) {
  const { memory = {}, counters = { requests: 0, errors: 0, rows: 0, in_flight: 0 }, latency_ms: latency = {} } = view;
  const isAside = view.state !== "loaded" && Boolean(memory.spilled_bytes);
  const inMemory = view.state === "loaded" ? bytesText(memory.model_bytes) : "–";
  return [
    isAside ? ["On disk", bytesText(memory.spilled_bytes)] : ["Memory", inMemory],
    ["Requests", counters.requests.toLocaleString("en")],
    ["Errors", counters.errors.toLocaleString("en")],
    ["Rows", counters.rows.toLocaleString("en")],
    ["Median time", durationText(latency.p50)],
  ];
}

/** @param {HTMLElement} list @param {View} view */
export function showFigures(list, view) {
  list.replaceChildren(...figures(view).map(([term, value]) => h("div", { "data-figure": term }, h("dt", {}, term), h("dd", {}, value))));
}

/**
 * A bar of memory or of a load, and what stands beside it; between two views its clocks go on, and rest while there is
 * nothing that they could tell of.
 * @returns {{element: HTMLElement, show: (view: View) => void, rest: () => void}}
 */
export function makeGauge() {
  const bar = h("div", { className: "gauge-bar" });
  const [what, when] = [h("span"), h("span")];
  const element = h("div", { className: "gauge" }, bar, h("p", { className: "gauge-facts" }, what, when));
  /** @type {View} */
  let view;
  let since = 0;
  let isResting = false;

  function tick() {
    if (isResting) return;
    const age = (Date.now() - since) / 1000;
    [what.textContent, when.textContent] = [weightText(view, age), timesText(view, age)];
    element.hidden = !what.textContent && !when.textContent;
  }
  function show(/** @type {View} */ fresh) {
    if (!view) setInterval(tick, TICK_MS);
    [view, since, isResting] = [fresh, Date.now(), false];
    drawBar(bar, barOf(fresh));
    tick();
  }
  function rest() {
    isResting = true;
    when.textContent = "";
  }
  return { element, show, rest };
}

/** @param {HTMLElement} chip @param {string} state */
export function showState(chip, state) {
  if (chip.dataset.state === state) return;
  chip.dataset.state = state;
  chip.textContent = state;
}

/** @param {any} answer */
const isView = (answer) => typeof Object(answer).state === "string" && typeof answer.version === "number";

/**
 * Watch one endpoint by its metadata; where the user's own route answers those, by its page's data: that is asked for
 * nothing as long as the page is open, and by a link it would be a use of it.
 * @param {{name: string, replaced?: string[]}} endpoint
 * @param {(view: View) => boolean} onView @param {(refusal: Refusal) => void} onRefusal
 */
export function watchEndpoint({ name, replaced = [] }, onView, onRefusal) {
  const own = endpointPath(name);
  let path = replaced.includes("metadata") ? own : `${own}metadata/`;
  const turn = () => path !== own && Boolean((path = own));
  watch(
    () => path,
    (answer) => (isView(answer) ? onView(answer) : turn()),
    (refusal) => ([403, 405].includes(refusal.status) && turn()) || onRefusal(refusal),
  );
}

/**
 * Ask again and again, as long as the page can be seen.
 * @param {() => string} pathNow
 * @param {(answer: any) => boolean} onAnswer whether something loads: then the next question comes soon
 * @param {(refusal: Refusal) => void} onRefusal
 */
export function watch(pathNow, onAnswer, onRefusal) {
  let isMoving = false;
  const ask = async () => {
    if (!document.hidden) {
      await call(pathNow()).then(
        ({ answer }) => (isMoving = onAnswer(answer)),
        (refusal) => onRefusal(refusal),
      );
    }
    setTimeout(ask, isMoving ? OFTEN_MS : EVERY_MS);
  };
  setTimeout(ask, OFTEN_MS);
}
