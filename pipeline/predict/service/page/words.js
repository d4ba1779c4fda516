// How numbers and names are said.

export function readable(finding) {
  return finding.replaceAll("_", " ");
}

/** A share as a percentage, with as many digits as tell it from nothing and from all. */
export function percent(share, digits = 0) {
  const value = 100 * share;
  if (value < 0.1) return "< 0.1\u00a0%";
  if (value > 99.9) return "> 99.9\u00a0%";
  return `${value.toFixed(value < 10 || value > 99 ? Math.max(digits, 1) : digits)}\u00a0%`;
}

/** "higher than 93 % of validation images"; rounded down, never to all of them. */
export function higherThan(above) {
  return `${Math.floor(100 * Math.min(above, 0.999))}\u00a0%`;
}

export function called(finding, withheld) {
  if (withheld) return "call withheld";
  if (finding.call === null) return "no threshold";
  return finding.call ? "called" : "not called";
}

export function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
