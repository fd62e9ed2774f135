/** A text as a QR code: dark on light in every theme, since that is what cameras look for. */

import qrcode from "./qrcode.js";

const QUIET = 4; // modules around it that stay empty, as the standard wants
const SVG = "http://www.w3.org/2000/svg";

/** @param {string} text @returns {SVGSVGElement} */
export function qrCode(text) {
  const code = qrcode(0, "M");
  code.addData(text);
  code.make();
  const count = code.getModuleCount();
  const at = Array.from({ length: count }, (_, place) => place);
  const dark = at.flatMap((row) => at.filter((column) => code.isDark(row, column)).map((column) => `M${column + QUIET} ${row + QUIET}h1v1h-1z`));
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", `0 0 ${count + 2 * QUIET} ${count + 2 * QUIET}`);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", "QR code of this link");
  picture.setAttribute("class", "qr");
  const modules = document.createElementNS(SVG, "path");
  modules.setAttribute("d", dark.join(""));
  picture.append(modules);
  return picture;
}
