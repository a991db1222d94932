// What images, plots and curves are shown of: one choice, in the form of each part of the page.

const TRAINED = "as trained", LAST = "last model", ALL = "all";
const VARIANTS = new Map(DATA.variants.map((variant, place) => [variant.label, { ...variant, place }]));
const forms = [...document.querySelectorAll("form.choice")];
const watchers = [];
// One seed at first: variants stand beside each other. Where there is one alone, nothing is chosen.
const firstSeed = Math.min(...DATA.curves.map((curve) => curve.seed));
const chosen = { block: 0, nfe: TRAINED, seed: Number.isFinite(firstSeed) ? firstSeed : ALL, updates: LAST, size: 72, hidden: new Set() };

const inBlock = (block) => DATA.strips.filter((strip) => strip.block === block);
const values = (strips, key) =>
  [...new Set(strips.map((strip) => strip[key]).filter((value) => value !== null))].sort((a, b) => a - b);

const isOfSeed = ({ block, seed }) =>
  chosen.seed === ALL || seed === null || String(seed) === String(chosen.seed) || values(inBlock(block), "seed").length < 2;

// Call `show` now and after every choice.
function watch(show) {
  watchers.push(show);
  show();
}

function choose(change) {
  change();
  showChoices();
  for (const show of watchers) show();
}

function select(name, title, options) {
  if (options.length < 2) return null;
  const known = options.some(([value]) => String(value) === String(chosen[name]));
  if (!known) chosen[name] = options[0][0];
  const list = make("select", { name });
  for (const [value, text] of options) {
    list.append(make("option", { value, selected: String(value) === String(chosen[name]) }, text));
  }
  list.addEventListener("change", () => choose(() => {
    chosen[name] = name === "block" ? Number(list.value) : list.value;
  }));
  return make("label", {}, `${title} `, list);
}

function variantBoxes(there) {
  const boxes = DATA.variants.filter(({ label }) => there.has(label)).map(({ label }) => {
    const box = make("input", { type: "checkbox", name: "variant", checked: !chosen.hidden.has(label), value: label });
    box.addEventListener("change", () => choose(() => {
      if (box.checked) chosen.hidden.delete(label);
      else chosen.hidden.add(label);
    }));
    return make("label", {}, box, key(label), label);
  });
  return make("fieldset", {}, make("legend", {}, "variants"), ...boxes);
}

function sizeSlider() {
  const slider = make("input", { type: "range", min: 32, max: 160, step: 8, value: chosen.size, name: "size" });
  slider.addEventListener("input", () => {
    chosen.size = Number(slider.value);
    document.getElementById("strips").style.setProperty("--tile", `${chosen.size}px`);
  });
  return make("label", {}, "size ", slider);
}

// Variants that a form's part of the page shows something of.
function variantsOf(shows) {
  const all = { strips: DATA.strips, plots: DATA.charts.flatMap((chart) => chart.series), curves: DATA.curves }[shows];
  return new Set(all.filter(({ block }) => block === chosen.block).map(({ variant }) => variant));
}

function parts() {
  const strips = inBlock(chosen.block);
  const numbered = (key) => values(strips, key).map((value) => [value, String(value)]);
  const seeds = numbered("seed"), updates = numbered("updates"), nfes = numbered("nfe");
  return {
    target: () => select("block", "target", DATA.blocks.map((block, number) => [number, block.title])),
    nfe: () => select("nfe", "NFE", [[TRAINED, TRAINED], [ALL, ALL], ...nfes]),
    seed: () => select("seed", "training seed", seeds.length > 1 ? [...seeds, [ALL, ALL]] : []),
    updates: () => select("updates", "after", updates.length
      ? [[LAST, LAST], ...updates.map(([value]) => [value, `${value} updates`]), [ALL, "all snapshots"]] : []),
    size: sizeSlider,
    variants: (shows) => variantBoxes(variantsOf(shows)),
  };
}

// Every form again; what has the focus keeps it.
function showChoices() {
  const { form, name, type, value } = document.activeElement;
  const known = parts();
  for (const form of forms) {
    const made = form.dataset.parts.split(" ").map((part) => known[part](form.dataset.of));
    form.replaceChildren(...made.filter((part) => part !== null));
  }
  const same = (input) => input.name === name && (type !== "checkbox" || input.value === value);
  if (name && form) [...form.elements].find(same)?.focus();
}

for (const form of forms) form.addEventListener("submit", (event) => event.preventDefault());
showChoices();
