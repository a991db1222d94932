// Rows of images: which are shown, and one of them large.

const choice = document.getElementById("choice");
const stripsAt = document.getElementById("strips");
const TRAINED = "as trained", LAST = "last model", ALL = "all";
const inBlock = (block) => DATA.strips.filter((strip) => strip.block === block);
const values = (strips, key) =>
  [...new Set(strips.map((strip) => strip[key]).filter((value) => value !== null))].sort((a, b) => a - b);

const chosen = { block: 0, nfe: TRAINED, seed: ALL, updates: LAST, size: 72, hidden: new Set() };

function select(name, title, options) {
  if (options.length < 2) return null;
  const known = options.some(([value]) => String(value) === String(chosen[name]));
  if (!known) chosen[name] = options[0][0];
  const list = make("select", { name });
  for (const [value, text] of options) {
    list.append(make("option", { value, selected: String(value) === String(chosen[name]) }, text));
  }
  list.addEventListener("change", () => {
    chosen[name] = name === "block" ? Number(list.value) : list.value;
    if (name === "block") showChoice();
    showStrips();
  });
  return make("label", {}, `${title} `, list);
}

function variantBoxes(strips) {
  const there = new Set(strips.map((strip) => strip.variant));
  const boxes = DATA.variants.filter(({ label }) => there.has(label)).map(({ label, color }) => {
    const box = make("input", { type: "checkbox", checked: !chosen.hidden.has(label), value: label });
    box.addEventListener("change", () => {
      if (box.checked) chosen.hidden.delete(label);
      else chosen.hidden.add(label);
      showStrips();
    });
    const mark = make("span", { className: "mark" });
    mark.style.background = color;
    return make("label", {}, box, mark, label);
  });
  return make("fieldset", {}, make("legend", {}, "variants"), ...boxes);
}

function sizeSlider() {
  const slider = make("input", { type: "range", min: 32, max: 160, step: 8, value: chosen.size, name: "size" });
  slider.addEventListener("input", () => {
    chosen.size = Number(slider.value);
    stripsAt.style.setProperty("--tile", `${chosen.size}px`);
  });
  return make("label", {}, "size ", slider);
}

function showChoice() {
  const strips = inBlock(chosen.block);
  const numbered = (key) => values(strips, key).map((value) => [value, String(value)]);
  const seeds = numbered("seed"), updates = numbered("updates"), nfes = numbered("nfe");
  choice.replaceChildren(
    ...[
      select("block", "target", DATA.blocks.map((block, number) => [number, block.title])),
      select("nfe", "NFE", [[TRAINED, TRAINED], [ALL, ALL], ...nfes]),
      select("seed", "training seed", seeds.length > 1 ? [...seeds, [ALL, ALL]] : []),
      select("updates", "after", updates.length
        ? [[LAST, LAST], ...updates.map(([value]) => [value, `${value} updates`]), [ALL, "all snapshots"]] : []),
      sizeSlider(),
      variantBoxes(strips),
    ].filter((part) => part !== null),
  );
}

function isShown(strip) {
  if (chosen.hidden.has(strip.variant)) return false;
  const trained = DATA.rows[strip.row].as_trained;
  const nfe = chosen.nfe === ALL || strip.nfe === null || (chosen.nfe === TRAINED ? trained : String(strip.nfe) === chosen.nfe);
  const seed = chosen.seed === ALL || strip.seed === null || String(strip.seed) === String(chosen.seed);
  if (!nfe || !seed) return false;
  if (chosen.updates === ALL) return true;
  if (chosen.updates === LAST || strip.seed === null) return strip.updates === null;
  return String(strip.updates) === chosen.updates;
}

function stripTitle(strip) {
  const updates = strip.updates === null ? "" : `, after ${strip.updates} updates`;
  return `${strip.variant}${nfeText(strip.nfe)}${updates}`;
}

function stripRow(title, note, tiles, kind = "") {
  const name = make("div", { className: "name" }, make("b", {}, title), note ? make("span", {}, note) : null);
  return make("div", { className: `strip ${kind}` }, name, make("div", { className: "tiles" }, ...tiles));
}

function trainingRow(block) {
  const { sprite, count } = DATA.blocks[block];
  const tiles = [...Array(count).keys()].map((place) => tile(sprite, place, `training image ${place}`));
  return stripRow("training images", "", tiles, "training");
}

function imageRow(strip, shown) {
  const seeds = values(inBlock(strip.block), "seed").length > 1;
  const tiles = strip.samples.map((number, place) => {
    const label = `${stripTitle(strip)}, image ${number}`;
    const click = () => showImage(shown, shown.indexOf(strip), place);
    return make("button", { type: "button", className: "tile", click }, tile(strip.sprite, place, label));
  });
  return stripRow(stripTitle(strip), seeds && strip.seed !== null ? `seed ${strip.seed}` : "", tiles);
}

function promptRow(strips) {
  const prompts = strips.find((strip) => strip.prompts.length)?.prompts;
  if (!prompts) return null;
  const texts = prompts.map((prompt) => make("span", { title: prompt }, prompt));
  return stripRow("prompt", "", texts, "prompts");
}

function showStrips() {
  const places = new Map(DATA.variants.map(({ label }, place) => [label, place]));
  const shown = inBlock(chosen.block).filter(isShown);
  shown.sort((a, b) => places.get(a.variant) - places.get(b.variant));
  const rows = [trainingRow(chosen.block), promptRow(shown), ...shown.map((strip) => imageRow(strip, shown))];
  stripsAt.replaceChildren(...rows.filter((row) => row !== null));
  document.getElementById("count").textContent =
    shown.length ? `${shown.length} rows of images` : "No images of this choice: choose another NFE or snapshot.";
}

function showImage(shown, row, place) {
  const strip = shown[row];
  const number = strip.samples[place];
  const { sprite, title } = DATA.blocks[strip.block];
  const neighbours = (strip.neighbours[place] ?? []).map((training) =>
    make("figure", {}, tile(sprite, training, `training image ${training}`), make("figcaption", {}, `number ${training}`)));
  const large = tile(strip.sprite, place, `${stripTitle(strip)}, image ${number}, large`);
  const again = strip.again?.replace("INDEX", number);
  const prompt = strip.prompts[place];
  const content = [
    make("div", { className: "beside" },
      make("figure", { className: "large" }, large, make("figcaption", {}, `image ${number}`)),
      neighbours.length ? make("div", {}, make("h3", {}, "Nearest training images, the nearest first"),
        make("div", { className: "neighbours" }, ...neighbours)) : null),
    facts([["target", title], ["variant", stripTitle(strip)],
      ...(prompt ? [["prompt", prompt]] : []),
      ...(strip.seed === null ? [] : [["training seed", String(strip.seed)]]),
      ["image", `number ${number} of its set; its noise depends on the seed of the evaluation and this number alone`]]),
    ...(again ? [make("p", { className: "quiet" }, "draw it again:"), command(again)] : []),
    make("details", {}, make("summary", {}, "How the whole set was made"), ...origins(DATA.rows[strip.row])),
    make("p", { className: "quiet" }, "Arrow keys: the image beside it, or the same noise in another row."),
  ];
  open(`${stripTitle(strip)}, image ${number}`, ...content.filter((part) => part !== null));
  dialog.onkeydown = (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!step || !shown[row + step[0]]) return;
    const next = place + step[1];
    if (next < 0 || next >= shown[row + step[0]].samples.length) return;
    event.preventDefault();
    showImage(shown, row + step[0], next);
  };
}

choice.addEventListener("submit", (event) => event.preventDefault());
dialog.addEventListener("close", () => { dialog.onkeydown = null; });
showChoice();
showStrips();
