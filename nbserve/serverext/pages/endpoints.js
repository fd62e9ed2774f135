/** All endpoints of all notebooks of this Jupyter server, kept up to date. */

import { byId, counted, h } from "./dom.js";
import { bytesText } from "./gauge.js";
import { makeSharing } from "./sharing.js";

const EVERY_MS = 1500;
const ASK_AGAIN_MS = 5000; // so long "Stop?" waits for its yes
const base = document.documentElement.dataset.base ?? "/";

/**
 * @typedef {{requests: number, errors: number, in_flight: number}} Counters
 * @typedef {{name: string, path: string, kernel_id: string, notebook: string, title: string | null, state: string,
 *   reason: string | null, memory: {model_bytes?: number, spilled_bytes?: number} | null, counters: Counters | null}} Endpoint
 * @typedef {{text: (endpoint: Endpoint) => string, verb: string, path: string, asks?: boolean,
 *   fits: (endpoint: Endpoint) => boolean}} Action
 */

/** What can be done with an endpoint, in the order of its buttons. @type {Record<string, Action>} */
const ACTIONS = {
  load: { text: () => "Load", verb: "POST", path: "load/", fits: ({ state }) => ["unloaded", "failed"].includes(state) },
  unload: { text: () => "Unload", verb: "POST", path: "unload/", fits: ({ state }) => state === "loaded" },
  stop: { text: () => "Stop", verb: "DELETE", path: "", asks: true, fits: ({ state }) => state !== "gone" },
};

/** @type {Map<string, ReturnType<typeof makeRow>>} by path */
const rows = new Map();

/** @param {Endpoint} first */
function makeRow(first) {
  let told = first;
  /** @type {{at: number, requests: number} | null} */
  let before = null;
  const state = h("span", { className: "state", role: "status" });
  const title = h("p", { className: "about" });
  const stats = h("dl", { className: "stats" });
  const reason = h("p", { className: "reason", hidden: true });
  const notice = h("p", { className: "notice", role: "status", hidden: true });
  const buttons = Object.entries(ACTIONS).map(([name, action]) => makeButton(name, action, () => told, act));
  const sharing = makeSharing(first.name, () => told.path, ask);
  const head = h("div", { className: "title" }, h("h2", {}, h("a", { href: first.path }, first.name)), state);
  const element = h(
    "li",
    { className: "panel endpoint", "data-name": first.name },
    h("div", {}, head, title, h("p", { className: "muted", title: first.notebook }, first.notebook.split("/").pop() || "A kernel without a notebook")),
    stats,
    h("div", { className: "actions" }, ...buttons.slice(0, -1).map(({ element }) => element), sharing.button, buttons[buttons.length - 1].element),
    reason,
    notice,
    sharing.panel,
  );

  /** @param {Action} action */
  async function act({ verb, path }) {
    notice.hidden = true;
    const answer = await ask(verb, told.path + path).catch((problem) => problem);
    await refresh();
    if (!(answer instanceof Error)) return;
    notice.textContent = answer.message;
    notice.hidden = Boolean(told.reason && answer.message.startsWith(told.reason)); // it stands there already
  }

  /** @param {Endpoint} fresh */
  function show(fresh) {
    told = fresh;
    state.dataset.state = fresh.state;
    state.textContent = fresh.state === "silent" ? "no answer" : fresh.state;
    title.textContent = fresh.title ?? "";
    title.hidden = !fresh.title;
    reason.textContent = fresh.reason ?? "";
    reason.hidden = !fresh.reason;
    const figures = figuresOf(fresh, rateOf(fresh));
    stats.replaceChildren(...figures.map(([term, text, look]) => h("div", {}, h("dt", {}, term), h("dd", { className: look ?? "" }, text))));
    buttons.forEach(({ show }) => show());
  }

  /** Requests in a second since they were told before. @param {Endpoint} fresh */
  function rateOf({ counters }) {
    if (!counters) return null;
    const [was, now] = [before, performance.now()];
    before = { at: now, requests: counters.requests };
    return was && now > was.at ? Math.max(0, (1000 * (counters.requests - was.requests)) / (now - was.at)) : null;
  }

  return { element, show };
}

/** @param {Endpoint} endpoint @param {number | null} rate @returns {[term: string, text: string, look?: string][]} */
function figuresOf({ state, memory, counters }, rate) {
  const bytes = state === "loaded" ? memory?.model_bytes : memory?.spilled_bytes;
  const isAside = state !== "loaded" && Boolean(bytes);
  return [
    [isAside ? "On disk" : "Memory", bytes ? bytesText(bytes) : "–"],
    ["Rate", rate === null ? "–" : `${rateText(rate)}/s`],
    ["Requests", counters ? counters.requests.toLocaleString("en") : "–"],
    ["Errors", counters ? counters.errors.toLocaleString("en") : "–", counters?.errors ? "bad" : ""],
  ];
}

/** @param {number} rate */
const rateText = (rate) => (rate > 0 && rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en"));

/**
 * @param {string} name @param {Action} action @param {() => Endpoint} now @param {(action: Action) => Promise<void>} act
 */
function makeButton(name, action, now, act) {
  let isAsked = false;
  const element = h("button", { type: "button", className: "quiet", "data-action": name, onclick: press });

  async function press() {
    if (action.asks && !isAsked) {
      isAsked = true;
      setTimeout(() => ((isAsked = false), show()), ASK_AGAIN_MS);
      show();
      return;
    }
    isAsked = false;
    element.disabled = true;
    element.setAttribute("aria-busy", "true");
    await act(action);
    element.removeAttribute("aria-busy");
    element.disabled = false;
    show();
  }

  function show() {
    element.hidden = !action.fits(now());
    element.textContent = isAsked ? `Yes, ${action.text(now()).toLowerCase()} it` : action.text(now());
    element.classList.toggle("danger", isAsked);
    element.setAttribute("aria-label", `${element.textContent}: ${now().name}`);
  }

  return { element, show };
}

/** @param {Endpoint[]} endpoints */
function show(endpoints) {
  const paths = new Set(endpoints.map(({ path }) => path));
  for (const [path, row] of rows) {
    if (!paths.has(path)) {
      row.element.remove();
      rows.delete(path);
    }
  }
  for (const endpoint of endpoints) {
    const row = rows.get(endpoint.path) ?? makeRow(endpoint);
    if (!rows.has(endpoint.path)) byId("endpoints").append(row.element);
    rows.set(endpoint.path, row);
    row.show(endpoint);
  }
  byId("count").textContent = endpoints.length ? counted(endpoints.length, "endpoint") : "";
  byId("empty").hidden = endpoints.length > 0;
}

/**
 * @param {string} verb @param {string} path @param {unknown} [body] sent as JSON
 * @returns {Promise<any>} @throws {Error} whose message is for people, and whose `code` for programs
 */
async function ask(verb, path, body) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json", "X-XSRFToken": xsrfToken() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method: verb, headers, cache: "no-store", body: body && JSON.stringify(body) }).catch(() => {
    throw new Error("The Jupyter server does not answer.");
  });
  const value = await answer.json().catch(() => ({}));
  if (answer.ok) return value;
  const isLoggedOut = answer.status === 403 && !value.error;
  const told = isLoggedOut ? "You are not logged in here any more: reload the page." : `${value.error ?? `The server answered ${answer.status}.`} ${value.remedy ?? ""}`;
  throw Object.assign(new Error(told), { code: value.code ?? "" });
}

const xsrfToken = () => document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "";

/** To look is no activity: else an open page would keep an idle server from being stopped. */
async function refresh() {
  await ask("GET", `${base}nbserve/?no_track_activity=1`).then(
    ({ endpoints }) => {
      show(endpoints);
      byId("notice").hidden = true;
    },
    (problem) => {
      byId("notice").textContent = problem.message;
      byId("notice").hidden = false;
    },
  );
}

async function watch() {
  if (!document.hidden) await refresh();
  setTimeout(watch, EVERY_MS);
}

watch();
