/** One input for one feature or argument: the control that fits its type, its label, its fault. */

import { freshId, h } from "./dom.js";
import { literal } from "./literal.js";
import { isTime, moment } from "./moment.js";

/**
 * @typedef {{name: string, datatype: string, dtype?: string | null, shape?: number[], nullable?: boolean,
 *   categories?: any[] | null, choices?: any[] | null, closed?: boolean, required?: boolean, default?: any,
 *   annotation?: string | null, example?: any}} Wanted a feature or a parameter
 * @typedef {{input: any, read: () => any, extra?: HTMLElement}} Control `read` gives null for an empty input
 * @typedef {{name: string, element: HTMLElement, input: any, read: () => any, refuse: (problem: string) => void}} Field
 *   `read` throws a sentence about what cannot be sent; `refuse` shows one, an empty one clears it
 */

/** What was typed cannot be sent; each problem is shown at its field. */
export class FormProblem extends Error {
  /** @param {{field: Field, problem: string}[]} problems */
  constructor(problems) {
    super(problems[0].problem);
    this.problems = problems;
  }
}

const MOST_CHOICES = 50;
const ANOTHER = "another";

/** @type {Record<string, (wanted: Wanted, value: any) => Control>} */
const CONTROLS = { number: quantity, integer: quantity, boolean: truth, datetime: moment, string: text, any: loose };

/** @param {Wanted} wanted @param {any} value shown at first @returns {Field} */
export function makeField(wanted, value) {
  const control = controlFor(wanted)(wanted, value);
  const isOptional = wanted.nullable || wanted.required === false;
  const read = () => {
    const typed = control.read();
    if (typed === null && !isOptional) throw new Error("Needs a value.");
    return typed;
  };
  return frame(wanted.name, { ...control, read }, hint(wanted));
}

/** A control with its label and the place for its fault. @param {string} name @param {Control} control @param {string[]} [remarks] @returns {Field} */
export function frame(name, { input, read, extra }, remarks = []) {
  const id = (input.id = freshId("field"));
  const fault = h("p", { className: "fault", id: `${id}-fault`, hidden: true });
  const hints = remarks.map((each) => h("span", { className: each === "optional" ? "label-hint" : "label-hint type" }, each));
  const label = h("label", { for: id }, h("span", { className: "label-name", title: name }, ...breakable(name)), h("span", { className: "label-hints" }, ...hints));
  const element = h("div", { className: shapeOf(input) }, label, input, extra, fault);
  const refuse = (/** @type {string} */ problem) => {
    fault.textContent = problem;
    fault.hidden = !problem;
    input.setAttribute("aria-invalid", String(Boolean(problem)));
    input.setAttribute("aria-describedby", fault.id);
  };
  input.addEventListener("input", () => refuse(""));
  return { name, element, input, read, refuse };
}

/** The name, which may be broken after each of its words. @param {string} name */
const breakable = (name) => name.split(/(?<=[_.\-/])/).flatMap((word) => [word, h("wbr")]);

/** The values of all fields. @param {Field[]} fields @throws {FormProblem} with every field that cannot be sent */
export function readAll(fields) {
  /** @type {{field: Field, problem: string}[]} */
  const problems = [];
  const values = fields.map((field) => {
    try {
      return field.read();
    } catch (problem) {
      problems.push({ field, problem: /** @type {Error} */ (problem).message });
      return null;
    }
  });
  if (problems.length) throw new FormProblem(problems);
  return values;
}

/** @param {Wanted} wanted */
function hint({ annotation, datatype, nullable, required }) {
  const type = annotation ?? (datatype === "any" ? "" : datatype);
  const isLeftOpen = nullable && required === undefined;
  return [type, isLeftOpen ? "optional" : ""].filter(Boolean);
}

/** Long controls take a whole line. @param {HTMLInputElement} input */
function shapeOf(input) {
  if (input.type === "checkbox") return "field check";
  return input.type === "textarea" || input.type === "datetime-local" ? "field wide" : "field";
}

/** Whether null is a value of its own: an argument without a type says nothing about it. @param {Wanted} wanted */
export const takesNull = ({ nullable, annotation, required }) => Boolean(nullable && (annotation || required === undefined));

/** @param {Wanted} wanted */
function controlFor(wanted) {
  const options = wanted.choices ?? (wanted.closed ? wanted.categories : null);
  if (options?.length) return choice;
  if (wanted.shape?.length) return json;
  if (wanted.categories?.length) return wanted.categories.length > MOST_CHOICES ? suggestion : openChoice;
  if (wanted.datatype === "boolean" && mayBeNeither(wanted)) return choice;
  return isTime(wanted) ? moment : (CONTROLS[wanted.datatype] ?? loose);
}

/** Whether a boolean is true, false, or not given. @param {Wanted} wanted */
function mayBeNeither(wanted) {
  const isLeftOpen = wanted.nullable || wanted.required === false;
  return takesNull(wanted) || (isLeftOpen && typeof wanted.default !== "boolean");
}

/** A choice among all values there are. @param {Wanted} wanted @param {any} value @returns {Control} */
function choice(wanted, value) {
  const values = wanted.choices ?? wanted.categories ?? [true, false];
  const mayBeEmpty = wanted.nullable || wanted.required === false;
  const options = values.map((each, at) => h("option", { value: String(at), selected: each === value }, String(each)));
  if (mayBeEmpty) options.unshift(h("option", { value: "", selected: !values.includes(value) }, "—"));
  const input = h("select", {}, ...options);
  return { input, read: () => (input.value === "" ? null : values[Number(input.value)]) };
}

/** A choice among the values that are known, or another one. @param {Wanted} wanted @param {any} value @returns {Control} */
function openChoice(wanted, value) {
  const isKnown = (wanted.categories ?? []).includes(value) || value === null || value === undefined;
  const known = choice(wanted, value);
  const other = CONTROLS[wanted.datatype === "boolean" ? "any" : wanted.datatype](wanted, isKnown ? "" : value);
  known.input.append(h("option", { value: ANOTHER, selected: !isKnown }, "another …"));
  other.input.setAttribute("aria-label", `${wanted.name}, another value`);
  const reveal = () => {
    other.input.hidden = known.input.value !== ANOTHER;
  };
  known.input.addEventListener("input", () => {
    reveal();
    if (!other.input.hidden) other.input.focus();
  });
  reveal();
  return { input: known.input, read: () => (known.input.value === ANOTHER ? other.read() : known.read()), extra: other.input };
}

/** Free text with the known values offered. @param {Wanted} wanted @param {any} value @returns {Control} */
function suggestion(wanted, value) {
  const known = wanted.categories ?? [];
  const list = h("datalist", { id: freshId("known") }, ...known.map((each) => h("option", { value: String(each) })));
  const control = CONTROLS[wanted.datatype === "boolean" ? "any" : wanted.datatype](wanted, value);
  control.input.setAttribute("list", list.id);
  const read = () => known.find((each) => String(each) === control.input.value) ?? control.read();
  return { input: control.input, read, extra: list };
}

/** A number; true and false count as 1 and 0. @param {Wanted} wanted @param {any} value @returns {Control} */
function quantity(wanted, value) {
  const isWhole = wanted.datatype === "integer";
  const shown = typeof value === "boolean" ? Number(value) : (value ?? "");
  const input = h("input", { type: "number", step: isWhole ? "1" : "any", inputMode: isWhole ? "numeric" : "decimal", value: shown });
  const read = () => {
    if (input.validity.badInput) throw new Error("Not a number.");
    if (isWhole && input.validity.stepMismatch) throw new Error("Not a whole number.");
    return input.value === "" ? null : Number(input.value);
  };
  return { input, read };
}

/** @param {Wanted} _wanted @param {any} value @returns {Control} */
function truth(_wanted, value) {
  const input = h("input", { type: "checkbox", checked: value === true });
  return { input, read: () => input.checked };
}

/** @param {Wanted} wanted @param {any} value @returns {Control} */
function text(wanted, value) {
  const isLong = String(value ?? "").length > 60;
  const input = h(isLong ? "textarea" : "input", { value: value ?? "", spellcheck: false, autocomplete: "off", ...(isLong ? { rows: 4 } : { type: "text" }) });
  return { input, read: () => (input.value === "" && (wanted.nullable || wanted.required === false) ? null : input.value) };
}

/** Anything: what it was, else JSON where it reads as JSON, else the text itself. @param {Wanted} wanted @param {any} value @returns {Control} */
function loose(wanted, value) {
  if (value !== null && typeof value === "object") return json(wanted, value);
  const input = h("input", { type: "text", value: value ?? "", spellcheck: false, autocomplete: "off" });
  const start = input.value;
  const read = () => {
    if (input.value === start) return value ?? null;
    if (input.value === "") return null;
    try {
      return JSON.parse(input.value);
    } catch {
      return input.value;
    }
  };
  return { input, read };
}

/** A JSON editor. @param {Wanted} _wanted @param {any} value @returns {Control} */
export function json(_wanted, value) {
  const shown = value === undefined || value === null ? "" : literal(value);
  const input = h("textarea", { className: "code", value: shown, rows: Math.min(Math.max(shown.split("\n").length, 2), 16), spellcheck: false });
  const read = () => {
    if (!input.value.trim()) return null;
    try {
      return JSON.parse(input.value);
    } catch (problem) {
      throw new Error(`Not JSON: ${/** @type {Error} */ (problem).message}.`);
    }
  };
  return { input, read };
}
