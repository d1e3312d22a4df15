/** The page's controls and charts; every number that moves comes from recompute.ts. */

import * as Plot from "@observablehq/plot";
import {
  accuracy,
  density,
  N_POINTS,
  recompute,
  unpack,
  weigh,
  type Dataset,
  type Ratings,
  type Result,
  type Setting,
  type Tally,
  type Ties,
} from "./recompute.ts";

type Triple = [value: number | null, low: number | null, high: number | null];
type ByTies = Record<Ties, Triple>;

interface PageData {
  datasets: (Dataset & { schemes: string[] })[];
  scheme: string;
  temperature: number;
  rules: { rule: string; entropy: Triple; accuracy: Partial<ByTies> }[];
  laws: Partial<Record<Ties, string>>;
  comparison: { scheme: string; how: string; accuracy: ByTies; subsets: ByTies[] }[];
  subsets: string[];
  contrasts: {
    pair: string;
    subset: string;
    weighted: number;
    uniform: number;
    byRule: [rule: string, weighted: number, uniform: number][];
  }[];
  provenance: unknown;
}

const page = JSON.parse(document.getElementById("data")!.textContent!) as PageData;
const unpacked: (Ratings | undefined)[] = [];
const MOST_BARS = 40;

function find<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** A name that fits beside an axis; the end stays, where names that begin alike differ. */
function short(text: string, most = 24): string {
  const letters = [...text];
  if (letters.length <= most) return text;
  return `${letters.slice(0, most - 8).join("")}…${letters.slice(-7).join("")}`;
}

function percent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "undefined";
}

/** Widths of what holds charts; to ask for one lays the page out, too slow for every frame. */
const widths = new Map<HTMLElement, number>();

function widthOf(holder: HTMLElement): number {
  const width = widths.get(holder) ?? (holder.clientWidth || 640);
  widths.set(holder, width);
  return width;
}

/** A chart with a label that says it to who cannot see it. */
function chart(label: string, options: Plot.PlotOptions): ReturnType<typeof Plot.plot> {
  const style = { fontSize: "12px", background: "none" };
  const made = Plot.plot({ marginBottom: 40, style, className: "chart", ...options });
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  // A style sheet that comes and goes styles the whole page anew; page.css has what it says.
  made.querySelector("style")?.remove();
  // The label of the whole says it; parts of an image have none of their own.
  for (const part of made.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  return made;
}

/** A chart in place of what an element shows. */
function show(holder: HTMLElement, label: string, options: Plot.PlotOptions): ReturnType<typeof Plot.plot> {
  const width = Math.max(280, Math.min(widthOf(holder), 1100));
  const made = chart(label, { width, ...options });
  holder.replaceChildren(made);
  return made;
}

/** Where names stand beside an axis: as wide as the longest, within reason. */
function marginFor(names: string[]): number {
  return 16 + 7 * Math.max(...names.map((name) => [...name].length), 4);
}

// --- The slider -------------------------------------------------------------------------------

/** What stays as it is while the slider moves: the axes, the order of the rules, the curves. */
interface Scene {
  order: number[];
  domain: [number, number];
  top: number;
  largestShare: number;
  /** Results at even steps of the strength, from 0. */
  steps: Result[];
}

const STEP = 0.2;
const STEPS = Array.from({ length: 21 }, (_, i) => i * STEP);
let active = 0;
let ties: Ties = "half";
let scene: Scene;
/** What moves the marks of a chart to a new result; axes and elements stay, or frames are lost. */
type Move = (result: Result, setting: Setting) => void;
let moves: Move[] = [];

function setting(): Setting {
  return {
    scheme: find<HTMLSelectElement>("scheme").value,
    strength: Number(find<HTMLInputElement>("strength").value),
    temperature: Number(find<HTMLInputElement>("temperature").value),
  };
}

function ratingsOf(index: number): Ratings {
  return (unpacked[index] ??= unpack(page.datasets[index]!));
}

/** Rewards of chosen and of rejected responses, or of all where there are no pairs. */
function sides(result: Result, nPairs: number): [string, Float64Array][] {
  if (nPairs === 0) return [["responses", result.rewards]];
  return [
    ["chosen", result.rewards.subarray(0, nPairs)],
    ["rejected", result.rewards.subarray(nPairs)],
  ];
}

function settle(): void {
  const data = page.datasets[active]!;
  const ratings = ratingsOf(active);
  const now = setting();
  const steps = STEPS.map((strength) => recompute(data, ratings, { ...now, strength }));
  const sharpest = weigh(data, { ...now, strength: 1 });
  const order = data.rules.map((_, k) => k).sort((a, b) => sharpest[b]! - sharpest[a]!);
  let [low, high] = [1, 0];
  for (const { rewards } of steps) {
    for (const reward of rewards) {
      if (reward < low) low = reward;
      if (reward > high) high = reward;
    }
  }
  const pad = 0.05 * (high - low || 0.1);
  const domain: [number, number] = low <= high ? [Math.max(0, low - pad), Math.min(1, high + pad)] : [0, 1];
  const peaks = steps.map((result) =>
    Math.max(0, ...sides(result, data.nPairs).flatMap(([, rewards]) => [...density(rewards, ...domain)].filter(Number.isFinite))),
  );
  // Room for every curve, but a spike at one end of the slider must not flatten all others.
  const top = 1.05 * Math.min(Math.max(...peaks), 3 * Math.max(peaks[0]!, peaks[5]!));
  const largestShare = Math.max(...steps.flatMap((result) => result.shares.filter(Number.isFinite)));
  scene = { order, domain, top: top || 1, largestShare, steps };
  arrange();
}

/** The slider's charts anew, and then where the slider stands. */
function arrange(): void {
  const data = page.datasets[active]!;
  moves = [shareBars(data)];
  live("strength")?.parentElement?.toggleAttribute("hidden", data.nPairs === 0);
  if (data.nRows > 0) moves.push(rewardCurves(data));
  if (data.nPairs > 0) moves.push(accuracyDots(data));
  if (data.nPairs > 0 && live("strength")) moves.push(strengthCurves());
  redraw();
}

function redraw(): void {
  const data = page.datasets[active]!;
  const now = setting();
  const result = recompute(data, ratingsOf(active), now);
  find("strength-now").textContent = now.strength.toFixed(2);
  find("temperature-now").textContent = now.temperature.toFixed(2);
  find<HTMLInputElement>("temperature").disabled = now.scheme !== "softmax";
  find("summary").textContent = summary(data, result);
  for (const move of moves) move(result, now);
}

function summary(data: Dataset, result: Result): string {
  if (result.shares.some(Number.isNaN)) return "This setting leaves no rule any weight.";
  if (data.nPairs === 0) {
    const largest = result.shares.indexOf(Math.max(...result.shares));
    return `Largest share: ${data.rules[largest]} with ${percent(result.shares[largest]!)}.`;
  }
  const alike = scene.steps[0]!;
  const [now, before] = [result.tallies[0]!, alike.tallies[0]!];
  return (
    `Separation ${result.separation.toFixed(3)} (all rules alike: ${alike.separation.toFixed(3)}). ` +
    `Accuracy ${percent(accuracy(now, ties))} (alike: ${percent(accuracy(before, ties))}). ` +
    `Tied ${percent(now[1] / now[2])}.`
  );
}

/** Elements of one mark of a chart, in the order of its data. */
function marksOf(chart: Element, className: string): SVGElement[] {
  return [...chart.querySelectorAll<SVGElement>(`.${className} > *`)];
}

function shareBars(data: Dataset): Move {
  const shown = scene.order.slice(0, MOST_BARS);
  const names = shown.map((k) => short(data.rules[k]!));
  const rest = data.rules.length - shown.length;
  const holder = live("shares")!;
  caption("shares", "Share of each rule in the reward (dashed: all rules alike)");
  const drawn = show(holder, "", {
    height: 60 + 22 * shown.length,
    marginLeft: marginFor(names),
    x: { label: `share, %${rest ? ` (the first ${MOST_BARS} rules)` : ""}`, domain: [0, 100 * scene.largestShare], grid: true },
    y: { type: "band", domain: shown, tickFormat: (k: number) => short(data.rules[k]!), label: null },
    marks: [
      Plot.barX(shown, { x1: 0, x2: () => 0, y: (k: number) => k, fill: "var(--blue)", insetTop: 3, insetBottom: 3, className: "bars-of-shares" }),
      Plot.ruleX([100 / data.rules.length], { stroke: "var(--text)", strokeDasharray: "4 3" }),
    ],
  });
  const bars = marksOf(drawn, "bars-of-shares");
  const x = drawn.scale("x")!.apply;
  return ({ shares }) => {
    bars.forEach((bar, i) => bar.setAttribute("width", String(Math.max(0, x(100 * shares[shown[i]!]!) - x(0)) || 0)));
    drawn.setAttribute("aria-label", `Share of each rule: ${shown.slice(0, 5).map((k, i) => `${names[i]} ${percent(shares[k]!)}`).join(", ")}${shown.length > 5 ? ", …" : ""}`);
  };
}

function rewardCurves(data: Dataset): Move {
  const [low, high] = scene.domain;
  const names = sides(scene.steps[0]!, data.nPairs).map(([name]) => name);
  const looks = [
    { colour: "var(--blue)", dash: "none" },
    { colour: "var(--orange)", dash: "6 4" },
  ];
  const empty = { x: () => low, y: () => 0 };
  const drawn = show(find("live-rewards"), "", {
    height: 240,
    marginTop: 24,
    marginLeft: 12,
    marginRight: 32,
    x: { label: "reward (thin: all rules alike)", domain: scene.domain },
    y: { axis: null, domain: [0, scene.top] },
    marks: names.flatMap((name, side) => {
      const { colour, dash } = looks[side]!;
      const alike = [...density(sides(scene.steps[0]!, data.nPairs)[side]![1], low, high)];
      const place = (_: number, i: number) => low + (i * (high - low)) / (N_POINTS - 1);
      return [
        Plot.lineY(alike, { x: place, y: (value: number) => Math.min(value, scene.top), stroke: colour, strokeDasharray: dash, strokeWidth: 1, strokeOpacity: 0.6 }),
        Plot.areaY([0, 1], { x: () => low, y1: 0, y2: () => 0, fill: colour, fillOpacity: 0.18, className: `area-${side}` }),
        Plot.lineY([0, 1], { ...empty, stroke: colour, strokeWidth: 2, strokeDasharray: dash, className: `line-${side}` }),
        Plot.text([name], { ...empty, text: () => name, fill: colour, dy: -8, fontWeight: "bold", className: `name-${side}` }),
      ];
    }),
  });
  const x = drawn.scale("x")!.apply;
  const y = drawn.scale("y")!.apply;
  const across = Array.from({ length: N_POINTS }, (_, i) => x(low + (i * (high - low)) / (N_POINTS - 1)).toFixed(1));
  const found = names.map((_, side) => ["area", "line", "name"].map((part) => marksOf(drawn, `${part}-${side}`)[0]!));
  return (result) => {
    sides(result, data.nPairs).forEach(([, rewards], side) => {
      const [area, line, name] = found[side]!;
      const curve = density(rewards, low, high);
      let peak = 0;
      let path = "";
      for (let i = 0; i < N_POINTS; i++) {
        if (curve[i]! > curve[peak]!) peak = i;
        path += `${i ? "L" : "M"}${across[i]},${y(Math.min(curve[i]! || 0, scene.top)).toFixed(1)}`;
      }
      line!.setAttribute("d", path);
      area!.setAttribute("d", `${path}L${across[N_POINTS - 1]},${y(0)}L${across[0]},${y(0)}Z`);
      name!.setAttribute("transform", `translate(${across[peak]},${y(Math.min(curve[peak]! || 0, scene.top))})`);
    });
    drawn.setAttribute("aria-label", `Density of the rewards${data.nPairs ? `; separation ${result.separation.toFixed(3)}` : ""}`);
  };
}

function accuracyDots(data: Dataset): Move {
  const names = ["all pairs", ...(data.subsets.names.length > 1 ? data.subsets.names : [])];
  const places = names.map((_, i) => i);
  const of = (tallies: Tally[], i: number) => 100 * accuracy(tallies[i]!, ties) || 0;
  const shown = names.map((name) => short(name));
  const drawn = show(find("live-accuracy"), "", {
    height: 70 + 26 * names.length,
    marginLeft: marginFor(shown),
    x: { label: "accuracy, % (ring: all rules alike)", domain: [0, 100], grid: true },
    y: { type: "band", domain: places, tickFormat: (i: number) => shown[i]!, label: null },
    marks: [
      Plot.dot(places, { x: (i: number) => of(scene.steps[0]!.tallies, i), y: (i: number) => i, stroke: "var(--text)", r: 6 }),
      Plot.dot(places, { x: () => 0, y: (i: number) => i, fill: "var(--blue)", r: 4, className: "dots-now" }),
    ],
  });
  const dots = marksOf(drawn, "dots-now");
  const x = drawn.scale("x")!.apply;
  return ({ tallies }) => {
    dots.forEach((dot, i) => dot.setAttribute("cx", String(x(of(tallies, i)))));
    drawn.setAttribute("aria-label", `Accuracy: ${names.map((name, i) => `${name} ${percent(accuracy(tallies[i]!, ties))}`).join(", ")}`);
  };
}

/** Separation and accuracy over the strength, and a line where the slider stands. */
function strengthCurves(): Move {
  const holder = live("strength")!;
  caption("strength", `Separation and accuracy as the strength of ${setting().scheme} grows`);
  const panels: [string, (result: Result) => number][] = [
    ["separation", (result) => result.separation],
    ["accuracy, %", (result) => 100 * accuracy(result.tallies[0]!, ties)],
  ];
  const half = (widthOf(holder) - 16) / 2;
  const width = Math.min(520, half >= 320 ? half : widthOf(holder));
  const drawn = panels.map(([label, of]) =>
    chart(`${label} as the strength grows from 0 to 4`, {
      width,
      height: 180,
      marginLeft: 48,
      x: { label: "strength", domain: [0, 4] },
      y: { label, grid: true, nice: true, ticks: 5 },
      marks: [
        Plot.lineY(scene.steps, { x: (_: Result, i: number) => STEPS[i]!, y: of, stroke: "var(--blue)", strokeWidth: 2 }),
        Plot.ruleX([0], { stroke: "var(--text)", strokeDasharray: "4 3", className: "marker" }),
      ],
    }),
  );
  const box = document.createElement("div");
  box.className = "pair";
  box.append(...drawn);
  holder.replaceChildren(box);
  return (_, { strength }) => {
    for (const half of drawn) {
      const x = half.scale("x")!.apply;
      half.querySelector(".marker")!.setAttribute("transform", `translate(${x(strength) - x(0)},0)`);
    }
  };
}

function caption(name: string, text: string): void {
  const line = document.querySelector(`#${name} figcaption`)!;
  if (line.textContent !== text) line.textContent = text;
}

let asked = false;
function redrawSoon(): void {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    redraw();
  });
}

function offerSchemes(): void {
  const schemes = page.datasets[active]!.schemes;
  const select = find<HTMLSelectElement>("scheme");
  const before = select.value || page.scheme;
  select.replaceChildren(...schemes.map((name) => new Option(name, name)));
  select.value = schemes.includes(before) ? before : schemes.includes("linear") ? "linear" : schemes[0]!;
}

function choose(index: number): void {
  active = index;
  [0, 1].forEach((i) => {
    const tab = find(`tab-${i}`);
    tab.setAttribute("aria-selected", String(i === index));
    tab.tabIndex = i === index ? 0 : -1;
  });
  find("panel").setAttribute("aria-labelledby", `tab-${index}`);
  find("about-simulated").hidden = index === 0;
  const data = page.datasets[index]!;
  for (const part of find("panel").querySelectorAll<HTMLElement>(".with-pairs")) part.hidden = data.nPairs === 0;
  find("live-rewards").hidden = data.nRows === 0;
  widths.clear();
  offerSchemes();
  settle();
}

// --- The other charts -------------------------------------------------------------------------

function live(name: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(`#${name} .live`);
}

function drawBeforeAfter(): void {
  const holder = live("before-after");
  if (!holder) return;
  const data = page.datasets[0]!;
  const ratings = ratingsOf(0);
  const weighted = { scheme: page.scheme, strength: 1, temperature: page.temperature };
  const results = [0, 1].map((strength) => recompute(data, ratings, { ...weighted, strength }));
  const everything = results.flatMap((result) => [...result.rewards]).filter((value) => !Number.isNaN(value));
  if (everything.length === 0) return;
  const [least, most] = everything.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [1, 0]) as [number, number];
  const pad = 0.05 * (most - least || 0.1);
  const [low, high] = [Math.max(0, least - pad), Math.min(1, most + pad)];
  const names = ["mean of all rules", `weighted by ${page.scheme}`];
  const rows = results.flatMap((result, panel) =>
    sides(result, data.nPairs).flatMap(([side, rewards]) =>
      [...density(rewards, low, high)].map((y, i) => ({ panel: names[panel], side, y, x: low + (i * (high - low)) / (N_POINTS - 1) })),
    ),
  );
  const said = results.map((result, panel) => (data.nPairs ? `${names[panel]}: separation ${result.separation.toFixed(3)}` : names[panel]!));
  show(holder, `Densities of the rewards. ${said.join("; ")}`, {
    height: 420,
    marginLeft: 12,
    marginRight: 32,
    x: { label: "reward" },
    y: { axis: null },
    fy: { label: null, domain: names, axis: null },
    color: { domain: ["chosen", "rejected", "responses"], range: ["var(--blue)", "var(--orange)", "var(--blue)"] },
    marks: [
      Plot.areaY(rows, { x: "x", y1: () => 0, y2: "y", fy: "panel", z: "side", fill: "side", fillOpacity: 0.18 }),
      Plot.lineY(rows, { x: "x", y: "y", fy: "panel", z: "side", stroke: "side", strokeWidth: 2 }),
      Plot.text(said.map((text, i) => ({ text, panel: names[i] })), { fy: "panel", text: "text", frameAnchor: "top-left", dy: 2, fontWeight: "bold" }),
      Plot.text(rows, Plot.selectMaxY({ x: "x", y: "y", fy: "panel", z: "side", text: "side", fill: "side", dy: -8 })),
    ],
  });
}

const known = (found: Triple | undefined): found is [number, number, number] => found?.[0] != null;

function drawLaw(): void {
  const holder = live("entropy-accuracy");
  if (!holder) return;
  const rows = page.rules.flatMap(({ rule, entropy, accuracy: of }) => {
    const found = of[ties];
    if (!known(entropy) || !known(found)) return [];
    return [{ rule, x: entropy[0], x1: entropy[1], x2: entropy[2], y: 100 * found[0], y1: 100 * (found[1] ?? found[0]), y2: 100 * (found[2] ?? found[0]) }];
  });
  const labelled = rows.length <= 30 && widthOf(holder) >= 600;
  const law = `Pearson correlation of entropy with accuracy over the rules: ${page.laws[ties] ?? "undefined"}.`;
  find("law-now").textContent = law;
  show(holder, `A dot a rule. ${law}`, {
    height: 400,
    marginLeft: 44,
    marginRight: labelled ? 90 : 16,
    x: { label: "normalised entropy", grid: true, nice: true },
    y: { label: "accuracy of the rule alone, %", grid: true, nice: true },
    marks: [
      Plot.ruleX(rows, { x: "x", y1: "y1", y2: "y2", stroke: "var(--blue)", strokeOpacity: 0.5 }),
      Plot.ruleY(rows, { y: "y", x1: "x1", x2: "x2", stroke: "var(--blue)", strokeOpacity: 0.5 }),
      Plot.dot(rows, { x: "x", y: "y", fill: "var(--blue)", r: 4 }),
      ...(labelled ? [Plot.text(rows, { x: "x", y: "y", text: (row: { rule: string }) => short(row.rule, 18), dx: 7, dy: -7, textAnchor: "start" as const })] : []),
      Plot.tip(rows, Plot.pointer({ x: "x", y: "y", title: (row: (typeof rows)[0]) => `${row.rule}\nentropy ${row.x.toFixed(3)}\naccuracy ${row.y.toFixed(1)} %`, fill: "var(--back)", stroke: "var(--faint)" })),
    ],
  });
}

function drawComparison(): void {
  const holder = live("comparison");
  if (!holder) return;
  const subset = Number(find<HTMLSelectElement>("subset").value);
  const rows = page.comparison.flatMap(({ scheme, accuracy: overall, subsets }) => {
    const found = (subset < 0 ? overall : subsets[subset]!)[ties];
    if (!known(found)) return [];
    return [{ scheme, x: 100 * found[0], x1: 100 * (found[1] ?? found[0]), x2: 100 * (found[2] ?? found[0]) }];
  });
  const names = rows.map((row) => short(row.scheme));
  const counted = find<HTMLSelectElement>("ties-comparison").selectedOptions[0]!.text;
  caption("comparison", `All schemes on ${subset < 0 ? "all pairs" : page.subsets[subset]}; ties ${counted}`);
  const uniform = rows.find((row) => row.scheme === "uniform");
  show(holder, `Accuracy of every scheme: ${rows.map((row) => `${row.scheme} ${row.x.toFixed(1)} %`).join(", ")}`, {
    height: 60 + 26 * rows.length,
    marginLeft: marginFor(names),
    x: { label: "accuracy, % (dashed: uniform)", grid: true, nice: true },
    y: { type: "band", domain: rows.map((row) => row.scheme), tickFormat: (name: string) => short(name), label: null },
    marks: [
      ...(uniform ? [Plot.ruleX([uniform.x], { stroke: "var(--text)", strokeDasharray: "4 3" })] : []),
      Plot.ruleY(rows, { y: "scheme", x1: "x1", x2: "x2", stroke: "var(--blue)", strokeWidth: 2 }),
      Plot.dot(rows, { x: "x", y: "scheme", fill: "var(--blue)", r: 5, title: (row: (typeof rows)[0]) => `${row.scheme}: ${row.x.toFixed(1)} % (${row.x1.toFixed(1)} to ${row.x2.toFixed(1)})` }),
    ],
  });
}

function drawContrast(): void {
  const holder = live("contributions");
  if (!holder) return;
  const pair = page.contrasts[Number(find<HTMLSelectElement>("contrast").value)]!;
  const speaking = pair.byRule.filter(([, weighted, uniform]) => weighted !== 0 || uniform !== 0);
  const shown = speaking.slice(0, 12);
  const panels: [string, number, (row: [string, number, number]) => number][] = [
    [`mean: ${pair.uniform.toFixed(3)}`, pair.uniform, (row) => row[2]],
    [`weighted: ${pair.weighted.toFixed(3)}`, pair.weighted, (row) => row[1]],
  ];
  const labels = [...shown.map(([rule]) => short(rule)), ...(speaking.length > shown.length ? ["other rules"] : [])];
  const rows = panels.flatMap(([panel, total, of]) => {
    let end = 0;
    return labels.map((_, i) => {
      const start = end;
      end = i < shown.length ? start + of(shown[i]!) : total;
      return { panel, place: i, x1: start, x2: end };
    });
  });
  caption("contributions", `What each rule adds, on pair ${pair.pair}`);
  show(holder, `What each rule adds on pair ${pair.pair}. ${panels.map(([panel]) => panel).join("; ")}`, {
    height: 2 * (40 + 20 * labels.length) + 40,
    marginLeft: marginFor(labels),
    marginTop: 30,
    x: { label: "reward of the chosen response less that of the rejected one", grid: true },
    y: { type: "band", domain: labels.map((_, i) => i), tickFormat: (i: number) => labels[i]!, label: null },
    fy: { label: null, domain: panels.map(([panel]) => panel), axis: null },
    marks: [
      Plot.barX(rows, { x1: "x1", x2: "x2", y: "place", fy: "panel", fill: (row: { x1: number; x2: number }) => (row.x2 >= row.x1 ? "var(--blue)" : "var(--orange)"), insetTop: 2, insetBottom: 2 }),
      Plot.ruleX([0], { stroke: "var(--text)" }),
      Plot.ruleX(panels, { x: (panel: [string, number, unknown]) => panel[1], fy: (panel: [string, number, unknown]) => panel[0], stroke: "var(--text)", strokeDasharray: "4 3" }),
      Plot.text(panels, { fy: (panel: [string, number, unknown]) => panel[0], text: (panel: [string, number, unknown]) => panel[0], frameAnchor: "top-right", dy: -12, fontWeight: "bold" }),
    ],
  });
}

function drawAll(): void {
  arrange();
  drawBeforeAfter();
  drawLaw();
  drawComparison();
  drawContrast();
}

// --- Controls ---------------------------------------------------------------------------------

function sortable(table: HTMLTableElement): void {
  const body = table.tBodies[0]!;
  for (const head of table.querySelectorAll<HTMLTableCellElement>("th[aria-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const upwards = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.querySelectorAll("th[aria-sort]")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
      const key = (row: HTMLTableRowElement) => row.cells[head.cellIndex]!.dataset["sort"]!;
      const compare = (a: string, b: string) =>
        head.classList.contains("n") || head.cellIndex > 0 ? Number(a) - Number(b) : a.localeCompare(b);
      const rows = [...body.rows];
      const undefinedLast = (row: HTMLTableRowElement) => (key(row) === "nan" ? 1 : 0);
      rows.sort((a, b) => undefinedLast(a) - undefinedLast(b) || (upwards ? 1 : -1) * compare(key(a), key(b)));
      body.append(...rows);
    });
  }
}

async function copyProvenance(): Promise<void> {
  const text = JSON.stringify(page.provenance, null, 1);
  try {
    await navigator.clipboard.writeText(text);
    find("copied").textContent = "Copied.";
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.rows = 12;
    field.setAttribute("aria-label", "Provenance as JSON");
    find("copied").replaceChildren(field);
    field.select();
  }
}

function start(): void {
  for (const part of document.querySelectorAll<HTMLElement>(".needs-script")) part.hidden = false;
  for (const holder of document.querySelectorAll<HTMLElement>(".live")) {
    holder.hidden = false;
    const picture = holder.parentElement!.querySelector<HTMLElement>(".still");
    if (picture) picture.hidden = true;
  }
  find<HTMLInputElement>("temperature").value = String(page.temperature);
  for (const id of ["strength", "temperature"]) find(id).addEventListener("input", redrawSoon);
  find("temperature").addEventListener("change", settle);
  find("scheme").addEventListener("change", settle);
  const choices = document.querySelectorAll<HTMLSelectElement>(".ties");
  for (const choice of choices) {
    choice.addEventListener("change", () => {
      ties = choice.value as Ties;
      for (const other of choices) other.value = ties;
      arrange();
      drawLaw();
      drawComparison();
    });
  }
  for (const id of [0, 1]) {
    const tab = find(`tab-${id}`);
    tab.addEventListener("click", () => choose(id));
    tab.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: 1 - id, ArrowRight: 1 - id, Home: 0, End: 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      choose(to);
      find(`tab-${to}`).focus();
    });
  }
  document.getElementById("subset")?.addEventListener("change", drawComparison);
  document.getElementById("contrast")?.addEventListener("change", drawContrast);
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-theme-choice]")) {
    button.addEventListener("click", () => {
      const theme = button.dataset["themeChoice"]!;
      if (theme) document.documentElement.dataset["theme"] = theme;
      else delete document.documentElement.dataset["theme"];
      for (const other of document.querySelectorAll("[data-theme-choice]")) other.setAttribute("aria-pressed", String(other === button));
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.body.classList.add("tips-closed");
  });
  for (const tipped of document.querySelectorAll(".tipped")) {
    for (const kind of ["focus", "mouseenter"]) tipped.addEventListener(kind, () => document.body.classList.remove("tips-closed"));
  }
  sortable(find<HTMLTableElement>("rules"));
  find("copy").addEventListener("click", () => void copyProvenance());
  choose(0);
  drawBeforeAfter();
  drawLaw();
  drawComparison();
  drawContrast();
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) {
      widths.clear();
      requestAnimationFrame(drawAll);
    }
    width = window.innerWidth;
  });
}

start();
