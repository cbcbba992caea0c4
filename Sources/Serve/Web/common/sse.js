// @ts-check
/**
 * Parses a stream of server-sent events (HTML standard, section 9.2): lines end with LF, CR or CR LF, comments are skipped, and several
 * `data:` lines are joined. An incomplete event at the end of the stream is dropped.
 *
 *     for await (const { event, data } of events(response.body)) …
 *
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{ event: string, data: string }>}
 */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let rest = "", event = "", /** @type {string[]} */ data = [];
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      // A CR at the end may be the first half of CR LF: keep it until the next chunk.
      const lines = rest.slice(0, rest.endsWith("\r") ? -1 : undefined).split(/\r\n|\r|\n/);
      rest = lines.pop() + (rest.endsWith("\r") ? "\r" : "");
      for (const line of lines) {
        if (line === "") {
          if (data.length) yield { event: event || "message", data: data.join("\n") };
          event = "";
          data = [];
        } else if (line.startsWith("event:")) event = field(line, 6);
        else if (line.startsWith("data:")) data.push(field(line, 5));
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The value after a field's colon, without one optional leading space. @param {string} line @param {number} from */
const field = (line, from) => line.slice(line[from] === " " ? from + 1 : from);
