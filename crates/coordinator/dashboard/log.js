// The audit log, checked in this page.

import { Refused, get } from "./api.js";
import { badge, count, el, empty, problem, short, show, time } from "./dom.js";
import { fromHex, isConsistent, isSigned, leafHash, root, rootOfInclusion, toHex } from "./merkle.js";

// Entries of which the root is computed anew; of a longer log the newest are checked by their proofs.
const WHOLE = 4096;
const PAGE = 256;
const SHOWN = 50;

const OUTCOMES = { proved: "good", answered: "good", failed: "bad", expired: "warn" };

const many = (n) => `${count(n)} ${n === 1 ? "entry" : "entries"}`;

async function entries(start, end) {
  const out = [];
  while (out.length < end - start) {
    const piece = await get(`/v1/log/entries?start=${start + out.length}&count=${Math.min(PAGE, end - start - out.length)}`);
    if (piece.entries.length === 0) throw new Error("The log has fewer entries than its head says.");
    out.push(...piece.entries);
  }
  return out;
}

function line(ok, text) {
  const [word, kind] = ok === undefined ? ["not checked", "warn"] : ok ? ["holds", "good"] : ["FAILS", "bad"];
  return { ok, view: el("li", {}, badge(word, kind), el("span", {}, text)) };
}

// Each check with what it shows.
async function check(head, list, start) {
  const lines = [];
  const signed = await isSigned(head);
  lines.push(line(signed, signed === undefined ? "This browser cannot check Ed25519 signatures." : `The coordinator ${short(head.log)} signed the head of ${many(head.size)}.`));
  const headRoot = fromHex(head.root);
  const leaves = await Promise.all(list.map((e) => leafHash(fromHex(e.entry))));
  if (start === 0) {
    const own = toHex(await root(leaves)) === head.root;
    lines.push(line(own, `Its root is the one of ${many(list.length)}, all hashed here.`));
  } else {
    let all = true;
    for (let i = 0; i < Math.min(SHOWN, leaves.length); i += 1) {
      const leaf = head.size - 1 - i;
      const proof = await get(`/v1/log/proof/inclusion?leaf=${leaf}&size=${head.size}`);
      const led = await rootOfInclusion(leaves[leaf - start], leaf, head.size, proof.path.map(fromHex));
      all = all && led !== undefined && toHex(led) === head.root;
    }
    lines.push(line(all, "Each entry below is in the log, by its inclusion proof."));
  }
  const name = `tacit-log-head ${head.log}`;
  const before = JSON.parse(localStorage.getItem(name) ?? "null");
  let kept = true;
  if (before !== null) {
    if (before.size > head.size) kept = false;
    else {
      const proof = await get(`/v1/log/proof/consistency?from=${before.size}&to=${head.size}`);
      kept = await isConsistent(before.size, head.size, fromHex(before.root), headRoot, proof.path.map(fromHex));
    }
    lines.push(line(kept, `Nothing was rewritten since this browser last saw ${many(before.size)}.`));
  } else lines.push(line(true, "This browser sees this log for the first time, and keeps its head to compare."));
  // A head that contradicts the one kept is the evidence: the kept one stays.
  if (lines.every((l) => l.ok !== false)) localStorage.setItem(name, JSON.stringify(head));
  return lines;
}

function row(entry, index) {
  const r = entry.receipt;
  return el(
    "tr",
    {},
    el("td", { "data-label": "Entry" }, index),
    el("td", { "data-label": "Job" }, el("a", { class: "id", href: `#/job/${r.job}`, "aria-label": `Job ${r.job}` }, short(r.job))),
    el("td", { "data-label": "Outcome" }, el("span", {}, badge(r.outcome, OUTCOMES[r.outcome] ?? ""), r.code ? ` ${r.code}` : "")),
    el("td", { "data-label": "Handover" }, `${r.handover}, ${r.n} nodes, threshold ${r.t}`),
    el("td", { "data-label": "Ended" }, time(r.ended)),
  );
}

export async function logPage(target) {
  const head1 = () => el("h1", {}, "Audit log");
  show(target, head1(), el("p", { class: "muted", role: "status" }, "Fetching and checking…"));
  try {
    const head = await get("/v1/log/head");
    const start = head.size > WHOLE ? head.size - SHOWN : 0;
    const list = await entries(start, head.size);
    const lines = await check(head, list, start);
    const bad = lines.some((l) => l.ok === false);
    const shown = list.slice(-SHOWN).map((entry, i) => [entry, Math.max(start, head.size - SHOWN) + i]);
    show(
      target,
      head1(),
      bad ? el("div", { class: "notice problem", role: "alert" }, el("p", {}, "This log does not hold. Keep this page and run `tacit log verify`, which writes the evidence to a file.")) : null,
      el(
        "div",
        { class: "card", id: "verdict", "data-verdict": bad ? "fails" : "holds" },
        el("ul", { class: "checks", "aria-label": "Checks in this page" }, lines.map((l) => l.view)),
        el("p", { class: "small muted" }, "Root ", el("span", { class: "id" }, head.root), ", signed ", time(head.timestamp), ". A page that a coordinator serves can lie about its own checks: ", el("code", {}, "tacit log verify"), " does not depend on it."),
      ),
      el("h2", { id: "entries" }, "Entries"),
      list.length === 0
        ? empty("The log is empty", "Every job that ends becomes an entry.")
        : el(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": "entries" },
            el(
              "table",
              { class: "stack" },
              el("thead", {}, el("tr", {}, ["Entry", "Job", "Outcome", "Handover", "Ended"].map((t) => el("th", { scope: "col" }, t)))),
              el("tbody", {}, shown.reverse().map(([entry, index]) => row(entry, index))),
            ),
          ),
    );
  } catch (error) {
    const none = error instanceof Refused && error.status === 404;
    show(target, head1(), none ? empty("There is no audit log here", "This coordinator does not keep one.") : problem(error));
  }
}
