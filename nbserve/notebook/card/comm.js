/** Orders over the widget's own channel to the kernel, which waits while a cell runs. */

/**
 * @typedef {import("./types.js").Answer} Answer
 * @typedef {import("./types.js").Order} Order
 */

const UNREACHED = "The kernel could not be reached. Look whether it is connected, and try again.";

/**
 * Carries orders to the kernel and brings the answers back.
 * `heard` is called when the kernel has taken the order, which is later than at once while a cell runs.
 * @returns {{send: (name: string, what: Order | "ask", given: any, heard: () => void) => Promise<Answer>,
 *   beat: (seconds: number) => void, close: () => void}}
 */
export function messenger(model) {
  const waiting = new Map();
  const onMessage = (message) => {
    const call = waiting.get(message?.id);
    if (!call) return;
    if (message.heard) return call.heard();
    waiting.delete(message.id);
    call.answer(message);
  };
  model.on("msg:custom", onMessage);

  function send(name, what, given, heard) {
    const id = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
    return new Promise((answer) => {
      waiting.set(id, { answer, heard });
      try {
        model.send({ id, order: what, name, ...(given === undefined ? {} : { given }) });
      } catch {
        waiting.delete(id);
        answer({ ok: false, text: UNREACHED, status: 0, value: { error: UNREACHED } });
      }
    });
  }
  /** Ask for signs of life for so long; for none but one now, when it is 0. @param {number} seconds */
  function beat(seconds) {
    try {
      model.send({ beat: seconds });
    } catch {
      // its silence will be seen
    }
  }
  return { send, beat, close: () => model.off("msg:custom", onMessage) };
}
