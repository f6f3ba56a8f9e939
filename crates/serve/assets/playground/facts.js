// What is known of an answer beside its words.

/** Why an answer ended, for people. */
const FINISHED = {
  stop: "an end token",
  length: "the canvas is full",
  unfinished: "positions are still masked",
};

/** Pairs of a name and a value. */
function facts(answer, running) {
  if (!answer) return [];
  const { end } = answer;
  if (!end) return [["Finish", running ? "running" : "none: it was stopped, or failed, and is not recorded"]];
  return [
    ["Finish", `${end.finish} (${FINISHED[end.finish] ?? `stopped by ${end.finish}`})`],
    ["Forwards", end.forwards],
    ["Steps", answer.states.at(-1).step],
    ["Seed", end.seed],
    ["Seconds", answer.seconds.toFixed(2)],
  ];
}

/** What the defences of an answer did, in sentences; none where there was no defence, or the answer is not whole. */
function acts(answer) {
  const asked = answer?.asked.body.mosa.defences ?? [];
  if (!answer?.end || asked.length === 0) return [];
  const done = answer.end.defences.map(act);
  return done.length > 0 ? done : ["Nothing: they left this answer as it was."];
}

function act({ defence, did, step, value }) {
  const when = step === undefined ? "" : ` in step ${step + 1}`;
  const by = value === undefined ? "" : ` (${typeof value === "number" ? digits(value) : value})`;
  return `${defence}: ${did}${when}${by}`;
}
