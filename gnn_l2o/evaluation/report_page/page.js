// Fills the charts of the page with the numbers that it carries, and lets tables be sorted.

const data = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const at = (id) => document.getElementById(id);
const present = () => data.cases[at("cases").value];
const front = new Map(); // case -> names of the lines in front
let playing = null;

function theme() {
  const css = getComputedStyle(document.documentElement);
  const [text, soft, line] = ["--text", "--soft", "--line"].map((name) => css.getPropertyValue(name).trim());
  const axis = { labelColor: soft, titleColor: text, gridColor: line, domainColor: line, tickColor: line };
  return {
    background: null, font: "system-ui, sans-serif", view: { stroke: null }, line: { color: text },
    axis: { ...axis, gridOpacity: 0.6, labelFontSize: 12, titleFontSize: 13, titleFontWeight: "normal" },
    legend: { labelColor: text, titleColor: text, labelFontSize: 12 },
  };
}

function draw(id, specification, datasets) {
  const options = { mode: "vega-lite", renderer: "svg", actions: { export: true, source: false, compiled: false, editor: false } };
  return vegaEmbed(at(id), { ...specification, datasets, config: theme() }, options);
}

function chart(name) {
  return structuredClone(data.charts[name]);
}

function fill(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => new Option(text, value, false, value === chosen)));
}

// --- curves

function inFront() {
  const target = at("cases").value;
  if (!front.has(target)) front.set(target, new Set(present().curves.filter((c) => c.lead).map((c) => c.label)));
  return front.get(target);
}

function curveRows(metric, scale, logX, smallest) {
  const rows = [];
  for (const curve of present().curves) {
    const values = curve.y[metric], over = curve.x[scale];
    if (!values || !over) continue;
    const shared = { label: curve.label, color: shown(curve.color), limit: curve.limit, model: curve.model };
    const lead = inFront().has(curve.label);
    values.line.forEach((y, k) => {
      if (y === null || over[k] === null || (logX && over[k] <= 0)) return;
      const raise = (v) => (v === undefined || v === null ? null : Math.max(v, smallest));
      rows.push({ ...shared, lead, x: over[k], y: raise(y), low: raise(values.low?.[k]), high: raise(values.high?.[k]) });
    });
  }
  return rows;
}

// Published values of a metric, and where they have a mark: over iterations alone.
function publishedRows(metric, scale, logX, logY) {
  return present().published.filter((value) => value.metric === metric && (!logY || value.y > 0)).map((value) => {
    const marked = scale === "iteration" && (!logX || value.iteration > 0);
    return { ...value, color: shown(value.color), x: marked ? value.iteration : null };
  });
}

// The range of the lines in front, or of all if none is.
function extent(rows, axis) {
  const lead = rows.filter((row) => row.lead);
  const values = (lead.length ? lead : rows).map((row) => row[axis]);
  return values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
}

function shown(colour) {
  return dark.matches && colour === "black" ? "#ffffff" : colour;
}

function drawCurves() {
  const metric = at("metric").value, scale = at("scale").value;
  const { label, log } = present().metrics[metric];
  const logX = at("log-x").checked, logY = log && at("log-y").checked;
  const rows = curveRows(metric, scale, logX, logY ? 1e-17 : -Infinity); // a logarithmic axis has no zero
  const [left, right] = extent(rows, "x");
  let [bottom, top] = extent(rows, "y");
  if (log) top = Math.min(top, 3); // diverging curves leave the picture
  if (logY) bottom = Math.max(bottom, Math.min(data.floor, top / 10));
  const published = publishedRows(metric, scale, logX, logY);
  const room = 0.03 * (top - bottom); // below and above published values
  for (const { y } of published) {
    bottom = Math.min(bottom, logY ? y / 2 : y - room);
    top = Math.max(top, logY ? 2 * y : y + room);
  }
  const specification = chart("curves");
  at("log-y").disabled = !log;
  for (const layer of specification.layer) {
    const { x = {}, y, tooltip } = layer.encoding;
    Object.assign(x, { title: data.scales[scale], scale: { type: logX ? "log" : "linear", domain: [left, right], nice: false } });
    Object.assign(y, { title: label, scale: { type: logY ? "log" : "linear", domain: [bottom, top], nice: false } });
    if (!logX) x.axis = { tickCount: 8 };
    if (logY) y.axis = { format: ".0e", tickCount: 7 };
    if (tooltip) Object.assign(tooltip[1], { title: data.scales[scale] }) && Object.assign(tooltip[2], { title: label });
  }
  drawLegend(published);
  return draw("curves", specification, { rows, published });
}

function drawLegend(published) {
  const buttons = [...present().curves].reverse().map((curve) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = curve.label;
    button.style.setProperty("--colour", shown(curve.color));
    button.setAttribute("aria-pressed", inFront().has(curve.label));
    button.onclick = () => {
      inFront().delete(curve.label) || inFront().add(curve.label);
      drawCurves();
    };
    return button;
  });
  const dashed = published.map(({ label, color }) => {
    const name = document.createElement("span");
    name.textContent = label;
    name.style.setProperty("--colour", color);
    return name;
  });
  at("legend").replaceChildren(...buttons, ...dashed);
}

// --- the network

function algorithm() {
  return present().network.curves[at("algorithm").selectedIndex];
}

function networkRows() {
  const { nodes } = present().network, { distance } = algorithm();
  const now = distance[at("snapshot").value];
  return nodes.map(([x, y], node) => ({ x, y, node, distance: now[node], text: (10 ** now[node]).toExponential(1) }));
}

function consensusRows() {
  const { rounds, distance } = algorithm();
  return rounds.map((r, k) => ({
    rounds: r,
    error: Math.sqrt(distance[k].reduce((sum, v) => sum + 10 ** (2 * v), 0) / distance[k].length),
    now: k === Number(at("snapshot").value),
  })).filter((row) => row.error > 0 && row.rounds > 0);
}

async function drawNetwork() {
  const { nodes, links } = present().network;
  const [specification, ends] = [chart("network"), (i, j) => ({ x: nodes[i][0], y: nodes[i][1], x2: nodes[j][0], y2: nodes[j][1] })];
  const values = algorithm().distance.flat().filter((v) => v !== null && isFinite(v));
  specification.layer[1].encoding.color.scale.domain = [Math.max(Math.min(...values), Math.max(...values) - 8), Math.max(...values)];
  at("snapshot").max = algorithm().rounds.length - 1;
  const charts = await Promise.all([
    draw("network", specification, { rows: networkRows(), links: links.map(([i, j]) => ends(i, j)) }),
    draw("consensus", chart("consensus"), { rows: consensusRows() }),
  ]);
  drawNetwork.views = charts.map((c) => c.view);
  tellMoment();
}

function tellMoment() {
  const k = Number(at("snapshot").value);
  at("moment").textContent = `${algorithm().rounds[k]} rounds`;
}

function moveNetwork() {
  tellMoment();
  const [network, consensus] = drawNetwork.views;
  network.data("rows", networkRows()).runAsync();
  consensus.data("rows", consensusRows()).runAsync();
}

function play(begin) {
  clearInterval(playing);
  playing = null;
  at("play").textContent = begin ? "pause" : "play";
  if (!begin) return;
  const slider = at("snapshot");
  if (slider.value === slider.max) slider.value = 0;
  playing = setInterval(() => {
    slider.value = Number(slider.value) + 1;
    moveNetwork();
    if (slider.value === slider.max) play(false);
  }, 180);
}

// --- tuning

function drawTrials() {
  const { parameters, trials } = present().trials[at("method").selectedIndex];
  const top = 1.5 * Math.max(1, ...trials.map((t) => t.rounds ?? 0));
  const text = (setting) => Object.entries(setting).map(([k, v]) => `${k} ${Number(v.toPrecision(3))}`).join(", ");
  const names = Object.keys(parameters), datasets = {};
  const charts = names.map((name, k) => {
    const unit = chart("trials");
    const log = trials.every((t) => t.setting[name] > 0);
    datasets[`rows${k}`] = trials.map((t) => ({ ...t, x: t.setting[name], y: t.rounds ?? top, setting: text(t.setting) }));
    unit.data = { name: `rows${k}` };
    for (const layer of unit.layer) {
      delete layer.data;
      Object.assign(layer.encoding.x, { title: parameters[name], scale: { type: log ? "log" : "linear", ...(log ? {} : { zero: false }), padding: 12 } });
      Object.assign(layer.encoding.y, { scale: { type: "log", padding: 12 }, axis: { format: "~s", tickCount: 5 } });
    }
    return unit;
  });
  return draw("trials", { hconcat: charts }, datasets);
}

// --- tables

function numbers(text) {
  const parts = text.split(" / ").reverse();
  return parts.map((part) => {
    const found = part.match(/-?\d[\d.]*(e[-+]?\d+)?/);
    return part.trim() === "-" || !found ? Infinity : Number(found[0].replace(/\.$/, ""));
  });
}

function compare(one, other) {
  for (let k = 0; k < Math.max(one.length, other.length); k++) {
    if (one[k] !== other[k]) return one[k] < other[k] ? -1 : 1;
  }
  return 0;
}

function sort(table, column, header) {
  const rising = header.getAttribute("aria-sort") !== "ascending";
  table.querySelectorAll("th").forEach((th) => th.removeAttribute("aria-sort"));
  header.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const isNumber = header.classList.contains("number");
  const key = (row) => (isNumber ? numbers(row.cells[column].textContent) : [row.cells[column].textContent]);
  const rows = [...table.tBodies[0].rows].sort((a, b) => (rising ? 1 : -1) * compare(key(a), key(b)));
  table.tBodies[0].append(...rows);
}

// --- the page

async function openCase() {
  const { metrics, curves, network, trials } = present(), target = at("cases").value;
  play(false);
  document.querySelectorAll(".ranking").forEach((part) => (part.hidden = part.dataset.case !== target));
  document.querySelectorAll(".heat-map a").forEach((a) => a.classList.toggle("current", a.hash === `#${target}`));
  fill(at("metric"), Object.entries(metrics).map(([k, m]) => [k, m.label]), at("metric").value);
  const scales = Object.entries(data.scales).filter(([k]) => curves.some((c) => k in c.x));
  fill(at("scale"), scales, at("scale").value);
  at("network-part").hidden = !network?.curves.length;
  at("trials-part").hidden = !trials.length;
  const drawn = [drawCurves()];
  if (network?.curves.length) {
    fill(at("algorithm"), network.curves.map((c) => [c.label, c.label]), at("algorithm").value);
    at("snapshot").max = algorithm().rounds.length - 1;
    at("snapshot").value = Math.floor(algorithm().rounds.length / 3);
    drawn.push(drawNetwork());
  }
  if (trials.length) {
    fill(at("method"), trials.map((t) => [t.label, t.label]), at("method").value);
    drawn.push(drawTrials());
  }
  await Promise.all(drawn);
}

function openAddress() {
  if (location.hash.slice(1) in data.cases) at("cases").value = location.hash.slice(1);
  return openCase();
}

for (const id of ["metric", "scale", "log-x", "log-y"]) at(id).addEventListener("change", drawCurves);
at("cases").addEventListener("change", () => history.replaceState(null, "", `#${at("cases").value}`) || openCase());
at("algorithm").addEventListener("change", drawNetwork);
at("snapshot").addEventListener("input", moveNetwork);
at("play").addEventListener("click", () => play(playing === null));
at("method").addEventListener("change", drawTrials);
at("comparison")?.addEventListener("change", (event) => {
  document.querySelectorAll("#heat-map .heat-map").forEach((part, k) => (part.hidden = k !== Number(event.target.value)));
});
document.querySelectorAll(".sortable").forEach((table) => {
  table.querySelectorAll("th").forEach((th, k) => th.addEventListener("click", () => sort(table, k, th)));
});
addEventListener("hashchange", async () => {
  await openAddress();
  at("case").scrollIntoView({ behavior: "smooth" });
});
dark.addEventListener("change", openCase);
openAddress().then(() => (document.documentElement.dataset.ready = "yes"));
