/** The newest requests, live while somebody looks; a click shows what was asked and answered. */

import { bytesText } from "../../web/pages/gauge.js";
import { copyButton } from "./copying.js";
import { h, mark, show, write } from "./dom.js";
import { laidOut } from "./json.js";
import { patient } from "./waiting.js";
import { told } from "./ways.js";
import { count, digits } from "./words.js";

/**
 * @typedef {import("./types.js").Ask} Ask
 * @typedef {import("./types.js").Endpoint} Endpoint
 * @typedef {{id: string, at: string, caller: string, method: string, rows: number | null, ms: number, status: number}} Line
 * @typedef {Line & {query: string, request: string, request_type: string, request_bytes: number, answer: string,
 *   answer_type: string, answer_bytes: number}} Exchange
 * @typedef {{captures: boolean, captured_bytes: number, exchanges: Line[]}} Captured
 */

const LOOK_MS = 1000;
const COLUMNS = ["Time", "Caller", "Method", "Rows", "ms", "Status"];
const OFF = "Requests are not kept: it is served with --no-capture.";
const NONE = "Nobody has asked yet. Requests appear here as they come.";

/** @param {Ask} ask */
export function traffic(ask) {
  /** @type {Endpoint} */
  let endpoint;
  let isOpen = false;
  let timer = 0;
  const news = h("div", { class: "nbserve-reply", role: "status", hidden: "" });
  const note = h("p", { class: "nbserve-news" });
  const body = h("tbody");
  const heads = COLUMNS.map((name) => h("th", { scope: "col" }, name));
  const table = h("table", { class: "nbserve-traffic" }, h("thead", {}, h("tr", {}, ...heads)), body);
  const frame = h("div", { class: "nbserve-scroll", tabindex: "0", role: "region", "aria-label": "The newest requests" }, table);
  const root = h("div", { class: "nbserve-panel" }, news, frame, note);
  /** @type {Map<string, ReturnType<typeof row>>} */
  const rows = new Map();

  const say = (text, look = "plain") => {
    write(news, text);
    mark(news, "data-look", look);
    show(news, text !== "");
  };
  const asked = (path, heard = () => {}) => ask(endpoint.name, { path }, heard);

  async function look(heard = () => {}) {
    clearTimeout(timer);
    try {
      if (!document.hidden) draw(await asked("traffic/", heard));
      if (news.dataset.look === "bad") say("");
    } catch (refusal) {
      say(told(refusal), "bad");
    } finally {
      heard();
    }
    clearTimeout(timer);
    if (isOpen) timer = setTimeout(look, LOOK_MS);
  }
  /** @param {Captured} captured */
  function draw({ captures, captured_bytes, exchanges }) {
    const kept = new Set(exchanges.map(({ id }) => id));
    for (const [id, each] of rows) if (!kept.has(id)) drop(id, each);
    exchanges.toReversed().forEach((line) => rows.has(line.id) || add(line));
    show(frame, exchanges.length > 0);
    const size = `The newest ${count(exchanges.length)}, in the kernel's memory: ${bytesText(captured_bytes)}.`;
    write(note, !captures ? OFF : exchanges.length ? size : NONE);
  }
  /** @param {Line} line */
  function add(line) {
    const fresh = row(line, () => asked(`traffic/${encodeURIComponent(line.id)}/`));
    rows.set(line.id, fresh);
    body.prepend(fresh.root, fresh.more);
  }
  function drop(id, { root, more }) {
    [root, more].forEach((node) => node.remove());
    rows.delete(id);
  }
  return {
    label: "Traffic",
    icon: "list",
    root,
    open() {
      isOpen = true;
      say("");
      look(patient(say));
    },
    close() {
      isOpen = false;
      clearTimeout(timer);
    },
    update: (fresh) => (endpoint = fresh),
  };
}

/** One request as a line, and what it was about below it. @param {Line} line @param {() => Promise<Exchange>} find */
function row(line, find) {
  const { at, caller, method, rows, ms, status } = line;
  const time = new Date(at).toLocaleTimeString();
  const opener = h("button", { type: "button", class: "nbserve-link", "aria-expanded": "false" }, time);
  const cells = [opener, caller, method, rows === null ? "" : count(rows), digits(ms), String(status)];
  const root = h("tr", { title: at, onclick: turn }, ...cells.map((cell) => h("td", {}, cell)));
  const inside = h("td", { colspan: String(COLUMNS.length) });
  const more = h("tr", { class: "nbserve-exchange", hidden: "" }, inside);
  root.classList.toggle("nbserve-bad", status >= 400);

  async function turn() {
    if (document.getSelection()?.toString()) return; // somebody copies a caller's name
    show(more, more.hidden);
    mark(opener, "aria-expanded", !more.hidden);
    if (inside.hasChildNodes()) return;
    try {
      inside.replaceChildren(...parts(await find()));
    } catch (refusal) {
      inside.replaceChildren(h("p", { class: "nbserve-news" }, told(refusal)));
    }
  }
  return { root, more };
}

/** @param {Exchange} exchange */
function parts({ id, query, request, request_type, request_bytes, answer, answer_type, answer_bytes }) {
  const about = [`X-Predict-id ${id}`, query && `?${query}`].filter(Boolean).join(" · ");
  return [
    part("Request", request, aboutBody(request_type, request_bytes)),
    part("Answer", answer, aboutBody(answer_type, answer_bytes)),
    h("p", { class: "nbserve-news" }, about),
  ];
}

/** @param {string} type @param {number} size */
const aboutBody = (type, size) => (size ? `${type}, ${bytesText(size)}` : "nothing");

/** @param {string} name @param {string} text @param {string} about */
function part(name, text, about) {
  const title = h("span", { class: "nbserve-label" }, name);
  const head = h("div", { class: "nbserve-part" }, title, h("span", { class: "nbserve-news" }, about));
  if (!text) return h("div", {}, head);
  head.append(copyButton(`Copy ${name.toLowerCase()}`, "copy", () => text, "nbserve-bare"));
  return h("div", {}, head, h("pre", { class: "nbserve-payload", tabindex: "0" }, laidOut(text)));
}
