/** What the model expects. */

import { UNDESCRIBED } from "../../web/pages/gauge.js";
import { h, mark, whenChanged, write } from "./dom.js";
import { count, plural } from "./words.js";

/**
 * @typedef {import("./types.js").Endpoint} Endpoint
 * @typedef {import("./types.js").Feature} Feature
 */

const SHOWN_FEATURES = 12;
const SHOWN_VALUES = 6;

/** Signatures always, features and classes on demand. */
export function expects() {
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
