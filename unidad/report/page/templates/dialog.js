// What opens over the page: one image, or how numbers were made.

const dialog = document.getElementById("dialog");
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});

function open(title, ...content) {
  const close = make("button", { type: "button", "aria-label": "Close", click: () => dialog.close() }, "×");
  dialog.replaceChildren(
    make("div", { className: "bar" }, make("h2", { id: "dialog-title" }, title), close),
    ...content,
  );
  if (!dialog.open) dialog.showModal();
}

function facts(pairs) {
  return make("dl", {}, ...pairs.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
}

function command(text) {
  const copy = make("button", { type: "button" }, "copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code);
      copy.textContent = "selected";
    }
  });
  const code = make("code", {}, text);
  return make("div", { className: "command" }, code, copy);
}

function origins(row) {
  return [
    facts(row.facts),
    ...row.commands.flatMap(([what, call]) => [make("p", { className: "quiet" }, `${what}:`), command(call)]),
  ];
}

function showOrigins(title, rows) {
  const named = (row) => `${row.block}${nfeText(row.nfe)}${seedText(row.seed)}`;
  const parts = rows.length < 2 ? rows.flatMap(origins) : rows.map((row, place) =>
    make("details", { open: place === 0 }, make("summary", {}, named(row)), ...origins(row)));
  open(title, make("p", {}, "How these numbers were made. Paths start at the project's folder."), ...parts);
}
