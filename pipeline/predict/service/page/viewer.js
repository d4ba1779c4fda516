// The radiograph, and over it a heatmap, its box and the crop.

import { asPicture, decoded, drawHeat, drawScale } from "./heat.js";
import { readable } from "./words.js";

const at = (id) => document.getElementById(id);

/** Put an edge at a box: xyxy, fractions of the image; nowhere if there is none. */
function place(edge, box, isShown) {
  edge.hidden = !box || !isShown;
  if (!box) return;
  const [x1, y1, x2, y2] = box.map((value) => 100 * value);
  Object.assign(edge.style, { left: `${x1}%`, top: `${y1}%`, width: `${x2 - x1}%`, height: `${y2 - y1}%` });
}

/** An edge around what the local branch sees. */
function cropEdge(box, isShown) {
  const edge = document.createElement("span");
  edge.className = "edge edge-crop";
  place(edge, box, isShown);
  return edge;
}

/** A viewer of one answer; `show` draws a finding of the member that is chosen. */
export function makeViewer() {
  let pictures = null;
  let finding = null;
  let wanted = null;

  async function show(name = finding) {
    finding = name;
    const member = pictures.members[at("member").value];
    const { heatmap, box } = member.findings[name];
    at("box-said").textContent = box
      ? `Box of ${readable(name)}: where the heatmap is high`
      : `No box of ${readable(name)}: its heatmap shows no evidence`;
    at("crop-said").textContent = "Crop: what the model looks at again, enlarged";
    at("heat").setAttribute("aria-label", `Heatmap of ${readable(name)}`);
    place(at("box-edge"), box, at("show-box").checked);
    at("crop-edges").replaceChildren(...member.crops.map((box) => cropEdge(box, at("show-crop").checked)));
    wanted = heatmap;
    const picture = await decoded(heatmap);
    if (wanted === heatmap) drawHeat(at("heat"), picture); // else another was chosen meanwhile
  }

  function fade() {
    at("opacity-said").textContent = `${at("opacity").value}\u00a0%`;
    at("heat").style.opacity = at("opacity").value / 100;
  }

  function open(answer) {
    pictures = answer.pictures;
    const { image, width, height, members } = pictures;
    at("radiograph").src = asPicture(image);
    at("stage").style.setProperty("--ratio", width / height);
    at("member").replaceChildren(...Object.keys(members).map((name) => new Option(name)));
    at("member").value = answer.shown;
    at("member-row").hidden = Object.keys(members).length < 2;
  }

  drawScale(at("scale"));
  fade();
  at("opacity").addEventListener("input", fade);
  for (const id of ["member", "show-box", "show-crop"]) at(id).addEventListener("change", () => show());
  at("alone").addEventListener("change", () => at("stage").classList.toggle("alone", at("alone").checked));
  return { open, show };
}
