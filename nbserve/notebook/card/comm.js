/** Orders over the widget's own channel to the kernel, which waits while a cell runs. */

/**
 * @typedef {import("./types.js").Obey} Obey
 */

const UNREACHED = "The kernel could not be reached. Look whether it is connected, and try again.";

/**
 * Carries orders to the kernel and brings the answers back: the one place that knows how.
 * `heard` is called when the kernel has taken the order, which is later than at once while a cell runs.
 * @returns {{order: Obey, close: () => void}}
 */
export function messenger(model) {
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
