// The model's card, which is Markdown of headings, lists and one table.

function element(tag, text = "", ...children) {
  const made = document.createElement(tag);
  made.append(text, ...children);
  return made;
}

const plain = (text) => text.replaceAll("**", "").trim();
const cellsOf = (line) => line.split("|").slice(1, -1).map(plain);

function table(lines) {
  const [head, , ...body] = lines.map(cellsOf);
  const row = (cells, tag) => element("tr", "", ...cells.map((cell) => element(tag, cell)));
  const made = element("table", "", element("thead", "", row(head, "th")), element("tbody", "", ...body.map((cells) => row(cells, "td"))));
  const wide = element("div", "", made);
  wide.className = "wide";
  return wide;
}

const KINDS = [
  ["# ", (lines) => element("h2", plain(lines[0].slice(2)))],
  ["- ", (lines) => element("ul", "", ...lines.map((line) => element("li", plain(line.slice(2)))))],
  ["|", table],
  ["", (lines) => element("p", plain(lines.join(" ")))],
];

const text = await (await fetch("card")).text();
const blocks = text.split(/\n{2,}/).map((block) => block.split("\n").filter(Boolean)).filter((lines) => lines.length);
document.getElementById("card").replaceChildren(
  ...blocks.map((lines) => KINDS.find(([start]) => lines[0].startsWith(start))[1](lines)),
);
