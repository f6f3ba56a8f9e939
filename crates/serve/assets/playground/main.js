// The page: the question, two panes, and the records of this visit.

class Page {
  server = new Server();
  models = [];
  version = "";
  records = [];
  answers = 0;

  constructor() {
    this.panes = [new Pane("A", this), new Pane("B", this)];
    byId("panes").append(...this.panes.map((pane) => pane.parts.root));
    byId("panes").hidden = true;
    this.listen();
    this.open();
  }

  listen() {
    byId("question").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    for (const id of ["prompt", "system"]) {
      byId(id).addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        this.run();
      });
    }
    byId("stop").addEventListener("click", () => this.panes.forEach((pane) => pane.stop()));
    byId("compare").addEventListener("change", () => this.arrange());
    byId("numbers").addEventListener("change", (event) => {
      document.body.classList.toggle("numbers", event.target.checked);
    });
    byId("download-all").addEventListener("click", () => {
      if (this.records.length > 0) download(this.records);
    });
    byId("key").addEventListener("submit", (event) => {
      event.preventDefault();
      this.server.key = byId("key-text").value;
      this.open();
    });
  }

  /** Asks the server what it has. */
  async open() {
    const trouble = byId("trouble");
    trouble.hidden = true;
    try {
      this.models = await this.server.models();
      this.version = await this.server.version();
    } catch (error) {
      const locked = error.status === 401;
      if (locked) this.locked();
      // That a key is asked for is no trouble yet; that one is wrong is.
      trouble.hidden = locked && !this.server.key;
      const words = error.words ?? String(error);
      trouble.textContent = locked ? `The server does not take this key: ${words}` : words;
      return;
    }
    byId("key").hidden = true;
    this.set();
  }

  /** A key is asked for. */
  locked() {
    byId("key").hidden = false;
    byId("key-text").focus();
  }

  set() {
    byId("panes").hidden = false;
    this.panes.forEach((pane, place) => pane.offer(this.models, place));
    const defended = this.models[0].mosa.defences.length > 0;
    byId("compare").checked = this.models.length > 1 || defended;
    // With one model behind defences, the other pane shows it without them.
    if (this.models.length === 1) this.panes[1].settings.boxes().forEach((box) => (box.checked = false));
    this.arrange();
  }

  get two() {
    return byId("compare").checked;
  }

  get shown() {
    return this.two ? this.panes : this.panes.slice(0, 1);
  }

  arrange() {
    byId("panes").classList.toggle("two", this.two);
    this.panes[1].parts.root.hidden = !this.two;
    if (!this.two) this.panes[1].stop();
  }

  question() {
    return { prompt: byId("prompt").value, system: byId("system").value.trim() };
  }

  run() {
    if (this.models.length === 0) return;
    for (const pane of this.shown) pane.run();
  }

  /** Something runs, or nothing does any more. */
  told() {
    enable(byId("stop"), this.panes.some((pane) => pane.running));
  }

  number() {
    this.answers += 1;
    return this.answers;
  }

  keep(one) {
    this.records.push(one);
    const all = byId("download-all");
    all.textContent = `Download all answers (${this.records.length})`;
    enable(all, true);
  }
}

new Page();
