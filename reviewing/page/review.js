// The page: what is shown, which keys do what, and what the server is told. What is drawn is in drawing.js.

import { MARGIN, bandOf as drawnBand, drawCursor, drawNight, drawTraces, fitted } from "./drawing.js";

const PAGE = crypto.getRandomValues(new Uint32Array(1))[0].toString(36); // tells this page's edits from others'
const RANGES = [20, 35, 50, 75, 100, 150, 200, 300, 500, 1000]; // µV from the middle of a channel to its edge
const KEPT_EPOCHS = 600; // of signals, in memory
const TWO_HOURS = 240; // epochs
const POLL = 1000; // ms between two looks at what others changed

const STAGE_KEYS = { w: "W", 0: "W", 5: "REM", 1: "N1", 2: "N2", 3: "N3", r: "REM", "?": "?" };
const SHOWN = { REM: "R" };

const at = (id) => document.getElementById(id);
const human = new Map(); // epoch -> a human's stage
const signals = new Map(); // "channel/epoch/view" -> samples, or the promise of them
let marked = null; // the other end of a range of epochs that is marked
let shows = {}; // kind of channel -> {view, range}
let part = 0; // of an epoch, where a window is shorter
let slow = { epoch: -1, seconds: 0 }; // slow waves that were measured in an epoch
let night, version = 0, epoch = 0, channels = [0], spectrum = null, spectrumDone = -1;
let drawn = null, still = document.createElement("canvas"), queue = Promise.resolve(), finishing = false;

// ---- the server ----

async function asked(path, body, priority = "high") {
  const request = body === undefined ? { priority } : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Error("review.py does not answer: was it stopped? What you staged up to here is kept. Start it again and use the address that it prints.");
  }
  if (answer.ok || answer.status === 409) return answer;
  const said = await answer.text();
  throw new Error(said.startsWith("{") ? JSON.parse(said).error : said);
}

function alertUser(text) {
  at("alert").textContent = text;
  at("alert").hidden = !text;
}

/** Do one thing after the other, so that keys that are typed fast arrive in their order. */
function inOrder(job) {
  queue = queue.then(job).catch((error) => alertUser(error.message));
  return queue;
}

function takeIn(news) {
  if (news.again) human.clear();
  version = news.version;
  for (const [which, stage] of news.changed) {
    if (stage === null) human.delete(which);
    else human.set(which, stage);
  }
  at("undo").disabled = !news.can_undo;
  at("redo").disabled = !news.can_redo;
  night.statistics = news.statistics;
  if (news.changed.length || news.again) {
    paintNight();
    paintEpoch();
  }
  const done = news.spectrum_done, all = night.spectrum_epochs.length;
  if (done !== spectrumDone && (done === all || done > 1.5 * spectrumDone)) fetchSpectrum(done);
}

async function fetchSpectrum(done) {
  spectrumDone = Math.max(1, done);
  spectrum = new Uint8Array(await (await asked("spectrum")).arrayBuffer());
  paintNight();
  document.body.dataset.spectrum = done; // for whoever waits until it is there
}

async function poll() {
  try {
    const news = await (await asked(`changes?since=${version}`)).json();
    const mine = news.version !== version;
    takeIn(news);
    if (mine) saidElsewhere();
    if (at("alert").dataset.lost) alertUser("");
    delete at("alert").dataset.lost;
  } catch (error) {
    alertUser(error.message);
    at("alert").dataset.lost = "yes";
  }
}

function saidElsewhere() {
  at("kept").textContent = `changed elsewhere: now ${counted()}`;
}

function signal(channel, which, priority = "high") {
  const key = `${channel}/${which + 1}/${shows[night.channels[channel].kind].view}`;
  if (!signals.has(key)) {
    signals.set(key, asked(`signal/${key}`, undefined, priority).then((answer) => answer.arrayBuffer()).then((content) => {
      signals.set(key, new Float32Array(content));
      return signals.get(key);
    }).catch((error) => {
      signals.delete(key);
      throw error;
    }));
    if (signals.size > KEPT_EPOCHS) signals.delete(signals.keys().next().value);
  }
  return signals.get(key);
}

// ---- what is said of an epoch ----

const stageOf = (which) => human.get(which) ?? night.model[which];
const shown = (stage) => SHOWN[stage] ?? stage;
const isDoubtful = (which) => night.isUnsure.has(which) && !human.has(which);
const doubtfulLeft = () => night.unsure.filter(isDoubtful).length;

function counted() {
  return `${human.size} of ${night.n_epochs} epochs staged by a human, ${doubtfulLeft()} doubtful left${figures()}`;
}

/** The night's figures as it is staged now; the server counts them. */
function figures() {
  const shown = [["TST_min", "TST", "min"], ["SE_percent", "SE", "%"], ["SOL_min", "SOL", "min"], ["REM_latency_min", "REM latency", "min"]];
  const known = shown.filter(([name]) => Number.isFinite(night.statistics?.[name]));
  return known.map(([name, text, unit]) => ` · ${text} ${(+night.statistics[name]).toFixed(1)} ${unit}`).join("");
}

function whoStaged(which) {
  if (!human.has(which)) return `${shown(night.model[which])} by the model`;
  const same = human.get(which) === night.model[which];
  return `${shown(human.get(which))} by a human, ${same ? "as the model" : `the model: ${shown(night.model[which])}`}`;
}

function inWords(which) {
  const index = night.stages.indexOf(night.model[which]);
  const percent = index < 0 ? null : night.percent(which, index);
  const parts = [whoStaged(which)];
  if (percent !== null) parts.push(`model ${percent.toFixed(0)} % sure`);
  if (marked !== null) parts.unshift(`${Math.abs(marked - epoch) + 1} epochs marked`);
  if (night.isUnsure.has(which)) parts.push(isDoubtful(which) ? "doubtful" : "was doubtful");
  if (night.expert) parts.push(`expert ${shown(night.expert[which])}`);
  const flags = (night.flags[which] ?? "").split("; ").filter((flag) => flag && flag !== "low confidence");
  return [...parts, ...flags].join(" · ");
}

// ---- painting ----

function span() {
  if (!at("zoom").checked || night.n_epochs <= TWO_HOURS) return { first: 0, end: night.n_epochs };
  const first = Math.max(0, Math.min(night.n_epochs - TWO_HOURS, Math.floor(epoch / 60) * 60 - TWO_HOURS / 2 + 30));
  return { first, end: first + TWO_HOURS };
}

function paintNight() {
  const canvas = at("overview");
  drawn = drawNight(canvas, night, { ...span(), stage: stageOf, human: (which) => human.has(which), spectrum });
  still.width = canvas.width;
  still.height = canvas.height;
  still.getContext("2d").drawImage(canvas, 0, 0);
  drawCursor(canvas, still, drawn, epoch, marked);
}

function paintEpoch() {
  const place = `Epoch ${epoch + 1} of ${night.n_epochs} · ${night.clock(epoch)}`;
  at("where").replaceChildren(Object.assign(document.createElement("strong"), { textContent: place }), ` · ${inWords(epoch)}`);
  if (at("kept").dataset.said !== "elsewhere") at("kept").textContent = counted();
  for (const button of at("stages").children) {
    const { stage } = button.dataset, index = night.stages.indexOf(stage);
    const percent = index < 0 ? null : night.percent(epoch, index);
    button.setAttribute("aria-pressed", stage === stageOf(epoch));
    button.querySelector(".percent").textContent = percent === null ? "–" : `${percent.toFixed(0)} %`;
    button.querySelector(".share").style.width = `calc(${percent ?? 0}% - ${(6 * (percent ?? 0)) / 100}px)`;
  }
  const overview = at("overview");
  overview.setAttribute("aria-valuenow", epoch + 1);
  overview.setAttribute("aria-valuetext", `${place}: ${inWords(epoch)}`);
  paintTraces();
}

function neighbour(which, word) {
  if (which < 0 || which >= night.n_epochs) return { label: `${word}:\nnone`, samples: null };
  const who = human.has(which) ? "human" : "model";
  return { label: `${word}:\n${shown(stageOf(which))} (${who})`, samples: ready(0, which) };
}

function ready(channel, which) {
  const found = signal(channel, which);
  return found instanceof Float32Array ? found : null;
}

function paintTraces() {
  const around = inWindow();
  const wanted = channels.flatMap((channel) => around.map((which) => signal(channel, which)));
  wanted.push(signal(channels[0], epoch - 1), signal(channels[0], epoch + 1));
  const missing = wanted.filter((one) => !(one instanceof Float32Array));
  const first = channels[0], range = shows[night.channels[first].kind].range, seconds = Number(at("window").value);
  drawTraces(at("traces"), {
    before: { ...neighbour(epoch - 1, "before"), samples: ready(first, epoch - 1) },
    after: { ...neighbour(epoch + 1, "after"), samples: ready(first, epoch + 1) },
    now: channels.map((channel) => {
      const { label, kind } = night.channels[channel];
      return { label, kind, samples: together(channel, around), range: shows[kind].range };
    }),
    range,
    seconds,
    from: windowStart(around),
    up: at("up").checked ? -1 : 1,
    here: seconds > night.epoch_seconds ? around.indexOf(epoch) * night.epoch_seconds : null,
  });
  const names = channels.map((channel) => night.channels[channel].label).join(", ");
  at("traces").setAttribute("aria-label", `${names}, ${seconds} seconds of epoch ${epoch + 1}, ${night.views[shows[night.channels[first].kind].view]}, scale ±${range} µV`);
  if (missing.length) {
    const mine = epoch;
    Promise.all(missing).then(() => mine === epoch && paintTraces(), (error) => alertUser(error.message));
    return;
  }
  document.body.dataset.drawn = epoch; // for whoever waits until it is
  prefetch();
}

/** The epochs in the window: one, or several around it. */
function inWindow() {
  const many = Math.max(1, Number(at("window").value) / night.epoch_seconds), before = Math.floor((many - 1) / 2);
  return Array.from({ length: many }, (_, i) => epoch - before + i);
}

/** Where the window begins, in seconds from its first epoch. */
const windowStart = (around) => (around.length > 1 ? -around.indexOf(epoch) * night.epoch_seconds : part * Number(at("window").value) % night.epoch_seconds);

/** The samples of a channel in the window; null while they are on their way. */
function together(channel, around) {
  const parts = around.map((which) => ready(channel, which));
  if (parts.some((one) => !one)) return null;
  if (parts.length === 1) {
    const share = Number(at("window").value) / night.epoch_seconds, n = parts[0].length, from = share < 1 ? part * share : 0;
    return parts[0].subarray(Math.round(from * n), Math.round((from + share) * n));
  }
  const all = new Float32Array(parts.reduce((sum, one) => sum + one.length, 0));
  let filled = 0;
  for (const one of parts) {
    all.set(one, filled);
    filled += one.length;
  }
  return all;
}

function prefetch() {
  const soon = [epoch + 1, epoch + 2, epoch - 1, epoch + 3];
  const next = doubtful(1);
  if (next !== null) soon.push(next, next - 1, next + 1);
  for (const which of soon) {
    if (which < -1 || which > night.n_epochs) continue;
    for (const channel of channels) Promise.resolve(signal(channel, which, "low")).catch(() => {});
  }
}

// ---- going ----

function go(to, marking = false) {
  if (!marking) marked = null;
  part = 0;
  const wanted = Math.max(0, Math.min(night.n_epochs - 1, to));
  const before = span();
  epoch = wanted;
  if (drawn && before.first === span().first && before.end === span().end) drawCursor(at("overview"), still, drawn, epoch, marked);
  else paintNight();
  paintEpoch();
  history.replaceState(null, "", `#${epoch + 1}`);
}

function doubtful(direction) {
  const ahead = night.unsure.filter((which) => isDoubtful(which) && direction * (which - epoch) > 0);
  return (direction > 0 ? ahead[0] : ahead.at(-1)) ?? null;
}

function goToDoubtful(direction) {
  const found = doubtful(direction);
  if (found !== null) go(found);
  else at("kept").textContent = doubtfulLeft()
    ? `no doubtful epoch ${direction > 0 ? "after" : "before"} this one, ${doubtfulLeft()} on the other side`
    : "no doubtful epoch is left";
}

// ---- editing ----

function mark(by) {
  const from = marked ?? epoch;
  marked = Math.max(0, Math.min(night.n_epochs - 1, epoch + by)) === from ? null : from;
  go(epoch + by, true);
}

/** Give the epoch a stage, or all that are marked. */
function give(stage) {
  const first = Math.min(marked ?? epoch, epoch), last = Math.max(marked ?? epoch, epoch);
  marked = null;
  const wanted = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const done = wanted.map((which) => giveTo(which, stage));
  if (last > first) go(last);
  if (stage !== null) goOnAfter(); // at once: the next key may come before the answer
  return done.at(-1);
}

function giveTo(which, stage) {
  return inOrder(async () => {
    const answer = await asked("edit", { epoch: which, stage, seen: version, page: PAGE });
    const news = await answer.json();
    takeIn(news);
    alertUser(answer.status === 409 ? `${news.error}. Look again, and stage it once more if it should be otherwise.` : "");
    if (answer.status === 409) go(which);
  });
}

function goOnAfter() {
  if (at("after").value === "next") go(epoch + 1);
  if (at("after").value === "doubt") goToDoubtful(1);
}

function step(kind) {
  return inOrder(async () => {
    const before = new Map(human);
    const answer = await asked(kind, { seen: version, page: PAGE });
    const news = await answer.json();
    takeIn(news);
    alertUser(answer.status === 409 ? news.error : "");
    const changed = news.changed.map(([which]) => which).filter((which) => before.get(which) !== human.get(which));
    if (answer.ok && changed.length) go(changed[0]);
  });
}

function finish() {
  if (finishing) return;
  finishing = true;
  at("kept").textContent = "writing the outputs …";
  inOrder(async () => {
    try {
      const written = await (await asked("finish", {})).json();
      const list = document.createElement("ul");
      for (const file of written.files) list.append(Object.assign(document.createElement("li"), { textContent: file }));
      const said = `${written.by_human} of ${written.n_epochs} epochs are as a human staged them, ${written.changed} of them otherwise than the model. Written again:`;
      at("written-text").replaceChildren(Object.assign(document.createElement("p"), { textContent: said }), list);
      at("written").showModal();
    } finally {
      finishing = false;
      at("kept").textContent = counted();
    }
  });
}

// ---- settings ----

function choose(select, by) {
  select.selectedIndex = Math.max(0, Math.min(select.options.length - 1, select.selectedIndex + by));
  select.dispatchEvent(new Event("change"));
}

function nextOf(select) {
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event("change"));
}

/** Show how signals of the chosen kind are shown. */
function showKind() {
  const { view, range } = shows[at("kind").value];
  at("view").selectedIndex = view;
  at("range").value = range;
}

function changeKind() {
  shows[at("kind").value] = { view: at("view").selectedIndex, range: Number(at("range").value) };
  changed();
}

/** Paint anew what was chosen, and keep it in the folder. */
function changed() {
  part = 0;
  paintTraces();
  const view = {
    kinds: shows, channels: channels.map((channel) => night.channels[channel].label),
    after: at("after").value, window: at("window").value, up: at("up").checked, zoom: at("zoom").checked,
  };
  inOrder(() => asked("remember", { view }));
}

function remembered(view) {
  const labels = night.channels.map((one) => one.label);
  const known = (view.channels ?? []).map((label) => labels.indexOf(label)).filter((channel) => channel >= 0);
  if (known.length) channels = known;
  for (const [kind, how] of Object.entries(view.kinds ?? {})) {
    if (kind in shows && how.view in night.views && RANGES.includes(how.range)) shows[kind] = { view: how.view, range: how.range };
  }
  for (const id of ["after", "window"]) {
    if ([...at(id).options].some((one) => one.value === view[id])) at(id).value = view[id];
  }
  at("up").checked = view.up === true;
  at("zoom").checked = view.zoom === true;
}

/** Return the epoch that was asked for by its number or its time of day; null where there is none. */
function wanted(text) {
  const time = text.trim().match(/^(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?$/);
  if (!time) return /^\d+$/.test(text.trim()) ? Number(text) - 1 : null;
  const hours = Number(time[1]) + time[2] / 60 + (time[3] ?? 0) / 3600;
  const from = night.startHours + night.first_second / 3600;
  const which = Math.floor(((((hours - from) % 24) + 24) % 24) * 3600 / night.epoch_seconds + 1e-6);
  return which < night.n_epochs ? which : null;
}

function goWhere(text) {
  const which = wanted(text);
  if (which === null) alertUser(`${text}: no epoch of this night; give its number, or a time from ${night.clock(0)} to ${night.clock(night.n_epochs - 1)}`);
  else {
    alertUser("");
    go(which);
  }
}

function chooseChannels() {
  const boxes = [...at("channel-list").querySelectorAll("input")];
  const chosen = boxes.filter((box) => box.checked).map((box) => Number(box.value));
  if (!chosen.length) boxes[0].checked = true;
  channels = chosen.length ? chosen : [0];
  changed();
}

function toggleChannels() {
  at("channels").open = !at("channels").open;
  if (at("channels").open) at("channel-list").querySelector("input").focus();
  else at("channels").querySelector("summary").focus();
}

// ---- keys ----

const KEYS = {
  ArrowRight: () => go(epoch + 1),
  ArrowLeft: () => go(epoch - 1),
  PageDown: () => go(epoch + 10),
  PageUp: () => go(epoch - 10),
  Home: () => go(0),
  End: () => go(night.n_epochs - 1),
  Enter: () => give(stageOf(epoch)),
  Delete: () => give(null),
  n: () => goToDoubtful(1),
  p: () => goToDoubtful(-1),
  u: () => step("undo"),
  y: () => step("redo"),
  f: () => nextOf(at("view")),
  k: () => nextOf(at("kind")),
  t: () => nextOf(at("window")),
  i: () => at("up").click(),
  o: () => at("nights").hidden || at("nights").click(),
  j: () => at("nights").hidden || location.assign(`../${(Number(location.pathname.split("/").at(-2)) + 1) % night.n_nights}/`),
  ",": () => goPart(-1),
  ".": () => goPart(1),
  "+": () => choose(at("range"), -1),
  "=": () => choose(at("range"), -1),
  "-": () => choose(at("range"), 1),
  c: toggleChannels,
  z: () => at("zoom").click(),
  g: () => at("goto").select(),
  s: finish,
  h: () => at("help").showModal(),
};

function goPart(by) {
  const parts = Math.max(1, night.epoch_seconds / Number(at("window").value));
  if (part + by < 0) {
    go(epoch - 1);
    part = parts - 1;
  } else if (part + by >= parts) go(epoch + 1);
  else part += by;
  paintTraces();
}

function onKey(event) {
  const { key, target } = event, small = key.length === 1 ? key.toLowerCase() : key;
  if (event.altKey || event.metaKey || document.querySelector("dialog[open]")) {
    if (small === "h" && at("help").open) at("help").close();
    return;
  }
  if (event.ctrlKey) {
    const kind = { z: event.shiftKey ? "redo" : "undo", y: "redo" }[small];
    if (kind && target.type !== "text") act(event, () => step(kind));
    return;
  }
  if (target.type === "text") return;
  if (target.tagName === "SELECT" && (key.startsWith("Arrow") || /^(Page|Home|End|Enter)/.test(key))) return;
  if (/^(BUTTON|SUMMARY|INPUT)$/.test(target.tagName) && (key === "Enter" || key === " ")) return;
  if (key === "Escape" && at("channels").open) return act(event, toggleChannels);
  if (key === "Escape" && marked !== null) return act(event, () => go(epoch));
  if (event.shiftKey && key.startsWith("Arrow")) return act(event, () => mark({ ArrowLeft: -1, ArrowRight: 1 }[key] ?? 0));
  if (small in STAGE_KEYS) act(event, () => give(STAGE_KEYS[small]));
  else if (small in KEYS) act(event, KEYS[small]);
}

function act(event, what) {
  event.preventDefault();
  what();
}

// ---- the beginning ----

/** Add to what the server said of the night what drawing asks of it. */
function understood(said) {
  const percents = Uint8Array.from(atob(said.probabilities), (letter) => letter.charCodeAt(0));
  const start = said.start ? new Date(`${said.start}Z`) : null;
  const two = (number) => String(number).padStart(2, "0");
  return {
    ...said,
    isUnsure: new Set(said.unsure),
    percent: (which, stage) => {
      const value = percents[which * said.stages.length + stage];
      return value === undefined || value === 255 ? null : value / 2;
    },
    onset: (which) => said.first_second + which * said.epoch_seconds,
    startHours: start ? start.getUTCHours() + start.getUTCMinutes() / 60 + start.getUTCSeconds() / 3600 : 0,
    clock: (which) => {
      const second = said.first_second + which * said.epoch_seconds;
      return start ? new Date(start.getTime() + 1000 * second).toISOString().slice(11, 19) : `${second} s`;
    },
    hourText: (hour, withDay) => {
      if (!start) return `${+hour.toFixed(2)} h`;
      const minutes = Math.round((hour % 24) * 60);
      const clock = `${two(Math.floor(minutes / 60) % 24)}:${two(minutes % 60)}`;
      const midnight = Date.UTC(start.getUTCFullYear(), start.getUTCMonth(), start.getUTCDate());
      return withDay && hour % 24 === 0 ? new Date(midnight + hour * 3600e3).toISOString().slice(5, 10) : clock;
    },
  };
}

function build() {
  document.title = `${night.title} – review`;
  at("title").textContent = night.title;
  if (night.expert) {
    at("overview").classList.add("with-expert");
    document.body.classList.add("with-expert-page");
  }
  for (const stage of [...night.stages, "?"]) {
    const button = document.createElement("button");
    const key = Object.keys(STAGE_KEYS).findLast((one) => STAGE_KEYS[one] === stage);
    button.className = "stage";
    button.type = "button";
    button.dataset.stage = stage;
    button.setAttribute("aria-keyshortcuts", key);
    button.append(shown(stage), " ", Object.assign(document.createElement("kbd"), { textContent: key.toUpperCase() }));
    button.append(Object.assign(document.createElement("small"), { className: "percent" }));
    button.append(Object.assign(document.createElement("span"), { className: "share" }));
    button.addEventListener("click", () => give(stage));
    at("stages").append(button);
  }
  for (const name of night.views) at("view").add(new Option(name));
  for (const range of RANGES) at("range").add(new Option(`±${range} µV`, range));
  shows = structuredClone(night.kinds);
  for (const kind of new Set(night.channels.map((one) => one.kind))) at("kind").add(new Option(kind));
  at("kind").value = night.channels[0].kind;
  remembered(night.remembered);
  showKind();
  night.channels.forEach(({ label, rate }, number) => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", value: number, checked: channels.includes(number) });
    const text = document.createElement("label");
    text.append(box, ` ${label || "(no name)"}, ${rate} Hz${number === 0 ? ", scored" : ""}`);
    box.addEventListener("change", chooseChannels);
    at("channel-list").append(text);
  });
  at("nights").hidden = night.n_nights < 2;
  at("overview").setAttribute("aria-valuemin", 1);
  at("overview").setAttribute("aria-valuemax", night.n_epochs);
}

function listen() {
  const click = (id, what) => at(id).addEventListener("click", what);
  click("back", KEYS.ArrowLeft);
  click("on", KEYS.ArrowRight);
  click("doubt", KEYS.n);
  click("undo", KEYS.u);
  click("redo", KEYS.y);
  click("finish", finish);
  click("help-button", KEYS.h);
  at("view").addEventListener("change", changeKind);
  at("range").addEventListener("change", changeKind);
  at("kind").addEventListener("change", showKind);
  for (const id of ["window", "up", "after"]) at(id).addEventListener("change", changed);
  at("zoom").addEventListener("change", () => {
    paintNight();
    changed();
  });
  measuring();
  at("goto").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.value) goWhere(event.target.value);
    if (event.key === "Enter" || event.key === "Escape") {
      event.target.value = "";
      event.target.blur();
    }
  });
  const overview = at("overview");
  const point = (event) => {
    const plot = overview.clientWidth - MARGIN - 10, { first, end } = drawn;
    go(Math.floor(first + ((event.offsetX - MARGIN) / plot) * (end - first)));
  };
  overview.addEventListener("pointerdown", (event) => {
    overview.setPointerCapture(event.pointerId);
    point(event);
  });
  overview.addEventListener("pointermove", (event) => event.buttons && point(event));
  document.addEventListener("keydown", onKey);
  window.addEventListener("resize", () => {
    paintNight();
    paintTraces();
  });
  setInterval(() => inOrder(poll), POLL);
}

// ---- measuring ----

const SLOW_WAVE = { microvolts: 75, lowest: 0.5, highest: 2, needed: 6 }; // AASM: N3 is 20 % of an epoch or more

function measuring() {
  const canvas = at("traces");
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    from = event.offsetX;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (from !== null && event.buttons) at("measured").textContent = measure(canvas, from, event.offsetX, event.offsetY).text;
  });
  canvas.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const { text, seconds, isSlow } = measure(canvas, from, event.offsetX, event.offsetY);
    from = null;
    if (!seconds) return;
    if (slow.epoch !== epoch) slow = { epoch, seconds: 0 };
    if (isSlow) slow.seconds += seconds;
    at("measured").textContent = `${text} · slow waves ${slow.seconds.toFixed(1)} of ${SLOW_WAVE.needed} s`;
  });
}

/** What lies between two places of the signal at a height: seconds, µV from peak to peak, and one wave's Hz. */
function measure(canvas, x0, x1, y) {
  const plot = canvas.clientWidth - MARGIN - 10, whole = Number(at("window").value);
  const [a, b] = [Math.min(x0, x1), Math.max(x0, x1)].map((x) => Math.max(0, Math.min(1, (x - MARGIN) / plot)));
  const { top, height } = drawnBand(canvas), channel = channels[Math.max(0, Math.min(channels.length - 1, Math.floor(((y - top) / height) * channels.length)))];
  const samples = together(channel, inWindow()), seconds = (b - a) * whole;
  const between = samples ? [...samples.subarray(Math.floor(a * samples.length), Math.ceil(b * samples.length))].filter(Number.isFinite) : [];
  if (between.length < 2 || seconds < 0.02) return { text: "", seconds: 0, isSlow: false };
  const microvolts = Math.max(...between) - Math.min(...between), hertz = 1 / seconds;
  const isSlow = microvolts >= SLOW_WAVE.microvolts && hertz >= SLOW_WAVE.lowest && hertz <= SLOW_WAVE.highest;
  return { text: `${night.channels[channel].label}: ${seconds.toFixed(2)} s · ${microvolts.toFixed(0)} µV · ${hertz.toFixed(1)} Hz`, seconds, isSlow };
}

async function begin() {
  const said = await (await asked("night")).json();
  night = understood(said);
  build();
  listen();
  const wanted = Number(location.hash.slice(1)) || (said.unsure[0] ?? 0) + 1;
  epoch = Math.max(0, Math.min(night.n_epochs - 1, wanted - 1));
  at("undo").disabled = at("redo").disabled = true;
  takeIn({ ...said, spectrum_done: spectrumDone });
  paintNight();
  paintEpoch();
}

begin().catch((error) => alertUser(error.message));
