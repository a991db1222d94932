// One plot as vector graphics: axes, series, and the values of the point under the pointer.

const PLOT = { width: 400, height: 290, left: 56, right: 12, top: 10, bottom: 46 };
const REACH = 40;
const plain = (value) => String(Number(value.toPrecision(4)));
const spread = (value) => (value === null || value === undefined ? "" : ` ± ${Number(value.toPrecision(2))}`);
const nameOf = (axis) => axis.label.split(", ")[0];

// From values to places between `from` and `to`; `low` and `high` are values.
function scale(values, log, from, to, start) {
  const by = log ? Math.log10 : (value) => value;
  let low = by(Math.min(...values)), high = by(Math.max(...values));
  const margin = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.5 || 1;
  low = start === undefined ? low - margin : by(start);
  high += margin;
  const place = (value) => from + ((by(value) - low) / (high - low)) * (to - from);
  return { place, low: log ? 10 ** low : low, high: log ? 10 ** high : high };
}

function ticks({ low, high }, log) {
  if (log && high / low > 3) {
    const steps = high / low < 1000 ? [1, 2, 5] : [1];
    const found = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
      found.push(...steps.map((step) => Number((step * 10 ** power).toPrecision(3))));
    }
    return found.filter((value) => value >= low && value <= high);
  }
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(low / step), count = Math.floor(high / step) - first + 1;
  return [...Array(Math.max(0, count)).keys()].map((place) => Number(((first + place) * step).toPrecision(6)));
}

function axes(x, y, axis, xTicks) {
  const { left, right, top, bottom, width, height } = PLOT;
  const group = draw("g", { class: "axes" });
  for (const value of xTicks) {
    const at = x.place(value);
    group.append(draw("line", { x1: at, x2: at, y1: top, y2: height - bottom }),
      draw("text", { x: at, y: height - bottom + 16, "text-anchor": "middle" }, plain(value)));
  }
  for (const value of ticks(y, axis.y.log)) {
    const at = y.place(value);
    group.append(draw("line", { x1: left, x2: width - right, y1: at, y2: at }),
      draw("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, plain(value)));
  }
  group.append(draw("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, axis.x.label));
  return group;
}

function drawSeries(series, x, y) {
  const variant = VARIANTS.get(series.variant), color = ink(variant);
  const group = draw("g", { stroke: color, fill: "none", "stroke-width": 1.8 });
  const whisker = (x1, y1, x2, y2) => draw("line", { x1, y1, x2, y2, "stroke-width": 1 });
  if (series.kind === "level") {
    const at = y.place(series.points[0][1]);
    const ends = { x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: at, y2: at };
    group.append(draw("line", { ...ends, "stroke-dasharray": "6 3", "stroke-width": 1.4 }));
    return group;
  }
  const places = series.points.map(([px, py]) => [x.place(px), y.place(py)]);
  if (series.kind !== "marks") {
    group.append(draw("polyline", { points: places.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(" ") }));
  }
  if (series.kind === "curve") return group;
  series.points.forEach(([vx, vy, dx, dy], number) => {
    const [px, py] = places[number];
    const least = y.low, down = Math.max(vy - dy, least);
    if (dy) group.append(whisker(px, y.place(down), px, y.place(vy + dy)));
    if (dx) group.append(whisker(x.place(Math.max(vx - dx, x.low)), py, x.place(vx + dx), py));
    const last = series.updates && number === series.points.length - 1;
    const shape = mark(variant, px, py, last ? 6.5 : 4.5);
    if (shape.tagName !== "path") shape.setAttribute("stroke", "none");
    group.append(shape);
  });
  return group;
}

// Where each value is, and what is said of it.
function targets(chart, x, y) {
  return chart.series.flatMap((series) => series.points.map(([vx, vy, dx, dy], number) => ({
    x: vx === null ? null : x.place(vx),
    y: y.place(vy),
    lines: [
      series.variant + seedText(series.seed ?? null),
      `${nameOf(chart.y)}: ${plain(vy)}${spread(dy)}`,
      vx === null ? null : `${nameOf(chart.x)}: ${plain(vx)}${spread(dx)}`,
      series.updates ? `after ${series.updates[number]} updates` : null,
    ].filter((line) => line !== null),
  })));
}

// Beside the point: on the side of it where there is room.
function place(tip, figure, picture, x, y) {
  const across = picture.left - figure.left + (picture.width * x) / PLOT.width;
  const down = picture.top - figure.top + (picture.height * y) / PLOT.height;
  const left = x < PLOT.width / 2, above = y > PLOT.height / 2;
  tip.style.left = left ? `${across}px` : "auto";
  tip.style.right = left ? "auto" : `${figure.width - across}px`;
  tip.style.top = above ? "auto" : `${down + 12}px`;
  tip.style.bottom = above ? `${figure.height - down + 12}px` : "auto";
}

function readable(figure, picture, found) {
  const tip = make("div", { className: "tip", role: "status", hidden: true });
  const ring = draw("circle", { r: 9, class: "ring", visibility: "hidden" });
  picture.append(ring);
  figure.append(tip);
  let shown = -1;
  const hide = () => { shown = -1; tip.hidden = true; ring.setAttribute("visibility", "hidden"); };
  const show = (number, x = found[number].x ?? PLOT.width / 2) => {
    if (number === shown && found[number].x !== null) return;
    shown = number;
    const { y, lines } = found[number];
    tip.replaceChildren(...lines.map((line) => make("div", {}, line)));
    tip.hidden = false;
    place(tip, figure.getBoundingClientRect(), picture.getBoundingClientRect(), x, y);
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    ring.setAttribute("visibility", "visible");
  };
  const under = (event) => {
    const box = picture.getBoundingClientRect(), unit = PLOT.width / box.width;
    const at = [(event.clientX - box.left) * unit, (event.clientY - box.top) * unit];
    const far = found.map(({ x, y }) => Math.hypot(x === null ? 0 : x - at[0], y - at[1]));
    const nearest = far.indexOf(Math.min(...far));
    if (far[nearest] > REACH) hide();
    else show(nearest, found[nearest].x ?? at[0]);
  };
  picture.addEventListener("pointermove", under);
  picture.addEventListener("pointerdown", under);
  picture.addEventListener("pointerleave", hide);
  picture.addEventListener("blur", hide);
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") hide();
    if (!step) return;
    event.preventDefault();
    show((shown < 0 ? (step > 0 ? 0 : found.length - 1) : shown + step + found.length) % found.length);
  });
}

// A figure of `chart`: title, x and y (label, log), start (of x) and series (see charts.py).
function plot(chart) {
  const positive = (axis, value) => !axis.log || value === null || value > 0;
  const series = chart.series
    .map((one) => {
      const kept = one.points.map(([vx, vy]) => positive(chart.x, vx) && positive(chart.y, vy));
      return { ...one, points: one.points.filter((_, place) => kept[place]), updates: one.updates?.filter((_, place) => kept[place]) };
    })
    .filter((one) => one.points.length);
  const title = make("figcaption", {}, make("b", {}, chart.title), make("span", {}, chart.y.label === chart.title ? "" : chart.y.label));
  const figure = make("figure", { className: "plot" }, title);
  const points = series.flatMap((one) => one.points);
  const known = points.map((point) => point[0]).filter((value) => value !== null);
  if (!known.length) {
    figure.append(make("p", { className: "quiet" }, "Nothing was measured of this choice."));
    return figure;
  }
  const { left, right, top, bottom, width, height } = PLOT;
  const ends = (place) => points.flatMap((point) => {
    const value = point[place], by = point[place + 2] ?? 0;
    return value === null ? [] : [value + by, value - by > 0 || !chart.y.log ? value - by : value];
  });
  const x = scale(ends(0), chart.x.log, left, width - right, chart.start);
  const y = scale(ends(1), chart.y.log, height - bottom, top);
  const xTicks = chart.x.log ? [...new Set(known)].sort((a, b) => a - b) : ticks(x, false);
  const told = `${chart.title}: ${chart.y.label}, against ${chart.x.label}. Arrow keys read the values.`;
  const picture = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": told, tabindex: 0 });
  picture.append(axes(x, y, chart, xTicks), ...series.map((one) => drawSeries(one, x, y)));
  figure.append(picture);
  readable(figure, picture, targets({ ...chart, series }, x, y));
  return figure;
}
