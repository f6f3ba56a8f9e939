// Elements. What comes from outside is only ever set as text.

const make = (tag, text, name) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (name) node.className = name;
  return node;
};

const byId = (id) => document.getElementById(id);

/** The elements of a template by their `data-part`, and the first of them as `root`. */
const cloned = (id) => {
  const root = byId(id).content.cloneNode(true).firstElementChild;
  const parts = { root };
  for (const node of root.querySelectorAll("[data-part]")) parts[node.dataset.part] = node;
  return parts;
};

/** A button that does nothing for now keeps the focus, which a disabled one would lose. */
const enable = (button, on) => button.setAttribute("aria-disabled", String(!on));
const enabled = (button) => button.getAttribute("aria-disabled") !== "true";

const plural = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;

/** A confidence in three digits. */
const digits = (p) => String(Number(p.toPrecision(3)));

/** What says sentences to screen readers: of those that follow fast one in three seconds, and any that is said `now`. */
const speaker = (region) => {
  let last = 0;
  return (text, now = false) => {
    if (!now && Date.now() - last < 3000) return;
    last = Date.now();
    region.textContent = text;
  };
};
