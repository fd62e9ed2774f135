/** Everything that leaves the page: addresses, the token, calls. Links marked `data-keep-query` keep the token. */

import { Refusal } from "./refusal.js";

export const root = document.documentElement.dataset.root ?? "";
const given = document.documentElement.dataset.token ?? "";
/** Whether the token is this page's own: the Jupyter server's, for this endpoint alone, and for a while. */
export const isPagesOwn = given !== "";
export const token = given || (new URLSearchParams(location.search).get("token") ?? "");

/** An absolute address below the server's prefix. @param {string} path */
export const address = (path) => `${location.protocol}//${location.host}${root}${path}`;

const own = document.documentElement.dataset.own;
/** Whether the page is that of a link: what it opens begins at the prefix itself, and none of it is the owner's. */
export const isLink = own !== undefined;

/** @param {string} name */
export const endpointPath = (name) => own ?? `/${encodeURIComponent(name)}/`;

/** @param {string} name @param {string} method */
export const methodPath = (name, method) => `${endpointPath(name)}${encodeURIComponent(method)}/`;

/** @param {Record<string, string>} more */
export const headers = (more = {}) => (token ? { Authorization: `Bearer ${token}`, ...more } : more);

/**
 * @param {string} path below the server's prefix
 * @param {unknown} [body] sent as JSON by POST
 * @returns {Promise<{answer: any, ms: number, predictId: string}>}
 * @throws {Refusal}
 */
export async function call(path, body) {
  const sent = body === undefined ? { headers: headers({ Accept: "application/json" }) } : posted(body);
  const start = performance.now();
  const response = await fetch(address(path), { ...sent, cache: "no-store" }).catch(() => {
    throw new Refusal(0, { error: "The server does not answer.", remedy: "Is the notebook's kernel still running?" });
  });
  const text = await response.text().catch(() => "");
  const ms = performance.now() - start;
  const answer = parsed(text);
  if (!response.ok || answer === undefined) throw new Refusal(response.status, Object(answer));
  return { answer, ms, predictId: response.headers.get("X-Predict-id") ?? "" };
}

/** @param {unknown} body */
const posted = (body) => ({
  method: "POST",
  headers: headers({ Accept: "application/json", "Content-Type": "application/json" }),
  body: JSON.stringify(body),
});

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll("a[data-keep-query]"))) {
  link.search = location.search;
}
