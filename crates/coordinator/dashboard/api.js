// The coordinator's API, with the key of this tab.

const STORED = "tacit-api-key";

export class Refused extends Error {
  constructor(status, body) {
    super(body?.message ?? `the coordinator answered with status ${status}`);
    this.status = status;
    this.code = body?.code ?? "";
  }
}

export const key = {
  get: () => sessionStorage.getItem(STORED),
  set: (text) => sessionStorage.setItem(STORED, text),
  forget: () => sessionStorage.removeItem(STORED),
};

async function request(path, options = {}) {
  const headers = { ...options.headers };
  const text = key.get();
  if (text) headers.authorization = `Bearer ${text}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The coordinator does not answer. It is tried again.");
  }
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => undefined));
  return response;
}

export async function get(path) {
  return (await request(path)).json();
}

// Server-sent events over fetch: an EventSource cannot send a key.
export async function* events(path, signal) {
  const response = await request(path, { signal, headers: { accept: "text/event-stream" } });
  if (response.status === 204) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const event = { event: "message", data: "" };
      for (const line of text.slice(0, end).split("\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) event[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
      }
      text = text.slice(end + 2);
      if (event.data) yield { name: event.event, data: JSON.parse(event.data) };
    }
  }
}
