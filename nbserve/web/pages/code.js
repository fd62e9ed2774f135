/** The request in the form, as code that runs as it stands. The token is hidden on screen, not in what is copied. */

import { byId, copy, h, segmented } from "./dom.js";
import { LANGUAGES } from "./languages.js";
import { address, endpointPath, isLink, isPagesOwn, methodPath, token } from "./wire.js";

const MASK = "••••••••";
const SHOWN_ROWS = 3;
const OWN_TOKEN = "The token is this page's own: it opens this endpoint alone, and for some hours.";
const LINKS_TOKEN = "The token is this link's: it opens this endpoint alone, as long as the link does.";

/** @typedef {import("./languages.js").Request} Request */

/**
 * @param {string} name of the endpoint
 * @returns {{elements: HTMLElement[], show: (method: string, body: any, dataName: string | null) => void}}
 */
export function makeCode(name) {
  let language = "curl";
  let isRevealed = !token;
  /** @type {Request} */
  let request = { home: "", method: "", url: "", token, body: {} };
  const shown = h("code", {});
  const note = h("p", { className: "muted", hidden: true });
  const own = h("p", { className: "muted", hidden: !isPagesOwn }, isLink ? LINKS_TOKEN : OWN_TOKEN);
  const written = (/** @type {string} */ secret) => LANGUAGES[language].write({ ...request, token: secret });
  const draw = () => (shown.textContent = written(isRevealed ? token : MASK));
  const choices = Object.entries(LANGUAGES).map(([value, { text }]) => ({ value, text }));
  const choose = (/** @type {string} */ value) => {
    language = value;
    draw();
  };
  const reveal = revealButton((/** @type {boolean} */ isOn) => {
    isRevealed = isOn;
    draw();
  });
  const block = h("pre", { className: "json", tabIndex: 0, "aria-label": "Code" }, shown);
  block.addEventListener("copy", unmask);
  const actions = h("div", { className: "actions" }, token ? reveal : null, copyButton(() => written(token)));
  return {
    elements: [h("div", { className: "toolbar" }, segmented("Language", choices, language, choose), actions), block, note, own],
    show: (method, body, dataName) => {
      const { kept, left } = firstRows(body, dataName);
      request = { home: address(endpointPath(name)), method, url: address(methodPath(name, method)), token, body: kept };
      note.hidden = !left;
      note.textContent = `With the first ${SHOWN_ROWS} rows; ${left.toLocaleString("en")} more are in the form.`;
      draw();
    },
  };
}

/** Code is for reading: of many rows it has the first few. @param {any} body @param {string | null} dataName */
function firstRows(body, dataName) {
  const rows = dataName === null ? null : body[dataName];
  if (!Array.isArray(rows) || rows.length <= SHOWN_ROWS) return { kept: body, left: 0 };
  return { kept: { ...body, [/** @type {string} */ (dataName)]: rows.slice(0, SHOWN_ROWS) }, left: rows.length - SHOWN_ROWS };
}

/** What is selected by hand is copied with the real token, too. @param {ClipboardEvent} event */
function unmask(event) {
  const selected = String(document.getSelection());
  if (!selected.includes(MASK)) return;
  event.preventDefault();
  event.clipboardData?.setData("text/plain", selected.replaceAll(MASK, token));
}

/** @param {(isOn: boolean) => void} onToggle */
function revealButton(onToggle) {
  const button = h("button", { type: "button", className: "quiet", "aria-pressed": "false" }, "Show token");
  button.addEventListener("click", () => {
    const isOn = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isOn));
    onToggle(isOn);
  });
  return button;
}

/** @param {() => string} text */
function copyButton(text) {
  const button = h("button", { type: "button", className: "quiet" }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text())) ? "Copied" : "Select and copy by hand";
    byId("said").textContent = button.textContent;
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  return button;
}
