// @ts-check
/**
 * The events of a stream of server-sent events, as the standard has them: lines end with LF, CR or both, comments are passed over, several `data:` lines are
 * one text. An event that was not ended by an empty line is not told.
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
      // A CR at the very end may be the first half of CR LF: it waits for what follows.
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

/** What stands behind a field's colon, without the one space it may begin with. @param {string} line @param {number} from */
const field = (line, from) => line.slice(line[from] === " " ? from + 1 : from);
