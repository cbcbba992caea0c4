// @ts-check
import { events } from "./sse.js";

/** What the server refuses, in its own words. */
export class Refusal extends Error {
  /** @param {number} status @param {{ code?: string, message?: string, field?: string }} error @param {number} [retryAfter] in seconds */
  constructor(status, error, retryAfter) {
    super(error.message || `The server answered with status ${status}.`);
    this.name = "Refusal";
    this.status = status;
    this.code = error.code || "unknown";
    this.field = error.field;
    this.retryAfter = retryAfter;
  }
}

/** Nobody answers at the server's address, or the connection broke. */
export class Unreachable extends Error {
  constructor() {
    super("The server cannot be reached.");
    this.name = "Unreachable";
  }
}

/**
 * Requests to the server that this page came from.
 *
 *     const { conversations } = await api.get("/api/conversations", { limit: 30 });
 *     for await (const { event, data } of api.chat(body, signal)) …
 */
export class API {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    /** Told of everyone who was not to be reached. */
    this.whenUnreachable = () => {};
  }

  /** @param {string} path @param {Record<string, any>} [query] */
  get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
    return this.request("GET", path + (given.length ? "?" + new URLSearchParams(given.map(([name, value]) => [name, String(value)])) : ""));
  }

  /** @param {string} method @param {string} path @param {any} [body] @returns {Promise<any>} the body of the answer; null if it has none */
  async request(method, path, body) {
    const response = await this.#fetch(method, path, body);
    if (response.status === 204) return null;
    try {
      return await response.json();
    } catch {
      throw new Refusal(response.status, { code: "broken", message: "The server's answer makes no sense. Is something else running at its address?" });
    }
  }

  /**
   * Asks, and yields the answer's events with their data read.
   * @param {any} body @param {AbortSignal} signal
   * @returns {AsyncGenerator<{ event: string, data: any }>}
   */
  async *chat(body, signal) {
    const response = await this.#fetch("POST", this.session.token ? "/api/chat" : "/api/chat/guest", body, signal);
    try {
      if (!response.body) throw new Unreachable();
      for await (const { event, data } of events(response.body)) yield { event, data: JSON.parse(data) };
    } catch (error) {
      if (signal.aborted) throw error;
      throw error instanceof SyntaxError ? new Refusal(502, { code: "broken", message: "The server's answer makes no sense." }) : new Unreachable();
    }
  }

  /** @param {string} method @param {string} path @param {any} [body] @param {AbortSignal} [signal] */
  async #fetch(method, path, body, signal) {
    /** @type {Record<string, string>} */
    const headers = {};
    const token = this.session.token;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = "Bearer " + token;
    let response;
    try {
      response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: "omit", cache: "no-store" });
    } catch (error) {
      if (signal?.aborted) throw error;
      this.whenUnreachable();
      throw new Unreachable();
    }
    if (response.ok) return response;
    const refusal = await refusalOf(response);
    if (response.status === 401 && token) this.session.expire(token);
    // What stands in front of the server says these when there is no server behind it.
    if (response.status === 502 || response.status === 504 || refusal.code === "loading") this.whenUnreachable();
    throw refusal;
  }
}

/** @param {Response} response */
async function refusalOf(response) {
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const body = await response.json().catch(() => null);
  return new Refusal(response.status, body?.error ?? {}, Number.isFinite(wait) ? wait : undefined);
}
