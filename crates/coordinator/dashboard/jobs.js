// The jobs with their phases, and one job with who saw what of it.

import { get } from "./api.js";
import { ago, badge, bytes, count, el, empty, problem, short, show, time } from "./dom.js";

const STATES = {
  queued: ["Queued", ""],
  running: ["Running", "busy"],
  answered: ["Answered", "good"],
  proved: ["Proved", "good"],
  failed: ["Failed", "bad"],
  expired: ["Expired", "warn"],
};

const DELIVERIES = {
  waiting: ["Waiting", ""],
  offered: ["Computing", "busy"],
  acknowledged: ["Computing", "busy"],
  answered: ["Answered", "good"],
  refused: ["Refused", "bad"],
  lost: ["Lost", "warn"],
};

export const ended = (job) => job.ended !== undefined;

function state(job) {
  const [text, kind] = STATES[job.state] ?? [job.state, ""];
  return badge(text, kind);
}

const answers = (job) => job.nodes.filter((n) => n.state === "answered").length;

// The phases of a job: what is done, what goes on, where it stopped.
function phases(job) {
  const first = job.replies.map((r) => r.at).sort((a, b) => a - b);
  const after = (at) => (at === undefined ? "" : ` after ${at - job.created} s`);
  const given = answers(job);
  const enough = given >= job.needed;
  const assembles = job.assembler === "coordinator";
  const steps = [
    { name: "Accepted", done: true, note: "" },
    { name: "First answer", done: given > 0, note: after(first[0]) },
    { name: `${job.needed} answers`, done: enough, note: enough ? after(first[job.needed - 1]) : ` (${given})` },
    assembles
      ? { name: "Proof", done: job.state === "proved", note: job.state === "proved" ? after(job.ended) : "" }
      : { name: "Ended", done: ended(job) && enough, note: ended(job) && enough ? after(job.ended) : "" },
  ];
  let current = steps.findIndex((s) => !s.done);
  if (current < 0) current = steps.length;
  const stopped = ended(job) && current < steps.length;
  return el(
    "ol",
    { class: "phases", "aria-label": "Phases" },
    steps.map((step, i) => {
      const kind = step.done ? "done" : i === current ? (stopped ? "bad" : "now") : "";
      const said = step.done ? "done" : i === current ? (stopped ? "stopped here" : "in progress") : "to come";
      return el("li", { class: kind }, el("span", {}, step.name, step.note, el("span", { class: "visually-hidden" }, `: ${said}`)));
    }),
  );
}

function card(job) {
  return el(
    "li",
    { class: "card", "data-job": job.id },
    el(
      "div",
      { class: "row" },
      el("a", { class: "id", href: `#/job/${job.id}`, "aria-label": `Job ${job.id}` }, short(job.id)),
      state(job),
      el("span", { class: "small muted" }, `${job.handover}, ${answers(job)} of ${job.nodes.length} answers`),
      el("span", { class: "small muted push" }, ago(job.created)),
    ),
    phases(job),
    job.error ? el("p", { class: "small problem" }, `${job.error.message} (${job.error.code})`) : null,
  );
}

export function jobsPage(target, model) {
  if (!model.loaded) return show(target, el("h1", {}, "Jobs"), el("p", { class: "muted" }, "Loading…"));
  const jobs = [...model.jobs.values()].sort((a, b) => b.created - a.created || (a.id < b.id ? -1 : 1));
  const open = jobs.filter((j) => !ended(j)).length;
  const good = jobs.filter((j) => ended(j) && ["proved", "answered"].includes(j.state)).length;
  const bad = jobs.filter((j) => ["failed", "expired"].includes(j.state)).length;
  const connected = model.nodes.filter((n) => n.connected).length;
  const tile = (n, text) => el("li", {}, el("b", {}, n), el("span", {}, text));
  show(
    target,
    el("h1", {}, "Jobs"),
    el(
      "ul",
      { class: "tiles", "aria-label": "In short" },
      tile(count(open), "open"),
      tile(count(good), "succeeded"),
      tile(count(bad), "failed or expired"),
      tile(`${connected} of ${model.nodes.length}`, "nodes connected"),
    ),
    jobs.length === 0
      ? empty("No jobs yet", "They appear here as soon as a client submits one.")
      : el("ul", { class: "list", "aria-label": "The newest jobs" }, jobs.map(card)),
    jobs.length >= 200 ? el("p", { class: "small muted" }, "Only the newest 200 are shown.") : null,
  );
}

const THINGS = [
  ["witness", "The witness"],
  ["public_inputs", "Public inputs"],
  ["witness_share", "Witness share"],
  ["response", "Response"],
  ["proof", "Proof"],
];

const HOW = {
  clear: ["● in the clear", "clear"],
  sealed: ["◌ sealed", "sealed"],
  pending: ["… not yet", "never"],
  never: ["– never", "never"],
};

function seen(party, what) {
  const thing = party.sees.find((s) => s.what === what) ?? { how: "never" };
  const [text, kind] = HOW[thing.how] ?? [thing.how, ""];
  return el("span", { class: `sees ${kind}` }, el("b", {}, text), thing.bytes && thing.how !== "never" && thing.how !== "pending" ? ` ${bytes(thing.bytes)}` : "");
}

function disclosure(shown) {
  const name = (p) => {
    if (p.role === "client") return "Client";
    if (p.role === "coordinator") return "Coordinator";
    return `${p.name} (place ${p.place}${p.replaced ? ", replaced" : ""})`;
  };
  const sum = shown.handover === "msm";
  return [
    el("h2", { id: "saw" }, "Who saw what"),
    el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": "saw" },
      el(
        "table",
        { class: "stack" },
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Party"), THINGS.map(([, text]) => el("th", { scope: "col" }, text)))),
        el(
          "tbody",
          {},
          shown.parties.map((p) =>
            el("tr", {}, el("th", { scope: "row" }, name(p)), THINGS.map(([what, text]) => el("td", { "data-label": sum && what === "proof" ? "Sum" : text }, seen(p, what)))),
          ),
        ),
      ),
    ),
    el(
      "p",
      { class: "small muted" },
      shown.threshold === 1
        ? "No node alone learns anything about the witness, not even together with the coordinator. "
        : `No ${shown.threshold} nodes learn anything about the witness together, not even with the coordinator. `,
      "What is sealed, its holder cannot open. This is what the protocol lets each party see; what a party does with it elsewhere, nobody can say.",
    ),
  ];
}

function committee(job, model) {
  const node = (identity) => model.nodes.find((n) => n.identity === identity);
  const replied = new Map(job.replies.map((r) => [r.index, r.at]));
  return [
    el("h2", { id: "committee" }, "Committee"),
    el(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": "committee" },
      el(
        "table",
        { class: "stack" },
        el("thead", {}, el("tr", {}, ["Place", "Node", "Operator", "State", "Envelope", "Response", "Replied"].map((t) => el("th", { scope: "col" }, t)))),
        el(
          "tbody",
          {},
          job.nodes.map((d) => {
            const [text, kind] = DELIVERIES[d.state] ?? [d.state, ""];
            const known = node(d.identity);
            return el(
              "tr",
              {},
              el("td", { "data-label": "Place" }, d.index),
              el("td", { "data-label": "Node" }, known?.name ?? el("span", { class: "id" }, short(d.identity))),
              el("td", { "data-label": "Operator" }, known?.operator ?? "unknown"),
              el("td", { "data-label": "State" }, el("span", {}, badge(text, kind), d.refusal ? ` ${d.refusal.text}` : "")),
              el("td", { "data-label": "Envelope" }, bytes(d.envelope_bytes)),
              el("td", { "data-label": "Response" }, d.response_bytes ? bytes(d.response_bytes) : "–"),
              el("td", { "data-label": "Replied" }, replied.has(d.index) ? `after ${replied.get(d.index) - job.created} s` : "–"),
            );
          }),
        ),
      ),
    ),
  ];
}

export async function jobPage(target, model, id) {
  const head = () => el("h1", {}, "Job ", el("span", { class: "id" }, id));
  let job = model.jobs.get(id);
  try {
    job ??= await get(`/v1/jobs/${encodeURIComponent(id)}`);
    const shown = await get(`/v1/jobs/${encodeURIComponent(id)}/disclosure`);
    const fact = (name, value) => [el("dt", {}, name), el("dd", {}, value)];
    show(
      target,
      head(),
      el(
        "div",
        { class: "card" },
        el("div", { class: "row" }, state(job), el("span", { class: "small muted" }, `accepted ${ago(job.created)}`)),
        phases(job),
        job.error ? el("p", { class: "problem" }, `${job.error.message} (${job.error.code}; at fault: ${job.error.blame})`) : null,
      ),
      disclosure(shown),
      committee(job, model),
      el("h2", {}, "Details"),
      el(
        "dl",
        { class: "facts card" },
        fact("Circuit", el("span", { class: "id" }, job.circuit)),
        fact("Handover", job.handover),
        fact("Nodes", `${job.n}${job.groups > 1 ? ` in each of ${job.groups} groups` : ""}, of which any ${job.t} learn nothing`),
        fact("Assembled by", job.assembler === "coordinator" ? "the coordinator, which sees the proof" : "the client"),
        fact("Public inputs", count(shown.public_inputs)),
        fact("Accepted", time(job.created)),
        fact("Deal expires", time(job.expires)),
        job.ended ? fact("Ended", time(job.ended)) : [],
      ),
    );
  } catch (error) {
    show(target, head(), problem(error), el("p", {}, el("a", { href: "#/" }, "All jobs")));
  }
}
