/** An answer as a person reads it: a verdict with bars, a table, or JSON. */

import { counted, download, h } from "./dom.js";
import { durationText } from "./duration.js";
import { literal, shortened } from "./literal.js";
import { toCsv } from "./rows.js";

const SHOWN_ROWS = 200;
const SHOWN_BARS = 10;
const SHOWN_ITEMS = 20;
const TABLE_WIDTH = 12;
/** @type {Record<string, string>} */
const LEADS = { classification: "Predicted class", regression: "Predicted value", clustering: "Cluster" };

/**
 * @typedef {object} Asked
 * @property {string} name of the endpoint
 * @property {string} task
 * @property {import("./form.js").Method} method
 * @property {any[] | null} rows what was sent, where it was rows
 * @property {any[] | null} classes
 * @property {{rows: any[], labels: string[]} | null} chances probabilities of the same rows, when there are any
 */

/** @param {Asked} asked @param {{answer: any, ms: number, predictId: string}} reply @returns {Node[]} */
export function answerView(asked, { answer, ms, predictId }) {
  const value = "predict_result" in Object(answer) ? answer.predict_result : answer;
  const facts = [asked.rows ? counted(asked.rows.length, "row") : "", durationText(ms), idText(predictId)].filter(Boolean);
  const nodes = valueView(asked, value);
  const isRaw = /** @type {HTMLElement} */ (nodes[0]).tagName === "PRE";
  return [...nodes, h("p", { className: "facts" }, facts.join(" · ")), ...(isRaw ? [] : [raw(answer)])];
}

/** @param {import("./refusal.js").Refusal} refusal @param {string[]} lines faults that no field shows @returns {Node[]} */
export function refusalView(refusal, lines) {
  const facts = [refusal.status || "", refusal.code, idText(refusal.predictId)].filter(Boolean).join(" · ");
  return [
    h(
      "div",
      { className: "refusal" },
      h("p", { className: "problem" }, refusal.message),
      refusal.remedy ? h("p", {}, refusal.remedy) : null,
      lines.length ? h("ul", {}, ...lines.slice(0, SHOWN_ITEMS).map((line) => h("li", {}, line))) : null,
    ),
    ...(facts ? [h("p", { className: "facts" }, facts)] : []),
  ];
}

/** @param {string} predictId */
const idText = (predictId) => predictId && `id ${predictId}`;

/** @param {Asked} asked @param {any} value @returns {Node[]} */
function valueView(asked, value) {
  if (isScalar(value)) return verdict(leadOf(asked), value);
  if (!Array.isArray(value) || !value.length) return [block(value)];
  if (asked.method.method === "predict_proba" && isMatrix(value)) return chancesView(asked, value);
  if (value.every(isScalar)) return value.length === 1 ? [...verdict(leadOf(asked), value[0]), ...bars(asked.chances, 0)] : scalarTable(asked, value);
  if (isMatrix(value) && value[0].length <= TABLE_WIDTH) return matrixTable(asked, value, outputLabels(asked, value[0].length));
  return [block(value)];
}

/** @param {any} value */
const isScalar = (value) => value === null || typeof value !== "object";

/** @param {any[]} value */
const isMatrix = (value) => value.every((row) => Array.isArray(row) && row.length === value[0].length && row.every(isScalar));

/** The names of an answered row's columns. @param {Pick<Asked, "method" | "classes">} asked @param {number} width @returns {string[]} */
function outputLabels({ method, classes }, width) {
  if (method.outputs.length === width) return method.outputs.map((output) => output.name);
  if (classes?.length === width) return classes.map(String);
  return Array.from({ length: width }, (_, at) => String(at));
}

/** Probabilities with their labels, from the answer of `predict_proba`; null if it is of another form.
 * @param {import("./form.js").Method} method @param {any[] | null} classes @param {any} value */
export function chancesOf(method, classes, value) {
  if (!Array.isArray(value) || !value.length || !isMatrix(value)) return null;
  return { rows: value, labels: outputLabels({ method, classes }, value[0].length) };
}

/** @param {Asked} asked @param {any[]} value @returns {Node[]} */
function chancesView(asked, value) {
  const chances = { rows: value, labels: outputLabels(asked, value[0].length) };
  if (value.length > 1) return matrixTable(asked, value, chances.labels);
  return [...verdict("Most probable", chances.labels[topOf(value[0])]), ...bars(chances, 0)];
}

/** @param {number[]} row */
const topOf = (row) => row.indexOf(Math.max(...row));

/** @param {Asked} asked */
const leadOf = ({ method, task }) => (method.method === "predict" && LEADS[task]) || "Answer";

/** The answer in one word, with what it is. @param {string} lead @param {any} value @returns {Node[]} */
function verdict(lead, value) {
  const text = scalarText(value);
  const size = text.length > 60 ? "long" : text.length > 18 ? "middle" : "short";
  return [h("p", { className: "lead" }, lead), h("p", { className: `verdict ${size}`, title: String(value) }, text)];
}

/** Numbers to six digits, large ones to two decimals, everything else as it is. @param {any} value */
function scalarText(value) {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e15) return Number(value.toPrecision(6)).toExponential();
  return value.toLocaleString("en", size < 1e4 ? { maximumSignificantDigits: 6 } : { maximumFractionDigits: 2 });
}

/** @param {number} share */
const percentText = (share) => `${(share * 100).toFixed(share > 0.001 && share < 0.999 ? 1 : 2)} %`;

/** The probabilities of one row as bars, the largest first. @param {Asked["chances"]} chances @param {number} at @returns {Node[]} */
function bars(chances, at) {
  if (!chances) return [];
  const ordered = chances.labels.map((label, column) => ({ label, share: Number(chances.rows[at][column]) })).sort((one, other) => other.share - one.share);
  const items = ordered.slice(0, SHOWN_BARS).map(({ label, share }, rank) =>
    h("li", {}, h("span", { className: "bar-label", title: label }, label), track(share, rank === 0), h("span", { className: "share" }, percentText(share))),
  );
  const hidden = ordered.length - items.length;
  const rest = hidden > 0 ? [h("p", { className: "muted" }, `… and ${hidden} less probable.`)] : [];
  return [h("ul", { className: "bars", "aria-label": "Probabilities" }, ...items), ...rest];
}

/** One prediction a row, with its probability. @param {Asked} asked @param {any[]} values @returns {Node[]} */
function scalarTable(asked, values) {
  const { chances } = asked;
  const top = (/** @type {number} */ at) => (chances ? Math.max(...chances.rows[at]) : 0);
  const cells = values.map((value, at) => [scalarText(value), ...(chances ? [h("span", { className: "mini" }, track(top(at), true), percentText(top(at)))] : [])]);
  const file = { heads: ["prediction", ...(chances?.labels.map((label) => `probability ${label}`) ?? [])], lines: values.map((value, at) => [value, ...(chances?.rows[at] ?? [])]) };
  return [table(["Prediction", ...(chances ? ["Probability"] : [])], cells), csvButton(asked, file)];
}

/** @param {number} share @param {boolean} isTop */
function track(share, isTop) {
  const fill = h("span", { className: isTop ? "fill top" : "fill" });
  fill.style.width = `${Math.min(Math.max(share, 0), 1) * 100}%`;
  return h("span", { className: "track", "aria-hidden": "true" }, fill);
}

/** @param {Asked} asked @param {any[][]} rows @param {string[]} labels @returns {Node[]} */
function matrixTable(asked, rows, labels) {
  return [table(labels, rows.map((row) => row.map(scalarText))), csvButton(asked, { heads: labels, lines: rows })];
}

/** @param {string[]} heads @param {(string | Node)[][]} rows */
function table(heads, rows) {
  const head = h("tr", {}, h("th", { scope: "col" }, "Row"), ...heads.map((each) => h("th", { scope: "col" }, each)));
  const lines = rows.slice(0, SHOWN_ROWS).map((row, at) => h("tr", {}, h("th", { scope: "row" }, at), ...row.map((cell) => h("td", {}, cell))));
  const hidden = rows.length - SHOWN_ROWS;
  const grid = h("div", { className: "scroll tall", tabIndex: 0, role: "region", "aria-label": "Predictions" }, h("table", {}, h("thead", {}, head), h("tbody", {}, ...lines)));
  return h("div", {}, grid, hidden > 0 ? h("p", { className: "muted" }, `… and ${counted(hidden, "more row")}, in the CSV file.`) : null);
}

/** Everything that was sent and answered, as a file. @param {Asked} asked @param {{heads: string[], lines: any[][]}} answered */
function csvButton({ name, method, rows }, answered) {
  const sent = sentColumns(method, rows);
  const lines = [[...sent.heads, ...answered.heads], ...answered.lines.map((line, at) => [...(sent.lines[at] ?? []), ...line])];
  return h("button", { type: "button", className: "quiet", onclick: () => download(`${name}-${method.method}.csv`, toCsv(lines), "text/csv") }, "Download as CSV");
}

/** @param {import("./form.js").Method} method @param {any[] | null} rows @returns {{heads: string[], lines: any[][]}} */
function sentColumns(method, rows) {
  const first = rows?.[0];
  if (!rows || first === undefined) return { heads: [], lines: [] };
  if (isScalar(first)) return { heads: [method.data.name], lines: rows.map((row) => [row]) };
  if (!Array.isArray(first)) return { heads: Object.keys(first), lines: rows.map((row) => Object.keys(first).map((key) => row[key])) };
  const names = first.map((_, at) => method.data.features[at]?.name ?? `x${at}`);
  return { heads: names, lines: rows };
}

/** @param {any} value */
const block = (value) => h("pre", { className: "json", tabIndex: 0 }, literal(shortened(value, SHOWN_ITEMS)));

/** @param {any} answer */
const raw = (answer) => h("details", { className: "raw" }, h("summary", {}, "The answer as JSON"), block(answer));
