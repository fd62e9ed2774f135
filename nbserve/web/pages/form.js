/** The form of one method: its data, in the way that fits, and its other arguments. */

import { h } from "./dom.js";
import { frame, json, makeField, readAll, takesNull } from "./field.js";
import { literal } from "./literal.js";
import { partFor } from "./part.js";

/**
 * @typedef {import("./field.js").Field} Field
 * @typedef {import("./field.js").Wanted} Wanted
 * @typedef {import("./part.js").Part} Part
 * @typedef {{loc: (string | number)[], msg: string}} Fault
 * @typedef {{method: string, data: any, parameters: Wanted[], outputs: {name: string}[], example: any, doc: string}} Method
 * @typedef {{element: HTMLElement, read: () => {body: any, rows: any[] | null}, clear: () => void,
 *   refuse: (faults: Fault[]) => string[]}} Form `refuse` gives back what has no field to be shown at
 */

/** @param {Method} method @param {() => void} onChange @returns {Form} */
export function makeForm(method, onChange) {
  const part = method.data ? partFor(method, onChange) : null;
  const options = method.parameters.map((parameter) => makeField(parameter, startOf(parameter, method)));
  const fields = () => [...(part?.fields() ?? []), ...options];
  return {
    element: h("div", { className: "form" }, part?.element, options.length ? optionGroup(options, Boolean(part)) : null),
    read: () => bodyOf(method, part, options),
    clear: () => {
      part?.refuse("");
      fields().forEach((field) => field.refuse(""));
    },
    refuse: (faults) => faults.filter((fault) => !placed(fault, fields(), part)).map(faultText),
  };
}

/** A form for a whole body, where nothing is known about the model. @param {any} example @returns {Form} */
export function makeBodyForm(example) {
  const field = frame("Body", json({ name: "Body", datatype: "any" }, Object.keys(Object(example)).length ? example : { X: [] }), ["JSON"]);
  return {
    element: field.element,
    read: () => ({ body: readAll([field])[0] ?? {}, rows: null }),
    clear: () => field.refuse(""),
    refuse: (faults) => faults.map(faultText),
  };
}

/** @param {Method} method @param {Part | null} part @param {Field[]} options */
function bodyOf(method, part, options) {
  const data = part?.read();
  const values = readAll(options);
  const given = options.map((field, at) => [field.name, values[at]]).filter(([, value], at) => isGiven(value, method.parameters[at]));
  const named = Object.fromEntries(given);
  return { body: data ? { [method.data.name]: data.value, ...named, ...data.rest } : named, rows: data?.rows ?? null };
}

/**
 * An argument that is as by default is left out of the body. An empty one is, too, but where the type has null:
 * then the default was taken away on purpose.
 * @param {any} value @param {Wanted} parameter
 */
function isGiven(value, parameter) {
  if (parameter.required) return true;
  if (value === null && !takesNull(parameter)) return false;
  return literal(value) !== literal(parameter.default);
}

/** What an argument shows at first: the example's value, else its default. @param {Wanted} parameter @param {Method} method */
function startOf(parameter, method) {
  const example = Object(method.example)[parameter.name];
  return example === undefined ? parameter.default : example;
}

/** @param {Field[]} options @param {boolean} isAside */
function optionGroup(options, isAside) {
  const grid = h("div", { className: "grid" }, ...options.map((field) => field.element));
  return h("fieldset", { className: "options" }, h("legend", {}, isAside ? "Options" : "Arguments"), grid);
}

/** Show a fault at the field that it names, if there is one. @param {Fault} fault @param {Field[]} fields @param {Part | null} part */
function placed(fault, fields, part) {
  const last = fault.loc.at(-1);
  const isInRow = typeof last === "number" && fault.loc.length > 2;
  const field = isInRow ? part?.fields()[last] : fields.find((each) => each.name === last);
  field?.refuse(fault.msg);
  return field ? true : (part?.refuse(faultText(fault)) ?? false);
}

/** @param {Fault} fault */
const faultText = ({ loc, msg }) => (loc.length ? `${pathText(loc)}: ${msg}` : msg);

/** `X[3].age`, as in the caller's own body. @param {(string | number)[]} loc */
const pathText = (loc) => loc.map((step, at) => (typeof step === "number" ? `[${step}]` : `${at ? "." : ""}${step}`)).join("");
