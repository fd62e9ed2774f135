/** What changes while the page is open: state, memory, traffic. */

import { h } from "./dom.js";
import { call, Refusal } from "./wire.js";

const EVERY_MS = 2000;

/**
 * @typedef {{name: string, version: number, state: string, reason: string | null, served_at: string,
 *   memory?: {model_bytes?: number | null, spilled_bytes?: number | null},
 *   counters?: {requests: number, errors: number, rows: number, in_flight: number},
 *   latency_ms?: {p50?: number | null, p99?: number | null}, model?: any}} View
 */

/** @param {number | null | undefined} bytes */
export function bytesText(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const scaled = bytes / 1000 ** step;
  return `${step && scaled < 10 ? scaled.toFixed(1) : Math.round(scaled)} ${units[step]}`;
}

/** @param {number | null | undefined} ms */
export function durationText(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms).toLocaleString("en")} ms`;
}

/** @param {View} view @returns {[string, string][]} */
function figures(view) {
  const { memory = {}, counters = { requests: 0, errors: 0, rows: 0, in_flight: 0 }, latency_ms: latency = {} } = view;
  const isAside = view.state === "unloaded" && Boolean(memory.spilled_bytes);
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

/** @param {HTMLElement} chip @param {string} state */
export function showState(chip, state) {
  if (chip.dataset.state === state) return;
  chip.dataset.state = state;
  chip.textContent = state;
}

/** @param {string} name */
export const metadataPath = (name) => `/${encodeURIComponent(name)}/metadata/`;

/**
 * Ask again and again, as long as the page can be seen.
 * @param {string} path
 * @param {(answer: any) => void} onAnswer
 * @param {(refusal: Refusal) => void} onRefusal
 */
export function watch(path, onAnswer, onRefusal) {
  const ask = async () => {
    if (!document.hidden) {
      await call(path).then(
        ({ answer }) => onAnswer(answer),
        (refusal) => onRefusal(refusal),
      );
    }
    setTimeout(ask, EVERY_MS);
  };
  setTimeout(ask, EVERY_MS);
}
