// The plots of the chosen target, and the curves of its runs.

const LOG_RANGE = 20;
const isVisible = (one) => one.block === chosen.block && !chosen.hidden.has(one.variant);

function showPlots() {
  const drawn = DATA.charts.map((chart) => plot({ ...chart, series: chart.series.filter(isVisible) }));
  document.getElementById("plots").replaceChildren(...drawn);
}

function lossChart(name, runs) {
  const several = new Set(runs.map((run) => run.seed)).size > 1;
  const series = runs.filter((run) => run.losses[name]).map((run) => (
    { variant: run.variant, seed: several ? run.seed : null, kind: "curve", points: run.losses[name] }));
  const all = series.flatMap((one) => one.points.map((point) => point[1]));
  const low = Math.min(...all), log = low > 0 && Math.max(...all) > LOG_RANGE * low;
  const title = name.replaceAll("_", " ");
  return plot({ title, x: { label: "iteration", log: false }, y: { label: title, log }, series });
}

function showCurves() {
  const runs = DATA.curves.filter((run) => isVisible(run) && isOfSeed(run));
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.losses)))];
  const drawn = names.map((name) => lossChart(name, runs));
  const none = make("p", { className: "quiet" }, "No runs of this choice.");
  document.getElementById("curves").replaceChildren(...(drawn.length ? drawn : [none]));
}

if (DATA.charts.length) watch(showPlots);
watch(showCurves);
