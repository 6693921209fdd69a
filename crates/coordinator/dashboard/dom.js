// Elements from data. Text goes in as text only: nothing that a server sends is ever read as markup.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, f] of Object.entries(value)) element.addEventListener(event, f);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

export const short = (id) => (id.length > 20 ? `${id.slice(0, 8)}…${id.slice(-8)}` : id);

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? n : n.toFixed(n < 10 ? 1 : 0)} ${units[unit]}`;
}

export const count = (n) => n.toLocaleString("en");

export function time(seconds) {
  const date = new Date(seconds * 1000);
  return el("time", { datetime: date.toISOString(), title: date.toISOString() }, date.toLocaleString());
}

export function ago(seconds, now = Date.now() / 1000) {
  const passed = Math.max(0, Math.round(now - seconds));
  if (passed < 60) return `${passed} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return `${Math.floor(passed / 86400)} d ago`;
}

export function badge(text, kind = "") {
  return el("span", { class: `state ${kind}` }, text);
}

export function empty(title, text) {
  return el("div", { class: "card empty" }, el("p", {}, el("b", {}, title), text));
}

export function problem(error) {
  const text = error instanceof Error ? error.message : String(error);
  return el("div", { class: "notice problem", role: "alert" }, el("p", {}, text));
}

// Replaces the content of an element, keeping what is equal: no flicker, and the focus stays.
export function show(target, ...children) {
  reconcile(target, [...el("div", {}, ...children).childNodes]);
}

function reconcile(parent, wanted) {
  wanted.forEach((node, i) => {
    const current = parent.childNodes[i];
    if (current === undefined) parent.append(node);
    else if (current.isEqualNode(node)) return;
    else if (current.nodeType === 1 && node.nodeType === 1 && current.tagName === node.tagName && !node.querySelector("button") && node.tagName !== "BUTTON" && current.getAttribute("href") === node.getAttribute("href")) {
      for (const attribute of [...current.attributes]) if (!node.hasAttribute(attribute.name)) current.removeAttribute(attribute.name);
      for (const attribute of [...node.attributes]) current.setAttribute(attribute.name, attribute.value);
      reconcile(current, [...node.childNodes]);
    } else current.replaceWith(node);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}
