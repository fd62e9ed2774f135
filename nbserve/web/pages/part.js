/** How the data argument is entered: one row by its columns, rows pasted, texts, or a JSON value. */

import { counted, freshId, h, segmented } from "./dom.js";
import { frame, json, makeField, readAll } from "./field.js";
import { literal } from "./literal.js";
import { parseRows } from "./rows.js";

/**
 * @typedef {import("./field.js").Field} Field
 * @typedef {import("./field.js").Wanted} Wanted
 * @typedef {import("./form.js").Method} Method
 * @typedef {{value: any, rest?: Record<string, any>, rows: any[] | null}} Data
 *   `rows` is the same as a list where there is one; `rest` holds the other arguments of a pasted body
 * @typedef {{element: HTMLElement, fields: () => Field[], read: () => Data, refuse: (problem: string) => boolean}} Part
 *   `fields` are those of one row, in the columns' order; `refuse` shows a problem of the whole, and says whether it could
 */

const FORM_WIDTH = 40;
const FILTER_FROM = 24;

/** @param {Method} method @param {() => void} onChange @returns {Part} */
export function partFor(method, onChange) {
  if (method.data.image) return imagePart(method);
  const makers = { table: tablePart, matrix: tablePart, texts: textsPart, value: valuePart };
  return makers[/** @type {"table"} */ (method.data.kind)](method, onChange);
}

/** The value of the data argument in the method's example. @param {Method} method */
const exampleOf = (method) => Object(method.example)[method.data.name];

/** @param {Method} method @param {() => void} onChange @returns {Part} */
function tablePart(method, onChange) {
  const features = columnsOf(method.data);
  const paste = pastePart(method);
  if (!features.length) return paste;
  const row = rowPart(method, features);
  let shown = row;
  const choose = (/** @type {string} */ value) => {
    shown = value === "row" ? row : paste;
    row.element.hidden = shown !== row;
    paste.element.hidden = shown !== paste;
    onChange();
  };
  paste.element.hidden = true;
  const choices = [
    { value: "row", text: "One row" },
    { value: "paste", text: "Many rows" },
  ];
  const element = h("div", { className: "part" }, segmented("How to enter rows", choices, "row", choose), row.element, paste.element);
  return { element, fields: () => shown.fields(), read: () => shown.read(), refuse: (problem) => shown.refuse(problem) };
}

/** The features, or x0, x1, … for a matrix narrow enough to type. @param {any} data @returns {Wanted[]} */
function columnsOf(data) {
  if (data.features.length) return data.features;
  const width = data.width !== null && data.width <= FORM_WIDTH ? data.width : 0;
  return Array.from({ length: width }, (_, at) => ({ name: `x${at}`, datatype: "number" }));
}

/** @param {Method} method @param {Wanted[]} features @returns {Part} */
function rowPart(method, features) {
  const rows = exampleOf(method);
  const example = Array.isArray(rows) ? rows[0] : undefined;
  const isList = Array.isArray(example) || (example === undefined && method.data.kind === "matrix");
  const fields = features.map((feature, at) => makeField(feature, Object(example)[isList ? at : feature.name] ?? feature.example));
  const grid = h("div", { className: "grid" }, ...fields.map((field) => field.element));
  const isLong = fields.length > FILTER_FROM;
  const read = () => {
    const values = readAll(fields);
    const isLeftOut = (/** @type {number} */ at) => values[at] === null && features[at].required === false;
    const named = fields.map((field, at) => [field.name, values[at]]).filter((_, at) => !isLeftOut(at));
    const row = isList ? values : Object.fromEntries(named);
    return { value: [row], rows: [row] };
  };
  const element = h("div", { className: "part" }, isLong ? filter(fields) : null, isLong ? h("div", { className: "grid-scroll" }, grid) : grid);
  return { element, fields: () => fields, read, refuse: () => false };
}

/** A box that hides the fields whose name does not have what is typed. @param {Field[]} fields */
function filter(fields) {
  const id = freshId("filter");
  const found = h("span", { className: "muted", role: "status" }, counted(fields.length, "feature"));
  const input = h("input", { id, type: "search", placeholder: "Find a feature", autocomplete: "off" });
  input.addEventListener("input", (/** @type {Event} */ event) => {
    event.stopPropagation();
    const wanted = input.value.trim().toLowerCase();
    for (const field of fields) field.element.hidden = !field.name.toLowerCase().includes(wanted);
    const left = fields.filter((field) => !field.element.hidden).length;
    found.textContent = wanted ? `${left} of ${counted(fields.length, "feature")}` : counted(fields.length, "feature");
  });
  return h("div", { className: "filter" }, h("label", { className: "unseen", for: id }, "Find a feature"), input, found);
}

/** @param {Method} method @returns {Part} */
function pastePart(method) {
  const example = exampleOf(method);
  const start = Array.isArray(example) ? `[\n${example.map((row) => `  ${JSON.stringify(row)}`).join(",\n")}\n]` : "";
  const input = h("textarea", { className: "code", value: start, rows: 9, spellcheck: false, wrap: "off" });
  const count = h("p", { className: "count", role: "status" });
  const parse = () => parseRows(input.value, method.data);
  const field = frame("Rows as JSON or CSV", { input, read: parse, extra: count });
  const preview = () => describe(count, parse);
  input.addEventListener("input", preview);
  preview();
  const element = h("div", { className: "part" }, field.element, fileButton(input));
  dropTarget(element, input);
  const read = () => {
    const [pasted] = readAll([field]);
    return { value: pasted.rows, rest: pasted.rest, rows: Array.isArray(pasted.rows) ? pasted.rows : null };
  };
  return { element, fields: () => [], read, refuse: (problem) => refuseMore(field, problem) };
}

/** What would be sent, or why it cannot be. @param {HTMLElement} count @param {() => import("./rows.js").Pasted} parse */
function describe(count, parse) {
  let remarks = [];
  try {
    const { count: rows, width, notes } = parse();
    remarks = notes;
    count.textContent = [`${counted(rows, "row")}${width ? ` × ${counted(width, "column")}` : ""}`, ...notes].join(" · ");
  } catch (problem) {
    remarks = [problem];
    count.textContent = /** @type {Error} */ (problem).message;
  }
  count.classList.toggle("warn", remarks.length > 0);
}

/** Several faults may concern one box: each is added to what it says already. @param {Field} field @param {string} problem */
function refuseMore(field, problem) {
  const said = field.element.querySelector(".fault")?.textContent ?? "";
  field.refuse(problem && said ? `${said}\n${problem}` : problem);
  return true;
}

/** @param {any} input */
function fileButton(input) {
  const picker = h("input", { type: "file", accept: ".csv,.tsv,.txt,.json,.jsonl", hidden: true });
  picker.addEventListener("change", () => picker.files[0] && fillFrom(picker.files[0], input));
  const button = h("button", { type: "button", className: "quiet", onclick: () => picker.click() }, "Open a .csv or .json file");
  return h("div", { className: "file" }, button, h("span", { className: "muted" }, "or drop it on the box"), picker);
}

/** @param {HTMLElement} element @param {any} input */
function dropTarget(element, input) {
  const mark = (/** @type {DragEvent} */ event, /** @type {boolean} */ isOver) => {
    event.preventDefault();
    element.classList.toggle("over", isOver);
  };
  element.addEventListener("dragover", (event) => mark(event, true));
  element.addEventListener("dragleave", (event) => mark(event, false));
  element.addEventListener("drop", (event) => {
    mark(event, false);
    const file = event.dataTransfer?.files[0];
    if (file) fillFrom(file, input);
  });
}

/** @param {File} file @param {any} input */
async function fillFrom(file, input) {
  input.value = await file.text();
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

/** @param {Method} method @returns {Part} */
function textsPart(method) {
  const example = exampleOf(method);
  const texts = Array.isArray(example) ? example.map(String) : [String(example ?? "")];
  const split = h("input", { type: "checkbox", id: freshId("split"), checked: texts.length > 1 });
  const input = h("textarea", { value: texts.join("\n"), rows: 6 });
  const read = () => {
    if (!input.value.trim()) throw new Error("Needs a text.");
    return split.checked ? input.value.split(/\r?\n/).filter((/** @type {string} */ line) => line.trim()) : [input.value];
  };
  const field = frame("Text", { input, read });
  const choice = h("div", { className: "field check" }, h("label", { for: split.id }, "Each line is a text of its own"), split);
  const element = h("div", { className: "part" }, field.element, choice);
  dropTarget(element, input);
  const readTexts = () => {
    const [rows] = readAll([field]);
    return { value: rows, rows };
  };
  return { element, fields: () => [], read: readTexts, refuse: (problem) => refuseMore(field, problem) };
}

/** Pictures from files, or numbers as JSON where the model takes those. @param {Method} method @returns {Part} */
function imagePart(method) {
  const { name, image, kind } = method.data;
  const input = h("input", { type: "file", accept: "image/png,image/jpeg", multiple: image.many });
  /** @type {string[]} */
  let pictures = [];
  input.addEventListener("change", async () => {
    pictures = await Promise.all([...input.files].map(dataUrl));
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const wanted = [image.width && image.height ? `${image.width} × ${image.height} pixels` : "", "PNG or JPEG"].filter(Boolean);
  const read = () => {
    if (!pictures.length) throw new Error("Choose a picture.");
    return image.many ? pictures : pictures[0];
  };
  const field = frame(name, { input, read }, wanted);
  const files = {
    element: field.element,
    fields: () => [],
    read: () => ({ value: readAll([field])[0], rows: null }),
    refuse: (/** @type {string} */ problem) => refuseMore(field, problem),
  };
  if (kind !== "matrix") return files;
  const numbers = valuePart(method);
  let shown = files;
  const choose = (/** @type {string} */ value) => {
    shown = value === "files" ? files : numbers;
    files.element.hidden = shown !== files;
    numbers.element.hidden = shown !== numbers;
  };
  choose("files");
  const choices = [
    { value: "files", text: "Pictures" },
    { value: "numbers", text: "Numbers" },
  ];
  const element = h("div", { className: "part" }, segmented("How to enter pictures", choices, "files", choose), files.element, numbers.element);
  return { element, fields: () => [], read: () => shown.read(), refuse: (problem) => shown.refuse(problem) };
}

/** @param {Blob} file @returns {Promise<string>} */
const dataUrl = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });

/** @param {Method} method @returns {Part} */
function valuePart(method) {
  const { name, annotation } = method.data;
  const control = json(method.data, null);
  const example = exampleOf(method);
  control.input.value = example === undefined ? "" : literal(example);
  control.input.rows = Math.min(Math.max(control.input.value.split("\n").length, 4), 18);
  const field = frame(name, control, [annotation ?? "JSON"]);
  return {
    element: field.element,
    fields: () => [],
    read: () => ({ value: readAll([field])[0], rows: null }),
    refuse: (problem) => refuseMore(field, problem),
  };
}
