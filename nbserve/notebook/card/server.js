/**
 * The Jupyter server's extension: the endpoints of this kernel over HTTP, which act while a cell runs. It is there in
 * JupyterLab and Notebook when nbserve is installed beside them, and not in other front ends.
 */

import { Refusal } from "../../web/pages/refusal.js";

/** @typedef {import("./types.js").Asked} Asked */

const FORGETS_MS = 10_000; // a server without it is asked once more after so long
const PATIENCE_MS = 2500;
const LOGGED_OUT = {
  error: "You are not logged in here any more, or may not do this.",
  remedy: "Reload the page.",
};
const SILENT = { error: "The Jupyter server does not answer.", remedy: "Look whether it runs, and try again." };

/** @param {any} model the widget's */
export function serverOf(model) {
  const base = baseUrl();
  /** @type {"unknown" | "there" | "absent"} */
  let state = base ? "unknown" : "absent";
  let lookedAt = 0;
  /** @type {Promise<number> | null} */
  let looking = null;

  const kernel = () => model.get("snapshot").kernel_id ?? model.widget_manager?.kernel?.id ?? "";
  const address = (name, path = "") => `${base}nbserve/e/${encodeURIComponent(kernel())}/${encodeURIComponent(name)}/${path}`;

  /** Whether it passes on what is asked of an endpoint; looked for once, and now and then where it was not. */
  async function isThere(name) {
    const isOld = state === "absent" && Date.now() - lookedAt > FORGETS_MS;
    if (base && kernel() && (state === "unknown" || isOld)) await (looking ??= look(name).finally(() => (looking = null)));
    return state === "there";
  }

  /** Ask it for signs of life; the status of its answer, 0 for none, and 599 where it is no answer of ours. */
  async function look(name) {
    const { status, answer } = await fetched(address(name, "metadata/"), { signal: AbortSignal.timeout(PATIENCE_MS) });
    lookedAt = Date.now();
    const isOurs = status === 200 ? typeof Object(answer).state === "string" : Boolean(Object(answer).code);
    if (status === 200 && isOurs) state = "there";
    else if (state === "unknown" || (status && !isOurs)) state = status === 403 && isOurs ? "there" : "absent";
    return isOurs || !status ? status : 599;
  }

  /**
   * @param {string} name @param {Asked} asked
   * @returns {Promise<any | undefined>} the answer; undefined where there is no such server, and nothing was done
   * @throws {Refusal}
   */
  async function ask(name, { verb = "GET", path = "", body }) {
    const headers = { Accept: "application/json", "X-XSRFToken": xsrfToken() };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const { status, answer } = await fetched(address(name, path), { method: verb, headers, body: body && JSON.stringify(body) });
    const isOurs = Boolean(Object(answer).code);
    if (status === 404 && !isOurs) {
      [state, lookedAt] = ["absent", Date.now()];
      return undefined;
    }
    if (status && status < 400) return answer ?? {};
    throw new Refusal(status, !status ? SILENT : status === 403 && !isOurs ? LOGGED_OUT : Object(answer));
  }

  return {
    ask,
    isThere,
    look,
    isKnown: () => state === "there",
    page: (name) => new URL(address(name), location.href).href,
    list: () => `${base}nbserve/`,
    /** A module of its pages, fetched when it is needed. @param {string} name */
    script: (name) => import(`${location.origin}${base}nbserve/_pages/${name}`),
    /** A whole address, for who reads it elsewhere. @param {string} path */
    whole: (path) => new URL(path, location.origin).href,
  };
}

/** Where the Jupyter server answers this page, with the last slash; empty where that is no Jupyter, or elsewhere. */
function baseUrl() {
  try {
    const { baseUrl: path } = JSON.parse(document.getElementById("jupyter-config-data")?.textContent ?? "{}");
    const url = new URL(path, location.href);
    return typeof path === "string" && url.origin === location.origin ? url.pathname.replace(/\/?$/, "/") : "";
  } catch {
    return "";
  }
}

const xsrfToken = () => document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "";

/** @param {string} address @param {RequestInit} given @returns {Promise<{status: number, answer: any}>} */
async function fetched(address, given) {
  try {
    const answer = await fetch(address, { cache: "no-store", headers: { Accept: "application/json" }, ...given });
    return { status: answer.status, answer: await answer.json().catch(() => null) };
  } catch {
    return { status: 0, answer: null };
  }
}
