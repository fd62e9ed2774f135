/** What a server refuses, in the one shape of its errors. */

/**
 * The server's refusal, or its silence (status 0).
 * @typedef {{loc: (string | number)[], msg: string, type: string}} Fault
 */
export class Refusal extends Error {
  /** @param {number} status @param {{error?: string, remedy?: string, code?: string, detail?: Fault[], predict_id?: string}} answer */
  constructor(status, answer) {
    super(answer.error ?? `The server answered ${status}.`);
    this.status = status;
    this.remedy = answer.remedy ?? "";
    this.code = answer.code ?? "";
    this.detail = Array.isArray(answer.detail) ? answer.detail.map((fault) => ({ ...fault, loc: fault.loc ?? [] })) : [];
    this.predictId = answer.predict_id ?? "";
  }
}
