/** How a card reaches its endpoint: over HTTP where the Jupyter server passes it on, else over the widget's channel. */

import { Refusal } from "../../web/pages/refusal.js";
import { messenger } from "./comm.js";
import { serverOf } from "./server.js";

/**
 * @typedef {import("./types.js").Ask} Ask
 * @typedef {import("./types.js").Asked} Asked
 * @typedef {import("./types.js").Obey} Obey
 * @typedef {import("./types.js").Order} Order
 */

/** What each order is over HTTP, and what is said when it is done. @type {Record<Order, Asked & {said: (answer: any) => string}>} */
const ORDERS = {
  load: { verb: "POST", path: "load/", said: () => "Loaded." },
  unload: { verb: "POST", path: "unload/", said: ({ said }) => said },
  forget: { verb: "POST", path: "unload/", body: { forget: true }, said: ({ said }) => said },
  stop: { verb: "DELETE", path: "", said: () => "Stopped." },
};

/** @param {any} model the widget's */
export function waysOf(model) {
  const server = serverOf(model);
  const comm = messenger(model);

  /** @type {Obey} */
  async function order(name, what, heard) {
    const { said, ...asked } = ORDERS[what];
    try {
      const answer = (await server.isThere(name)) && (heard(), await server.ask(name, asked));
      return answer ? { ok: true, text: said(answer) } : await comm.send(name, what, undefined, heard);
    } catch (refusal) {
      return { ok: false, text: told(refusal) };
    }
  }

  /** @type {Ask} */
  async function ask(name, asked, heard = () => {}) {
    const answer = (await server.isThere(name)) && (heard(), await server.ask(name, asked));
    if (answer) return answer;
    const { ok, status = 0, value } = await comm.send(name, "ask", asked, heard);
    if (!ok) throw new Refusal(status, Object(value));
    return value;
  }

  return { order, ask, server, beat: comm.beat, close: comm.close };
}

/** The problem and the remedy. @param {any} refusal @returns {string} */
export function told(refusal) {
  if (!(refusal instanceof Refusal)) throw refusal;
  return [refusal.message, refusal.remedy].filter(Boolean).join(" ");
}
