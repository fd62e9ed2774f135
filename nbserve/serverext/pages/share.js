/**
 * The page of a link. It asks with the token behind the `#`, which no browser sends, shows the page of the endpoint, and
 * waits while its notebook is away. The token stays in the address, so that the page can be loaded again and kept.
 */

import { byId, copy, h } from "./dom.js";
import { qrCode } from "./qr.js";

const AGAIN_MS = 3000;
const page = document.documentElement.dataset;
const root = page.root ?? "";
const token = location.hash.slice(1);
const isDocs = /\/docs\/?$/.test(location.pathname);

/** The docs and the page, each linked from the other. @type {[text: string, path: string]} */
const OTHER = isDocs ? ["Try it", "/"] : ["API docs", "/docs/"];

/** @param {string} path @param {string} type */
const ask = (path, type) =>
  fetch(root + path, { headers: { Authorization: `Bearer ${token}`, Accept: type }, cache: "no-store", referrerPolicy: "no-referrer" });

async function open() {
  if (!token) return say("This link is not complete.", "It ends with a # and a token: copy all of it.");
  const answer = await ask("/", "application/json").catch(() => null);
  if (answer?.ok) return show();
  const told = await answer?.json().catch(() => null);
  const isAway = !answer || answer.status >= 500 || answer.status === 401; // 401: it has just begun to serve, or to end
  if (isAway) {
    say("The notebook is away.", "What it serves appears here as soon as it serves it again.", true);
    setTimeout(open, AGAIN_MS);
  } else {
    say(told?.error ?? `The server answered ${answer.status}.`, told?.remedy ?? "");
  }
}

/** @param {string} problem @param {string} remedy @param {boolean} [isWaiting] */
function say(problem, remedy, isWaiting = false) {
  const waiting = byId("waiting");
  waiting.classList.toggle("busy", isWaiting);
  if (waiting.dataset.said === problem) return;
  waiting.dataset.said = problem;
  waiting.replaceChildren(h("h1", {}, problem), h("p", {}, remedy));
  document.title = `${problem.replace(/\.$/, "")} · nbserve`;
}

async function show() {
  page.token = token; // the modules of the endpoint's page find it there
  byId("nav").replaceChildren(h("a", { href: `${root}${OTHER[1]}#${token}` }, OTHER[0]));
  if (isDocs) await showDocs();
  else await showEndpoint();
}

/** The endpoint's own page, drawn by the kernel: taken over as it is, without a script of it. */
async function showEndpoint() {
  const answer = await ask("/", "text/html").catch(() => null);
  if (!answer?.ok) {
    setTimeout(open, AGAIN_MS);
    return;
  }
  const drawn = new DOMParser().parseFromString(await answer.text(), "text/html");
  const view = drawn.getElementById("view");
  if (!view) return say("This endpoint has no page for links.", "Its API docs say what can be asked.");
  document.title = drawn.title;
  byId("main").replaceChildren(...(drawn.querySelector("main")?.children ?? []), phonePanel());
  document.body.append(view);
  await import("./page.js");
}

async function showDocs() {
  document.title = "API docs · nbserve";
  document.body.classList.add("docs");
  const notice = h("p", { className: "notice", id: "notice", role: "alert", hidden: true });
  byId("main").replaceChildren(notice, h("div", { id: "swagger-ui", "data-described": "/openapi.json" }));
  const here = new URL("./", import.meta.url).href;
  const bundle = h("script", { src: `${here}swagger-ui-bundle.js` });
  await new Promise((done) => {
    bundle.onload = bundle.onerror = done;
    document.head.append(h("link", { rel: "stylesheet", href: `${here}swagger-ui.css` }), bundle);
  });
  await import("./docs.js");
}

function phonePanel() {
  const link = location.href;
  const button = h("button", { type: "button", className: "quiet" }, "Copy link");
  button.addEventListener("click", async () => {
    button.textContent = (await copy(link)) ? "Copied" : "Copy it from the address bar";
    setTimeout(() => (button.textContent = "Copy link"), 2000);
  });
  return h(
    "section",
    { className: "panel phone", "aria-labelledby": "phone-title" },
    qrCode(link),
    h(
      "div",
      {},
      h("h2", { id: "phone-title" }, "On another device"),
      h("p", { className: "muted" }, "Scan it to open this page there. Whoever has the link can use it, until it expires or is revoked."),
      h("div", { className: "actions" }, button),
    ),
  );
}

addEventListener("hashchange", () => location.reload());
open();
