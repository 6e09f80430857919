// The start page: the nights of a folder, how far the review of each is, and the way to each.

const at = (id) => document.getElementById(id);
let nights = [];

const next = () => nights.find((one) => one.doubtful_left) ?? nights.find((one) => !one.error);

function cell(row, text) {
  row.insertCell().textContent = text;
}

function add(one) {
  const row = at("nights").tBodies[0].insertRow();
  const link = Object.assign(document.createElement("a"), { href: `${one.number}/`, textContent: one.title });
  row.insertCell().append(one.error ? one.title : link);
  if (one.error) {
    Object.assign(row.insertCell(), { colSpan: 5, textContent: one.error });
    return;
  }
  cell(row, one.n_epochs);
  cell(row, `${one.by_human} (${Math.round((100 * one.by_human) / one.n_epochs)} %)`);
  cell(row, `${one.doubtful_left} of ${one.doubtful}`);
  cell(row, one.changed);
  cell(row, one.written ? (one.by_human ? "as reviewed" : "the model’s") : "not written yet");
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const wanted = /^[1-9]$/.test(event.key) ? nights[event.key - 1]
    : event.key === "n" || (event.key === "Enter" && event.target.tagName !== "A") ? next() : null;
  if (wanted && !wanted.error) location.assign(`${wanted.number}/`);
}

async function begin() {
  const said = await (await fetch("nights")).json();
  nights = said.nights;
  at("title").textContent = `Nights of ${said.folder}`;
  at("kept").textContent = `${nights.filter((one) => one.doubtful_left).length} of ${nights.length} nights have doubtful epochs left`;
  nights.forEach(add);
  document.addEventListener("keydown", onKey);
  document.body.dataset.drawn = "yes";
}

window.addEventListener("pageshow", (event) => event.persisted && location.reload()); // come back to: how far it is now
begin().catch(() => Object.assign(at("alert"), { hidden: false, textContent: "review.py does not answer: start it again." }));
