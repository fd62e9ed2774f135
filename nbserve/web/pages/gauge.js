/** What the pages and the notebook's card show alike: a bar of memory or of a load, sizes, and time that passes. */

const UNITS = ["B", "kB", "MB", "GB", "TB"];
const NEARLY_FULL = 0.9; // of the budget
const LEAST_SHARE = 0.01; // of the budget: what is smaller is no part of its own
const NOTEBOOK = "the notebook"; // the source of what was born there
/** @type {[seconds: number, unit: string][]} */
const AGES = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
];

export const UNDESCRIBED = "Columns are found when it is first loaded.";

/**
 * @typedef {{model_bytes?: number | null, spilled_bytes?: number | null, session_bytes?: number | null, budget_bytes?: number | null}} Memory
 * @typedef {{seconds: number, done_bytes?: number | null, total_bytes?: number | null}} Loading
 * @typedef {{name: string, state: string, source?: string | null, loading?: Loading | null, model?: {type?: string} | null,
 *   memory?: Memory, counters?: {in_flight: number}, last_used_s?: number | null, idle_unload_in_s?: number | null}} Told
 *   a part of an endpoint's metadata
 * @typedef {{bytes: number, look?: string, title?: string}} Weight
 * @typedef {{share: number, look?: string, title?: string}} Part of a bar, from the left
 * @typedef {{role: string, label: string, parts: Part[], now: number | null, level?: string}} Bar `now` is null where nobody knows
 */

/** What the model weighs against the budget, or how far its load is; null where there is nothing to draw. @param {Told} told @returns {Bar | null} */
export function barOf(told) {
  if (told.state === "loading") return loadingBar(told);
  const { memory = {} } = told;
  if (told.state === "stopped" || !memory.budget_bytes) return null;
  const mine = weightOf(told);
  const weights = [{ bytes: mine, look: "own" }, { bytes: (memory.session_bytes ?? 0) - mine }];
  return budgetBar(memory, weights, budgetText(memory, mine > 0));
}

/** What it weighs in memory. @param {Told} told */
const weightOf = ({ state, memory }) => (state === "loaded" && memory?.model_bytes) || 0;

/** The weights side by side, the budget as the whole. @param {Memory} memory @param {Weight[]} weights @param {string} label @returns {Bar} */
function budgetBar({ session_bytes, budget_bytes }, weights, label) {
  const [used, budget] = [session_bytes ?? 0, budget_bytes || Infinity];
  const parts = weights.filter(({ bytes }) => bytes > 0).map(({ bytes, ...look }) => ({ share: bytes / Math.max(used, budget), ...look }));
  const level = used > budget ? "over" : used > NEARLY_FULL * budget ? "high" : "";
  return { role: "meter", label, parts, now: Math.min(1, used / budget), level };
}

/** All models of the session: their weights against the budget, where there is one, and in words. @param {Told[]} all @returns {{bar: Bar | null, text: string}} */
export function totalOf(all) {
  const weights = all.map((told) => ({ bytes: weightOf(told), look: "own", title: `${told.name}: ${bytesText(weightOf(told))}` }));
  const memory = { session_bytes: sumOf(weights), budget_bytes: null, ...all[0]?.memory };
  const text = budgetText(memory, false);
  if (!text) return { bar: null, text: `${bytesText(memory.session_bytes)} in memory` };
  const large = weights.filter(({ bytes }) => bytes > LEAST_SHARE * (memory.budget_bytes ?? 0));
  return { bar: budgetBar(memory, [...large, { bytes: (memory.session_bytes ?? 0) - sumOf(large) }], text), text };
}

/** @param {Weight[]} weights */
const sumOf = (weights) => weights.reduce((sum, { bytes }) => sum + bytes, 0);

/** @param {Told} told @returns {Bar} */
function loadingBar(told) {
  const now = progress(told);
  const part = now === null ? { share: 1, look: "moving" } : { share: now, look: "own" };
  return { role: "progressbar", label: `Loading ${told.name}`, parts: [part], now };
}

/** Draw into an element of ours, which is hidden when there is nothing to draw. @param {HTMLElement} root @param {Bar | null} bar */
export function drawBar(root, bar) {
  root.hidden = bar === null;
  if (bar === null) return;
  while (root.children.length > bar.parts.length) root.lastChild?.remove();
  while (root.children.length < bar.parts.length) root.append(document.createElement("span"));
  bar.parts.forEach((part, at) => drawPart(/** @type {HTMLElement} */ (root.children[at]), part));
  root.dataset.level = bar.level ?? "";
  root.title = bar.label;
  root.role = bar.role;
  root.ariaLabel = bar.label;
  root.ariaValueText = bar.now === null || bar.role === "meter" ? bar.label : null;
  root.ariaValueNow = bar.now === null ? null : String(Math.round(100 * bar.now));
}

/** @param {HTMLElement} node @param {Part} part */
function drawPart(node, { share, look = "", title = "" }) {
  node.style.width = `${(100 * share).toFixed(2)}%`;
  node.dataset.look = look;
  node.title = title;
}

/** What stands beside the bar, `age` seconds after it was told. @param {Told} told @param {number} age */
export function weightText(told, age) {
  if (told.state === "stopped") return "";
  return told.state === "loading" ? loadingText(told, age) : budgetText(told.memory ?? {}, weightOf(told) > 0);
}

/** When it was last used and will leave, `age` seconds after it was told. @param {Told} told @param {number} age */
export const timesText = (told, age) => (["stopped", "loading"].includes(told.state) ? "" : usageText(told, age));

/** `204 MB of 1.2 GB used, budget 2 GB`; nothing without a budget. @param {Memory} memory @param {boolean} isLoaded */
function budgetText({ model_bytes, session_bytes, budget_bytes }, isLoaded) {
  if (!budget_bytes) return "";
  const [mine, used] = [bytesText(model_bytes), bytesText(session_bytes ?? 0)];
  const whole = `${used} used, budget ${bytesText(budget_bytes).replace(".0 ", " ")}`;
  return isLoaded && mine !== used ? `${mine} of ${whole}` : whole;
}

/** `Loading model.joblib · 47 % · 3 s` @param {Told} told @param {number} age */
function loadingText(told, age) {
  const [share, source, seconds] = [progress(told), sourceOf(told), (told.loading?.seconds ?? 0) + age];
  const parts = [source ? `Loading ${source}` : "Loading"];
  if (share !== null) parts.push(`${Math.floor(100 * share)} %`);
  if (told.loading) parts.push(seconds < 60 ? `${Math.floor(seconds)} s` : clockText(seconds));
  return parts.join(" · ");
}

/** `last used 12 s ago · unloads in 9:48`; it says something always, so that no line comes or goes. @param {Told} told @param {number} age */
function usageText({ counters, last_used_s = null, idle_unload_in_s = null }, age) {
  const used = last_used_s === null ? "not used yet" : `last used ${agoText(last_used_s + age)}`;
  const parts = [counters?.in_flight ? "in use now" : used];
  if (idle_unload_in_s !== null) parts.push(leftText(idle_unload_in_s - age));
  return parts.join(" · ");
}

/** How much of a load is done, from 0 to 1; null where nobody knows. @param {Told} told */
function progress({ loading }) {
  const { done_bytes = null, total_bytes = null } = loading ?? {};
  return done_bytes === null || !total_bytes ? null : Math.min(1, done_bytes / total_bytes);
}

/** The file or the class that a model comes from; empty for one that was born in the notebook. @param {{source?: string | null}} told */
const sourceOf = ({ source }) => (!source || source === NOTEBOOK ? "" : source);

/** The same, where the model's type does not say it already. @param {{source?: string | null, model?: {type?: string} | null}} told */
export const origin = (told) => (told.source === told.model?.type ? "" : sourceOf(told));

/** `12.3 MB` @param {number | null | undefined} bytes */
export function bytesText(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  let unit = 0;
  for (; bytes >= 999.5 && unit < UNITS.length - 1; unit += 1) bytes /= 1000;
  return `${unit === 0 || bytes >= 99.5 ? Math.round(bytes) : bytes.toFixed(1)} ${UNITS[unit]}`;
}

/** `unloads in 9:48` @param {number} seconds */
export const leftText = (seconds) => (seconds <= 0 ? "unloads now" : `unloads in ${clockText(Math.ceil(seconds))}`);

/** `just now`, `12 s ago`, `5 min ago` @param {number} seconds */
function agoText(seconds) {
  if (seconds < 1.5) return "just now";
  const [divisor, unit] = AGES.find(([least]) => seconds >= least) ?? [1, "s"];
  return `${Math.floor(seconds / divisor)} ${unit} ago`;
}

/** `9:48`, `1:09:48` @param {number} seconds */
function clockText(seconds) {
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), String(Math.floor((whole % 3600) / 60))];
  const clock = `${hours ? minutes.padStart(2, "0") : minutes}:${String(whole % 60).padStart(2, "0")}`;
  return hours ? `${hours}:${clock}` : clock;
}
