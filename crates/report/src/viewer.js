"use strict";
// Steps through the unmasking of answers. What comes from outside is only ever set as text.
(() => {
  const make = (tag, text, name) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (name) node.className = name;
    return node;
  };

  // The text with a sign for every character that would be seen; line breaks stay where they are.
  const covered = (text, sign) => {
    if (/\S/u.test(text)) return text.replace(/\S/gu, sign);
    return text.includes("\n") ? sign + text : sign.repeat(Math.max(1, text.length));
  };

  const shown = (text) => (/\S/u.test(text) || !text.includes("\n") ? text : "\u21b5" + text);

  class Player {
    constructor(root, answers) {
      this.root = root;
      this.answers = answers;
      this.open = new Set();
      this.timer = 0;
      for (const node of root.querySelectorAll("[data-part]")) this[node.dataset.part] = node;
      this.list();
      this.listen();
      this.pick(0);
      root.hidden = false;
      document.getElementById(`viewer-quotes-${root.dataset.viewer}`).hidden = true;
    }

    list() {
      let group = null;
      this.answers.forEach((answer, i) => {
        if (answer.group && (!group || group.label !== answer.group)) {
          group = this.choice.appendChild(document.createElement("optgroup"));
          group.label = answer.group;
        }
        const option = make("option", `${i + 1}. ${answer.title}`);
        option.value = String(i);
        (answer.group ? group : this.choice).append(option);
      });
    }

    listen() {
      const step = (by) => () => this.halt(this.step + by);
      this.choice.addEventListener("change", () => this.pick(Number(this.choice.value)));
      this.slider.addEventListener("input", () => this.halt(Number(this.slider.value)));
      this.previous.addEventListener("click", step(-1));
      this.next.addEventListener("click", step(1));
      this.play.addEventListener("click", () => (this.timer ? this.halt(this.step) : this.run()));
      this.fold.addEventListener("click", () => {
        if (!this.open.delete(this.answer)) this.open.add(this.answer);
        this.unfold();
      });
      this.canvas.addEventListener("mouseover", (event) => {
        const at = this.spans.indexOf(event.target);
        if (at >= 0) this.point(at);
      });
      this.canvas.addEventListener("keydown", (event) => {
        const last = this.spans.length - 1;
        const to = { ArrowLeft: this.at - 1, ArrowRight: this.at + 1, Home: 0, End: last }[event.key];
        if (to === undefined || last < 0) return;
        event.preventDefault();
        this.point(Math.min(Math.max(to, 0), last));
      });
    }

    // Shows an answer, at first as it ended.
    pick(index, step) {
      this.index = Math.min(Math.max(index, 0), this.answers.length - 1);
      this.answer = this.answers[this.index];
      this.forced = new Set(this.answer.forced);
      this.at = -1;
      this.choice.value = String(this.index);
      const { group, title } = this.answer;
      this.title.textContent = group ? `${group}: ${title}` : title;
      this.slider.max = String(this.answer.last);
      this.spans = this.answer.texts.map((_, i) => {
        const span = make("span");
        span.title = this.about(i);
        return span;
      });
      this.canvas.replaceChildren(...this.spans);
      this.detail.textContent = "Point at a position, or press an arrow key in the answer.";
      this.step = this.answer.last;
      this.unfold();
      this.halt(step ?? this.answer.last);
    }

    // What is known of a position: nothing that would give a folded text away.
    about(i) {
      const { steps, confidences, window, judged, last } = this.answer;
      const parts = [`position ${i}`];
      if (this.forced.has(i)) parts.push("forced");
      if (steps[i] === null) parts.push("there before the first step");
      else parts.push(steps[i] < last ? `written in step ${steps[i] + 1}` : "never written");
      if (confidences[i] !== null) parts.push(`confidence ${Number(confidences[i].toPrecision(3))}`);
      if (this.inside(i)) parts.push("in the window");
      if (judged !== null && i >= judged) parts.push("not judged");
      return parts.join(", ");
    }

    inside(i) {
      const { window } = this.answer;
      return window !== null && window[0] <= i && i <= window[1];
    }

    point(i) {
      this.spans[this.at]?.classList.remove("here");
      this.at = i;
      this.spans[i].classList.add("here");
      this.detail.textContent = this.about(i);
    }

    get folded() {
      return this.answer.harmful && !this.open.has(this.answer);
    }

    unfold() {
      const { prompt, verdicts, harmful } = this.answer;
      this.cover.hidden = !harmful;
      this.state.textContent = this.folded ? "Judged harmful, folded." : "Judged harmful.";
      this.fold.textContent = this.folded ? "Show the text" : "Fold the text";
      this.prompt.textContent = this.folded ? covered(prompt, "\u2588") : prompt;
      this.prompt.classList.toggle("folded", this.folded);
      const words = verdicts.flatMap(([judge, said]) => [make("dt", judge), make("dd", said)]);
      this.verdicts.replaceChildren(...(this.folded ? [] : words));
      this.draw(this.step);
    }

    run() {
      if (this.step >= this.answer.last) this.show(0);
      const pause = Math.min(Math.max(12000 / Math.max(this.answer.last, 1), 60), 500);
      this.play.textContent = "Pause";
      this.timer = setInterval(() => {
        this.show(this.step + 1);
        if (this.step >= this.answer.last) this.halt(this.step);
      }, pause);
    }

    halt(step) {
      clearInterval(this.timer);
      this.timer = 0;
      this.play.textContent = "Play";
      this.show(step);
    }

    // Goes to the state after a number of steps.
    show(step) {
      const { last } = this.answer;
      this.step = Math.min(Math.max(step, 0), last);
      this.slider.value = String(this.step);
      const written = this.draw(this.step);
      const text = `step ${this.step} of ${last}, ${written} of ${this.spans.length} positions written`;
      this.count.textContent = text;
      this.slider.setAttribute("aria-valuetext", text);
      this.previous.disabled = this.step === 0;
      this.next.disabled = this.step === last;
      const viewer = this.root.dataset.viewer === "1" ? "" : `viewer=${this.root.dataset.viewer}&`;
      this.link.href = `#${viewer}answer=${this.index + 1}&step=${this.step}`;
    }

    // Draws the state after a number of steps and says how many positions are written.
    draw(step) {
      const { texts, steps, judged } = this.answer;
      let count = 0;
      this.spans.forEach((span, i) => {
        const written = steps[i] === null || steps[i] < step;
        if (written) count += 1;
        const text = written ? (this.folded ? covered(texts[i], "\u2588") : shown(texts[i])) : covered(texts[i], "\u00b7");
        if (span.textContent !== text) span.textContent = text;
        span.className = "";
        const marks = {
          masked: !written,
          fresh: written && steps[i] !== null && steps[i] === step - 1,
          forced: this.forced.has(i),
          window: this.inside(i),
          unjudged: judged !== null && i >= judged,
          folded: written && this.folded,
          here: i === this.at,
        };
        for (const [mark, on] of Object.entries(marks)) if (on) span.classList.add(mark);
      });
      return count;
    }
  }

  const players = [...document.querySelectorAll(".viewer")].map((root) => {
    const data = document.getElementById(`viewer-data-${root.dataset.viewer}`);
    return new Player(root, JSON.parse(data.textContent));
  });

  const follow = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    const number = (name) => (/^\d+$/.test(asked.get(name) ?? "") ? Number(asked.get(name)) : undefined);
    const player = players[(number("viewer") ?? 1) - 1];
    if (!player || (number("answer") ?? number("step")) === undefined) return;
    player.pick((number("answer") ?? player.index + 1) - 1, number("step"));
    player.root.scrollIntoView();
  };
  addEventListener("hashchange", follow);
  follow();

  // Paper shows answers as they ended.
  addEventListener("beforeprint", () => players.forEach((player) => player.draw(player.answer.last)));
  addEventListener("afterprint", () => players.forEach((player) => player.draw(player.step)));
})();
