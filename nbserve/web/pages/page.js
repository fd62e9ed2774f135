/** The page of one endpoint: its live state, the form, the answer, the code. */

import { byId, h, segmented } from "./dom.js";
import { makeBodyForm, makeForm } from "./form.js";
import { FormProblem } from "./field.js";
import { makeCode } from "./code.js";
import { UNDESCRIBED } from "./gauge.js";
import { makeGauge, showFigures, showState, watchEndpoint } from "./live.js";
import { answerView, chancesOf, refusalView } from "./result.js";
import { Refusal } from "./refusal.js";
import { call, isLink, methodPath } from "./wire.js";

/** @typedef {import("./form.js").Method} Method */
/** @typedef {import("./form.js").Form} Form */

const view = JSON.parse(byId("view").textContent);
const model = view.model ?? {};
/** @type {Method[]} */
const methods = model.methods?.length ? model.methods : [{ method: "predict", data: null, parameters: [], outputs: [], example: {}, doc: "" }];

const isDescribed = view.described !== false;
const code = makeCode(view.name);
const gauge = makeGauge();
const loader = h("button", { type: "button", className: isDescribed ? "quiet" : "primary", onclick: load }, "Load");
/** @type {Map<Method, Form>} what was typed stays while another method is looked at */
const forms = new Map();
let method = methods[0];
let isAsking = false;

/** @param {Method} wanted */
function formOf(wanted) {
  let form = forms.get(wanted);
  if (!form) forms.set(wanted, (form = isDescribed && model.methods?.length ? makeForm(wanted, showCode) : makeBodyForm(wanted.example)));
  return form;
}

/** The code follows the form; while the form holds something that cannot be sent, it stays as it was. */
function showCode() {
  try {
    code.show(method.method, formOf(method).read().body, method.data?.name ?? null);
  } catch (problem) {
    if (!(problem instanceof FormProblem)) throw problem;
  }
}

/** @param {string} name */
function chooseMethod(name) {
  method = methods.find((each) => each.method === name) ?? methods[0];
  byId("fields").replaceChildren(formOf(method).element);
  byId("send-label").textContent = sendLabel(method.method);
  byId("doc").textContent = !isDescribed || method.doc === model.doc ? "" : firstParagraph(method.doc);
  showCode();
}

/** @param {string} name */
const sendLabel = (name) => (name === "predict" ? "Predict" : `Call ${name}`);

/** @param {string} doc */
const firstParagraph = (doc) => doc.trim().split(/\n\s*\n/)[0];

async function send() {
  if (isAsking) return;
  const form = formOf(method);
  form.clear();
  try {
    const { body, rows } = form.read();
    await ask(form, body, rows);
  } catch (problem) {
    if (!(problem instanceof FormProblem)) throw problem;
    problem.problems.forEach(({ field, problem: sentence }) => field.refuse(sentence));
    problem.problems[0].field.input.focus();
  }
}

/** @param {Form} form @param {any} body @param {any[] | null} rows */
async function ask(form, body, rows) {
  const asked = method;
  setAsking(true);
  try {
    const reply = await call(methodPath(view.name, asked.method), body);
    const chances = await askChances(asked, body);
    showResult(answerView({ name: view.name, task: model.task ?? "", method: asked, rows, classes: model.classes ?? null, chances }, reply));
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    showResult(refusalView(refusal, form.refuse(refusal.detail)));
    /** @type {HTMLElement | null} */ (document.querySelector("#fields [aria-invalid=true]"))?.focus();
  } finally {
    setAsking(false);
  }
}

/** The probabilities of the rows that `predict` is asked for, if the model has them. @param {Method} asked @param {any} body */
async function askChances(asked, body) {
  const other = methods.find((each) => each.method === "predict_proba");
  if (asked.method !== "predict" || !other?.data) return null;
  const rows = { [other.data.name]: body[asked.data?.name ?? other.data.name] };
  const reply = await call(methodPath(view.name, "predict_proba"), rows).catch(() => null);
  return reply && chancesOf(other, model.classes ?? null, reply.answer.predict_result);
}

/** @param {boolean} isOn */
function setAsking(isOn) {
  isAsking = isOn;
  byId("send").setAttribute("aria-busy", String(isOn));
  byId("result").setAttribute("aria-busy", String(isOn));
}

/** @param {Node[]} nodes */
function showResult(nodes) {
  const result = byId("result");
  result.replaceChildren(...nodes);
  result.closest("section").scrollIntoView({ block: "nearest" });
}

/** Load the model; what is found then is on a new page. */
async function load() {
  loader.setAttribute("aria-busy", "true");
  try {
    await call(methodPath(view.name, "load"), {});
    if (!isDescribed) location.reload();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    showNotice(`${refusal.message} ${refusal.remedy}`);
  } finally {
    loader.removeAttribute("aria-busy");
  }
}

/** @param {import("./live.js").View} now @returns {boolean} whether it is loading */
function showView(now) {
  showState(byId("state"), now.state);
  showFigures(byId("stats"), now);
  gauge.show(now);
  if (!isDescribed) byId("undescribed").hidden = Boolean(now.described);
  loader.hidden = isLink || (now.state !== "unloaded" && now.state !== "failed");
  byId("reason").hidden = !now.reason;
  byId("reason").textContent = now.reason ?? "";
  const isNew = now.version !== view.version || (isLink && now.served_at !== view.served_at);
  const news = isNew ? "Another version is served now." : !isDescribed && now.described ? "Its columns are known now." : "";
  if (news) showNotice(news, h("button", { type: "button", className: "quiet", onclick: () => location.reload() }, "Reload"));
  else byId("notice").hidden = true;
  return now.state === "loading";
}

/** @param {Refusal} refusal */
function showSilence(refusal) {
  const isAway = refusal.code === "kernel_gone";
  if (isAway || [0, 404, 410].includes(refusal.status)) {
    showState(byId("state"), isAway && isLink ? "away" : "gone");
    gauge.rest();
  }
  showNotice(`${refusal.message} ${refusal.remedy}`);
}

/** @param {string} sentence @param {Node} [action] */
function showNotice(sentence, action) {
  const notice = byId("notice");
  if (!notice.hidden && notice.firstChild?.textContent === sentence) return;
  notice.replaceChildren(h("span", {}, sentence), ...(action ? [action] : []));
  notice.hidden = false;
}

function build() {
  const choices = methods.map((each) => ({ value: each.method, text: each.method }));
  const keys = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘ ↵" : "Ctrl ↵";
  byId("stats").after(gauge.element);
  if (isDescribed) byId("state").after(loader);
  else byId("form").append(h("div", { className: "undescribed", id: "undescribed" }, h("p", {}, `${UNDESCRIBED} A request loads it, too.`), loader));
  byId("form").append(
    ...(methods.length > 1 ? [segmented("Method", choices, method.method, chooseMethod)] : []),
    h("p", { id: "doc", className: "muted" }),
    h("div", { id: "fields" }),
    h("div", { className: "send" }, h("button", { id: "send", type: "button", className: isDescribed ? "primary" : "quiet", onclick: send }, h("span", { id: "send-label" })), h("kbd", {}, keys)),
  );
  byId("code").append(...code.elements, h("p", { id: "said", className: "unseen", role: "status" }));
  byId("form").addEventListener("input", showCode);
  byId("form").addEventListener("change", showCode);
  byId("form").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  });
  chooseMethod(method.method);
  showView(view);
  watchEndpoint(view, showView, showSilence);
}

build();
