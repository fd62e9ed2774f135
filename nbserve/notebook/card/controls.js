/** The buttons of an endpoint. */

import { h, mark, show, swap } from "./dom.js";
import { patientWithRuns } from "./waiting.js";
import { namesAmong } from "./words.js";

/**
 * @typedef {import("./types.js").Endpoint} Endpoint
 * @typedef {import("./types.js").Obey} Obey
 * @typedef {import("./types.js").View} View
 */

/** A button that is never `disabled`, only says so and does nothing: the focus stays where it was. */
export function button(label, press, look = "") {
  const root = h(
    "button",
    { type: "button", class: `nbserve-button ${look}`, onclick: () => isEnabled() && press() },
    label,
  );
  const isEnabled = () => root.getAttribute("aria-disabled") !== "true";
  return { root, enable: (isOn) => mark(root, "aria-disabled", isOn ? null : "true") };
}

/** Asks once more in the place of a button; Escape is a No. @param {string} text @param {{root: HTMLElement, enable: (isOn: boolean) => void}} asker */
function question(text, asker, act, asked = (_isAsking) => {}) {
  const yes = button("Yes", () => (ask(false), act()), "nbserve-danger");
  const no = button("No", () => ask(false));
  const onkeydown = (event) => event.key === "Escape" && ask(false);
  const root = h(
    "span",
    { class: "nbserve-question", hidden: "", role: "group", onkeydown },
    h("span", {}, text),
    yes.root,
    no.root,
  );

  function ask(isAsking) {
    show(root, isAsking);
    show(asker.root, !isAsking);
    (isAsking ? no : asker).root.focus();
    asked(isAsking);
  }
  function enable(isOn) {
    asker.enable(isOn);
    yes.enable(isOn);
  }
  return { root, ask, enable, isAsking: () => !root.hidden };
}

/**
 * Load, Unload and Stop; Stop asks once more, and so does Forget, which takes the place of Unload where the notebook
 * holds the unloaded model.
 * @param {Obey} order @param {(text: string, look?: string) => void} say
 * @param {boolean} isSmall shows only one of Load and Unload
 */
export function controls(order, say, isSmall = false) {
  /** @type {Endpoint} */
  let endpoint;
  let isDead = false;
  const pending = new Set();
  const load = button("Load", () => press("load"));
  const unload = button("Unload", () => press("unload"));
  const forget = button("Forget", () => forgetting.ask(true));
  const stop = button("Stop", () => stopping.ask(true), "nbserve-quiet");
  const forgetting = question(
    "Forget it?",
    forget,
    () => press("forget"),
    (isAsking) => say(isAsking ? outlook() : ""),
  );
  const stopping = question("Stop?", stop, () => press("stop"));
  const parts = [load, unload, forget, forgetting, stop, stopping];
  const root = h("div", { class: "nbserve-controls" }, ...parts.map((part) => part.root));
  show(forget.root, false);

  const held = () => (endpoint.state === "unloaded" ? namesAmong(endpoint.holders) : []);
  const outlook = () => `A small handle, which can bring the model back, will take its place as ${held().join(", ")}.`;
  async function press(what) {
    pending.add(what);
    refresh();
    say("");
    const isKept = () => what === "unload" && endpoint.counters.in_flight > 0;
    const { heard, over } = patientWithRuns((text) => isDead || say(text), isKept);
    const { ok, text } = await order(endpoint.name, what, heard);
    over();
    pending.delete(what);
    say(ok && endpoint.state === "stopped" ? "" : text, ok ? "good" : "bad"); // a stopped card says so already
    refresh();
  }
  function refresh() {
    const { state, name } = endpoint;
    const isHeld = held().length > 0;
    const isThere = !isDead && state !== "stopped";
    const isFree = isThere && !pending.has("load") && !pending.has("unload") && !pending.has("forget");
    load.enable(isFree && (state === "unloaded" || state === "failed"));
    load.root.classList.toggle("nbserve-primary", endpoint.described === false && !isSmall);
    unload.enable(isFree && state === "loaded");
    forgetting.enable(isFree && isHeld);
    stopping.enable(isThere && !pending.has("stop"));
    if (isSmall) swap(...(state === "loaded" ? [load, unload] : [unload, load]));
    else if (!forgetting.isAsking()) swap(...(isThere && isHeld ? [unload, forget] : [forget, unload]));
    for (const [what, { root }] of Object.entries({ load, unload, forget, stop })) {
      root.classList.toggle("nbserve-pending", pending.has(what));
      mark(root, "aria-busy", pending.has(what) ? "true" : null);
      mark(root, "aria-label", `${root.textContent} ${name}`);
    }
    mark(forgetting.root, "aria-label", `Really forget ${held().join(", ")}?`);
    mark(stopping.root, "aria-label", `Really stop ${name}?`);
  }
  return {
    root,
    /** @type {View["update"]} */
    update(fresh, life) {
      endpoint = fresh;
      isDead = life.kind === "gone";
      if (isDead || fresh.state === "stopped") pending.clear(); // what was asked of it comes to nothing
      refresh();
    },
  };
}
