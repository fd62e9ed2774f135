// How a served endpoint shows itself in a cell: anywidget's `render`, plain DOM, no library, no request.
// What comes from the kernel is only ever written as text, so nothing in it can become markup. A widget is one module:
// what is imported here is put before this one when the widget is made.

import { barOf, bytesText, drawBar, gaugeTexts, leftText, origin, totalOf, UNDESCRIBED } from "../web/pages/gauge.js";

/**
 * @typedef {{name: string, datatype: string, dtype?: string, nullable?: boolean, categories?: any[], category_count?: number}} Feature
 * @typedef {{type: string, library?: string, library_version?: string, task?: string, classes?: any[], class_count?: number,
 *   features?: Feature[], feature_count?: number}} ModelFacts
 * @typedef {[t_s: number, requests: number, errors: number, p50_ms: number | null, p99_ms: number | null]} Second
 * @typedef {"loaded" | "unloaded" | "loading" | "failed" | "stopped"} State
 * @typedef {{name: string, title?: string | null, version?: number, url: string, page_url: string, state: State,
 *   reason?: string | null, source?: string, described?: boolean, memory: import("../web/pages/gauge.js").Memory, holders?: string[], model: ModelFacts,
 *   signatures: string[], last_used_s?: number | null, idle_unload_in_s?: number | null, loading?: import("../web/pages/gauge.js").Loading | null,
 *   counters: {requests: number, errors: number, rows: number, in_flight: number, loads: number, unloads: number},
 *   latency_ms: {p50: number | null, p99: number | null}, history: Second[], curl: string}} Endpoint
 * @typedef {{endpoints: Endpoint[], dashboard: boolean, gone?: boolean, as_of?: number, endpoint_count?: number}} Snapshot
 * @typedef {"load" | "unload" | "forget" | "stop"} Order
 * @typedef {{ok: boolean, text: string}} Answer
 * @typedef {{kind: "alive" | "silent" | "gone" | "stopped", text: string, since?: string}} Life
 * @typedef {(name: string, what: Order, heard: () => void) => Promise<Answer>} Obey
 * @typedef {{root: Element, update: (endpoint: Endpoint, life: Life) => void}} View
 * @typedef {View & {tick: (age: number) => void, beat: () => void, close: () => void}} LiveView `age`: how many seconds old
 *   what was last drawn is
 */

const SILENCE_MS = 5000; // without a beat for so long, the kernel may be gone
const PATIENCE_MS = 1000; // without a word for so long, the kernel is busy
const NOTICE_MS = 12000;
const COPIED_MS = 1600;
const SECONDS = 60;
const SHOWN_FEATURES = 12;
const SHOWN_VALUES = 6;
const SHORT_NOTE = 16;
const ENDPOINT = "endpoint "; // how a holder begins that is not of the notebook

const GONE = "The kernel was restarted; this endpoint is gone. Run the %serve cell again.";
const ENDED = "The kernel has ended, and this endpoint with it. Run the %serve cell again.";
const SAVED = "This card was saved; no kernel stands behind it. Run the %serve cell again.";

const BUSY = "Waiting for the kernel: it is busy and will do this when the running cell ends.";
const UNREACHED = "The kernel could not be reached. Look whether it is connected, and try again.";

const ICONS = {
  copy: "M5.5 5.5v-2a1 1 0 0 1 1-1h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-2M3.5 5.5h6a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1h-6a1 1 0 0 1-1-1v-6a1 1 0 0 1 1-1z",
  done: "M3 8.5l3.2 3.2L13 4.8",
  open: "M9 2.5h4.5V7M13.2 2.8L7.5 8.5M11.5 9.5v3a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1h3",
  serve:
    "M8 9.6a1.6 1.6 0 1 0 0-3.2 1.6 1.6 0 0 0 0 3.2zM4.8 11.2a4.5 4.5 0 0 1 0-6.4M11.2 4.8a4.5 4.5 0 0 1 0 6.4M2.7 13.3a7.5 7.5 0 0 1 0-10.6M13.3 2.7a7.5 7.5 0 0 1 0 10.6",
  code: "M5.5 4.5L2 8l3.5 3.5M10.5 4.5L14 8l-3.5 3.5",
};

// --- DOM -----------------------------------------------------------------------------------------------------------

/**
 * An element; strings become text nodes, `on…` become listeners.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node | string)} children
 */
function h(tag, attributes = {}, ...children) {
  return furnish(document.createElement(tag), attributes, children);
}

/** @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node | string)} children */
function svg(tag, attributes = {}, ...children) {
  return furnish(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function furnish(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Write text only when it differs: what a person has selected stays selected. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute only when it differs; null takes it away. */
function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

function icon(name) {
  const path = svg("path", { d: ICONS[name] });
  return svg("svg", { viewBox: "0 0 16 16", class: "nbserve-icon", "aria-hidden": "true" }, path);
}

function badge() {
  return h("span", { class: "nbserve-badge", "aria-hidden": "true" }, icon("serve"));
}

/** Rebuild `node` only when `facts` have changed since the last time. */
function whenChanged(build) {
  let before = "";
  return (node, facts) => {
    const now = JSON.stringify(facts);
    if (now !== before) node.replaceChildren(...build(facts));
    before = now;
  };
}

// --- words ---------------------------------------------------------------------------------------------------------

/** `1,204`, and `1.2M` where digits would not fit. */
function count(number) {
  const notation = number >= 1e6 ? "compact" : "standard";
  return new Intl.NumberFormat("en-US", { notation, maximumFractionDigits: 1 }).format(number);
}

/** `1.20`, `12.4`, `1,240`: three digits that mean something. */
function digits(number) {
  return number < 999.5 ? number.toPrecision(3) : count(Math.round(number));
}

function latency({ p50, p99 }) {
  return p50 === null ? "–" : p99 === null ? digits(p50) : `${digits(p50)} / ${digits(p99)}`;
}

function plural(number, noun, nouns = `${noun}s`) {
  return `${count(number)} ${number === 1 ? noun : nouns}`;
}

function span(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
}

/** @param {Endpoint} endpoint @returns {[value: string, note: string]} */
function memory({ memory, state, holders, loading, described }) {
  if (state === "loading" && loading?.total_bytes)
    return [bytesText(loading.done_bytes), `of ${bytesText(loading.total_bytes)}`];
  if (state === "loaded") return [bytesText(memory.model_bytes), "in memory"];
  if (state === "stopped") return ["–", ""];
  if (memory.spilled_bytes) return [bytesText(memory.spilled_bytes), "on disk"];
  if (state !== "unloaded") return ["–", ""];
  if (holders?.length) return [bytesText(memory.model_bytes || null), `held by ${heldBy(holders)}`];
  return ["–", described === false ? "not loaded yet" : "released"];
}

/** `the notebook as model, best and endpoint other` @param {string[]} holders */
function heldBy(holders) {
  const [names, others] = [namesAmong(holders), holders.filter((each) => each.startsWith(ENDPOINT))];
  return [...(names.length ? [`the notebook as ${names.join(", ")}`] : []), ...others].join(" and ");
}

/** The names of the notebook, which can be let go of. @param {string[] | undefined} holders */
function namesAmong(holders) {
  return (holders ?? []).filter((each) => !each.startsWith(ENDPOINT));
}

/** @param {Endpoint} endpoint */
function kind(endpoint, separator = " · ") {
  const { type, library, library_version, task } = endpoint.model;
  const known = [type, [library, library_version].filter(Boolean).join(" "), task === "unknown" ? "" : task].filter(
    Boolean,
  );
  const source = origin(endpoint);
  if (source) known.push(known.length ? `from ${source}` : source);
  return known.join(separator);
}

// --- the kernel ----------------------------------------------------------------------------------------------------

/**
 * Carries orders to the kernel and brings the answers back: the one place that knows how.
 * `heard` is called when the kernel has taken the order, which is later than at once while a cell runs.
 * @returns {{order: Obey, close: () => void}}
 */
function messenger(model) {
  const waiting = new Map();
  const onMessage = (message) => {
    const call = waiting.get(message?.id);
    if (!call) return;
    if (message.heard) return call.heard();
    waiting.delete(message.id);
    call.answer({ ok: message.ok, text: message.text });
  };
  model.on("msg:custom", onMessage);

  /** @type {Obey} */
  function order(name, what, heard) {
    const id = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    return new Promise((answer) => {
      waiting.set(id, { answer, heard });
      try {
        model.send({ id, order: what, name });
      } catch {
        waiting.delete(id);
        answer({ ok: false, text: UNREACHED });
      }
    });
  }
  return { order, close: () => model.off("msg:custom", onMessage) };
}

/**
 * Watches for signs of life: beats that stop are a doubt; a dead comm, or a kernel that ended or is another, is certain.
 * The front end marks the view of a model whose comm is dead with a class. Where it also shows its kernel (JupyterLab,
 * Notebook), a crash and a shutdown are seen at once; elsewhere they show as silence.
 * The kernel's clock is the beat, and this page's goes on from there: `age` is how many seconds old the snapshot is.
 * @param {(life: Life) => void} changed @param {() => void} beaten @param {() => void} ticked
 */
function watchLife(model, el, changed, beaten, ticked) {
  const kernels = model.widget_manager;
  const kernel = kernels?.kernel;
  let lastBeat = Date.now();
  let end = "";
  let shown = "";

  function tell() {
    if (kernel && kernels.kernel?.id !== kernel.id) end ||= ENDED;
    const silence = Date.now() - lastBeat;
    /** @type {Life} */
    const life = end
      ? { kind: "gone", text: end }
      : silence > SILENCE_MS
        ? { kind: "silent", text: "No sign of life from the kernel", since: ` for ${span(silence)}.` }
        : { kind: "alive", text: "" };
    const facts = JSON.stringify(life);
    if (shown !== facts) changed(life);
    else ticked();
    shown = facts;
  }
  function age() {
    const since = Math.min(Date.now() - lastBeat, SILENCE_MS) / 1000;
    const { as_of = model.get("beat") } = model.get("snapshot");
    return Math.max(0, model.get("beat") - as_of) + since;
  }
  function onBeat() {
    lastBeat = Date.now();
    end = "";
    tell();
    beaten();
  }
  function onClass() {
    if (el.classList.contains("jupyter-widgets-disconnected")) end ||= isFirstLook ? SAVED : GONE;
    tell();
  }
  function onStatus(_kernel, status) {
    if (status === "restarting" || status === "autorestarting") end = GONE;
    else if (status === "dead" || status === "terminating") end = ENDED;
    tell();
  }

  let isFirstLook = true;
  onClass();
  isFirstLook = false;
  const observer = new MutationObserver(onClass);
  observer.observe(el, { attributes: true, attributeFilter: ["class"] });
  kernel?.statusChanged?.connect?.(onStatus);
  model.on("change:beat", onBeat);
  const timer = setInterval(tell, 500);
  function close() {
    clearInterval(timer);
    observer.disconnect();
    kernel?.statusChanged?.disconnect?.(onStatus);
    model.off("change:beat", onBeat);
  }
  return { age, close };
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyByHand(text); // no clipboard API on plain http, or not allowed
  }
}

function copyByHand(text) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const area = h("textarea", { class: "nbserve-offstage", readonly: "" });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  focused?.focus?.();
}

// --- parts ---------------------------------------------------------------------------------------------------------

/** A button that is never `disabled`, only says so and does nothing: the focus stays where it was. */
function button(label, press, look = "") {
  const root = h(
    "button",
    { type: "button", class: `nbserve-button ${look}`, onclick: () => isEnabled() && press() },
    label,
  );
  const isEnabled = () => root.getAttribute("aria-disabled") !== "true";
  return { root, enable: (isOn) => mark(root, "aria-disabled", isOn ? null : "true") };
}

/** @param {string} label @param {string} name the icon's @param {() => string} text what is copied */
function copyButton(label, name, text, look = "") {
  const word = h("span", { class: "nbserve-word" }, label);
  const faces = h("span", { class: "nbserve-faces" }, icon(name), icon("done"));
  const root = h(
    "button",
    { type: "button", class: `nbserve-link ${look}`, title: label, onclick: press },
    faces,
    word,
  );
  let timer = 0;
  async function press() {
    await copyText(text());
    root.classList.add("nbserve-copied");
    word.textContent = "Copied";
    clearTimeout(timer);
    timer = setTimeout(() => {
      root.classList.remove("nbserve-copied");
      word.textContent = label;
    }, COPIED_MS);
  }
  return root;
}

/** State in colour and in a word; the word is read out when it changes. */
function chip() {
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

function tile(label) {
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
function writeNote(node, text) {
  write(node, text);
  mark(node, "data-long", text.length > SHORT_NOTE ? "" : null);
}

/** A bar, and beside it what the model weighs and when it was last used and will leave, or how far its load is. */
function strip() {
  /** @type {Endpoint} */
  let endpoint;
  const bar = h("div", { class: "nbserve-meter" });
  const [what, when] = ["what", "when"].map((name) => h("span", { class: `nbserve-${name}` }));
  const root = h("div", { class: "nbserve-strip" }, bar, what, when);
  return {
    root,
    /** @type {View["update"]} */
    update(fresh) {
      endpoint = fresh;
      drawBar(bar, barOf(fresh));
    },
    tick(age) {
      const texts = gaugeTexts(endpoint, age);
      [what, when].forEach((node, i) => write(node, texts[i]));
      show(root, texts.some(Boolean));
    },
  };
}

/** What the last order came to, said once. */
function notice() {
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
function alarm() {
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
function controls(order, say, isSmall = false) {
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
    const patience = setTimeout(() => isDead || say(BUSY), PATIENCE_MS);
    const heard = () => {
      clearTimeout(patience);
      say("");
    };
    const { ok, text } = await order(endpoint.name, what, heard);
    heard();
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
      if (isDead) pending.clear();
      refresh();
    },
  };
}

/** Put one button in the other's place; the focus goes with it. */
function swap({ root: before }, { root: after }) {
  const hadFocus = before === document.activeElement;
  show(before, false);
  show(after, true);
  if (hadFocus) after.focus();
}

// --- the chart -----------------------------------------------------------------------------------------------------

/** The last minute: requests a second as bars, p50 and p99 as lines, each with a scale of its own. */
function chart(isSmall = false) {
  const bars = svg("g", { class: "nbserve-bars" });
  const lines = ["p99", "p50"].map((name) => svg("path", { class: `nbserve-line nbserve-${name}` }));
  const marks = svg("g", { class: "nbserve-hover" });
  const drawing = svg("svg", { class: "nbserve-drawing", role: "img" }, bars, ...(isSmall ? [] : lines), marks);
  const quiet = h("span", { class: "nbserve-still" });
  const peak = h("span", { class: "nbserve-peak" });
  const root = h(
    "div",
    { class: isSmall ? "nbserve-spark" : "nbserve-chart" },
    h("div", { class: "nbserve-plot" }, drawing, quiet),
  );
  if (!isSmall) root.append(legend(peak));
  /** @type {ReturnType<typeof slot>[]} */
  let slots = []; // made for the first request: a dashboard may have a hundred idle rows
  /** @type {Second[]} */
  let history = [];
  const resized = new ResizeObserver(draw);
  resized.observe(drawing);

  function draw() {
    const { clientWidth: width, clientHeight: height } = drawing;
    if (!width || !height) return;
    mark(drawing, "viewBox", `0 0 ${width} ${height}`);
    if (!slots.length && history.length) slots = Array.from({ length: SECONDS }, () => slot(bars, marks));
    const last = history.length ? history[history.length - 1][0] : 0;
    const most = Math.max(isSmall ? 1 : 4, ...history.map((second) => second[1]));
    const at = new Map(history.map((second) => [SECONDS - 1 - Math.round(last - second[0]), second]));
    slots.forEach((each, i) => each.draw(at.get(i), (i * width) / SECONDS, width / SECONDS, height, most));
    const slowest = Math.max(...history.map((second) => second[4] ?? second[3] ?? 0)) || 1;
    lines.forEach((line, i) => mark(line, "d", trace(at, 4 - i, width, height, slowest)));
  }
  return {
    root,
    update(endpoint) {
      history = endpoint.history;
      const isQuiet = !history.some((second) => second[1] > 0);
      write(
        quiet,
        !isQuiet ? "" : isSmall ? "" : endpoint.counters.requests ? "quiet for a minute" : "no requests yet",
      );
      write(peak, isQuiet ? "" : `peak ${count(Math.max(...history.map((second) => second[1])))}/s`);
      mark(
        drawing,
        "aria-label",
        isQuiet ? "No requests in the last minute" : `Requests in the last minute, ${peak.textContent}`,
      );
      draw();
    },
    close: () => resized.disconnect(),
  };
}

/** One second of the chart: its bar, the part of it that failed, and its tooltip. */
function slot(bars, marks) {
  const all = svg("rect", { class: "nbserve-bar" });
  const failed = svg("rect", { class: "nbserve-bar nbserve-failed" });
  const title = svg("title");
  const hover = svg("rect", { class: "nbserve-second" }, title);
  bars.append(all, failed);
  marks.append(hover);
  return {
    /** @param {Second | undefined} second */
    draw(second, x, width, height, most) {
      const [t, requests, errors] = second ?? [0, 0, 0];
      const scale = (number) => (number ? Math.max(2, Math.round((number / most) * (height - 4))) : 0);
      place(all, x, width, height, scale(requests));
      place(failed, x, width, height, Math.min(scale(errors), scale(requests)));
      place(hover, x - 0.5, width + 1, height, second ? height : 0);
      write(title, second ? told(second, t) : "");
    },
  };
}

function place(rect, x, width, height, tall) {
  const box = { x: x + 0.5, y: height - tall, width: Math.max(1, width - 1), height: tall };
  for (const [name, value] of Object.entries(box)) mark(rect, name, Number(value.toFixed(2)));
}

/** `12:01:33: 14 requests, 1 error, p50 1.2 ms, p99 3.4 ms` */
function told([, requests, errors, p50, p99], t) {
  const parts = [plural(requests, "request")];
  if (errors) parts.push(plural(errors, "error"));
  if (p50 !== null) parts.push(`p50 ${digits(p50)} ms`);
  if (p99 !== null) parts.push(`p99 ${digits(p99)} ms`);
  return `${new Date(t * 1000).toLocaleTimeString()}: ${parts.join(", ")}`;
}

/** The path through column `column` of the seconds; broken where there was no request. */
function trace(at, column, width, height, slowest) {
  let path = "";
  let isDown = false;
  for (let i = 0; i < SECONDS; i++) {
    const value = at.get(i)?.[column] ?? null;
    if (value !== null) {
      const point = `${(((i + 0.5) * width) / SECONDS).toFixed(1)} ${(height - 3 - (value / slowest) * (height - 8)).toFixed(1)}`;
      path += isDown ? `L${point}` : `M${point}h0.01`;
    }
    isDown = value !== null;
  }
  return path;
}

function legend(peak) {
  const key = (look, text) => h("span", { class: `nbserve-key nbserve-key-${look}` }, text);
  return h("div", { class: "nbserve-legend" }, key("bar", "requests/s"), key("p50", "p50"), key("p99", "p99"), peak);
}

// --- what the model expects ----------------------------------------------------------------------------------------

/** Signatures always, features and classes on demand. */
function expects() {
  const first = h("code", { class: "nbserve-signature" });
  const gist = h("span", { class: "nbserve-gist" });
  const body = h("div", { class: "nbserve-facts" });
  const root = h("details", { class: "nbserve-expects" }, h("summary", {}, first, gist), body);
  const rebuild = whenChanged(facts);
  return {
    root,
    /** @param {Endpoint} endpoint */
    update({ model, signatures, described }) {
      const isKnown = described !== false;
      write(first, (isKnown && signatures[0]) || "");
      write(gist, isKnown ? gistOf(model, signatures) : UNDESCRIBED);
      root.classList.toggle("nbserve-undescribed", !isKnown);
      mark(root.firstElementChild, "tabindex", isKnown ? null : "-1");
      if (!isKnown) mark(root, "open", null);
      rebuild(body, { model, signatures });
    },
  };
}

function gistOf(model, signatures) {
  const features = model.feature_count ?? model.features?.length ?? 0;
  const classes = model.class_count ?? model.classes?.length ?? 0;
  const parts = [];
  if (signatures.length > 1) parts.push(plural(signatures.length, "method"));
  if (features) parts.push(plural(features, "feature"));
  if (classes) parts.push(plural(classes, "class", "classes"));
  return parts.join(" · ");
}

function facts({ model, signatures }) {
  const rows = [];
  if (model.features?.length) rows.push(fact("Expects", chips(model.features.map(featureChip), model.feature_count)));
  if (model.classes?.length) rows.push(fact("Classes", chips(model.classes.map(valueChip), model.class_count)));
  if (signatures.length)
    rows.push(
      fact(
        "Methods",
        signatures.map((text) => h("code", { class: "nbserve-method" }, text)),
      ),
    );
  return rows;
}

function fact(label, children) {
  return h(
    "div",
    { class: "nbserve-fact" },
    h("span", { class: "nbserve-label" }, label),
    h("div", { class: "nbserve-chips" }, ...children),
  );
}

/** The first dozen, and a button for the rest; `total` counts those that were not even sent. */
function chips(all, total = all.length) {
  const rest = all.slice(SHOWN_FEATURES);
  if (!rest.length) return all;
  const unsent =
    total > all.length ? [h("span", { class: "nbserve-note" }, `and ${count(total - all.length)} more`)] : [];
  const more = h(
    "button",
    { type: "button", class: "nbserve-link nbserve-more", onclick: () => more.replaceWith(...rest, ...unsent) },
    `+${count(total - SHOWN_FEATURES)} more`,
  );
  return [...all.slice(0, SHOWN_FEATURES), more];
}

/** @param {Feature} feature */
function featureChip(feature) {
  const type = h("span", { class: "nbserve-type" }, typeOf(feature));
  const more = feature.categories ? `: ${feature.categories.join(", ")}` : "";
  const title = `${feature.name}, ${feature.dtype ?? feature.datatype}${feature.nullable ? ", may be null" : ""}${more}`;
  return h("span", { class: "nbserve-feature", title }, h("b", {}, feature.name), type);
}

/** @param {Feature} feature */
function typeOf({ datatype, nullable, categories, category_count }) {
  if (!categories?.length) return datatype + (nullable ? "?" : "");
  const total = category_count ?? categories.length;
  const more = total > SHOWN_VALUES ? ` +${total - SHOWN_VALUES}` : "";
  return categories.slice(0, SHOWN_VALUES).join(" | ") + more + (nullable ? " | null" : "");
}

function valueChip(value) {
  return h("span", { class: "nbserve-feature" }, h("b", {}, String(value)));
}

// --- one endpoint --------------------------------------------------------------------------------------------------

/** @param {Obey} order @returns {LiveView} */
function endpointCard(order) {
  /** @type {Endpoint} */
  let endpoint;
  const name = h("span", { class: "nbserve-name" });
  const heading = h("span", { class: "nbserve-heading" });
  const version = h("span", { class: "nbserve-version" });
  const what = h("div", { class: "nbserve-kind" });
  const url = h("code", { class: "nbserve-url" });
  const page = h(
    "a",
    { class: "nbserve-link", target: "_blank", rel: "noopener noreferrer" },
    icon("open"),
    "Open page",
  );
  const links = h(
    "div",
    { class: "nbserve-links" },
    copyButton("Copy curl", "code", () => endpoint.curl),
    page,
  );
  const address = h(
    "div",
    { class: "nbserve-address" },
    url,
    copyButton("Copy URL", "copy", () => endpoint.url, "nbserve-bare"),
    links,
  );
  const [held, requests, errors, speed] = ["Memory", "Requests", "Errors", "p50 / p99"].map(tile);
  const [state, news, warning, needs, graph, gauge] = [chip(), notice(), alarm(), expects(), chart(), strip()];
  const buttons = controls(order, news.say);
  const title = h("div", { class: "nbserve-title" }, name, heading, version, state.root);
  const root = h(
    "section",
    { class: "nbserve-card", role: "group" },
    h("header", { class: "nbserve-head" }, badge(), h("div", { class: "nbserve-who" }, title, what), buttons.root),
    warning.root,
    news.root,
    address,
    h(
      "div",
      { class: "nbserve-body" },
      h("div", { class: "nbserve-tiles" }, held.root, requests.root, errors.root, speed.root),
      graph.root,
    ),
    gauge.root,
    needs.root,
  );

  function update(fresh, life) {
    if (fresh.state === "stopped" && endpoint?.state !== "stopped") news.say("");
    endpoint = fresh;
    const { counters } = fresh;
    const isOver = life.kind === "gone" || fresh.state === "stopped";
    mark(root, "aria-label", `Endpoint ${fresh.name}`);
    mark(root, "data-life", isOver ? "gone" : life.kind);
    write(name, fresh.name);
    write(heading, fresh.title ?? "");
    write(version, fresh.version > 1 ? `v${fresh.version}` : "");
    write(what, kind(fresh));
    write(url, fresh.url);
    mark(page, "href", isOver ? null : webAddress(fresh.page_url));
    held.update(...memory(fresh));
    requests.update(
      count(counters.requests),
      counters.in_flight ? `${counters.in_flight} running` : plural(counters.rows, "row"),
    );
    errors.update(count(counters.errors), counters.errors ? share(counters) : "", counters.errors > 0);
    speed.update(latency(fresh.latency_ms), fresh.latency_ms.p50 === null ? "" : "milliseconds");
    warning.update(life.kind !== "alive" ? life : ending(fresh));
    for (const part of [state, buttons, needs, graph, gauge]) part.update(fresh, life);
  }
  return { root, update, tick: gauge.tick, beat: () => blink(state.root), close: graph.close };
}

/** Why it does not answer, when the kernel is well. */
function ending({ state, reason }) {
  if (state === "stopped") return { kind: "stopped", text: "Stopped. Run the %serve cell to serve it again." };
  if (state === "failed") return { kind: "gone", text: reason || "The model could not be loaded." };
  return { kind: "alive", text: "" };
}

function share({ errors, requests }) {
  const percent = (100 * errors) / Math.max(1, requests);
  return percent < 0.1 ? "under 0.1 %" : `${percent.toFixed(1)} %`;
}

/** The address, if it is one of the web: never `javascript:`. */
function webAddress(text) {
  return /^https?:\/\//.test(text) ? text : null;
}

/** The sign of life: one soft ring around the state's dot. */
function blink(chipRoot) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches || chipRoot.firstChild.getAnimations?.().length) return;
  const ring = ["color-mix(in srgb, currentColor 45%, transparent)", "transparent"];
  const frames = [{ boxShadow: `0 0 0 0 ${ring[0]}` }, { boxShadow: `0 0 0 5px ${ring[1]}` }];
  chipRoot.firstChild.animate?.(frames, { duration: 900, easing: "ease-out" });
}

// --- the dashboard -------------------------------------------------------------------------------------------------

/** @param {Obey} order */
function dashboard(order) {
  const heads = ["Endpoint", "Memory", "Requests", "Errors", "p50 / p99 ms", "Last minute", ""];
  const body = h("tbody");
  const table = h("table", { class: "nbserve-table" }, h("thead", {}, h("tr", {}, ...heads.map(head))), body);
  const total = h("div", { class: "nbserve-kind" });
  const [warning, news, bar] = [alarm(), notice(), h("div", { class: "nbserve-meter" })];
  const rest = h("p", { class: "nbserve-empty" });
  const empty = h(
    "p",
    { class: "nbserve-empty" },
    "Nothing is served yet. Type ",
    h("code", {}, "%serve model"),
    " to serve the model in your notebook.",
  );
  const who = h(
    "div",
    { class: "nbserve-who" },
    h("div", { class: "nbserve-title" }, h("span", { class: "nbserve-name" }, "nbserve")),
    total,
  );
  const title = h("header", { class: "nbserve-head" }, badge(), who);
  const root = h(
    "section",
    { class: "nbserve-card nbserve-dashboard", role: "group", "aria-label": "Everything served" },
    title,
    bar,
    warning.root,
    news.root,
    table,
    rest,
    empty,
  );
  const rows = new Map();

  /** @param {Snapshot} snapshot @param {Life} life */
  function update({ endpoints, endpoint_count = endpoints.length }, life) {
    const names = new Set(endpoints.map((endpoint) => endpoint.name));
    for (const [name, row] of rows) if (!names.has(name)) drop(name, row);
    endpoints.forEach((endpoint, i) => {
      if (!rows.has(endpoint.name)) rows.set(endpoint.name, dashboardRow(order, news.say));
      const row = rows.get(endpoint.name);
      if (body.children[i] !== row.root) body.insertBefore(row.root, body.children[i] ?? null);
      row.update(endpoint, life);
    });
    const all = totalOf(endpoints);
    drawBar(bar, all.bar);
    write(total, endpoint_count ? `${plural(endpoint_count, "endpoint")} · ${all.text}` : "no endpoints");
    warning.update(life);
    mark(root, "data-life", life.kind);
    show(table, endpoints.length > 0);
    show(empty, endpoints.length === 0);
    write(rest, `… and ${plural(endpoint_count - endpoints.length, "more endpoint")}.`);
    show(rest, endpoint_count > endpoints.length);
  }
  function drop(name, row) {
    row.close();
    row.root.remove();
    rows.delete(name);
  }
  return {
    root,
    update,
    tick: (age) => rows.forEach((row) => row.tick(age)),
    beat: () => rows.forEach((row) => row.beat()),
    close: () => rows.forEach((row) => row.close()),
  };
}

function head(text) {
  return h("th", { scope: "col", "data-column": text }, text);
}

/** @returns {LiveView} */
function dashboardRow(order, say) {
  /** @type {Endpoint} */
  let endpoint;
  const name = h("a", { class: "nbserve-name", target: "_blank", rel: "noopener noreferrer" });
  const what = h("div", { class: "nbserve-kind" });
  const [state, graph, buttons] = [chip(), chart(true), controls(order, say, true)];
  const copy = copyButton("Copy URL", "copy", () => endpoint.url, "nbserve-bare");
  const first = h("td", {}, h("div", { class: "nbserve-title" }, name, copy, state.root), what);
  const [requests, errors, speed] = Array.from({ length: 3 }, () => h("td", { class: "nbserve-number" }));
  const [bytes, where, bar] = [
    h("div", { class: "nbserve-number" }),
    h("div", { class: "nbserve-note" }),
    h("div", { class: "nbserve-meter" }),
  ];
  const root = h(
    "tr",
    {},
    first,
    h("td", {}, bytes, bar, where),
    requests,
    errors,
    speed,
    h("td", {}, graph.root),
    h("td", {}, buttons.root),
  );

  function update(fresh, life) {
    endpoint = fresh;
    write(name, fresh.name);
    mark(name, "href", life.kind === "gone" || fresh.state === "stopped" ? null : webAddress(fresh.page_url));
    write(what, fresh.title || fresh.model.type || origin(fresh));
    mark(what, "title", kind(fresh));
    write(bytes, memory(fresh)[0]);
    drawBar(bar, fresh.state === "loading" ? barOf(fresh) : null);
    write(requests, count(fresh.counters.requests));
    write(errors, count(fresh.counters.errors));
    errors.classList.toggle("nbserve-bad", fresh.counters.errors > 0);
    write(speed, latency(fresh.latency_ms));
    for (const part of [state, graph, buttons]) part.update(fresh, life);
  }
  function tick(age) {
    const { state, idle_unload_in_s: idle_s = null } = endpoint;
    const isLeaving = state === "loaded" && idle_s !== null;
    writeNote(where, isLeaving ? leftText(idle_s - age) : memory(endpoint)[1]);
    mark(where, "title", gaugeTexts(endpoint, age).filter(Boolean).join(" · ") || null);
  }
  return { root, update, tick, beat: () => blink(state.root), close: graph.close };
}

// --- anywidget -----------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const { order, close } = messenger(model);
  const isDashboard = Boolean(model.get("snapshot").dashboard);
  const view = isDashboard ? dashboard(order) : endpointCard(order);
  /** @type {Life} */
  let life = { kind: "alive", text: "" };
  const root = h("div", { class: "nbserve", "data-lm-suppress-shortcuts": "true" }, view.root);

  function draw() {
    const snapshot = model.get("snapshot");
    if (isDashboard) view.update(snapshot, life);
    else if (snapshot.endpoints.length)
      view.update(snapshot.endpoints[0], snapshot.gone ? { kind: "alive", text: "" } : life);
    tick();
  }
  function tick() {
    if (model.get("snapshot").endpoints.length) view.tick(watch?.age() ?? 0);
  }
  function onLife(fresh) {
    life = fresh;
    draw();
  }
  /** @type {ReturnType<typeof watchLife> | undefined} */
  let watch;
  watch = watchLife(model, el, onLife, view.beat, tick);
  model.on("change:snapshot", draw);
  el.replaceChildren(root);
  draw();
  return () => {
    watch?.close();
    close();
    view.close();
    model.off("change:snapshot", draw);
  };
}

export default { render };
