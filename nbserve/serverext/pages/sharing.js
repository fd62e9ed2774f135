/** The links to one endpoint: made, copied, listed with their uses, and revoked. */

import { copy, counted, freshId, h } from "./dom.js";

const EVERY_MS = 4000;
const COPIED_MS = 2000;

/**
 * @typedef {{requests: number, rows: number, errors: number, refused: number, last_used: string | null}} Uses
 * @typedef {{id: string, path: string, label: string, methods: string[] | null, rate: string | null, rows: number | null,
 *   until: string, state: string, uses: Uses, token?: string}} Share
 * @typedef {(verb: string, path: string, body?: unknown) => Promise<any>} Ask
 */

/** @type {[value: string, text: string][]} */
const TIMES = [
  ["1h", "an hour"],
  ["1d", "a day"],
  ["7d", "a week"],
  ["30d", "30 days"],
];

/** What can be given beside the time: `[name, label, placeholder]`. @type {[string, string, string][]} */
const TERMS = [
  ["label", "For whom", "shown beside its uses"],
  ["methods", "Methods", "all"],
  ["rate", "Calls at most", "no limit; 10/s"],
  ["rows", "Rows at most", "no limit"],
];

/** Between whom a link is for and the button that revokes it. */
const HEADS = ["Opens", "Until", "Used", "Last", "State"];

/**
 * A button that opens the panel, and the panel.
 * @param {string} name @param {() => string} pathNow of the endpoint @param {Ask} ask
 */
export function makeSharing(name, pathNow, ask) {
  const list = h("div", { className: "links" });
  const news = h("div", { className: "news", role: "status" });
  const form = makeForm(create);
  const panel = h("section", { className: "sharing", id: freshId("sharing"), hidden: true, "aria-label": `Links to ${name}` }, form.element, news, list);
  const button = h("button", { type: "button", className: "quiet", "data-action": "share", "aria-expanded": "false", "aria-controls": panel.id, "aria-label": `Share: ${name}`, onclick: toggle }, "Share");

  function toggle() {
    panel.hidden = !panel.hidden;
    button.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden) watch();
  }

  /** @param {boolean} [isAllowed] */
  async function create(isAllowed = false) {
    form.setBusy(true);
    try {
      const made = await ask("POST", `${pathNow()}shares/`, isAllowed ? { ...form.read(), allow: true } : form.read());
      news.replaceChildren(...linkView(made));
      await refresh();
    } catch (problem) {
      if (!(problem instanceof Error)) throw problem;
      const isOff = /** @type {any} */ (problem).code === "sharing_off" && !isAllowed;
      news.replaceChildren(...(isOff ? [offView(() => create(true))] : [h("p", { className: "reason" }, problem.message)]));
    } finally {
      form.setBusy(false);
    }
  }

  async function refresh() {
    await ask("GET", `${pathNow()}shares/?no_track_activity=1`).then(
      ({ shares }) => show(shares),
      (problem) => list.replaceChildren(h("p", { className: "reason" }, problem.message)),
    );
  }

  /** @param {Share[]} shares */
  function show(shares) {
    if (list.contains(document.activeElement)) return; // a button that is about to be pressed stays where it is
    list.replaceChildren(shares.length ? tableOf(shares, revoke) : h("p", { className: "muted" }, "No links yet."));
  }

  /** @param {Share} share */
  async function revoke(share) {
    await ask("DELETE", `${pathNow()}shares/${share.id}/`).catch((problem) => news.replaceChildren(h("p", { className: "reason" }, problem.message)));
    /** @type {HTMLElement | null} */ (document.activeElement)?.blur();
    await refresh();
  }

  async function watch() {
    if (panel.hidden || !panel.isConnected) return;
    if (!document.hidden) await refresh();
    setTimeout(watch, EVERY_MS);
  }

  return { button, panel };
}

/** @param {() => void} onSubmit */
function makeForm(onSubmit) {
  const time = h("select", { id: freshId("term") }, ...TIMES.map(([value, text]) => h("option", { value }, text)));
  time.value = "1d";
  const inputs = TERMS.map(([name, , placeholder]) => h("input", { id: freshId("term"), name, placeholder, autocomplete: "off" }));
  const fields = TERMS.map(([, text], at) => h("p", { className: "term" }, h("label", { for: inputs[at].id }, text), inputs[at]));
  const submit = h("button", { type: "submit", className: "primary" }, "Create link");
  const element = h("form", { className: "terms" }, fields[0], h("p", { className: "term" }, h("label", { for: time.id }, "Open for"), time), ...fields.slice(1), submit);
  element.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    onSubmit();
  });
  const given = () => inputs.map((input) => [input.name, input.value.trim()]).filter(([, value]) => value);
  return {
    element,
    read: () => ({ for: time.value, ...Object.fromEntries(given()) }),
    setBusy: (/** @type {boolean} */ isOn) => (submit.disabled = isOn),
  };
}

/** The link, told this once. @param {Share} made @returns {Node[]} */
function linkView(made) {
  const link = `${new URL(made.path, location.href).href}#${made.token}`;
  const shown = h("input", { className: "link", readOnly: true, value: link, "aria-label": "Link", onfocus: () => shown.select() });
  const button = h("button", { type: "button", className: "quiet" }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copy(link)) ? "Copied" : "Select and copy by hand";
    setTimeout(() => (button.textContent = "Copy"), COPIED_MS);
  });
  const open = h("a", { href: link, target: "_blank", rel: "noreferrer" }, "Open");
  return [h("div", { className: "link-line" }, shown, button, open), h("p", { className: "muted" }, "Whoever has this link can use it. It is shown this once.")];
}

/** @param {() => void} onAllow */
const offView = (onAllow) =>
  h(
    "div",
    { className: "off" },
    h("p", {}, "Links are off, since they let in people without an account here."),
    h("button", { type: "button", className: "primary", onclick: onAllow }, "Allow links while this server runs"),
  );

/** @param {Share[]} shares @param {(share: Share) => void} revoke */
function tableOf(shares, revoke) {
  const heads = ["For", ...HEADS, ""].map((text) => h("th", { scope: "col" }, text));
  const rows = shares.map((share) =>
    h(
      "tr",
      { "data-share": share.id, "data-state": share.state },
      h("th", { scope: "row" }, share.label || share.id),
      ...factsOf(share).map((text, at) => h("td", { "data-head": HEADS[at] }, text)),
      h("td", {}, share.state === "open" ? h("button", { type: "button", className: "quiet", "aria-label": `Revoke: ${share.label || share.id}`, onclick: () => revoke(share) }, "Revoke") : null),
    ),
  );
  return h("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Links" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows)));
}

/** What stands below each of `HEADS`. @param {Share} share */
const factsOf = (share) => [
  boundsOf(share),
  momentText(share.until),
  usesText(share.uses),
  share.uses.last_used ? momentText(share.uses.last_used) : "never",
  share.state,
];

/** @param {Share} share */
const boundsOf = ({ methods, rate, rows }) => [methods?.join(", ") ?? "all", rate, rows && counted(rows, "row")].filter(Boolean).join(" · ");

/** @param {Uses} uses */
const usesText = ({ requests, rows, errors, refused }) =>
  [counted(requests, "request"), counted(rows, "row"), errors && counted(errors, "error"), refused && `${refused.toLocaleString("en")} refused`].filter(Boolean).join(", ");

/** @param {string} iso */
const momentText = (iso) => new Date(iso).toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
