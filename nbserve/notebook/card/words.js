/** Numbers, sizes and states as a person reads them. */

import { bytesText, origin } from "../../web/pages/gauge.js";

/**
 * @typedef {import("./types.js").Endpoint} Endpoint
 */

const ENDPOINT = "endpoint "; // how a holder begins that is not of the notebook

/** `1,204`, and `1.2M` where digits would not fit. */
export function count(number) {
  const notation = number >= 1e6 ? "compact" : "standard";
  return new Intl.NumberFormat("en-US", { notation, maximumFractionDigits: 1 }).format(number);
}

/** `1.20`, `12.4`, `1,240`: three digits that mean something. */
export function digits(number) {
  return number < 999.5 ? number.toPrecision(3) : count(Math.round(number));
}

export function latency({ p50, p99 }) {
  return p50 === null ? "–" : p99 === null ? digits(p50) : `${digits(p50)} / ${digits(p99)}`;
}

export function plural(number, noun, nouns = `${noun}s`) {
  return `${count(number)} ${number === 1 ? noun : nouns}`;
}

export function span(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

/** @param {Endpoint} endpoint @returns {[value: string, note: string]} */
export function memory({ memory, state, holders, loading, described }) {
  if (state === "loading" && loading?.total_bytes)
    return [bytesText(loading.done_bytes), `of ${bytesText(loading.total_bytes)}`];
  if (state === "loaded") return [bytesText(memory.model_bytes), "in memory"];
  if (state === "stopped") return ["–", ""];
  if (memory.spilled_bytes) return [bytesText(memory.spilled_bytes), "on disk"];
  if (state !== "unloaded") return ["–", ""];
  if (holders?.length) return [bytesText(memory.model_bytes || null), `held by ${heldBy(holders)}`];
  return ["–", described === false ? "not loaded yet" : "released"];
}

/** `the notebook as model, best and endpoint other` @param {string[]} holders */
function heldBy(holders) {
  const [names, others] = [namesAmong(holders), holders.filter((each) => each.startsWith(ENDPOINT))];
  return [...(names.length ? [`the notebook as ${names.join(", ")}`] : []), ...others].join(" and ");
}

/** The names of the notebook, which can be let go of. @param {string[] | undefined} holders */
export function namesAmong(holders) {
  return (holders ?? []).filter((each) => !each.startsWith(ENDPOINT));
}

/** @param {Endpoint} endpoint */
export function kind(endpoint, separator = " · ") {
  const { type, library, library_version, task } = endpoint.model;
  const known = [type, [library, library_version].filter(Boolean).join(" "), task === "unknown" ? "" : task].filter(
    Boolean,
  );
  const source = origin(endpoint);
  if (source) known.push(known.length ? `from ${source}` : source);
  return known.join(separator);
}

/** The address, if it is one of the web: never `javascript:`. */
export function webAddress(text) {
  return /^https?:\/\//.test(text) ? text : null;
}
