// @ts-check
import { events } from "./sse.js";

/** An error response of the server, with the server's message. */
export class APIError extends Error {
  /** @param {number} status @param {{ code?: string, message?: string, field?: string }} error @param {number} [retryAfter] seconds */
  constructor(status, error, retryAfter) {
    super(error.message || `The server returned status ${status}.`);
    this.name = "APIError";
    this.status = status;
    this.code = error.code || "unknown";
    this.field = error.field;
    this.retryAfter = retryAfter;
  }
}

/** The server did not respond, or the connection was lost. */
export class NetworkError extends Error {
  constructor() {
    super("The server cannot be reached.");
    this.name = "NetworkError";
  }
}

/**
 * Requests to the server of this page.
 *
 *     const { conversations } = await api.get("/api/conversations", { limit: 30 });
 *     for await (const { event, data } of api.chat(body, signal)) …
 */
export class API {
  /** @param {import("./session.js").Session} session */
  constructor(session) {
    this.session = session;
    /** Called when the server cannot be reached. */
    this.onUnreachable = () => {};
  }

  /** @param {string} path @param {Record<string, any>} [query] */
  get(path, query = {}) {
    const parameters = Object.entries(query)
      .filter(([, value]) => value !== undefined && value !== null && value !== "")
      .map(([name, value]) => [name, String(value)]);
    return this.request("GET", path + (parameters.length ? "?" + new URLSearchParams(parameters) : ""));
  }

  /**
   * @param {string} method @param {string} path @param {any} [body] sent as JSON, or as it is if it is a file
   * @returns {Promise<any>} the response body; null if it is empty
   */
  async request(method, path, body) {
    return bodyOf(await this.#fetch(method, path, body));
  }

  /** Downloads a file. @param {string} path @returns {Promise<Blob>} */
  async download(path) {
    const response = await this.#fetch("GET", path);
    try {
      return await response.blob();
    } catch {
      throw new NetworkError();
    }
  }

  /**
   * Uploads a file. `fetch` cannot report the progress of a request.
   * @param {string} path @param {Blob} file @param {(share: number) => void} progress 0…1 @param {AbortSignal} signal
   * @returns {Promise<any>} the response body
   */
  async upload(path, file, progress, signal) {
    signal.throwIfAborted();
    const token = this.session.token, request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    if (token) request.setRequestHeader("Authorization", "Bearer " + token);
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(total ? loaded / total : 1));
    signal.addEventListener("abort", () => request.abort());
    await new Promise((resolve) => {
      request.addEventListener("loadend", resolve);
      request.send(file);
    });
    signal.throwIfAborted();
    if (request.status === 0) throw this.#unreachable();
    const retryAfter = request.getResponseHeader("Retry-After");
    const response = new Response(request.responseText || null, {
      status: request.status,
      headers: retryAfter ? { "Retry-After": retryAfter } : {},
    });
    return bodyOf(await this.#checked(response, token));
  }

  /**
   * Sends a chat message and yields the events of the answer with parsed data.
   * @param {any} body @param {AbortSignal} signal
   * @returns {AsyncGenerator<{ event: string, data: any }>}
   */
  async *chat(body, signal) {
    const response = await this.#fetch("POST", this.session.token ? "/api/chat" : "/api/chat/guest", body, signal);
    try {
      if (!response.body) throw new NetworkError();
      for await (const { event, data } of events(response.body)) yield { event, data: JSON.parse(data) };
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof SyntaxError) throw new APIError(502, { code: "broken", message: "The server returned an invalid response." });
      throw new NetworkError();
    }
  }

  /** @param {string} method @param {string} path @param {any} [body] @param {AbortSignal} [signal] */
  async #fetch(method, path, body, signal) {
    /** @type {Record<string, string>} */
    const headers = {};
    const token = this.session.token, isFile = body instanceof Blob;
    if (body !== undefined) headers["Content-Type"] = isFile ? "application/octet-stream" : "application/json";
    if (token) headers.Authorization = "Bearer " + token;
    let response;
    try {
      response = await fetch(path, {
        method,
        headers,
        signal,
        body: body === undefined || isFile ? body : JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw this.#unreachable();
    }
    return this.#checked(response, token);
  }

  #unreachable() {
    this.onUnreachable();
    return new NetworkError();
  }

  /** Throws the error of a response, if it is one. @param {Response} response @param {string} token of the request */
  async #checked(response, token) {
    if (response.ok) return response;
    const error = await errorOf(response);
    if (response.status === 401 && token) this.session.expire(token);
    // A reverse proxy sends 502 and 504 if the server behind it is down.
    if (response.status === 502 || response.status === 504 || error.code === "loading") this.onUnreachable();
    throw error;
  }
}

/** The parsed body of a response; null if it is empty. @param {Response} response */
async function bodyOf(response) {
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    const message = "The server returned an invalid response. Is another program running at its address?";
    throw new APIError(response.status, { code: "broken", message });
  }
}

/** @param {Response} response */
async function errorOf(response) {
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const body = await response.json().catch(() => null);
  return new APIError(response.status, body?.error ?? {}, Number.isFinite(seconds) ? seconds : undefined);
}
