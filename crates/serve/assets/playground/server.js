// The server this page came from.

/** What goes wrong with a request, in the server's words. */
class Fault extends Error {
  constructor(message, { field = null, status = 0 } = {}) {
    super(message);
    this.field = field;
    this.status = status;
  }

  /** The fault in the body of a response, or in an event. */
  static of(error, status = 0) {
    return new Fault(error?.message ?? `status ${status}`, { field: error?.param ?? null, status });
  }

  /** With the field in front, where it is one and the sentence does not name it anyway. */
  get words() {
    const field = this.field && this.field !== "mosa" && !this.message.includes(this.field);
    return field ? `${this.field}: ${this.message}` : this.message;
  }
}

class Server {
  key = "";

  async ask(path, { body, signal } = {}) {
    const headers = {};
    if (this.key) headers.Authorization = `Bearer ${this.key}`;
    if (body) headers["Content-Type"] = "application/json";
    const request = { method: body ? "POST" : "GET", headers, signal, cache: "no-store", credentials: "omit" };
    if (body) request.body = JSON.stringify(body);
    let response;
    try {
      response = await fetch(path, request);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Fault("The server cannot be reached: is mosa serve still running?");
    }
    if (response.ok) return response;
    const told = await response.json().catch(() => ({}));
    throw Fault.of(told.error, response.status);
  }

  async models() {
    return (await (await this.ask("v1/models")).json()).data;
  }

  async version() {
    return (await (await this.ask("health")).json()).version;
  }

  /** How many tokens some words are. */
  async count(model, prompt) {
    return (await (await this.ask("v1/tokenize", { body: { model, prompt } })).json()).count;
  }

  /** The events of a streamed answer, parsed; ends behind `[DONE]`. */
  async *stream(path, body, signal) {
    const response = await this.ask(path, { body, signal });
    for await (const data of events(response.body)) {
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw Fault.of(event.error);
      yield event;
    }
    throw new Fault("The connection broke off before the answer was whole.");
  }
}

/** The `data` of server-sent events: blocks of lines with an empty line behind each. */
async function* events(bytes) {
  const reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      if (error.name === "AbortError") throw error;
      throw new Fault("The connection broke off before the answer was whole.");
    });
    if (done) return;
    const blocks = (held + value).split(/\r?\n\r?\n/);
    held = blocks.pop();
    for (const block of blocks) {
      // Lines that begin with a colon keep the connection alive and say nothing.
      const data = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      if (data.length > 0) yield data.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
    }
  }
}
