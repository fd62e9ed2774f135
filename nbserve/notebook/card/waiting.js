/** What is said while an order waits: for a busy kernel to hear it, or for what keeps it from being done. */

const PATIENCE_MS = 1000; // without a word for so long, the kernel is busy
const RUNS_ON_MS = 2000; // so long an unload takes before it is said what it waits for
const BUSY = "Waiting for the kernel: it is busy and will do this when the running cell ends.";
const RUNS_ON = "Waiting for what runs: the model is let go of when that has ended.";

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

/**
 * The same; and once it is heard, says so now and again while requests keep the model.
 * @param {(text: string) => void} say @param {() => boolean} isKept
 * @returns {{heard: () => void, over: () => void}} `over` when the order is done with
 */
export function patientWithRuns(say, isKept) {
  const calm = patient(say);
  let runsOn = 0;
  function heard() {
    calm();
    runsOn ||= setInterval(() => isKept() && say(RUNS_ON), RUNS_ON_MS);
  }
  function over() {
    calm();
    clearInterval(runsOn);
  }
  return { heard, over };
}
