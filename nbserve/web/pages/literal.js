/** A JSON value written as JSON, JavaScript or Python: on one line where it fits, else one item a line, plain values side by side. */

export const JSON_WORDS = { true: "true", false: "false", null: "null" };
export const PYTHON_WORDS = { true: "True", false: "False", null: "None" };
const WIDTH = 60;

/**
 * @param {unknown} value
 * @param {{true: string, false: string, null: string}} [words]
 * @param {string} [indent] of the line that the value begins on
 * @param {string} [step]
 * @returns {string}
 */
export function literal(value, words = JSON_WORDS, indent = "", step = "  ") {
  const flat = inline(value, words);
  if (flat.length + indent.length <= WIDTH || value === null || typeof value !== "object") return flat;
  const deeper = indent + step;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Array.isArray(value)
    ? value.map((item) => literal(item, words, deeper, step))
    : Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${literal(item, words, deeper, step)}`);
  const isPlain = Array.isArray(value) && value.every((item) => item === null || typeof item !== "object");
  const lines = isPlain ? filled(items, WIDTH - deeper.length) : items;
  return `${open}\n${deeper}${lines.join(`,\n${deeper}`)}\n${indent}${close}`;
}

/** As many items on a line as fit. @param {string[]} items @param {number} width */
function filled(items, width) {
  /** @type {string[]} */
  const lines = [];
  for (const item of items) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + item.length + 2 <= width) lines[lines.length - 1] = `${last}, ${item}`;
    else lines.push(item);
  }
  return lines;
}

/** @param {unknown} value @param {{true: string, false: string, null: string}} words @returns {string} */
function inline(value, words) {
  if (value === null || value === undefined) return words.null;
  if (typeof value === "boolean") return words[`${value}`];
  if (Array.isArray(value)) return `[${value.map((item) => inline(item, words)).join(", ")}]`;
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${inline(item, words)}`).join(", ")}}`;
}

/**
 * The same value with every list cut after `most` items; a cut list ends with a sentence that says so.
 * @param {any} value @param {number} most @returns {any}
 */
export function shortened(value, most) {
  if (Array.isArray(value)) {
    const kept = value.slice(0, most).map((item) => shortened(item, most));
    return value.length > most ? [...kept, `… ${value.length - most} more`] : kept;
  }
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shortened(item, most)]));
}
