// One answer: what was asked, and its canvas after every step, while it comes in and afterwards.
//
// A state is { step, cells, changed }. A cell is null while it is masked, else { text, token, confidence, step, given }.

class Answer {
  constructor(asked) {
    this.asked = asked;
    this.began = Date.now();
    this.states = [blank(asked.length)];
    this.text = "";
    this.finish = "";
    this.end = null;
    this.seconds = null;
  }

  get length() {
    return this.states[0].cells.length;
  }

  get last() {
    return this.states.length - 1;
  }

  /** Takes a chunk of the stream. */
  take(chunk) {
    const choice = chunk.choices?.[0];
    const text = choice?.delta?.content ?? choice?.text;
    if (text) this.text = text;
    this.created = chunk.created;
    this.id = chunk.id;
    if (choice?.finish_reason) this.close(choice.finish_reason, chunk.mosa ?? {});
    else if (chunk.mosa) this.grow(chunk.mosa);
  }

  /** Another step came in. A slow reader misses some; `close` puts them in. */
  grow(frame) {
    // The last step may be told twice.
    if (frame.step <= this.states.at(-1).step) return;
    const changed = new Set(frame.changed);
    const before = this.states.at(-1).cells;
    // A canvas of blocks may reach beyond the answer, to the end of its last block.
    const pieces = frame.pieces.slice(0, this.asked.length || undefined);
    const cells = pieces.map((text, at) => {
      if (frame.masked[at]) return null;
      const old = before[at];
      if (old && !changed.has(at) && old.token === frame.tokens[at]) return old;
      const confidence = frame.confidences[at];
      const given = confidence === null;
      // What was forced before the first step comes with it.
      const step = given && frame.step === 1 ? 0 : frame.step;
      return { text, token: frame.tokens[at], confidence, step, given };
    });
    if (this.last === 0) this.states[0] = blank(cells.length);
    this.states.push({ step: frame.step, cells, changed });
  }

  /** The answer is whole: its states follow from the trace, which misses no step. */
  close(finish, end) {
    this.seconds = (Date.now() - this.began) / 1000;
    this.finish = finish;
    this.end = end;
    if (!end.trace) return;
    const length = this.last > 0 ? this.states.at(-1).cells.length : (end.options?.gen_length ?? this.length);
    const seen = this.states.at(-1).cells;
    this.states = replayed(end.trace, length);
    named(this.states, seen.map((cell, at) => end.answer?.pieces?.[at] || cell?.text));
  }

  /** The words that were forced, and how many tokens each came to. */
  forced() {
    const { cells } = this.states[0];
    const begins = new Set(this.asked.forced.map(({ offset }) => offset));
    return this.asked.forced.map(({ offset, text }) => {
      let end = offset;
      while (cells[end] && (end === offset || !begins.has(end))) end += 1;
      return { offset, tokens: end - offset, text };
    });
  }
}

/** A canvas before anything is on it; of a length that nobody can mean, as much as can be drawn. */
function blank(length) {
  return { step: 0, cells: Array(Math.min(length, 4096)).fill(null), changed: new Set() };
}

/** The states that a trace goes through. Words that were forced stand there before the first step. */
function replayed(trace, length) {
  let cells = Array(length).fill(null);
  const within = (edit) => edit.offset >= 0 && edit.offset < length;
  const written = (edit, step) => ({
    text: edit.text,
    token: edit.token,
    confidence: edit.confidence,
    step,
    given: edit.cause === "forced",
  });
  const [first] = trace;
  for (const edit of first?.edits.filter(within) ?? []) {
    if (edit.cause === "forced") cells[edit.offset] = written(edit, 0);
  }
  const states = [{ step: 0, cells, changed: new Set() }];
  for (const record of trace) {
    // Steps that wrote nothing are not in the trace, but count.
    const step = record.clock + 1;
    cells = cells.slice();
    const changed = new Set();
    for (const edit of record.edits.filter(within)) {
      if (record === first && edit.cause === "forced") continue;
      cells[edit.offset] = edit.cause === "remasked" ? null : written(edit, step);
      changed.add(edit.offset);
    }
    states.push({ step, cells, changed });
  }
  return states;
}

/** Calls tokens that stand on the last canvas by what they add to it: alone they may lack the space before them. */
function named(states, pieces) {
  const final = states.at(-1).cells;
  for (const { cells } of states) {
    cells.forEach((cell, at) => {
      if (cell && pieces[at] && cell.token === final[at]?.token) cell.text = pieces[at];
    });
  }
}
