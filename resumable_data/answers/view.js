// Shows the rows of a batch. Documents are data: they become text nodes, never markup.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("rows");
const COLOURS = 6;

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

// A row is drawn when it becomes visible: a batch may have half a million tokens.
const sections = data.rows.map((row, number) => {
  const section = element("section", "row");
  section.id = "row-" + number;
  const filled = row.documents.reduce((sum, one) => sum + one.stop - one.start, 0);
  const title = element("h2");
  title.append(element("span", "", "row " + number));
  const documents = row.documents.length + (row.documents.length === 1 ? " document, " : " documents, ");
  title.append(element("span", "", documents + filled + " of " + data.length + " cells"));
  const bar = element("div", "bar");
  row.documents.forEach((one, place) => {
    const part = element("i", "c" + (place % COLOURS));
    part.style.width = (100 * (one.stop - one.start)) / data.length + "%";
    bar.append(part);
  });
  const body = element("div", "body");
  body.style.minHeight = Math.min(60, 3 + filled / 60) + "rem";
  section.append(title, bar, body);
  main.append(section);
  return { section, body, row, number, drawn: false };
});

function draw(shown) {
  if (shown.drawn) return;
  shown.drawn = true;
  shown.body.style.minHeight = "";
  shown.row.documents.forEach((one, place) => {
    const block = element("div", "document c" + (place % COLOURS));
    const where = "cells " + one.start + " to " + (one.stop - 1);
    const origin = element("p", "origin");
    origin.append(...marked(one.from ? one.from + " · " + where : where));
    const text = element("p", "text");
    one.runs.forEach((run) => {
      const part = element("span", run.scored ? "" : "unscored");
      part.title = (run.scored ? "scored" : "not scored") + ", cells " + run.start + " to " + (run.stop - 1) +
        ", positions " + (run.start - one.start) + " to " + (run.stop - 1 - one.start);
      part.append(...marked(run.text));
      text.append(part);
    });
    block.append(origin, text);
    shown.body.append(block);
  });
  const last = shown.row.documents.length ? shown.row.documents[shown.row.documents.length - 1].stop : 0;
  if (last < data.length) {
    shown.body.append(element("div", "padding", data.length - last + " cells of padding"));
  }
}

function redraw(shown) {
  if (!shown.drawn) return;
  shown.body.replaceChildren();
  shown.drawn = false;
  draw(shown);
}

const seen = new IntersectionObserver(
  (entries) => entries.forEach((entry) => entry.isIntersecting && draw(sections[Number(entry.target.id.slice(4))])),
  { rootMargin: "600px" },
);
sections.forEach((shown) => seen.observe(shown.section));

// Search: the hits of a row are the hits in its captions and texts, in their order.
let wanted = "";
let hits = [];
let hit = -1;

function marked(text) {
  if (!wanted) return [text];
  const parts = [];
  const lower = text.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), element("mark", "", text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  parts.push(text.slice(from));
  return parts;
}

function count(text) {
  let found = 0;
  const lower = text.toLowerCase();
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + wanted.length)) found += 1;
  return found;
}

function search(text) {
  wanted = text.toLowerCase();
  hits = [];
  hit = -1;
  if (wanted) {
    sections.forEach((shown) => {
      let found = 0;
      shown.row.documents.forEach((one) => {
        found += count((one.from ? one.from + " · " : "") + "cells " + one.start + " to " + (one.stop - 1));
        one.runs.forEach((run) => { found += count(run.text); });
      });
      for (let place = 0; place < found; place += 1) hits.push([shown.number, place]);
    });
  }
  sections.forEach(redraw);
  if (hits.length) next(1);
  else say();
}

function next(way) {
  if (!hits.length) return;
  hit = (hit + way + hits.length) % hits.length;
  document.querySelectorAll("mark.current").forEach((mark) => mark.classList.remove("current"));
  const [number, place] = hits[hit];
  draw(sections[number]);
  const mark = sections[number].body.querySelectorAll("mark")[place];
  if (mark) {
    mark.classList.add("current");
    mark.scrollIntoView({ block: "center" });
  }
  select(number, false);
  say();
}

let current = 0;

function select(number, scroll) {
  sections[current].section.classList.remove("current");
  current = Math.max(0, Math.min(sections.length - 1, number));
  const shown = sections[current];
  draw(shown);
  shown.section.classList.add("current");
  if (scroll) shown.section.scrollIntoView({ block: "start" });
}

const tools = document.getElementById("tools");
const box = element("input");
box.type = "search";
box.placeholder = "Search text, components, files";
box.setAttribute("aria-label", "Search");
const back = element("button", "", "Previous");
const forth = element("button", "", "Next");
const said = element("span");
said.id = "hits";
const help = element("span");
[["j", "/"], ["k", " row  "], ["/", " search  "], ["n", "/"], ["p", " hit"]].forEach(([key, text]) => {
  help.append(element("kbd", "", key), text);
});
tools.append(box, back, forth, said, help);

function say() {
  said.textContent = wanted ? (hits.length ? hit + 1 + " of " + hits.length : "no hit") : "";
  back.disabled = forth.disabled = !hits.length;
}

box.addEventListener("input", () => search(box.value));
back.addEventListener("click", () => next(-1));
forth.addEventListener("click", () => next(1));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === box) {
    if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") box.blur();
    return;
  }
  const moves = { j: 1, ArrowRight: 1, k: -1, ArrowLeft: -1 };
  if (event.key in moves) select(current + moves[event.key], true);
  else if (event.key === "n") next(1);
  else if (event.key === "p") next(-1);
  else if (event.key === "/") box.focus();
  else return;
  event.preventDefault();
});
if (sections.length) select(0, false);
say();
