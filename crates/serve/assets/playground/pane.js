// A pane: a model with settings and defences, and the answer it gave.

class Pane {
  constructor(name, page) {
    this.name = name;
    this.page = page;
    this.answer = null;
    this.step = 0;
    this.timer = 0;
    this.running = null;
    this.parts = cloned("pane");
    this.say = speaker(this.parts.said);
    this.settings = new Settings(this.parts);
    this.forcing = new Forcing(this.parts, {
      changed: () => this.draw(),
      left: (at) => this.canvas.focus(at),
    });
    this.canvas = new CanvasList(this.parts.canvas, {
      point: (at) => this.point(at),
      pick: (at) => this.pick(at),
    });
    this.label();
    this.listen();
  }

  /** Names that tell the two panes apart for those who do not see them. */
  label() {
    const { root, title, canvas, slider, controls, fault } = this.parts;
    title.id = `title-${this.name}`;
    fault.id = `fault-${this.name}`;
    root.setAttribute("aria-labelledby", title.id);
    canvas.setAttribute("aria-label", `Positions of answer ${this.name}`);
    canvas.setAttribute("aria-describedby", "how");
    controls.setAttribute("aria-label", `Steps of answer ${this.name}`);
    slider.setAttribute("aria-label", `Step of answer ${this.name}`);
  }

  listen() {
    const { parts } = this;
    parts.model.addEventListener("change", () => this.choose());
    parts.settings.addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    parts.settings.addEventListener("input", () => this.preview());
    parts.slider.addEventListener("input", () => this.halt(Number(parts.slider.value)));
    parts.back.addEventListener("click", () => this.halt(this.step - 1));
    parts.forward.addEventListener("click", () => this.halt(this.step + 1));
    parts.play.addEventListener("click", () => (this.timer ? this.halt(this.step) : this.play()));
    parts.again.addEventListener("click", () => this.run());
    parts.download.addEventListener("click", () => {
      if (enabled(parts.download)) download([this.answer.record]);
    });
  }

  /** The models there are; the choice is kept where it can be. */
  offer(models, first) {
    const { model } = this.parts;
    const before = model.value;
    model.replaceChildren(...models.map((one) => make("option", one.id)));
    model.value = models.some((one) => one.id === before) ? before : models[Math.min(first, models.length - 1)].id;
    this.choose();
  }

  get model() {
    return this.page.models.find((one) => one.id === this.parts.model.value);
  }

  choose() {
    this.settings.of(this.model);
    this.preview();
  }

  /** Before the first answer, the canvas as it is going to be. */
  preview() {
    if (this.answer) return;
    this.parts.title.textContent = `Answer ${this.name}: ${this.model.id}`;
    this.blank = blank(this.settings.length);
    this.draw();
  }

  // Asking.

  /** What is asked now. */
  asked() {
    const { model } = this;
    const { prompt, system } = this.page.question();
    const body = { model: model.id, stream: true, diffusing: true, mosa: { return_trace: true } };
    if (model.mosa.chat) {
      const turns = [{ role: "user", content: prompt }];
      if (system) turns.unshift({ role: "system", content: system });
      body.messages = turns;
    } else {
      body.prompt = system ? `${system}\n\n${prompt}` : prompt;
    }
    this.settings.into(body);
    const forced = this.forcing.prefill();
    if (forced.length > 0) body.mosa.prefill = forced;
    return {
      path: model.mosa.chat ? "v1/chat/completions" : "v1/completions",
      body,
      prompt,
      system,
      forced,
      model: model.id,
      fingerprint: model.mosa.fingerprint,
      length: this.settings.length,
      ends: endTokens(model),
      version: this.page.version,
    };
  }

  async run() {
    this.stop();
    if (!this.settings.valid()) return;
    const asked = this.asked();
    const running = new AbortController();
    this.begin(asked, running);
    try {
      for await (const chunk of this.page.server.stream(asked.path, asked.body, running.signal)) {
        if (this.running !== running) return;
        this.answer.take(chunk);
        this.soon();
      }
      this.done(running);
    } catch (error) {
      if (this.running !== running) return;
      this.running = null;
      this.broke(error);
    }
  }

  begin(asked, running) {
    this.running = running;
    this.answer = new Answer(asked);
    // What the answer was asked of, whatever is chosen above it later.
    this.parts.title.textContent = `Answer ${this.name}: ${group(asked)}`;
    this.forcing.close();
    this.settings.absolve();
    this.parts.fault.hidden = true;
    this.parts.root.classList.add("running");
    this.parts.root.setAttribute("aria-busy", "true");
    enable(this.parts.download, false);
    this.parts.again.textContent = "Run again";
    this.halt(0);
    this.follow = true;
    this.page.told();
  }

  /** The answer is whole. */
  done(running) {
    if (this.running !== running) return;
    this.running = null;
    this.idle();
    const { answer } = this;
    if (answer.end?.answer) {
      answer.record = record(answer, this.page.number());
      this.page.keep(answer.record);
      enable(this.parts.download, true);
    }
    // Where the reader went back meanwhile, they stay at the step they look at.
    const seen = answer.states.findIndex((state) => state.step >= this.seen);
    this.show(this.follow || seen < 0 ? answer.last : seen);
    const text = answer.text.trim() === "" ? "It is empty." : answer.text;
    this.say(`Answer ${this.name} is there after ${plural(answer.states.at(-1).step, "step")}: ${text}`, true);
  }

  /** It will not be: the reader stopped it, or something went wrong. */
  broke(error) {
    this.idle();
    this.draw();
    if (error.name === "AbortError") this.say(`Answer ${this.name} is stopped.`, true);
    else {
      const fault = error instanceof Fault ? error : new Fault(String(error));
      this.parts.fault.textContent = fault.words;
      this.parts.fault.hidden = false;
      if (fault.status === 401) this.page.locked();
      this.settings.blame(fault, this.parts.fault.id);
    }
    this.tell();
  }

  idle() {
    this.parts.root.classList.remove("running");
    this.parts.root.removeAttribute("aria-busy");
    this.page.told();
  }

  /** Aborts the request: the server sees that nobody waits and frees the row. */
  stop() {
    this.running?.abort();
  }

  // Showing.

  /** Draws when the screen does, however fast steps come in. */
  soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (!this.running) return;
      this.show(this.follow ? this.answer.last : this.step);
      this.say(`Answer ${this.name}: step ${this.state.step}, ${revealed(this.state)}`);
    });
  }

  get state() {
    return this.answer ? this.answer.states[this.step] : this.blank;
  }

  play() {
    const last = this.answer?.last ?? 0;
    if (last === 0) return;
    if (this.step >= last) this.show(0);
    const pause = Math.min(Math.max(12000 / last, 60), 500);
    this.parts.play.textContent = "Pause";
    this.timer = setInterval(() => {
      this.show(this.step + 1);
      if (this.step >= this.answer.last) this.halt(this.step);
    }, pause);
  }

  halt(step) {
    clearInterval(this.timer);
    this.timer = 0;
    this.parts.play.textContent = "Play";
    this.show(step);
    this.follow = this.step === (this.answer?.last ?? 0);
  }

  /** Goes to the state after a number of steps. */
  show(step) {
    this.step = Math.min(Math.max(step, 0), this.answer?.last ?? 0);
    this.seen = this.state.step;
    this.draw();
  }

  draw() {
    const { parts, state, answer } = this;
    const last = answer?.last ?? 0;
    parts.slider.max = String(last);
    parts.slider.value = String(this.step);
    const count = `step ${state.step} of ${answer?.states.at(-1).step ?? 0}, ${revealed(state)}`;
    parts.count.textContent = count;
    parts.slider.setAttribute("aria-valuetext", count);
    enable(parts.back, this.step > 0);
    enable(parts.forward, this.step < last);
    enable(parts.play, last > 0);
    const ends = answer?.asked.ends ?? endTokens(this.model);
    // Words that were forced are drawn as such; planned are those that the canvas does not hold yet.
    const held = new Set((answer?.asked.forced ?? []).map(({ offset, text }) => `${offset} ${text}`));
    const planned = (at) => {
      const words = this.forcing.at(at);
      return words && !held.has(`${words.offset} ${words.text}`) ? words.text : null;
    };
    this.canvas.draw(views(state, ends, planned));
    this.detail();
    this.write(state, ends);
    this.tell();
  }

  /** The text of the state; at the end it is the answer as the server sent it, which a defence may have replaced. */
  write(state, ends) {
    const { text } = this.parts;
    const whole = this.answer?.finish && this.step === this.answer.last;
    this.parts["text-title"].textContent = whole ? "Answer" : `Text after step ${state.step}`;
    if (whole) text.textContent = this.answer.text;
    else text.replaceChildren(...readable(state, ends));
  }

  tell() {
    const { parts, answer } = this;
    const all = facts(answer, this.running).map(([name, value]) => {
      const fact = make("div");
      fact.append(make("dt", name), make("dd", String(value)));
      return fact;
    });
    parts.facts.replaceChildren(...all);
    const done = acts(answer);
    parts.acts.hidden = done.length === 0;
    parts["act-list"].replaceChildren(...done.map((text) => make("li", text)));
  }

  point(at) {
    this.canvas.stop(at);
    this.detail();
  }

  /** What is known of the position that was last looked at. */
  detail() {
    const spot = this.canvas.spots[this.canvas.at];
    this.parts.detail.textContent = spot?.chip.getAttribute("aria-label") ?? "";
  }

  pick(at) {
    this.canvas.stop(at);
    this.forcing.ask(at, this.canvas.spots[at].item, {
      two: this.page.two,
      put: (offset, text, both) => {
        for (const pane of both ? this.page.shown : [this]) pane.force(offset, text);
      },
    });
  }

  force(offset, text) {
    const count = (words) => this.page.server.count(this.model.id, words);
    return this.forcing.put(offset, text, count);
  }
}

/** How much of a canvas is there. */
function revealed({ cells }) {
  const there = cells.filter((cell) => cell !== null).length;
  return `${there} of ${plural(cells.length, "position")} revealed`;
}

/** Ids of the tokens that end an answer. */
function endTokens(model) {
  const { eos, eot } = model.mosa.options?.ends ?? {};
  return new Set([eos, eot].filter((id) => id !== undefined && id !== null));
}
