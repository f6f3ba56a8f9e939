// Records: one line of JSON per answer, as `mosa report FILE.jsonl` reads them (schema answer/1).

/** What an answer is counted under: the model, what stands in front of it, and what was asked of the sampler. */
function group(asked) {
  const { mosa, ...rest } = asked.body;
  const { defences = [], prefill, return_trace, ...own } = mosa;
  const settings = { ...own };
  if (rest.temperature !== undefined) settings.temperature = rest.temperature;
  const behind = defences.length > 0 ? ` with ${defences.join(" + ")}` : "";
  const said = Object.entries(settings).map(([key, value]) => `, ${key} ${value}`);
  return `${asked.model}${behind}${said.join("")}`;
}

/** The record of an answer that is whole; `number` is unique among the answers of a file. */
function record(answer, number) {
  const { asked, end } = answer;
  const whole = {
    schema: "answer/1",
    group: group(asked),
    id: `${number}. ${asked.prompt.replace(/\s+/g, " ").trim().slice(0, 60)}`,
    behaviour: asked.prompt,
  };
  if (asked.system) {
    whole.prompt = `${asked.system}\n\n${asked.prompt}`;
    whole.tags = { system: asked.system };
  }
  const forced = answer.forced().filter((words) => words.tokens > 0);
  if (forced.length > 0) whole.forced = forced;
  const { texts, pieces, steps, confidences } = end.answer;
  const { finish, forwards, defences } = end;
  Object.assign(whole, { texts, pieces, steps, confidences, finish, forwards });
  if (defences.length > 0) whole.defences = defences;
  // How it was made: what a report does not need and a reader may.
  whole.made = {
    by: `mosa playground ${asked.version}`,
    id: answer.id,
    created: answer.created,
    model: asked.model,
    fingerprint: asked.fingerprint,
    request: asked.body,
    seed: end.seed,
    seconds: answer.seconds,
    options: end.options,
    trace: end.trace,
  };
  return whole;
}

/** Hands the reader a file. */
function download(records) {
  const lines = records.map((one) => `${JSON.stringify(one)}\n`).join("");
  const address = URL.createObjectURL(new Blob([lines], { type: "application/x-ndjson" }));
  const link = make("a");
  link.href = address;
  link.download = `mosa-playground-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.jsonl`;
  link.click();
  URL.revokeObjectURL(address);
}
