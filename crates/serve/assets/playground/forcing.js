// Words that are to be forced into the answer of a pane, and the field they are typed into.

class Forcing {
  /** `on.changed()` when the words are others; `on.both(offset, text)` when they are for both panes. */
  constructor(parts, on) {
    this.parts = parts;
    this.on = on;
    this.words = [];
    this.open = null;
  }

  /** The words that are to stand at a position, if any. */
  at(position) {
    return this.words.find(({ offset, tokens }) => offset <= position && position < offset + tokens);
  }

  /** What a request says of them. */
  prefill() {
    return this.words.map(({ offset, text }) => ({ offset, text }));
  }

  /** Puts words at an offset, in the place of those that began there; none at all if there is no text. */
  async put(offset, text, count) {
    this.words = this.words.filter((words) => words.offset !== offset);
    if (text) {
      const words = { offset, text, tokens: 1 };
      this.words.push(words);
      this.words.sort((a, b) => a.offset - b.offset);
      // How far they reach is only drawn: the server says what cannot be.
      words.tokens = Math.max(1, await count(text).catch(() => 1));
    }
    this.list();
    this.on.changed();
  }

  list() {
    const items = this.words.map(({ offset, text }) => {
      const item = make("li");
      item.append(make("strong", `“${text}”`), ` from position ${offset} on`);
      const remove = make("button", "Remove");
      remove.type = "button";
      remove.setAttribute("aria-label", `Remove “${text}” at position ${offset}`);
      remove.addEventListener("click", async () => {
        await this.put(offset, "");
        // The button that had the focus is gone.
        this.on.left(offset);
      });
      item.append(remove);
      return item;
    });
    this.parts["forced-list"].replaceChildren(...items);
    this.parts.forced.hidden = this.words.length === 0;
  }

  /** Opens the field behind a position; `spot` is the position's item, `two` whether there are two panes. */
  ask(offset, spot, { two, put }) {
    this.close();
    const form = cloned("force");
    form.from.textContent = `Words from position ${offset} on`;
    form["both-label"].hidden = !two;
    form.words.value = this.words.find((words) => words.offset === offset)?.text ?? "";
    spot.after(form.root);
    const done = () => {
      this.close();
      this.on.left(offset);
    };
    form.root.addEventListener("submit", (event) => {
      event.preventDefault();
      const { value } = form.words;
      const both = two && form.both.checked;
      done();
      put(offset, value, both);
    });
    form.cancel.addEventListener("click", done);
    form.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") done();
    });
    this.open = form.root;
    form.words.focus();
    form.words.select();
  }

  close() {
    this.open?.remove();
    this.open = null;
  }
}
