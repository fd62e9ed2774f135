/** A request as code that runs as it stands, in several languages. */

import { literal, PYTHON_WORDS } from "./literal.js";

/**
 * `home` is the endpoint's address, `url` that of its method, and `body` what is sent there.
 * @typedef {{home: string, method: string, url: string, token: string, body: any}} Request
 */

/** @type {Record<string, {text: string, write: (request: Request) => string}>} */
export const LANGUAGES = {
  curl: { text: "curl", write: curl },
  python: { text: "Python", write: python },
  client: { text: "nbserve.Client", write: client },
  r: { text: "R", write: r },
  javascript: { text: "JavaScript", write: javascript },
};

/** A word for a POSIX shell, whatever it holds. @param {string} text */
const shellWord = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** @param {Request} request */
function curl({ url, token, body }) {
  const access = token ? [`-H ${shellWord(`Authorization: Bearer ${token}`)}`] : [];
  return [`curl ${shellWord(url)}`, ...access, "-H 'Content-Type: application/json'", `-d ${shellWord(literal(body))}`].join(" \\\n  ");
}

/** @param {Request} request */
function python({ url, token, body }) {
  const access = token ? [`    headers={"Authorization": ${JSON.stringify(`Bearer ${token}`)}},`] : [];
  return [
    "import requests",
    "",
    "response = requests.post(",
    `    ${JSON.stringify(url)},`,
    ...access,
    `    json=${literal(body, PYTHON_WORDS, "    ", "    ")},`,
    "    timeout=60,",
    ")",
    "response.raise_for_status()",
    'print(response.json()["predict_result"])',
  ].join("\n");
}

/** @param {Request} request */
function client({ home, method, token, body }) {
  const access = token ? `, ${JSON.stringify(token)}` : "";
  return [
    "import nbserve",
    "",
    `client = nbserve.Client(${JSON.stringify(home)}${access})`,
    "answer = client.call(",
    `    ${JSON.stringify(method)},`,
    `    **${literal(body, PYTHON_WORDS, "    ", "    ")},`,
    ")",
    "print(answer)",
  ].join("\n");
}

/** R's raw strings hold anything, between as many dashes as it takes. @param {string} text */
function rawString(text) {
  let dashes = "";
  while (text.includes(`)${dashes}"`)) dashes += "-";
  return `r"${dashes}(${text})${dashes}"`;
}

/** httr2 reads JSON by jsonlite, and does not bring it. @param {Request} request */
function r({ url, token, body }) {
  const access = token ? [`  req_auth_bearer_token(${JSON.stringify(token)}) |>`] : [];
  return [
    '# install.packages(c("httr2", "jsonlite"))',
    "library(httr2)",
    "",
    `response <- request(${JSON.stringify(url)}) |>`,
    ...access,
    `  req_body_raw(${rawString(literal(body, undefined, "  "))}, "application/json") |>`,
    "  req_perform() |>",
    "  resp_body_json()",
    "print(response$predict_result)",
  ].join("\n");
}

/** @param {Request} request */
function javascript({ url, token, body }) {
  const access = token ? [`    "Authorization": ${JSON.stringify(`Bearer ${token}`)},`] : [];
  return [
    `const response = await fetch(${JSON.stringify(url)}, {`,
    '  method: "POST",',
    "  headers: {",
    ...access,
    '    "Content-Type": "application/json",',
    "  },",
    `  body: JSON.stringify(${literal(body, undefined, "  ")}),`,
    "});",
    "if (!response.ok) throw new Error((await response.json()).error);",
    "console.log((await response.json()).predict_result);",
  ].join("\n");
}
