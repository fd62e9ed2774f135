/** What is said while an order waits for a busy kernel. */

const PATIENCE_MS = 1000; // without a word for so long, the kernel is busy
const BUSY = "Waiting for the kernel: it is busy and will do this when the running cell ends.";

/**
 * Says so after a while, until it is `heard`; over HTTP that is at once.
 * @param {(text: string) => void} say
 * @returns {() => void} `heard`, which may be called more than once
 */
export function patient(say) {
  let isWaiting = true;
  const patience = setTimeout(() => say(BUSY), PATIENCE_MS);
  return () => {
    clearTimeout(patience);
    if (isWaiting) say("");
    isWaiting = false;
  };
}
