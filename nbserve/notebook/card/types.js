/** What the kernel tells of its endpoints, and what the card's parts say to each other. */

/**
 * @typedef {{name: string, datatype: string, dtype?: string, nullable?: boolean, categories?: any[], category_count?: number}} Feature
 * @typedef {{type: string, library?: string, library_version?: string, task?: string, classes?: any[], class_count?: number,
 *   features?: Feature[], feature_count?: number}} ModelFacts
 * @typedef {[t_s: number, requests: number, errors: number, p50_ms: number | null, p99_ms: number | null]} Second
 * @typedef {"loaded" | "unloaded" | "loading" | "failed" | "stopped"} State
 * @typedef {{name: string, title?: string | null, version?: number, url: string, page_url: string, addresses?: string[], state: State,
 *   reason?: string | null, source?: string, described?: boolean, memory: import("../../web/pages/gauge.js").Memory, holders?: string[], model: ModelFacts,
 *   signatures: string[], last_used_s?: number | null, idle_unload_in_s?: number | null, loading?: import("../../web/pages/gauge.js").Loading | null,
 *   counters: {requests: number, errors: number, rows: number, in_flight: number, loads: number, unloads: number},
 *   latency_ms: {p50: number | null, p99: number | null}, history: Second[], curl: string}} Endpoint
 * @typedef {{endpoints: Endpoint[], dashboard: boolean, gone?: boolean, as_of?: number, endpoint_count?: number,
 *   kernel_id?: string | null}} Snapshot
 * @typedef {"load" | "unload" | "forget" | "stop"} Order
 * @typedef {{verb?: string, path?: string, body?: any}} Asked of one of the endpoint's routes, below its name
 * @typedef {{ok: boolean, text: string, status?: number, value?: any}} Answer
 * @typedef {(name: string, asked: Asked, heard?: () => void) => Promise<any>} Ask answers the JSON, or throws a `Refusal`
 * @typedef {ReturnType<typeof import("./ways.js").waysOf>} Ways
 * @typedef {{kind: "alive" | "silent" | "gone" | "stopped", text: string, since?: string}} Life
 * @typedef {(name: string, what: Order, heard: () => void) => Promise<Answer>} Obey
 * @typedef {{root: Element, update: (endpoint: Endpoint, life: Life) => void}} View
 * @typedef {View & {tick: (age: number) => void, beat: () => void, close: () => void}} LiveView `age`: how many seconds old
 *   what was last drawn is
 */

export {};
