// What the page does when a radiograph is chosen.

import { Problem, predict, readJson } from "./ask.js";
import { showDetail, showFindings, verdict } from "./findings.js";
import { makeViewer } from "./viewer.js";

const at = (id) => document.getElementById(id);
const viewer = makeViewer();
let chosen = null; // the file
let asking = null; // the request that is under way

function formOf(file) {
  const form = new FormData(at("ask"));
  form.set("file", file, "radiograph"); // its name is nobody's business
  return form;
}

function say(text, isBusy = false) {
  at("status").textContent = text;
  at("status").classList.toggle("busy", isBusy);
  at("status").classList.toggle("hidden-text", !isBusy); // what is seen is the result
}

function complain(text) {
  say("");
  const title = Object.assign(document.createElement("strong"), { textContent: "No prediction: " });
  at("problem").replaceChildren(title, text);
  at("problem").hidden = false;
  at("result").hidden = true;
}

function fill(id, texts) {
  const items = texts.map((text) => Object.assign(document.createElement("li"), { textContent: text }));
  at(id).replaceChildren(...items);
  return texts.length > 0;
}

function sayPatient({ age, gender, view }) {
  const known = [age === null ? "" : `${Number(age.toFixed(1))} years`, gender, view].filter(Boolean);
  return known.length ? `The model was told: ${known.join(", ")}.` : "";
}

function choose(name, answer) {
  showDetail(name, answer, at("detail"));
  return viewer.show(name);
}

async function show(answer) {
  at("verdict").textContent = verdict(answer);
  at("about-patient").textContent = sayPatient(answer.patient);
  at("warnings").hidden = !fill("warnings-list", answer.warnings);
  at("notes").hidden = !fill("notes", answer.notes);
  viewer.open(answer);
  const first = showFindings(answer, at("findings"), (name) => choose(name, answer));
  at("result").hidden = false;
  document.body.classList.add("answered");
  await choose(first, answer);
  at("result").classList.remove("stale");
  say(`Done. ${verdict(answer)}.`);
}

async function ask(file) {
  asking?.abort();
  const request = (asking = new AbortController());
  chosen = file;
  at("problem").hidden = true;
  at("result").classList.add("stale");
  say("Predicting …", true);
  try {
    await show(await predict(formOf(file), request.signal));
  } catch (error) {
    if (request.signal.aborted) return; // something else was chosen meanwhile
    if (!(error instanceof Problem)) throw error;
    complain(error.message);
  }
}

function state({ age, gender, view }) {
  const fields = at("ask").elements;
  [fields.age.value, fields.gender.value, fields.view.value] = [age, gender, view];
}

function take(files) {
  if (files.length > 1) {
    asking?.abort();
    complain("several files were dropped; choose one radiograph");
  }
  if (files.length !== 1) return;
  if (chosen) state({ age: "", gender: "", view: "" }); // they were of another radiograph
  at("drop-what").textContent = `${files[0].name} – choose another`;
  ask(files[0]);
}

function offer(example) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: example.name });
  button.addEventListener("click", async () => {
    const picture = await (await fetch(example.place)).blob();
    state(example.patient);
    at("drop-what").textContent = `Synthetic: ${example.name} – choose a file`;
    ask(picture);
  });
  return button;
}

at("file").addEventListener("change", (event) => {
  take([...event.target.files]);
  event.target.value = ""; // so that the same file can be chosen again
});
at("ask").addEventListener("submit", (event) => event.preventDefault());
at("ask").addEventListener("change", (event) => {
  if (event.target.id !== "file" && chosen && at("ask").reportValidity()) ask(chosen);
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // else the browser leaves the page for the file
    at("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") take([...event.dataTransfer.files]);
  });
}
const examples = await readJson("examples");
at("examples-list").replaceChildren(...examples.map(offer));
at("examples").hidden = !examples.length;
