/** JSON as a person reads it. */

const WIDTH = 88;
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s"[\]{},:]+/g;

/** The same JSON, what is long on lines of its own; numbers stay as they were written. What is no JSON stays as it is. */
export function laidOut(text) {
  try {
    JSON.parse(text);
    return lines(text.match(TOKENS) ?? []);
  } catch {
    return text; // cut, no JSON, or nested too deeply
  }
}

/** @param {string[]} tokens */
function lines(tokens) {
  let at = 0;
  /** @param {string} indent @returns {string} */
  function value(indent) {
    const open = tokens[at++];
    if (open !== "[" && open !== "{") return open;
    const inner = `${indent}  `;
    const parts = [];
    while (tokens[at] !== "]" && tokens[at] !== "}") {
      if (tokens[at] === ",") at += 1;
      else parts.push(key() + value(inner));
    }
    const close = tokens[at++];
    const flat = `${open}${parts.join(", ")}${close}`;
    if (indent.length + flat.length <= WIDTH && !flat.includes("\n")) return flat;
    return `${open}\n${parts.map((part) => inner + part).join(",\n")}\n${indent}${close}`;
  }
  function key() {
    if (tokens[at + 1] !== ":") return "";
    at += 2;
    return `${tokens[at - 2]}: `;
  }
  return value("");
}
