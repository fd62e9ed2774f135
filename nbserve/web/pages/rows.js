/** Pasted or dropped text → rows: JSON (records, lists, columns, one row, a whole body, JSON lines) or CSV/TSV. */

/** @typedef {{name: string, datatype: string, dtype?: string | null, categories?: any[] | null, nullable?: boolean}} Feature */
/** @typedef {{name: string, kind: string, width: number | null, features: Feature[]}} DataArgument */
/**
 * @typedef {object} Pasted
 * @property {any} rows the value of the data argument
 * @property {Record<string, any>} rest other arguments, when a whole body was pasted
 * @property {number} count rows
 * @property {number} width columns, 0 where rows have none
 * @property {string[]} notes what the reader should know before sending
 */

const BODY_KEYS = ["input", "inputs", "instances", "data_for_predict"];
const EMPTY = new Set(["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]);

/**
 * @param {string} text
 * @param {DataArgument} data
 * @returns {Pasted}
 * @throws {Error} with a sentence about what cannot be read
 */
export function parseRows(text, data) {
  const trimmed = text.trim();
  if (!trimmed) throw new Error("Nothing to read yet.");
  return /^[[{]/.test(trimmed) ? fromJson(parseJson(trimmed), data) : fromTable(parseCsv(trimmed), data);
}

/** @param {string} text */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch (problem) {
    const lines = text.split(/\r?\n/).filter((line) => line.trim());
    if (lines.length > 1 && lines.every((line) => /^[[{].*[\]}]$/.test(line.trim()))) return lines.map((line) => JSON.parse(line));
    throw new Error(`This is not JSON: ${/** @type {Error} */ (problem).message}.`);
  }
}

/** @param {any} value @param {DataArgument} data @returns {Pasted} */
function fromJson(value, data) {
  if (Array.isArray(value)) return described(asRows(value, data), {}, data);
  const names = new Set(data.features.map((feature) => feature.name));
  const key = [data.name, ...BODY_KEYS].find((each) => each in value && !names.has(each));
  if (key === undefined) return described(Object.values(value).every(Array.isArray) ? value : [value], {}, data);
  const { [key]: rows, ...rest } = value;
  return described(Array.isArray(rows) ? asRows(rows, data) : rows, rest, data);
}

/** A list of plain values is one row where rows have several columns. @param {any[]} list @param {DataArgument} data */
function asRows(list, data) {
  if (!list.length) throw new Error("The list is empty: paste at least one row.");
  const isFlat = list.every((each) => each === null || typeof each !== "object");
  if (!isFlat) return list;
  return data.width === 1 ? list.map((each) => [each]) : [list];
}

/** @param {any} rows @param {Record<string, any>} rest @param {DataArgument} data @returns {Pasted} */
function described(rows, rest, data) {
  const columns = Array.isArray(rows) ? null : Object.values(Object(rows));
  const first = columns ? Object.keys(rows) : rows[0];
  const count = columns ? (columns[0]?.length ?? 0) : rows.length;
  const names = columns ? /** @type {string[]} */ (first) : Array.isArray(first) ? null : Object.keys(Object(first));
  const width = names ? names.length : first.length;
  return { rows, rest, count, width, notes: remarks(names, width, data) };
}

/** What does not fit, told before the server has to. @param {string[] | null} names @param {number} width @param {DataArgument} data */
function remarks(names, width, data) {
  if (!names) return data.width && width !== data.width ? [`The model expects ${data.width} columns.`] : [];
  const known = data.features.map((feature) => feature.name);
  const missing = known.filter((name) => !names.includes(name));
  const unknown = known.length ? names.filter((name) => !known.includes(name)) : [];
  return [...listed("Missing", missing), ...listed("Not known to the model", unknown)];
}

/** @param {string} what @param {string[]} names */
const listed = (what, names) =>
  names.length ? [`${what}: ${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}.`] : [];

/** @param {string[][]} table @param {DataArgument} data @returns {Pasted} */
function fromTable(table, data) {
  const features = new Map(data.features.map((feature) => [feature.name, feature]));
  const header = table[0].map((cell) => cell.trim());
  const hasHeader = header.some((cell) => features.has(cell)) || (table.length > 1 && !header.some(isNumber));
  const lines = hasHeader ? table.slice(1) : table;
  if (!lines.length) throw new Error("There is a header but no row below it.");
  const uneven = lines.findIndex((line) => line.length !== table[0].length);
  if (uneven >= 0) throw new Error(`Row ${uneven + 1} has ${lines[uneven].length} cells, the first line has ${table[0].length}.`);
  if (!hasHeader || !features.size) {
    const typed = data.features.length === header.length ? data.features : header.map(() => undefined);
    return described(lines.map((line) => line.map((cell, at) => typedCell(cell, typed[at]))), {}, data);
  }
  return fromRecords(header, lines, features, data);
}

/** @param {string[]} header @param {string[][]} lines @param {Map<string, Feature>} features @param {DataArgument} data */
function fromRecords(header, lines, features, data) {
  const kept = header.filter((name) => features.has(name));
  const records = lines.map((line) => {
    /** @type {Record<string, any>} */
    const record = {};
    header.forEach((name, at) => features.has(name) && (record[name] = typedCell(line[at], features.get(name))));
    return record;
  });
  const pasted = described(records, {}, data);
  pasted.notes.push(...listed("Left out, because the model has no such feature", header.filter((name) => !kept.includes(name))));
  return pasted;
}

/** @param {string} cell */
const isNumber = (cell) => cell.trim() !== "" && Number.isFinite(Number(cell));

/** A cell as the feature's type; what does not fit stays text, and the server names it. @param {string} cell @param {Feature} [feature] */
function typedCell(cell, feature) {
  const text = cell.trim();
  const datatype = feature?.datatype ?? "any";
  if (text === "" || (datatype !== "string" && EMPTY.has(text))) return null;
  if (datatype === "boolean" || feature?.dtype?.startsWith("bool")) return { true: true, false: false, 1: true, 0: false }[text.toLowerCase()] ?? cell;
  if (datatype === "string") return categoryOf(cell, feature);
  return datatype !== "datetime" && isNumber(text) ? Number(text) : cell;
}

/** The category that is written like the cell (it may be a number), else the cell. @param {string} cell @param {Feature} [feature] */
const categoryOf = (cell, feature) => feature?.categories?.find((each) => String(each) === cell.trim()) ?? cell;

/**
 * Lines of cells; commas, semicolons or tabs; quoted cells may hold any of them, line ends and doubled quotes.
 * @param {string} text @returns {string[][]}
 */
export function parseCsv(text) {
  const delimiter = delimiterOf(text);
  const lines = [[""]];
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    const line = lines[lines.length - 1];
    if (isQuoted && character === '"' && text[at + 1] === '"') line[line.length - 1] += text[(at += 1)];
    else if (character === '"' && (isQuoted || line[line.length - 1] === "")) isQuoted = !isQuoted;
    else if (isQuoted) line[line.length - 1] += character;
    else if (character === delimiter) line.push("");
    else if (character === "\n") lines.push([""]);
    else if (character !== "\r") line[line.length - 1] += character;
  }
  if (isQuoted) throw new Error("A quoted cell is never closed.");
  return lines.filter((line) => line.length > 1 || line[0] !== "");
}

/** The separator that the first line has most of, outside of quotes. @param {string} text */
function delimiterOf(text) {
  const first = text.split("\n", 1)[0].replace(/"[^"]*"/g, "");
  const times = (/** @type {string} */ each) => first.split(each).length;
  return ["\t", ";", ","].reduce((best, each) => (times(each) > times(best) ? each : best), ",");
}

/** @param {any[][]} lines */
export const toCsv = (lines) => lines.map((line) => line.map(csvCell).join(",")).join("\r\n") + "\r\n";

/** @param {any} value */
function csvCell(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
