// SVG elements, and the mark of each variant.

const SVG = "http://www.w3.org/2000/svg";
const POLYGONS = { "^": [3, 0], v: [3, 180], D: [4, 0], s: [4, 45], p: [5, 0], h: [6, 0] };
const SPOKES = { P: [4, 0, 2.6], X: [4, 45, 2.6], "+": [4, 0, 1.6], x: [4, 45, 1.6], 1: [3, 180, 1.6], 2: [3, 0, 1.6] };

// An SVG element; a property of null is left out.
function draw(tag, properties = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Black would vanish on the dark page.
const ink = (variant) => (variant.color === "#000000" ? "currentColor" : variant.color);

function around(count, turn, radius) {
  return [...Array(count).keys()].map((corner) => {
    const angle = ((360 / count) * corner + turn - 90) * (Math.PI / 180);
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

function mark(variant, x, y, radius) {
  const { marker } = variant, color = ink(variant);
  const at = ([dx, dy]) => `${(x + dx).toFixed(1)},${(y + dy).toFixed(1)}`;
  if (marker in SPOKES) {
    const [count, turn, width] = SPOKES[marker];
    const path = around(count, turn, radius * 1.15).map((end) => `M${at([0, 0])}L${at(end)}`).join("");
    return draw("path", { d: path, stroke: color, "stroke-width": width });
  }
  const corners = marker === "*"
    ? around(10, 0, 1).map(([dx, dy], place) => [dx, dy].map((part) => part * radius * (place % 2 ? 0.5 : 1.25)))
    : marker in POLYGONS ? around(...POLYGONS[marker], radius * 1.2) : null;
  if (corners) return draw("polygon", { points: corners.map(at).join(" "), fill: color });
  return draw("circle", { cx: x, cy: y, r: radius, fill: color });
}

// A variant's mark beside its name.
function key(label) {
  const picture = draw("svg", { class: "mark", viewBox: "-8 -8 16 16", "aria-hidden": "true" });
  picture.append(mark(VARIANTS.get(label), 0, 0, 5));
  return picture;
}
