// A canvas as a list of positions: one stop of the tab key, arrow keys within.

const MASK = "░";
const END = "∎";

/** A token as it is drawn: one that nobody would see gets a sign. */
function drawn(text) {
  if (text === "") return "…";
  if (/^ +$/.test(text)) return "␣";
  return text.replace(/\r?\n/g, "↵").replace(/\t/g, "⇥");
}

class CanvasList {
  /** `on.point(at)` when a position is looked at, `on.pick(at)` when one is chosen. */
  constructor(root, on) {
    this.root = root;
    this.on = on;
    this.spots = [];
    this.at = 0;
    root.addEventListener("click", (event) => this.chosen(event.target));
    root.addEventListener("focusin", (event) => this.looked(event.target));
    root.addEventListener("mouseover", (event) => this.looked(event.target));
    root.addEventListener("keydown", (event) => this.pressed(event));
  }

  index(node) {
    const spot = node.closest?.(".chip");
    return spot ? this.spots.findIndex((one) => one.chip === spot) : -1;
  }

  chosen(node) {
    const at = this.index(node);
    if (at >= 0) this.on.pick(at);
  }

  looked(node) {
    const at = this.index(node);
    if (at >= 0) this.on.point(at);
  }

  pressed(event) {
    const from = this.index(event.target);
    if (from < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const last = this.spots.length - 1;
    const next = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last };
    const under = { ArrowUp: false, ArrowDown: true }[event.key];
    const to = under === undefined ? next[event.key] : this.beside(from, under);
    if (to === undefined) return;
    event.preventDefault();
    this.focus(Math.min(Math.max(to, 0), last));
  }

  /** The position under or above one, as they are drawn. */
  beside(from, under) {
    const box = (at) => this.spots[at].chip.getBoundingClientRect();
    const here = box(from);
    const away = (rect) => Math.abs(rect.left + rect.right - here.left - here.right);
    let best = from;
    let row = null;
    for (let at = from + (under ? 1 : -1); at >= 0 && at < this.spots.length; at += under ? 1 : -1) {
      const rect = box(at);
      if (under ? rect.top < here.bottom - 2 : rect.bottom > here.top + 2) continue;
      if (row !== null && Math.abs(rect.top - row) > rect.height / 2) break;
      row ??= rect.top;
      if (best === from || away(rect) < away(box(best))) best = at;
    }
    return best;
  }

  focus(at) {
    this.stop(at);
    this.spots[at]?.chip.focus();
  }

  /** The tab key stops here. */
  stop(at) {
    if (this.spots[this.at]) this.spots[this.at].chip.tabIndex = -1;
    this.at = Math.min(at, this.spots.length - 1);
    if (this.spots[this.at]) this.spots[this.at].chip.tabIndex = 0;
  }

  /** As many positions as the canvas has. */
  resize(length) {
    if (this.spots.length === length) return;
    this.spots = Array.from({ length }, () => {
      const item = make("li");
      const chip = make("button", undefined, "chip");
      chip.type = "button";
      chip.tabIndex = -1;
      const piece = chip.appendChild(make("span"));
      const number = chip.appendChild(make("small"));
      item.append(chip);
      return { item, chip, piece, number, drawn: "" };
    });
    this.root.replaceChildren(...this.spots.map((spot) => spot.item));
    this.stop(0);
  }

  /** Draws the views of all positions; only what changed is touched. */
  draw(views) {
    this.resize(views.length);
    views.forEach((view, at) => {
      const spot = this.spots[at];
      const all = `${view.text}\n${view.classes}\n${view.number}\n${view.about}`;
      if (spot.drawn === all) return;
      spot.drawn = all;
      spot.piece.textContent = view.text;
      spot.number.textContent = view.number;
      spot.chip.className = `chip ${view.classes}`;
      spot.chip.setAttribute("aria-label", view.about);
      if (view.p !== null) spot.chip.style.setProperty("--p", String(view.p));
      else spot.chip.style.removeProperty("--p");
      spot.item.classList.toggle("line", view.line);
    });
  }
}

/** How every position of a state is drawn. `planned(at)` are the words that are to be forced there, if any. */
function views(state, ends, planned) {
  const first = state.cells.findIndex((cell) => cell && ends.has(cell.token));
  return state.cells.map((cell, at) => {
    const end = cell !== null && ends.has(cell.token);
    const fresh = state.changed.has(at);
    const words = planned(at);
    const marks = {
      masked: !cell,
      given: cell?.given,
      sure: cell && cell.confidence !== null && !cell.given,
      fresh,
      planned: words !== null,
      end,
      behind: first >= 0 && at > first,
    };
    return {
      text: cell ? (end ? END : drawn(cell.text)) : MASK,
      classes: Object.keys(marks).filter((mark) => marks[mark]).join(" "),
      number: cell && cell.confidence !== null && !cell.given ? digits(cell.confidence).replace(/^0\./, ".") : "",
      p: marks.sure ? cell.confidence : null,
      line: Boolean(cell && !end && cell.text.includes("\n")),
      about: about(cell, { at, end, fresh, words }),
    };
  });
}

/** All that is known of a position, in words. */
function about(cell, { at, end, fresh, words }) {
  const parts = [`position ${at}`];
  if (!cell) parts.push(fresh ? "masked again" : "masked");
  else {
    const text = cell.text.trim() || cell.text;
    parts.push(end ? `end of the answer, ${text}` : `“${text}”`);
    if (cell.given) parts.push(cell.step === 0 ? "forced before the first step" : `forced in step ${cell.step}`);
    else parts.push(`revealed in step ${cell.step}`);
    if (cell.confidence !== null && !cell.given) parts.push(`confidence ${digits(cell.confidence)}`);
    if (fresh) parts.push("new in this step");
  }
  if (words !== null) parts.push(`to be forced: “${words}”`);
  return parts.join(", ");
}

/** The text of a state up to the first end token, as nodes; runs of masks in a way that can be read out. */
function readable(state, ends) {
  const end = state.cells.findIndex((cell) => cell && ends.has(cell.token));
  const runs = [];
  for (const cell of end < 0 ? state.cells : state.cells.slice(0, end)) {
    if (runs.at(-1)?.masked !== !cell) runs.push({ masked: !cell, texts: [] });
    runs.at(-1).texts.push(cell ? cell.text : MASK);
  }
  return runs.flatMap(({ masked, texts }) => {
    if (!masked) return [document.createTextNode(texts.join(""))];
    const masks = make("span", texts.join(""));
    masks.setAttribute("aria-hidden", "true");
    return [masks, make("span", ` (${texts.length} masked) `, "unseen")];
  });
}
