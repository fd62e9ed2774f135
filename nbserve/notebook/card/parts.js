/** The small parts that a card and a dashboard are made of. */

import { barOf, drawBar, timesText, weightText } from "../../web/pages/gauge.js";
import { h, mark, show, write } from "./dom.js";

/**
 * @typedef {import("./types.js").Endpoint} Endpoint
 * @typedef {import("./types.js").Life} Life
 * @typedef {import("./types.js").View} View
 */

const NOTICE_MS = 12000;
const SHORT_NOTE = 16;

/** State in colour and in a word; the word is read out when it changes. */
export function chip() {
  const word = h("span", {});
  const dot = h("span", { class: "nbserve-dot", "aria-hidden": "true" });
  const root = h("span", { class: "nbserve-chip", role: "status", "aria-live": "polite" }, dot, word);
  return {
    root,
    update(endpoint, life) {
      const state = life.kind === "gone" ? "gone" : endpoint.state;
      mark(root, "data-state", state);
      mark(root, "data-life", life.kind);
      mark(root, "title", endpoint.reason || "");
      write(word, state);
    },
  };
}

export function tile(label) {
  const value = h("span", { class: "nbserve-value" });
  const note = h("span", { class: "nbserve-note" });
  const root = h("div", { class: "nbserve-tile" }, h("span", { class: "nbserve-label" }, label), value, note);
  return {
    root,
    update(text, more = "", isBad = false) {
      write(value, text);
      writeNote(note, more);
      root.classList.toggle("nbserve-bad", isBad);
    },
  };
}

/** A note that would push its neighbours aside is broken into lines. */
export function writeNote(node, text) {
  write(node, text);
  mark(node, "data-long", text.length > SHORT_NOTE ? "" : null);
}

/** A bar, and beside it what the model weighs or how far its load is. */
export function strip() {
  /** @type {Endpoint} */
  let endpoint;
  const bar = h("div", { class: "nbserve-meter" });
  const what = h("span", { class: "nbserve-what" });
  const root = h("div", { class: "nbserve-strip" }, bar, what);
  return {
    root,
    /** @type {View["update"]} */
    update(fresh) {
      endpoint = fresh;
      drawBar(bar, barOf(fresh));
    },
    tick(age) {
      write(what, weightText(endpoint, age));
      show(root, what.textContent !== "");
    },
  };
}

/**
 * When it was last used and will leave: a line that is there before there is anything to say, so that nothing moves.
 * What is gone leaves no more.
 */
export function usage() {
  /** @type {Endpoint} */
  let endpoint;
  let isGone = false;
  const root = h("div", { class: "nbserve-when nbserve-note" });
  return {
    root,
    /** @type {View["update"]} */
    update(fresh, life) {
      endpoint = fresh;
      isGone = life.kind === "gone";
    },
    tick: (age) => write(root, isGone ? "" : timesText(endpoint, age)),
  };
}

/** What the last order came to, said once. */
export function notice() {
  const root = h("div", { class: "nbserve-notice", role: "status", "aria-live": "polite", hidden: "" });
  let timer = 0;
  function say(text, look = "plain") {
    clearTimeout(timer);
    write(root, text);
    mark(root, "data-look", look);
    show(root, text !== "");
    if (look === "good") timer = setTimeout(say, NOTICE_MS, "");
  }
  return { root, say };
}

/** Says that the kernel is silent or gone; the seconds that tick are not read out. */
export function alarm() {
  const [text, since] = [h("span"), h("span", { "aria-hidden": "true" })];
  const root = h("div", { class: "nbserve-alarm", role: "alert", hidden: "" }, text, since);
  return {
    root,
    /** @param {Life} life */
    update(life) {
      write(text, life.text);
      write(since, life.since ?? "");
      mark(root, "data-life", life.kind);
      show(root, life.kind !== "alive");
    },
  };
}

/** The sign of life: one soft ring around the state's dot. */
export function blink(chipRoot) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches || chipRoot.firstChild.getAnimations?.().length) return;
  const ring = ["color-mix(in srgb, currentColor 45%, transparent)", "transparent"];
  const frames = [{ boxShadow: `0 0 0 0 ${ring[0]}` }, { boxShadow: `0 0 0 5px ${ring[1]}` }];
  chipRoot.firstChild.animate?.(frames, { duration: 900, easing: "ease-out" });
}
