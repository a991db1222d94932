// The table: sorting, and which columns are shown.

const table = document.getElementById("table");

// A number at the start of a cell; cells without one come last whichever way is sorted.
function sortKey(row, column) {
  const text = row.cells[column].textContent.trim();
  const value = parseFloat(text);
  return column === 0 ? text : Number.isNaN(value) ? null : value;
}

function compare(a, b, rising) {
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "string" ? a.localeCompare(b) : a - b;
  return rising ? order : -order;
}

function sortBy(header, column) {
  const better = header.querySelector(".better")?.textContent ?? "";
  const first = better.includes("higher") ? "descending" : "ascending";
  const second = first === "ascending" ? "descending" : "ascending";
  const direction = header.getAttribute("aria-sort") === first ? second : first;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction);
  for (const body of table.tBodies) {
    const [title, ...rows] = body.rows;
    const keyed = rows.map((row) => [sortKey(row, column), row]);
    keyed.sort((a, b) => compare(a[0], b[0], direction === "ascending"));
    body.append(title, ...keyed.map((pair) => pair[1]));
  }
}

[...table.tHead.rows[0].cells].forEach((header, column) => {
  header.querySelector("button").addEventListener("click", () => sortBy(header, column));
});

document.getElementById("all-columns").addEventListener("change", (event) => {
  table.classList.toggle("all", event.target.checked);
});

for (const button of table.querySelectorAll("button.variant")) {
  button.addEventListener("click", () => {
    const block = button.closest("tbody").rows[0].textContent.trim();
    const ofVariant = DATA.rows.filter((row) => row.variant === button.textContent && row.as_trained);
    const here = ofVariant.filter((row) => row.block === block);
    showOrigins(`${button.textContent}: ${block}`, here.length ? here : ofVariant);
  });
}
