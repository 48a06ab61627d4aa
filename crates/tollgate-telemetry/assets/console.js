"use strict";
// Shows /state.json. Counts in it only go up; rates are the differences between two looks at it.
const EVERY = 2000;
const POINTS = 60;
const ROWS = 200;
const $ = (id) => document.getElementById(id);
const lines = { rps: [], tps: [] };
let before = null;
let last = null;

const number = (n) => n.toLocaleString("en-US");
const rate = (n) => (n === null ? "–" : n === 0 ? "0" : n < 10 ? n.toFixed(1) : number(Math.round(n)));

/** Per second, or null where there is nothing to compare with; a restart counts from zero. */
function perSecond(now, then) {
  const seconds = before ? (last.now_ms - before.now_ms) / 1000 : 0;
  if (seconds <= 0 || then === undefined) return null;
  return (now >= then ? now - then : now) / seconds;
}

function cell(content, kind, title) {
  const td = document.createElement("td");
  if (kind) td.className = kind;
  if (title) td.title = title;
  if (content instanceof Node) td.append(content);
  else td.textContent = content ?? "–";
  return td;
}

function withNote(text, note) {
  const fragment = document.createDocumentFragment();
  fragment.append(text);
  if (note) {
    const small = document.createElement("small");
    small.textContent = note;
    fragment.append(small);
  }
  return fragment;
}

function badge(text, kind) {
  const span = document.createElement("span");
  span.className = "badge " + kind;
  span.textContent = text;
  return span;
}

function fill(id, rows, empty) {
  const body = $(id);
  if (rows.length === 0) {
    const tr = document.createElement("tr");
    const td = cell(empty, "dim");
    td.colSpan = 10;
    tr.append(td);
    body.replaceChildren(tr);
    return;
  }
  body.replaceChildren(...rows.map((cells) => {
    const tr = document.createElement("tr");
    tr.append(...cells);
    return tr;
  }));
}

const counted = (n, kind) => cell(number(n), n > 0 ? "n " + kind : "n");
const byId = (list) => new Map((list ?? []).map((item) => [item.id, item]));

function showBackends(state) {
  const then = byId(before?.backends);
  fill("backends", state.backends.map((b) => {
    const old = then.get(b.id);
    const failed = Object.values(b.failures).reduce((sum, n) => sum + n, 0);
    const reasons = Object.entries(b.failures).map(([why, n]) => why + ": " + n).join(", ");
    const back = b.back_in_ms === null ? "" : "asked again in " + Math.ceil(b.back_in_ms / 1000) + " s";
    const kind = b.standing === "up" ? "good" : b.standing === "probing" ? "warn" : "bad";
    const [open, idle, pending] = b.connections;
    return [
      cell(withNote(b.id, b.addresses.join(", ") || "no endpoints")),
      cell(withNote(badge(b.standing, kind), back)),
      cell(b.schema),
      cell(rate(perSecond(b.requests, old?.requests)), "n"),
      cell(number(b.requests), "n"),
      counted(b.server_errors, "bad"),
      cell(number(failed), failed > 0 ? "n bad" : "n", reasons),
      cell(rate(perSecond(b.tokens_in, old?.tokens_in)), "n"),
      cell(rate(perSecond(b.tokens_out, old?.tokens_out)), "n"),
      cell(number(open), "n", idle + " idle, " + pending + " requests waiting"),
    ];
  }), "No backends.");
}

function showRules(state) {
  const then = byId(before?.rules);
  const wanted = $("filter").value.trim().toLowerCase();
  const text = (r) => [r.id, r.source, r.answers, ...r.backends].join(" ").toLowerCase();
  const found = state.rules.filter((r) => !wanted || text(r).includes(wanted));
  fill("rules", found.slice(0, ROWS).map((r) => [
    cell(r.id),
    cell(r.source),
    cell(r.answers, r.answers.startsWith("broken") ? "bad" : ""),
    cell(r.backends.join(", ")),
    cell(rate(perSecond(r.requests, then.get(r.id)?.requests)), "n"),
    cell(number(r.requests), "n"),
    counted(r.client_errors, "warn"),
    counted(r.server_errors, "bad"),
  ]), wanted ? "No rule matches." : "No routes.");
  const shown = Math.min(found.length, ROWS);
  $("more").textContent = shown < state.rules_in_all ? shown + " of " + number(state.rules_in_all) + " rules shown" : "";
}

function showListeners(state) {
  const then = byId(before?.listeners);
  fill("listeners", state.listeners.map((l) => [
    cell(l.id),
    cell(l.hostname),
    cell(l.protocol + " " + l.port),
    cell(rate(perSecond(l.requests, then.get(l.id)?.requests)), "n"),
    cell(number(l.requests), "n"),
    counted(l.client_errors, "warn"),
    counted(l.server_errors, "bad"),
  ]), "No listeners.");
}

function showRecent(state) {
  fill("recent", state.recent.map((e) => [
    cell(new Date(e.unix_ms).toLocaleTimeString("en-GB"), "n", new Date(e.unix_ms).toISOString()),
    cell(e.status || "none", e.status >= 500 || !e.status ? "n bad" : "n warn"),
    cell(e.end),
    cell(withNote(e.detail, e.method + " " + e.path)),
    cell(e.rule),
    cell(e.backend),
    cell(e.model),
    cell(e.request_id),
  ]), "Nothing went wrong lately.");
}

function draw(id, points) {
  const canvas = $(id);
  const scale = window.devicePixelRatio || 1;
  const width = (canvas.width = Math.max(1, canvas.clientWidth * scale));
  const height = (canvas.height = Math.max(1, canvas.clientHeight * scale));
  const context = canvas.getContext("2d");
  const most = Math.max(1, ...points);
  context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  context.lineWidth = 1.5 * scale;
  context.beginPath();
  points.forEach((value, i) => {
    const x = (width * (POINTS - points.length + i)) / (POINTS - 1);
    const y = height - scale - ((height - 2 * scale) * value) / most;
    i === 0 ? context.moveTo(x, y) : context.lineTo(x, y);
  });
  context.stroke();
}

function push(name, value) {
  if (value === null) return;
  lines[name].push(value);
  if (lines[name].length > POINTS) lines[name].shift();
  draw(name + "-line", lines[name]);
}

function show(state) {
  before = last;
  last = state;
  const then = before?.totals;
  const rps = perSecond(state.totals.requests, then?.requests);
  const tokens = state.totals.tokens_in + state.totals.tokens_out;
  const tps = perSecond(tokens, then && then.tokens_in + then.tokens_out);
  $("rps").textContent = rate(rps);
  $("tps").textContent = rate(tps);
  $("flight").textContent = number(state.in_flight);
  $("served").textContent = number(state.totals.requests) + " requests, " + number(tokens) + " tokens so far";
  $("errors").textContent = number(state.totals.server_errors);
  const share = state.totals.requests ? (100 * state.totals.server_errors) / state.totals.requests : 0;
  $("error-share").textContent = share.toFixed(share > 0 && share < 10 ? 2 : 0) + " % of requests";
  push("rps", rps);
  push("tps", tps);
  const kinds = { serving: "good", starting: "warn", draining: "warn" };
  say(state.phase, kinds[state.phase] ?? "bad");
  $("version").textContent = [state.version, state.commit].filter((part) => part && part !== "unknown").join(" ");
  const problems = state.reloads.problems;
  const when = state.reloads.last_ms ? new Date(state.reloads.last_ms).toLocaleTimeString("en-GB") : "";
  notice(problems.length ? "The last reload (" + when + ") kept the last good state of what it touches:\n" + problems.join("\n") : "");
  showBackends(state);
  showRules(state);
  showListeners(state);
  showRecent(state);
}

function say(text, kind) {
  const phase = $("phase");
  if (phase.textContent !== text) phase.textContent = text;
  phase.className = "badge " + kind;
}

/** Told again only where it changes, so that a screen reader does not repeat it every two seconds. */
function notice(text) {
  const box = $("notice");
  if (box.textContent !== text) box.textContent = text;
  box.hidden = text === "";
}

async function look() {
  try {
    const reply = await fetch("state.json", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!reply.ok) throw new Error("status " + reply.status);
    show(await reply.json());
  } catch (error) {
    say("unreachable", "bad");
    notice("No answer from the gateway: " + error.message);
  }
  setTimeout(look, EVERY);
}

$("filter").addEventListener("input", () => last && showRules(last));
look();
