"use strict";
// The page without this script is whole but for the test images, sorting and enlarging.
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Folded parts open when they are linked to, searched or printed.
  const openTarget = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    const folded = one("details.part", target);
    if (folded) folded.open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", openTarget);
  addEventListener("beforeprint", () => all("main details").forEach((part) => { part.open = true; }));
  openTarget();

  // The list of contents follows.
  const links = new Map(all("nav.contents a").map((link) => [link.hash.slice(1), link]));
  const visible = new Set();
  const watcher = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) visible.add(target.id); else visible.delete(target.id);
    }
    const first = [...links.keys()].find((id) => visible.has(id));
    for (const [id, link] of links) {
      if (id === first) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { rootMargin: "-10% 0px -60% 0px" });
  for (const id of links.keys()) {
    const section = document.getElementById(id);
    if (section) watcher.observe(section);
  }

  // Tables sort by a click on a column's head.
  const valueOf = (row, column) => {
    const text = row.cells[column].textContent.trim().replace("−", "-").replace(/(\d),(?=\d{3})/g, "$1");
    const number = parseFloat(text);
    return Number.isNaN(number) ? text.toLowerCase() : number;
  };
  const ordered = (a, b) => {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  };
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      if (head.classList.contains("plot")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "descending" || (column === 0 && !head.hasAttribute("aria-sort"));
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "ascending" : "descending");
        const body = table.tBodies[0];
        const rows = [...body.rows].filter((row) => !row.classList.contains("fixed"));
        rows.sort((a, b) => (down ? 1 : -1) * ordered(valueOf(a, column), valueOf(b, column)));
        body.prepend(...rows);
      });
    });
  }

  // Large radiographs open in a dialog.
  const enlarged = one("#enlarged");
  if (enlarged) {
    for (const button of all("button.enlarge")) {
      button.addEventListener("click", () => {
        const figure = button.closest("figure");
        const copy = figure.cloneNode(true);
        one("button.enlarge", copy).replaceWith(one("svg", figure).cloneNode(true));
        one(".inside", enlarged).replaceChildren(copy);
        enlarged.showModal();
      });
    }
    one("button.close", enlarged).addEventListener("click", () => enlarged.close());
  }

  // The browser of test images.
  const holder = document.getElementById("case-data");
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const root = one("#cases");
  root.classList.add("live");
  const dialog = one("#case");
  const PAGE = innerWidth < 720 ? 12 : 32;
  const [mapRows, mapColumns] = data.cells;

  const files = new Map();
  const waiting = new Map();
  window.cxrCases = (place, cases) => { waiting.get(place)(cases); waiting.delete(place); };
  const file = (place) => {
    if (!files.has(place)) {
      files.set(place, new Promise((resolve, reject) => {
        const packed = document.getElementById(`cases-${place}`);
        if (packed) { resolve(JSON.parse(packed.textContent)); return; }
        waiting.set(place, resolve);
        const script = document.createElement("script");
        script.src = `${data.folder}/cases-${String(place).padStart(4, "0")}.js`;
        script.onerror = () => reject(new Error(`${script.src} is not there`));
        document.head.append(script);
      }));
    }
    return files.get(place);
  };
  const caseOf = async (at) => (await file(Math.floor(at / data.per_file)))[at % data.per_file];

  const has = (bits, finding) => ((bits >> finding) & 1) === 1;
  const KINDS = {
    fp: "false positive", fn: "false negative", tp: "true positive", tn: "true negative",
    unknown: "label unknown",
  };
  const kindOf = (at, finding) => {
    if (has(data.unknown[at], finding)) return "unknown";
    const labelled = has(data.labelled[at], finding);
    if (data.thresholds[finding] === null) return labelled ? "labelled" : "unlabelled";
    const called = has(data.called[at], finding);
    return called ? (labelled ? "tp" : "fp") : (labelled ? "fn" : "tn");
  };
  const SHOWN = {
    fp: ["fp"], fn: ["fn"], tp: ["tp"], tn: ["tn"],
    labelled: ["tp", "fn", "labelled"], all: ["tp", "fp", "fn", "tn", "labelled", "unlabelled", "unknown"],
  };
  const iouOf = (at, finding) => data.ious[at][data.findings[finding]];
  const ORDERS = {
    probable: (finding) => (a, b) => data.probs[b][finding] - data.probs[a][finding],
    improbable: (finding) => (a, b) => data.probs[a][finding] - data.probs[b][finding],
    worst: (finding) => (a, b) => (iouOf(a, finding) ?? 2) - (iouOf(b, finding) ?? 2),
    best: (finding) => (a, b) => (iouOf(b, finding) ?? -1) - (iouOf(a, finding) ?? -1),
  };

  const words = (name) => name.replaceAll("_", " ");
  const share = (p) => p < 0.01 ? p.toPrecision(2) : p.toFixed(2);
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  const finding = one("#case-finding");
  const order = one("#case-order");
  const kinds = all("input[name=case-kind]");
  const grid = one("#case-grid");
  const more = one("#case-more");
  const count = one("#case-count");
  let chosen = [];
  let drawn = 0;

  const state = () => ({ finding: Number(finding.value), kind: kinds.find((kind) => kind.checked).value });

  const drawMore = () => {
    const now = state();
    for (const at of chosen.slice(drawn, drawn + PAGE)) {
      const kind = kindOf(at, now.finding);
      const iou = iouOf(at, now.finding);
      const image = element("img", { alt: "", width: 192, height: 192 });
      const button = element("button", { type: "button", className: `card ${kind}` }, image,
        element("span", {}, `P ${share(data.probs[at][now.finding])}${iou === undefined ? "" : ` · IoU ${iou.toFixed(2)}`}`),
        element("span", { className: "kind" }, KINDS[kind] ?? kind));
      button.setAttribute("aria-label", `${data.images[at]}, ${KINDS[kind] ?? kind} of ${words(data.findings[now.finding])}, probability ${share(data.probs[at][now.finding])}`);
      button.addEventListener("click", () => show(chosen.indexOf(at)));
      grid.append(button);
      caseOf(at).then((one) => { image.src = `data:image/jpeg;base64,${one.image}`; },
        (error) => { count.textContent = error.message; });
    }
    drawn = Math.min(drawn + PAGE, chosen.length);
    more.hidden = drawn >= chosen.length;
    more.textContent = `Show ${Math.min(PAGE, chosen.length - drawn)} more of ${(chosen.length - drawn).toLocaleString("en")}`;
  };

  const choose = () => {
    const now = state();
    const places = data.images.map((_, at) => at);
    const kindsOf = places.map((at) => kindOf(at, now.finding));
    for (const kind of kinds) {
      const fit = kindsOf.filter((one) => SHOWN[kind.value].includes(one)).length;
      one("output", kind.labels[0]).textContent = fit.toLocaleString("en");
    }
    chosen = places.filter((at) => SHOWN[now.kind].includes(kindsOf[at])).sort(ORDERS[order.value](now.finding));
    const boxed = chosen.some((at) => iouOf(at, now.finding) !== undefined);
    for (const option of all("option[data-boxed]", order)) option.disabled = !boxed;
    const threshold = data.thresholds[now.finding];
    count.textContent = `${chosen.length.toLocaleString("en")} of ${places.length.toLocaleString("en")} test images. `
      + (threshold === null ? "No threshold could be chosen for this finding." : `Called at P ≥ ${share(threshold)}.`);
    grid.replaceChildren();
    drawn = 0;
    drawMore();
  };

  // A map as `draw_on_image` draws it: bilinear between the cells' centres, constant beyond them.
  const colours = Uint8Array.from(data.colours.match(/../g), (pair) => parseInt(pair, 16));
  const paint = (canvas, cells) => {
    const { width, height } = canvas;
    const along = (length, most) => Array.from({ length }, (_, pixel) => {
      const cell = Math.min(Math.max(((pixel + 0.5) / length - data.grid.first) / data.grid.step, 0), most - 1);
      const low = Math.min(Math.floor(cell), Math.max(most - 2, 0));
      return [low, Math.min(low + 1, most - 1), cell - low];
    });
    const across = along(width, mapColumns);
    const down = along(height, mapRows);
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    const values = new Float32Array(width * height);
    let peak = 0;
    down.forEach(([top, bottom, y], row) => across.forEach(([left, right, x], column) => {
      const upper = cells[top * mapColumns + left] * (1 - x) + cells[top * mapColumns + right] * x;
      const lower = cells[bottom * mapColumns + left] * (1 - x) + cells[bottom * mapColumns + right] * x;
      const value = upper * (1 - y) + lower * y;
      values[row * width + column] = value;
      if (value > peak) peak = value;
    }));
    values.forEach((value, at) => {
      const level = peak > 0 ? value / peak : 0;
      const colour = 3 * Math.round(255 * level);
      picture.data.set([colours[colour], colours[colour + 1], colours[colour + 2], Math.round(255 * data.opacity * level)], 4 * at);
    });
    context.putImageData(picture, 0, 0);
  };

  const SVG = "http://www.w3.org/2000/svg";
  const rectangles = (svg, kind, boxes) => {
    for (const [x1, y1, x2, y2] of boxes) {
      for (const style of ["under", kind]) {
        const rectangle = document.createElementNS(SVG, "rect");
        rectangle.setAttribute("class", `${style} of-${kind}`);
        Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 })
          .forEach(([name, value]) => rectangle.setAttribute(name, value / 10));
        svg.append(rectangle);
      }
    }
  };

  let place = 0;
  let mapped = 0;
  const draw = async () => {
    const at = chosen[place];
    const it = await caseOf(at);
    if (at !== chosen[place]) return;
    const map = data.mapped.length === 1 ? 0 : mapped;
    one("img", dialog).src = `data:image/jpeg;base64,${it.image}`;
    one("img", dialog).alt = `Radiograph ${data.images[at]}`;
    const size = mapRows * mapColumns;
    const bytes = Uint8Array.from(atob(it.maps), (letter) => letter.charCodeAt(0)).subarray(map * size, (map + 1) * size);
    paint(one("canvas", dialog), bytes);
    const svg = one("svg.boxes", dialog);
    svg.replaceChildren();
    const name = data.findings[mapped];
    rectangles(svg, "crop", it.crops);
    if (it.predicted[map]) rectangles(svg, "predicted", [it.predicted[map]]);
    rectangles(svg, "truth", it.truths[name] ?? []);
    one(".name", dialog).textContent = data.images[at];
    one(".who", dialog).textContent = `patient ${data.patients[at]} · ${data.about[at]}`;
    one(".where", dialog).textContent = `${place + 1} of ${chosen.length.toLocaleString("en")}`;
    const iou = iouOf(at, mapped);
    one(".map-of", dialog).textContent = `${words(data.method)} map of ${data.member}${data.mapped.length === 1 ? "" : `, ${words(name)}`}`
      + (iou === undefined ? "" : ` · IoU ${iou.toFixed(2)}`) + (it.predicted[map] ? "" : " · empty");
    const rows = data.findings.map((own, index) => {
      const kind = kindOf(at, index);
      const bar = element("span", { className: "bar" });
      bar.style.setProperty("--p", data.probs[at][index]);
      if (data.thresholds[index] !== null) bar.style.setProperty("--at", data.thresholds[index]);
      else bar.classList.add("free");
      const button = element("button", { type: "button" }, words(own));
      button.setAttribute("aria-pressed", String(index === mapped));
      button.addEventListener("click", () => { mapped = index; draw(); });
      const row = element("tr", { className: kind }, element("th", { scope: "row" }, button),
        element("td", {}, share(data.probs[at][index])), element("td", {}, bar),
        element("td", { className: "kind" }, kind === "tn" || kind === "unlabelled" ? "" : KINDS[kind] ?? kind));
      return row;
    });
    const focused = dialog.contains(document.activeElement) && document.activeElement.closest("tbody");
    one("tbody", dialog).replaceChildren(...rows);
    if (focused) one("[aria-pressed=true]", dialog).focus();
  };
  const show = (where) => {
    place = where;
    mapped = state().finding;
    if (!dialog.open) dialog.showModal();
    draw();
  };
  const step = (by) => {
    const next = place + by;
    if (next < 0 || next >= chosen.length) return;
    while (next >= drawn) drawMore();
    place = next;
    draw();
  };
  one(".previous", dialog).addEventListener("click", () => step(-1));
  one(".next", dialog).addEventListener("click", () => step(1));
  one("button.close", dialog).addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => grid.children[place]?.focus());
  dialog.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    const findings = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) step(steps[event.key]);
    else if (event.key in findings) {
      mapped = (mapped + findings[event.key] + data.findings.length) % data.findings.length;
      draw();
    } else if (event.key === "m") one("#case-map").click();
    else if (event.key === "b") one("#case-boxes").click();
    else return;
    event.preventDefault();
  });
  grid.addEventListener("keydown", (event) => {
    const across = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
    const here = [...grid.children].indexOf(document.activeElement);
    if (by === undefined || here < 0) return;
    event.preventDefault();
    const next = here + by;
    if (next >= drawn && drawn < chosen.length) drawMore();
    grid.children[Math.min(Math.max(next, 0), grid.children.length - 1)].focus();
  });
  more.addEventListener("click", () => { const first = drawn; drawMore(); grid.children[first]?.focus(); });
  [finding, order, ...kinds].forEach((control) => control.addEventListener("change", choose));
  choose();
})();
