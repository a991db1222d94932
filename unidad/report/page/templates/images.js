// Rows of images, and one of them large.

const stripsAt = document.getElementById("strips");
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function isShown(strip) {
  if (chosen.hidden.has(strip.variant)) return false;
  const trained = DATA.rows[strip.row].as_trained;
  const nfe = chosen.nfe === ALL || strip.nfe === null || (chosen.nfe === TRAINED ? trained : String(strip.nfe) === chosen.nfe);
  if (!nfe || !isOfSeed(strip)) return false;
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
    return make("button", { type: "button", className: "tile", tabIndex: -1, click }, tile(strip.sprite, place, label));
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
  const shown = inBlock(chosen.block).filter(isShown);
  shown.sort((a, b) => VARIANTS.get(a.variant).place - VARIANTS.get(b.variant).place);
  const rows = [trainingRow(chosen.block), promptRow(shown), ...shown.map((strip) => imageRow(strip, shown))];
  stripsAt.replaceChildren(...rows.filter((row) => row !== null));
  const first = stripsAt.querySelector("button.tile");
  if (first) first.tabIndex = 0;
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
    ...(again ? [make("p", { className: "quiet" }, "draw it again, in the folder that holds results/:"), command(again)] : []),
    make("details", {}, make("summary", {}, "How the whole set was made"), ...origins(DATA.rows[strip.row])),
    make("p", { className: "quiet" }, "Arrow keys: the image beside it, or the same noise in another row."),
  ];
  open(`${stripTitle(strip)}, image ${number}`, ...content.filter((part) => part !== null));
  dialog.onkeydown = (event) => {
    const step = STEPS[event.key];
    if (!step || !shown[row + step[0]]) return;
    const next = place + step[1];
    if (next < 0 || next >= shown[row + step[0]].samples.length) return;
    event.preventDefault();
    showImage(shown, row + step[0], next);
  };
}

// All images are one stop of the Tab key; arrow keys go from one to the next.
stripsAt.addEventListener("keydown", (event) => {
  const step = STEPS[event.key], here = document.activeElement;
  if (!step || !here.matches("button.tile")) return;
  const rows = [...stripsAt.querySelectorAll(".strip")].map((row) => [...row.querySelectorAll("button.tile")]);
  const row = rows.findIndex((tiles) => tiles.includes(here));
  const next = rows[row + step[0]]?.[rows[row].indexOf(here) + step[1]];
  if (!next) return;
  event.preventDefault();
  here.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

dialog.addEventListener("close", () => { dialog.onkeydown = null; });
watch(showStrips);
