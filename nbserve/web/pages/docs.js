/** Swagger UI on this server's own description, with the page's token. */

import { byId } from "./dom.js";
import { call, headers, isLink, root } from "./wire.js";

/** @param {{url: string, headers: Record<string, string>}} request */
function withToken(request) {
  const isOurs = new URL(request.url, location.href).host === location.host;
  if (isOurs) request.headers = { ...headers(), ...request.headers };
  return request;
}

/** @param {any} description */
function show(description) {
  const { SwaggerUIBundle } = /** @type {any} */ (window);
  SwaggerUIBundle({
    spec: { ...description, servers: [{ url: root || "/" }] },
    dom_id: "#swagger-ui",
    deepLinking: !isLink, // it would write over the token
    tryItOutEnabled: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    queryConfigEnabled: false,
    requestInterceptor: withToken,
  });
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

call(byId("swagger-ui").dataset.described).then(
  ({ answer }) => show(answer),
  (refusal) => {
    byId("notice").textContent = `${refusal.message} ${refusal.remedy}`;
    byId("notice").hidden = false;
  },
);
