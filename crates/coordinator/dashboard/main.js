// The pages, what they show, and the stream that keeps it fresh.

import { Refused, events, key } from "./api.js";
import { problem, show } from "./dom.js";
import { jobPage, jobsPage } from "./jobs.js";
import { logPage } from "./log.js";
import { nodesPage } from "./nodes.js";

const main = document.getElementById("main");
const link = document.getElementById("link");
const model = { loaded: false, nodes: [], jobs: new Map() };
// Jobs that the coordinator sends in its list; older ones leave the page.
const KEPT = 200;

function said(kind, text) {
  if (link.textContent !== text) link.textContent = text;
  link.className = `link ${kind}`;
}

const pages = [
  [/^#\/?$/, () => jobsPage(main, model), "Jobs", "live"],
  [/^#\/nodes$/, () => nodesPage(main, model), "Nodes", "live"],
  [/^#\/job\/([0-9a-f]{64})$/, (id) => jobPage(main, model, id), "Job", "job"],
  [/^#\/log$/, () => logPage(main), "Audit log", "once"],
];

function route() {
  const hash = location.hash || "#/";
  for (const [pattern, draw, title, kind] of pages) {
    const match = pattern.exec(hash);
    if (match) return { draw: () => draw(...match.slice(1)), title, kind, id: match[1] };
  }
  return { draw: () => show(main, problem("There is no such page.")), title: "Unknown page", kind: "once" };
}

function navigate(focus) {
  const { draw, title } = route();
  document.title = `${title} · Tacit coordinator`;
  for (const a of document.querySelectorAll("nav a")) {
    if (a.getAttribute("href") === (location.hash || "#/")) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  draw();
  if (focus) main.focus();
}

// Draws again at most once a frame, and a job's page only where that job changed.
let planned = false;
const changed = new Set();
function changedAt(id) {
  changed.add(id);
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    const { draw, kind, id: shown } = route();
    if (kind === "live" || (kind === "job" && changed.has(shown))) draw();
    changed.clear();
  });
}

function take({ name, data }) {
  model.loaded = true;
  if (name === "nodes") model.nodes = data;
  if (name === "job") {
    model.jobs.delete(data.id);
    model.jobs.set(data.id, data);
    while (model.jobs.size > KEPT) model.jobs.delete(model.jobs.keys().next().value);
  }
  changedAt(data.id);
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function watch() {
  for (let wait = 1000; ; wait = Math.min(wait * 2, 30000)) {
    try {
      for await (const event of events("/v1/events")) {
        wait = 1000;
        said("live", "Live");
        take(event);
      }
      said("lost", "Connecting again…");
    } catch (error) {
      if (error instanceof Refused && [401, 403].includes(error.status)) {
        said("lost", "A key is needed");
        await ask(error.status === 403 ? "This key is a client's. This page needs an operator's." : key.get() ? error.message : "");
        wait = 500;
        navigate(false);
      } else {
        said("lost", "The coordinator does not answer; trying again");
        if (!model.loaded) show(main, problem(error));
      }
    }
    await pause(wait);
  }
}

// Asks for a key until one is given.
async function ask(why) {
  const dialog = document.getElementById("key");
  const text = document.getElementById("key-text");
  const told = document.getElementById("key-problem");
  key.forget();
  text.value = "";
  told.textContent = why;
  told.hidden = why === "";
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  if (text.value.trim() !== "") key.set(text.value.trim());
  text.value = "";
}

addEventListener("hashchange", () => navigate(true));
// Ages like "5 s ago" move on.
setInterval(() => route().kind === "live" && navigate(false), 10000);
navigate(false);
watch();
