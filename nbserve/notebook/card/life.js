/** Whether the kernel lives: what it sends, and what the front end knows of it. */

import { span } from "./words.js";

/**
 * @typedef {import("./types.js").Life} Life
 */

const SILENCE_MS = 5000; // without a beat for so long, the kernel may be gone

const GONE = "The kernel was restarted; this endpoint is gone. Run the %serve cell again.";
const ENDED = "The kernel has ended, and this endpoint with it. Run the %serve cell again.";
const SAVED = "This card was saved; no kernel stands behind it. Run the %serve cell again.";

/**
 * Watches for signs of life: beats that stop are a doubt; a dead comm, or a kernel that ended or is another, is certain.
 * The front end marks the view of a model whose comm is dead with a class. Where it also shows its kernel (JupyterLab,
 * Notebook), a crash and a shutdown are seen at once; elsewhere they show as silence.
 * The kernel's clock is the beat, and this page's goes on from there: `age` is how many seconds old the snapshot is.
 * @param {(life: Life) => void} changed @param {() => void} beaten @param {() => void} ticked
 */
export function watchLife(model, el, changed, beaten, ticked) {
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
