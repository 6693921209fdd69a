// The nodes with their health and load.

import { badge, count, el, empty, short, show } from "./dom.js";

function key(node) {
  if (node.key_expires === undefined) return "none yet";
  const left = node.key_expires - Date.now() / 1000;
  if (left < 0) return badge("expired", "bad");
  return left < 86400 ? `${Math.floor(left / 3600)} h` : `${Math.floor(left / 86400)} d`;
}

export function nodesPage(target, model) {
  const head = el("h1", {}, "Nodes");
  if (!model.loaded) return show(target, head, el("p", { class: "muted" }, "Loading…"));
  if (model.nodes.length === 0) {
    return show(target, head, empty("No nodes are configured", "List them under [[nodes]] in coordinator.toml."));
  }
  const columns = ["Node", "Operator", "State", "In hand", "Waiting", "Circuits", "Speed", "Key expires in"];
  show(
    target,
    head,
    el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Nodes" },
      el(
        "table",
        { class: "stack" },
        el("thead", {}, el("tr", {}, columns.map((c) => el("th", { scope: "col" }, c)))),
        el(
          "tbody",
          {},
          model.nodes.map((n) =>
            el(
              "tr",
              {},
              el("th", { scope: "row", title: n.identity }, el("span", {}, n.name, " ", el("span", { class: "id small muted" }, short(n.identity)))),
              el("td", { "data-label": "Operator" }, n.operator),
              el("td", { "data-label": "State" }, n.connected ? badge("Connected", "good") : badge("Away", "bad")),
              el("td", { "data-label": "In hand" }, `${count(n.in_hand)} of ${count(n.capacity)}`),
              el("td", { "data-label": "Waiting" }, n.waiting === 0 ? "nothing" : `${count(n.waiting)} places`),
              el("td", { "data-label": "Circuits" }, `${n.circuits.length}${n.slices ? ` and ${n.slices} slices` : ""}`),
              el("td", { "data-label": "Speed" }, n.bases_per_second ? `${count(Math.round(n.bases_per_second / 1000))} k bases/s` : "not said"),
              el("td", { "data-label": "Key expires in" }, key(n)),
            ),
          ),
        ),
      ),
    ),
    el("p", { class: "small muted" }, "Waiting: places of open jobs that the node has not replied to. Speed is what a node says of itself; nobody checks it."),
  );
}
