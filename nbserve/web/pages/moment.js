/** A date, a time, or both: the control that fits what is asked for, and text written as the example is. */

import { h } from "./dom.js";

/** @typedef {import("./field.js").Wanted} Wanted */
/** @typedef {import("./field.js").Control} Control */
/** @typedef {"date" | "time" | "datetime"} Kind */

/** @type {Record<Kind, {type: string, problem: string}>} */
const KINDS = {
  date: { type: "date", problem: "Not a date." },
  time: { type: "time", problem: "Not a time." },
  datetime: { type: "datetime-local", problem: "Not a date and time." },
};
const NAMED = /(?<![\w.])(?:datetime\.)?(date|time|datetime)(?![\w.])/g;
const ONLY_TIME = /^(?:Optional\[)?(?:datetime\.)?time\]?(?: \| None)?$/;
const WRITTEN = /^(?<date>\d{4}-\d\d-\d\d)?(?<gap>[T ])?(?<time>\d\d:\d\d(?::\d\d)?)?(?:\.\d+)?(?<zone>Z|[+-]\d\d:?\d\d)?$/;

/** A time of day, which has no datatype of its own. @param {Wanted} wanted */
export const isTime = ({ datatype, annotation }) => datatype === "any" && ONLY_TIME.test(annotation ?? "");

/** What is not touched is sent as it came; what is, in the same form and time zone. @param {Wanted} wanted @param {any} value @returns {Control} */
export function moment(wanted, value) {
  const example = [value, wanted.example, wanted.categories?.[0]].map(parts).find(Boolean);
  const kind = kindOf(wanted.annotation, example);
  const input = h("input", { type: KINDS[kind].type, step: kind === "date" ? undefined : "1", value: shown(kind, parts(value)) });
  const start = input.value;
  const read = () => {
    if (input.validity.badInput) throw new Error(KINDS[kind].problem);
    if (input.value === "") return null;
    return input.value === start && kind === kindOf("", parts(value)) ? value : written(kind, input.value, example);
  };
  return { input, read };
}

/** The parts of a moment that is written down. @param {any} value */
function parts(value) {
  const found = typeof value === "string" ? WRITTEN.exec(value)?.groups : undefined;
  return found && (found.date || found.time) ? found : undefined;
}

/** As the annotation says, where it names one kind; else as the example is. @param {string | null | undefined} annotation @param {Record<string, string> | undefined} example @returns {Kind} */
function kindOf(annotation, example) {
  const named = new Set(Array.from((annotation ?? "").matchAll(NAMED), ([, kind]) => kind));
  if (named.size === 1) return /** @type {Kind} */ ([...named][0]);
  if (!example || (example.date && example.time)) return "datetime";
  return example.date ? "date" : "time";
}

/** @param {Kind} kind @param {Record<string, string> | undefined} value */
function shown(kind, value) {
  const { date = "", time = "00:00:00" } = value ?? {};
  if (kind === "time") return value?.time ?? "";
  return kind === "date" || !date ? date : `${date}T${time}`;
}

/** What was typed, with its seconds, and with the gap and the zone of the example. @param {Kind} kind @param {string} typed @param {Record<string, string> | undefined} example */
function written(kind, typed, example) {
  if (kind === "date") return typed;
  const seconds = /:\d\d:/.test(typed) ? "" : ":00";
  return typed.replace("T", example?.gap ?? "T") + seconds + (example?.zone ?? "");
}
