// The findings as bars to choose from, and what is known of the one that is chosen.

import { called, higherThan, list, percent, readable } from "./words.js";

function element(tag, { text = "", ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(text, ...children);
  return made;
}

const logit = (share) => Math.log(share / (1 - share));

/** How far above its threshold a finding is, in log odds; those without one are last. */
function lead(finding) {
  if (finding.calibrated_threshold === null) return -Infinity;
  return logit(finding.probability) - logit(finding.calibrated_threshold);
}

export function sorted(findings) {
  return Object.entries(findings).sort(
    ([, one], [, other]) => (lead(other) - lead(one) || 0) || other.probability - one.probability,
  );
}

function bar({ probability, calibrated_threshold: threshold }) {
  const fill = element("span", { className: "fill" });
  fill.style.width = `${100 * probability}%`;
  const made = element("span", { className: "bar", ariaHidden: "true" }, fill);
  if (threshold !== null) {
    const mark = element("span", { className: "mark" });
    mark.style.left = `${100 * threshold}%`;
    made.append(mark);
  }
  return made;
}

function row(name, finding, withheld, choose) {
  const radio = element("input", { type: "radio", name: "finding", value: name });
  radio.addEventListener("change", () => choose(name));
  const threshold = finding.calibrated_threshold;
  const spoken = threshold === null ? "" : `, threshold ${percent(threshold)}`;
  const made = element(
    "label",
    { className: "finding", title: shares(finding) },
    radio,
    element("span", { className: "name", text: readable(name) }),
    bar(finding),
    element(
      "span", { className: "number", text: percent(finding.probability) },
      element("span", { className: "hidden-text", text: spoken }),
    ),
    element("span", { className: "call", text: called(finding, withheld) }),
  );
  made.classList.toggle("called", finding.call === true);
  return made;
}

function shares({ shares: of }) {
  return Object.entries(of).map(([member, share]) => `${member} ${percent(share, 1)}`).join(", ");
}

/** Show all findings, and choose the first; `choose` is told the name of each that is chosen. */
export function showFindings(answer, place, choose) {
  const withheld = answer.warnings.length > 0;
  const rows = sorted(answer.findings).map(([name, one]) => row(name, one, withheld, choose));
  place.replaceChildren(...rows);
  rows[0].querySelector("input").checked = true;
  return rows[0].querySelector("input").value;
}

export function showDetail(name, answer, place) {
  const one = answer.findings[name];
  const threshold = one.calibrated_threshold;
  const members = Object.entries(one.shares).map(([member, share]) =>
    element("tr", {}, element("td", { text: member }), element("td", { className: "number", text: percent(share, 1) })));
  const head = element("tr", {}, element("th", { scope: "col", text: "Member" }), element("th", { className: "number", scope: "col", text: "votes" }));
  place.replaceChildren(
    element("h3", { text: `${readable(name)}: ${called(one, answer.warnings.length > 0)}` }),
    element("p", { text: `Probability ${percent(one.probability, 1)}, calibrated on validation images; threshold ${threshold === null ? "unknown" : percent(threshold, 1)}.` }),
    element("p", { text: `Higher than ${higherThan(one.above)} of validation images.` }),
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...members)),
    element("p", { className: "quiet", text: `Members vote before calibration; their vote is ${percent(one.raw, 1)}.` }),
  );
}

/** The result in a line. */
export function verdict(answer) {
  if (answer.warnings.length) return "Calls are withheld";
  const names = sorted(answer.findings).filter(([, one]) => one.call).map(([name]) => readable(name));
  if (!names.length) return "No finding reaches its threshold";
  return `${names.length === 1 ? "One finding is" : `${names.length} findings are`} called: ${list(names)}`;
}
