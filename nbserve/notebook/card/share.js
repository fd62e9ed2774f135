/** Links for people without an account on this server: made, copied, listed with their uses, revoked. */

import { button } from "./controls.js";
import { copyButton } from "./copying.js";
import { h, mark, show, write } from "./dom.js";
import { patient } from "./waiting.js";
import { told } from "./ways.js";
import { count, plural } from "./words.js";

/**
 * @typedef {import("./types.js").Endpoint} Endpoint
 * @typedef {import("./types.js").Ways} Ways
 * @typedef {{id: string, label: string, path: string, link?: string, token?: string, until: string | null, methods: string[] | null,
 *   rate: string | null, rows: number | null, state: string,
 *   uses: {requests: number, rows: number, errors: number, refused: number, last_used: string | null}}} Share
 */

const LASTING = { "30m": "30 minutes", "2h": "2 hours", "8h": "8 hours", "1d": "1 day", "7d": "7 days", "30d": "30 days" };
const LOOK_MS = 3000;

/** @param {Ways} ways */
export function sharing(ways) {
  /** @type {Endpoint} */
  let endpoint;
  let timer = 0;
  const news = h("div", { class: "nbserve-reply", role: "status", hidden: "" });
  const allow = button("Allow share links while this server runs", () => make({ allow: true }), "nbserve-primary");
  const made = h("div", { class: "nbserve-made", hidden: "" });
  const list = h("ul", { class: "nbserve-shares" });
  const terms = form(() => make({}));
  const root = h("div", { class: "nbserve-panel" }, terms.root, news, allow.root, made, list);
  show(allow.root, false);

  function say(text, look = "plain") {
    write(news, text);
    mark(news, "data-look", look);
    show(news, text !== "");
  }
  async function ask(asked) {
    const heard = patient(say);
    return ways.ask(endpoint.name, asked, heard).finally(heard);
  }
  async function make(more) {
    terms.wait(true);
    show(allow.root, false);
    try {
      show_(await ask({ verb: "POST", path: "shares/", body: { ...terms.read(), ...more } }));
      await refresh();
    } catch (refusal) {
      const isAllowable = refusal.code === "sharing_off" && refusal.remedy.includes("--allow");
      if (isAllowable) say(refusal.message); // the button is the remedy
      else say(told(refusal), "bad");
      show(allow.root, isAllowable);
    } finally {
      terms.wait(false);
    }
  }
  /** The link, which nobody is told again. @param {Share} share */
  function show_(share) {
    const link = ways.server.isKnown() ? `${ways.server.whole(share.path)}#${share.token}` : (share.link ?? "");
    const text = h("code", { class: "nbserve-url", title: link }, link);
    const close = button("Done", () => show(made, false));
    const line = h("div", { class: "nbserve-address" }, text, copyButton("Copy link", "copy", () => link));
    const note = h("p", { class: "nbserve-note" }, "It is shown once: whoever has it may use the endpoint as allowed here, and nothing else.");
    made.replaceChildren(h("div", { class: "nbserve-made-facts" }, line, note, close.root));
    show(made, true);
    drawCode(made, link);
  }
  /** For a phone; there is none where the server's pages bring no such script. */
  async function drawCode(place, link) {
    const { qrCode } = await (ways.server.isKnown() ? ways.server.script("qr.js").catch(() => ({})) : {});
    if (qrCode) place.append(qrCode(link));
  }
  async function refresh() {
    clearTimeout(timer);
    try {
      const { shares } = await ask({ path: "shares/" });
      list.replaceChildren(...shares.map((share) => row(share, revoke)));
    } catch (refusal) {
      list.replaceChildren();
      say(told(refusal), "bad");
    }
    if (!root.hidden) timer = setTimeout(refresh, LOOK_MS);
  }
  /** @param {Share} share */
  async function revoke(share) {
    try {
      await ask({ verb: "DELETE", path: `shares/${encodeURIComponent(share.id)}/` });
    } catch (refusal) {
      say(told(refusal), "bad");
    }
    await refresh();
  }
  return {
    label: "Share",
    icon: "share",
    root,
    open() {
      say("");
      refresh();
    },
    /** What was shown once is not shown again. */
    close() {
      clearTimeout(timer);
      show(made, false);
      made.replaceChildren();
    },
    update: (fresh) => (endpoint = fresh),
  };
}

/** For whom, how long and how much. @param {() => void} act */
function form(act) {
  const label = h("input", { type: "text", maxlength: "80", placeholder: "a colleague" });
  const lasting = h("select", {}, ...Object.entries(LASTING).map(([value, text]) => h("option", { value }, text)));
  lasting.value = "1d";
  const methods = h("input", { type: "text", placeholder: "all" });
  const rate = h("input", { type: "text", placeholder: "no limit, or 10/s" });
  const rows = h("input", { type: "number", min: "1", placeholder: "no limit" });
  const go = button("Make a link", act, "nbserve-primary");
  const named = { "For whom": label, "How long": lasting, Methods: methods, "Calls at most": rate, "Rows in all": rows };
  const fields = Object.entries(named).map(([name, input]) =>
    h("label", { class: "nbserve-term" }, h("span", { class: "nbserve-label" }, name), input),
  );
  const onkeydown = (event) => event.key === "Enter" && act();
  const root = h("div", { class: "nbserve-terms", onkeydown }, ...fields, go.root);

  function read() {
    const given = { label: label.value.trim(), for: lasting.value, methods: methods.value.trim(), rate: rate.value.trim() };
    const all = { ...given, rows: rows.value ? Number(rows.value) : "" };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
  }
  function wait(isWaiting) {
    go.enable(!isWaiting);
    mark(go.root, "aria-busy", isWaiting ? "true" : null);
  }
  return { root, read, wait };
}

/** @param {Share} share @param {(share: Share) => void} revoke */
function row(share, revoke) {
  const stop = button("Revoke", () => revoke(share), "nbserve-quiet");
  mark(stop.root, "aria-label", `Revoke the link for ${share.label || share.id}`);
  show(stop.root, share.state === "open");
  return h(
    "li",
    { class: "nbserve-share", "data-state": share.state },
    h(
      "div",
      { class: "nbserve-who" },
      h("b", {}, share.label || "A link"),
      h("div", { class: "nbserve-note", "data-long": "" }, [limits(share), used(share)].filter(Boolean).join(" · ")),
    ),
    stop.root,
  );
}

/** @param {Share} share */
function limits({ state, until, methods, rate, rows }) {
  const end = state !== "open" ? state : until ? `until ${new Date(until).toLocaleString()}` : "";
  return [end, methods?.join(", "), rate, rows && plural(rows, "row")].filter(Boolean).join(" · ");
}

/** @param {Share} share */
function used({ uses: { requests, rows, errors, refused, last_used } }) {
  if (!requests && !refused) return "not used yet";
  const parts = [plural(requests, "request"), plural(rows, "row")];
  if (errors) parts.push(plural(errors, "error"));
  if (refused) parts.push(`${count(refused)} refused`);
  if (last_used) parts.push(`last ${new Date(last_used).toLocaleTimeString()}`);
  return parts.join(", ");
}
