/** Whether the kernel lives: what it sends, what the Jupyter server finds, and what the front end knows of it. */

import { span } from "./words.js";

/**
 * @typedef {import("./types.js").Life} Life
 * @typedef {import("./types.js").Ways} Ways
 */

const SILENCE_MS = 5000; // without a sign of life for so long, the kernel may be gone
const LOOK_MS = 2000;
const LOOK_AGAIN_MS = 600; // what looks gone is looked at once more
const BEAT_S = 300; // for so long a kernel without such a server sends signs of life of its own …
const ASK_MS = 60_000; // … and is asked for more before they end

const GONE = "The kernel was restarted; this endpoint is gone. Run the %serve cell again.";
const ENDED = "The kernel has ended, and this endpoint with it. Run the %serve cell again.";
const SAVED = "This card was saved; no kernel stands behind it. Run the %serve cell again.";

/**
 * Watches for signs of life. Where the Jupyter server passes on what is asked of the endpoint, it is looked at: to look
 * is no activity of the kernel, and an endpoint that is not there any more is certain. Elsewhere the kernel is asked to
 * beat, and beats that stop are a doubt; so are looks without an answer. Certain are a dead comm, and a kernel that ended
 * or is another: the front end marks the view of a model whose comm is dead with a class, and JupyterLab and Notebook
 * show their kernel, of which a crash and a shutdown are seen at once.
 * The kernel's clock is the beat, and this page's goes on from there: `age` is how many seconds old the snapshot is.
 * @param {any} model @param {Element} el @param {Ways} ways
 * @param {{changed: (life: Life) => void, beaten: () => void, ticked: () => void}} tells
 */
export function watchLife(model, el, ways, { changed, beaten, ticked }) {
  const kernels = model.widget_manager;
  const kernel = kernels?.kernel;
  let lastBeat = Date.now();
  let lastSign = lastBeat;
  let end = "";
  let isMissed = false;
  let shown = "";

  function tell() {
    if (kernel && kernels.kernel?.id !== kernel.id) end ||= ENDED;
    const silence = Date.now() - lastSign;
    /** @type {Life} */
    const life = end || isMissed
      ? { kind: "gone", text: end || ENDED }
      : silence > SILENCE_MS
        ? { kind: "silent", text: "No sign of life from the kernel", since: ` for ${span(silence)}.` }
        : { kind: "alive", text: "" };
    const facts = JSON.stringify(life);
    if (shown !== facts) changed(life);
    else ticked();
    shown = facts;
  }
  function age() {
    const since = (Math.min(Date.now(), lastSign + SILENCE_MS) - lastBeat) / 1000;
    const { as_of = model.get("beat") } = model.get("snapshot");
    return Math.max(0, model.get("beat") - as_of) + since;
  }
  function onBeat() {
    lastBeat = Date.now();
    end = "";
    onSign();
  }
  function onSign() {
    lastSign = Date.now();
    isMissed = false;
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
  function onMissing() {
    isMissed = true;
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
  const stopLooking = lookAfter(model, ways, { isOver: () => end !== "", onSign, onMissing });
  function close() {
    stopLooking();
    clearInterval(timer);
    observer.disconnect();
    kernel?.statusChanged?.disconnect?.(onStatus);
    model.off("change:beat", onBeat);
  }
  return { age, close };
}

/**
 * Look at the endpoint through the Jupyter server, or where there is none ask the kernel for beats.
 * @param {any} model @param {Ways} ways
 * @param {{isOver: () => boolean, onSign: () => void, onMissing: () => void}} tells
 */
function lookAfter(model, { server, beat }, { isOver, onSign, onMissing }) {
  let timer = 0;
  let isClosed = false;
  let misses = 0;
  let askedAt = -Infinity;
  const name = () => model.get("snapshot").endpoints.find(({ state }) => state !== "stopped")?.name ?? "";

  async function look() {
    const looked = name();
    if (isOver()) return;
    if (!looked) onSign(); // there is nothing to look at
    else if (!(await server.isThere(looked))) askForBeats();
    else if (document.hidden) onSign();
    else await lookAt(looked);
  }
  /** Two misses are none of a swap or of a restarted server. */
  async function lookAt(looked) {
    const status = await server.look(looked);
    if (isClosed || looked !== name()) return;
    misses = [404, 503].includes(status) ? misses + 1 : 0;
    if (status === 200) onSign();
    else if (status === 403) askForBeats(); // he may not look
    else if (misses > 1) onMissing();
  }
  function askForBeats() {
    if (Date.now() - askedAt < ASK_MS) return;
    askedAt = Date.now();
    beat(BEAT_S);
  }
  async function turn() {
    await look();
    if (!isClosed) timer = setTimeout(turn, misses ? LOOK_AGAIN_MS : LOOK_MS);
  }
  beat(0); // how old is what is shown
  turn();
  return () => {
    isClosed = true;
    clearTimeout(timer);
  };
}
