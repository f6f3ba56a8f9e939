// What a pane asks of its model: the sampler's settings and the defences.

/** The values a server decodes with where a request says nothing, by the names of the settings. */
function defaults(model) {
  const options = model.mosa.options ?? {};
  const [schedule = {}] = Object.values(options.schedule ?? {});
  const commit = options.commit ?? "";
  return {
    "mosa.gen_length": options.gen_length,
    "mosa.steps": schedule.steps,
    "mosa.block_length": schedule.block_length,
    "mosa.threshold": typeof commit === "object" ? (commit.threshold ?? commit.dynamic) : undefined,
    "mosa.remasking": typeof commit === "object" ? Object.keys(commit)[0] : commit,
    "mosa.alg": typeof commit === "object" ? Object.keys(commit)[0] : commit,
    "mosa.cache": options.cache,
    temperature: options.temperature,
    "mosa.seed": options.seed,
  };
}

class Settings {
  constructor(parts) {
    this.parts = parts;
    this.fields = [...parts.settings.querySelectorAll("[data-setting]")];
    for (const field of this.fields) field.addEventListener("input", () => this.tell());
  }

  /** Shows what a model is served with, and which defences stand in front of it. */
  of(model) {
    this.known = defaults(model);
    for (const field of this.fields) {
      const value = this.known[field.dataset.setting];
      if (field.tagName === "INPUT") field.placeholder = value ?? "";
      else field.options[0].textContent = value ? `${value} (as served)` : "as served";
    }
    // Dream's sampler knows its orders by names of its own.
    const dream = model.mosa.family.toLowerCase() === "dream";
    for (const label of this.parts.settings.querySelectorAll("[data-for]")) {
      label.hidden = (label.dataset.for === "alg") !== dream;
    }
    this.offer(model.mosa.defences);
    this.tell();
  }

  offer(names) {
    const before = new Map(this.boxes().map((box) => [box.value, box.checked]));
    const labels = names.map((name) => {
      const label = make("label", undefined, "check");
      const box = make("input");
      box.type = "checkbox";
      box.value = name;
      box.checked = before.get(name) ?? true;
      label.append(box, ` ${name}`);
      return label;
    });
    this.parts["defence-list"].replaceChildren(...labels);
    this.parts.defences.hidden = names.length === 0;
  }

  boxes() {
    return [...this.parts["defence-list"].querySelectorAll("input")];
  }

  /** Says beside the folded settings which of them were changed. */
  tell() {
    const said = this.changed().map(([name, value]) => `${name.replace("mosa.", "")} ${value}`);
    this.parts.changed.textContent = said.length > 0 ? `(${said.join(", ")})` : "(as served)";
    // At a temperature, an answer without a seed gets one of its own.
    const [, hot = 0] = this.changed().find(([name]) => name === "temperature") ?? [];
    const seed = this.fields.find((field) => field.dataset.setting === "mosa.seed");
    seed.placeholder = hot > 0 ? "another each time" : (this.known["mosa.seed"] ?? "");
  }

  /** Settings that are not empty, and can be seen. */
  changed() {
    const seen = this.fields.filter((field) => field.value !== "" && !field.closest("label").hidden);
    const number = (field) => (field.tagName === "INPUT" ? Number(field.value) : field.value);
    return seen.map((field) => [field.dataset.setting, number(field)]);
  }

  /** Whether the browser can read every number; it says of the first that it cannot what is wrong. */
  valid() {
    if (this.parts.settings.checkValidity()) return true;
    this.parts.more.open = true;
    this.parts.settings.reportValidity();
    return false;
  }

  /** The length of the canvas that is going to be. */
  get length() {
    const [, typed] = this.changed().find(([name]) => name === "mosa.gen_length") ?? [];
    return typed ?? this.known["mosa.gen_length"] ?? 0;
  }

  /** Writes the settings into a request. */
  into(body) {
    for (const [name, value] of this.changed()) {
      if (name.startsWith("mosa.")) body.mosa[name.slice(5)] = value;
      else body[name] = value;
    }
    const boxes = this.boxes();
    if (boxes.length > 0) body.mosa.defences = boxes.filter((box) => box.checked).map((box) => box.value);
  }

  /** Marks what a fault is about: the field it names or, where settings do not go together, those that were changed. */
  blame(fault, by) {
    const changed = new Set(this.changed().map(([name]) => name));
    const spoken = (name) => fault.message.includes(name.replace("mosa.", "").replaceAll("_", "-"));
    const guilty = (name) => name === fault.field || (fault.field === "mosa" && changed.has(name) && spoken(name));
    for (const field of this.fields.filter((one) => guilty(one.dataset.setting))) {
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", by);
      this.parts.more.open = true;
    }
  }

  absolve() {
    for (const field of this.fields) {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
    }
  }
}
