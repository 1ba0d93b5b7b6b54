// SPDX-License-Identifier: BSD-2-Clause
// The page of `./tessera web`: asks for the state once a second, and draws it. Whatever a
// domain says is text here, never markup.
"use strict";

const KEPT = 120; // states, one a second
const SVG = "http://www.w3.org/2000/svg";
const token = location.hash.slice(1);
const history_ = new Map(); // of a domain: [{cpu, net, blk}]
let wiring = { connections: [], devices: [], vifs: {}, control: false };
let before = null, chosen = null, stream = null, decoder = null;

const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

function size(bytes) {
  for (const [unit, one] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]])
    if (bytes >= one) return `${+(bytes / one).toFixed(1)} ${unit}`;
  return `${Math.round(bytes)} B`;
}

// --- the picture ---

const ROWS = { guest: 0, server: 1, driver: 2 };

function row(domain) {
  if (domain.kind === "guest") return ROWS.guest;
  return domain.device || wiring.devices.some((d) => d.domain === domain.name)
    ? ROWS.driver : ROWS.server;
}

function places(domains) {
  const rows = [[], [], []];
  for (const domain of domains) rows[row(domain)].push(domain);
  const width = 130 * Math.max(4, ...rows.map((r) => r.length));
  const found = new Map();
  rows.forEach((entries, y) => entries.forEach((domain, i) => found.set(domain.name, {
    x: width * (i + 0.5) / entries.length, y: 30 + y * 105 })));
  return { found, width, height: 290 };
}

// Bytes per second through a ring: a guest's own, or what its driver moves.
function traffic(joined) {
  const kind = { vif: "net", net: "net", block: "blk", disk: "blk" }[joined.protocol];
  const of = (name) => (history_.get(name) || []).at(-1)?.[kind] || 0;
  if (!kind) return 0;
  if (joined.protocol !== "disk") return of(joined.client);
  // What the disk server's guests ask for, if it has one driver to ask.
  const served = wiring.connections.filter((c) => c.server === joined.server);
  if (served.filter((c) => c.protocol === "disk").length > 1) return 0;
  return served.filter((c) => c.protocol === "block").reduce((n, c) => n + of(c.client), 0);
}

function edges(svg, place) {
  for (const joined of wiring.connections) {
    const a = place.found.get(joined.server), b = place.found.get(joined.client);
    if (!a || !b) continue;
    const flow = traffic(joined);
    const bend = a.y === b.y ? a.y + 55 : (a.y + b.y) / 2;
    const line = element("path", { class: "joined",
      d: `M${a.x},${a.y} C${a.x},${bend} ${b.x},${bend} ${b.x},${b.y}` });
    const words = `${joined.client} -> ${joined.server}: ${joined.protocol}`;
    line.append(element("title", {}, flow ? `${words}, ${size(flow)}/s` : words));
    svg.append(line);
    if (!flow) continue;
    line.classList.add("flows");
    svg.append(element("text", { class: "flow", x: (a.x + b.x) / 2, y: bend - 3,
      "data-flow": `${joined.client} ${joined.protocol}` }, `${size(flow)}/s`));
  }
}

function node(domain, at) {
  const group = element("g", { class: `domain ${domain.state}`, tabindex: 0, role: "button",
    transform: `translate(${at.x},${at.y})`, "data-name": domain.name,
    "aria-label": `${domain.name}: ${domain.state}` });
  if (domain.name === chosen) group.classList.add("chosen");
  group.append(element("rect", { x: -58, y: -20, width: 116, height: 40, rx: 6 }));
  group.append(element("text", { y: -2 }, domain.name));
  group.append(element("text", { y: 12, class: "small" },
    domain.state + (domain.restarts ? `, again ${domain.restarts}` : "")));
  if (domain.device) group.append(element("text", { y: 34, class: "device" }, domain.device));
  return group;
}

function draw(state) {
  const svg = $("picture"), place = places(state.domains);
  const focused = document.activeElement?.dataset?.name;
  svg.setAttribute("viewBox", `0 0 ${place.width} ${place.height}`);
  svg.replaceChildren();
  edges(svg, place);
  for (const domain of state.domains) svg.append(node(domain, place.found.get(domain.name)));
  if (focused) svg.querySelector(`[data-name="${CSS.escape(focused)}"]`)?.focus();
}

// --- plots ---

function rates(state) {
  const seconds = before ? (state.system.now_ns - before.system.now_ns) / 1e9 : 0;
  const old = new Map((before?.domains || []).map((d) => [d.name, d]));
  const sum = (list, name, keys) => (list || []).filter((e) =>
    (e.guest || wiring.vifs[e.name] || e.name) === name ||
    e.name.startsWith(name + ".")).reduce((n, e) => n + keys.reduce((m, k) => m + e[k], 0), 0);
  const flow = (key, name, keys) => seconds > 0 && before
    ? Math.max(0, sum(state[key], name, keys) - sum(before[key], name, keys)) / seconds : 0;
  for (const domain of state.domains) {
    const last = old.get(domain.name), kept = history_.get(domain.name) || [];
    kept.push({
      cpu: last && seconds > 0 ? Math.max(0, domain.run_ns - last.run_ns) / 1e7 / seconds : 0,
      net: flow("net", domain.name, ["in_bytes", "out_bytes"]),
      blk: flow("blk", domain.name, ["read_bytes", "write_bytes"]),
    });
    history_.set(domain.name, kept.slice(-KEPT));
  }
}

function curve(kept, key, top) {
  return kept.map((entry, i) =>
    `${i ? "L" : "M"}${200 * i / (KEPT - 1)},${46 - 44 * Math.min(1, entry[key] / top)}`).join("");
}

function plots(state) {
  $("plots").replaceChildren(...state.domains.map((domain) => {
    const kept = history_.get(domain.name), box = document.createElement("div");
    const title = document.createElement("b"), small = document.createElement("small");
    const svg = element("svg", { viewBox: "0 0 200 48", preserveAspectRatio: "none" });
    const last = kept.at(-1);
    for (const [key, least] of [["cpu", 100], ["net", 65536], ["blk", 65536]]) {
      const top = Math.max(least, ...kept.map((entry) => entry[key]));
      if (key === "cpu" || kept.some((entry) => entry[key] > 0))
        svg.append(element("path", { class: key, d: curve(kept, key, top) }));
    }
    box.className = "plot";
    box.dataset.plot = domain.name;
    title.textContent = `${domain.name} `;
    small.textContent = `${last.cpu.toFixed(0)} % CPU` +
      (last.net ? `, net ${size(last.net)}/s` : "") +
      (last.blk ? `, disk ${size(last.blk)}/s` : "");
    box.append(title, small, svg);
    return box;
  }));
}

// --- one domain ---

async function post(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { "X-Token": token }, body });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error?.message || said.error?.code || answer.statusText);
  return said;
}

async function act(text, work) {
  $("said").textContent = `${text} ...`;
  try {
    await work();
    $("said").textContent = `${text}: done`;
  } catch (error) {
    $("said").textContent = `${text}: ${error.message}`;
  }
}

function buttons(domain) {
  const made = [];
  if (wiring.control) {
    for (const verb of ["restart", domain.state === "paused" ? "unpause" : "pause"]) {
      const button = document.createElement("button");
      button.textContent = verb;
      button.onclick = () => act(`${verb} ${domain.name}`,
        () => post("/api/change", JSON.stringify({ verb, name: domain.name })));
      made.push(button);
    }
    if (domain.kind === "native") made.push(upgrade(domain));
  }
  $("buttons").replaceChildren(...made);
}

function upgrade(domain) {
  const label = document.createElement("label"), file = document.createElement("input");
  label.className = "file";
  label.textContent = "upgrade: ";
  file.type = "file";
  file.accept = ".dom";
  file.onchange = () => act(`upgrade ${domain.name}`, async () => {
    const program = await file.files[0].arrayBuffer();
    return post(`/api/upgrade?name=${encodeURIComponent(domain.name)}`, program);
  });
  label.append(file);
  return label;
}

function openConsole(domain) {
  const screen = $("console");
  stream?.close();
  stream = null;
  screen.hidden = domain.kind !== "guest";
  screen.textContent = "";
  if (screen.hidden) return;
  decoder = new TextDecoder();
  stream = new EventSource(`/api/console?name=${encodeURIComponent(domain.name)}`);
  stream.onmessage = (event) => {
    const bytes = Uint8Array.from(atob(event.data), (c) => c.charCodeAt(0));
    const text = decoder.decode(bytes, { stream: true }).replace(/\r/g, "")
      .replace(/\x1b\[[0-9;?]*[a-zA-Z]/g, "");
    screen.textContent = (screen.textContent + text).slice(-20000);
    screen.scrollTop = screen.scrollHeight;
  };
}

const KEYS = { Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", ArrowUp: "\x1b[A",
  ArrowDown: "\x1b[B", ArrowRight: "\x1b[C", ArrowLeft: "\x1b[D" };

function typed(event) {
  let text = KEYS[event.key] || (event.key.length === 1 ? event.key : "");
  if (event.ctrlKey && /^[a-z]$/i.test(event.key))
    text = String.fromCharCode(event.key.toUpperCase().charCodeAt(0) - 64);
  if (!text || !wiring.control || event.metaKey || event.altKey) return;
  event.preventDefault();
  post(`/api/console?name=${encodeURIComponent(chosen)}`, text)
    .catch((error) => { $("said").textContent = error.message; });
}

function values(domain) {
  const shown = { state: domain.state, program: [domain.program, domain.version].join(" "),
    memory: size(domain.memory), vCPUs: domain.vcpus, "started again": domain.restarts,
    failures: domain.failures, device: domain.device };
  $("values").replaceChildren(...Object.entries(shown).flatMap(([key, value]) => {
    const name = document.createElement("dt"), text = document.createElement("dd");
    if (value === "" || value === undefined) return [];
    name.textContent = key;
    text.textContent = value;
    return [name, text];
  }));
}

function choose(name, domains) {
  const domain = domains.find((d) => d.name === name);
  if (!domain) return;
  const another = chosen !== name, paused = $("details").dataset.state !== domain.state;
  chosen = name;
  $("details").hidden = false;
  $("details").dataset.state = domain.state;
  $("chosen").textContent = name;
  values(domain);
  if (another || paused) buttons(domain);
  if (another) {
    $("said").textContent = "";
    openConsole(domain);
  }
}

// --- the loop ---

async function look() {
  try {
    const answer = await fetch("/api/state"), state = await answer.json();
    if (!answer.ok) throw new Error(state.error.message);
    $("trouble").textContent = "";
    $("name").textContent = state.system.name;
    document.title = `${state.system.name} - Tessera`;
    const cpus = state.system.cpus;
    $("facts").textContent = `${cpus} CPU${cpus === 1 ? "" : "s"}, ${size(state.system.free)} of ` +
      `${size(state.system.memory)} free` + (state.system.iommu ? "" : ", no IOMMU");
    rates(state);
    draw(state);
    plots(state);
    if (chosen) choose(chosen, state.domains);
    before = state;
  } catch (error) {
    $("trouble").textContent = error.message;
  }
  setTimeout(look, 1000);
}

function pick(event) {
  const group = event.target.closest?.("[data-name]");
  if (!group || !before || (event.key && event.key !== "Enter" && event.key !== " ")) return;
  choose(group.dataset.name, before.domains);
  draw(before);
}

$("picture").addEventListener("click", pick);
$("picture").addEventListener("keydown", pick);
$("console").addEventListener("keydown", typed);
fetch("/api/system").then((answer) => answer.json()).then((found) => { wiring = found; })
  .finally(look);
