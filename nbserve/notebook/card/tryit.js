/** The form to try an endpoint, and its answer: those of the endpoint's page, in the card. */

import { h as make, segmented } from "../../web/pages/dom.js";
import { FormProblem } from "../../web/pages/field.js";
import { makeBodyForm, makeForm } from "../../web/pages/form.js";
import { UNDESCRIBED } from "../../web/pages/gauge.js";
import { Refusal } from "../../web/pages/refusal.js";
import { answerView, chancesOf, refusalView } from "../../web/pages/result.js";
import { h, mark, write } from "./dom.js";
import { patient } from "./waiting.js";
import { told } from "./ways.js";

/**
 * @typedef {import("./types.js").Ask} Ask
 * @typedef {import("./types.js").Endpoint} Endpoint
 */

const NO_METHODS = [{ method: "predict", data: null, parameters: [], outputs: [], example: {}, doc: "" }];

/** @param {Ask} ask */
export function tryIt(ask) {
  /** @type {Endpoint} */
  let endpoint;
  let isOpen = false;
  let drawn = "";
  const body = h("div", { class: "nbserve-form" });
  const news = h("div", { class: "nbserve-news", role: "status" });
  const root = h("div", { class: "nbserve-panel" }, body, news);
  const what = () => JSON.stringify([endpoint.name, endpoint.version, endpoint.described]);

  /** The form is made from what the endpoint says of itself now; again when it is another version. */
  async function draw() {
    if (!isOpen || drawn === what()) return;
    drawn = what();
    const heard = patient((text) => write(news, text));
    try {
      const view = await ask(endpoint.name, { path: "" }, heard);
      body.replaceChildren(...trial(view, ask, (text) => write(news, text)));
    } catch (refusal) {
      drawn = "";
      body.replaceChildren(make("p", { className: "reason" }, told(refusal)));
    } finally {
      heard();
    }
  }
  return {
    label: "Try it",
    icon: "play",
    root,
    open() {
      isOpen = true;
      draw();
    },
    close: () => (isOpen = false),
    update(fresh) {
      endpoint = fresh;
      draw();
    },
  };
}

/** @param {any} view @param {Ask} ask @param {(text: string) => void} say @returns {Node[]} */
function trial(view, ask, say) {
  const model = view.model ?? {};
  const isDescribed = view.described !== false && model.methods?.length > 0;
  const methods = model.methods?.length ? model.methods : NO_METHODS;
  const forms = new Map();
  let method = methods[0];
  let isAsking = false;
  const fields = make("div", { className: "fields" });
  const result = make("div", { className: "result", role: "status" });
  const label = make("span");
  const send = make("button", { type: "button", className: "primary", onclick: press }, label);
  const choices = methods.map((each) => ({ value: each.method, text: each.method }));

  const form = () => {
    if (!forms.has(method)) forms.set(method, isDescribed ? makeForm(method, () => {}) : makeBodyForm(method.example));
    return forms.get(method);
  };
  function choose(name) {
    method = methods.find((each) => each.method === name) ?? methods[0];
    fields.replaceChildren(form().element);
    label.textContent = method.method === "predict" ? "Predict" : `Call ${method.method}`;
  }
  async function press() {
    if (isAsking) return;
    const asked = form();
    asked.clear();
    try {
      const { body, rows } = asked.read();
      await wait(() => predict(body, rows));
    } catch (problem) {
      if (problem instanceof Refusal) result.replaceChildren(...refusalView(problem, asked.refuse(problem.detail)));
      else if (problem instanceof FormProblem) problem.problems.forEach(({ field, problem: text }) => field.refuse(text));
      else throw problem;
    }
  }
  async function wait(act) {
    isAsking = true;
    [send, result].forEach((node) => mark(node, "aria-busy", "true"));
    try {
      await act();
    } finally {
      isAsking = false;
      [send, result].forEach((node) => mark(node, "aria-busy", null));
    }
  }
  async function predict(body, rows) {
    const start = performance.now();
    const asked = method;
    const answer = await called(asked.method, body);
    const ms = performance.now() - start;
    const chances = await chancesFor(asked, body);
    const facts = { name: view.name, task: model.task ?? "", method: asked, rows, classes: model.classes ?? null, chances };
    result.replaceChildren(...answerView(facts, { answer, ms, predictId: "" }));
  }
  async function called(name, body) {
    const heard = patient(say);
    return ask(view.name, { verb: "POST", path: `${encodeURIComponent(name)}/`, body }, heard).finally(heard);
  }
  /** The probabilities of the rows that `predict` is asked for, if the model has them. */
  async function chancesFor(asked, body) {
    const other = methods.find((each) => each.method === "predict_proba");
    if (asked.method !== "predict" || !other?.data) return null;
    const rows = { [other.data.name]: body[asked.data?.name ?? other.data.name] };
    const answer = await called(other.method, rows).catch(() => null);
    return answer && chancesOf(other, model.classes ?? null, answer.predict_result);
  }

  choose(method.method);
  const all = make(
    "div",
    { className: "trial" },
    isDescribed ? null : make("p", { className: "muted" }, `${UNDESCRIBED} A request loads it, too.`),
    methods.length > 1 ? segmented("Method", choices, method.method, choose) : null,
    fields,
    make("div", { className: "send" }, send),
    result,
  );
  all.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) press();
  });
  return [all];
}
