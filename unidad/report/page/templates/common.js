// What all parts of the page share: its data, and elements.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);

// An element with properties (functions listen, `data`, `aria-...` and `role` are attributes) and
// children, which are elements or text: nothing is ever read as HTML.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const nfeText = (nfe) => (nfe === null ? "" : `, NFE ${nfe}`);
const seedText = (seed) => (seed === null ? "" : `, seed ${seed}`);

// The pictures of a sprite are decoded when one of them is first seen.
const decoded = new Map();
function picture(sprite) {
  if (!decoded.has(sprite)) {
    const image = new Image();
    image.src = "data:image/webp;base64," + document.getElementById(`sprite-${sprite}`).textContent;
    decoded.set(sprite, image.decode().then(() => image));
  }
  return decoded.get(sprite);
}

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    paint(target);
  }
}, { rootMargin: "200px" });

async function paint(canvas) {
  const { sprite, place } = canvas.dataset;
  const side = canvas.width;
  const image = await picture(sprite);
  canvas.getContext("2d").drawImage(image, place * side, 0, side, side, 0, 0, side, side);
}

// One image of a sprite, drawn when it comes into view; `label` is its alternative text.
function tile(sprite, place, label) {
  const side = DATA.sides[sprite];
  const canvas = make("canvas", { width: side, height: side, role: "img", "aria-label": label });
  canvas.dataset.sprite = sprite;
  canvas.dataset.place = place;
  seen.observe(canvas);
  return canvas;
}
