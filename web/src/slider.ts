/** The slider: its charts stand still, and only their marks move. */

import * as Plot from "@observablehq/plot";
import { chart, marginFor, marksOf, show, widthOf, widths } from "./chart.ts";
import {
  caption,
  find,
  fixed,
  live,
  page,
  percent,
  ratingsOf,
  short,
  sides,
  tiesInWords,
  view,
} from "./data.ts";
import {
  accuracy,
  density,
  N_POINTS,
  recompute,
  weigh,
  type Dataset,
  type Result,
  type Setting,
  type Tally,
} from "./recompute.ts";

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

const MOST_BARS = 40;

let active = 0;

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

/** What follows from a set of ratings and a scheme, and stays while the slider moves. */
export function settle(): void {
  const data = page.datasets[active]!;
  const ratings = ratingsOf(active);
  const now = setting();
  chosen[active] = now.scheme;
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
  const domain: [number, number] =
    low <= high ? [Math.max(0, low - pad), Math.min(1, high + pad)] : [0, 1];
  const peaks = steps.map((result) =>
    Math.max(
      0,
      ...sides(result, data.nPairs).flatMap(([, rewards]) =>
        [...density(rewards, ...domain)].filter(Number.isFinite),
      ),
    ),
  );
  // Room for every curve, but a spike at one end of the slider must not flatten all others.
  const top = 1.05 * Math.min(Math.max(...peaks), 3 * Math.max(peaks[0]!, peaks[5]!));
  const largestShare = Math.max(
    ...steps.flatMap((result) => result.shares.filter(Number.isFinite)),
  );
  scene = { order, domain, top: top || 1, largestShare, steps };
  arrange();
}

/** The slider's charts anew, and then where the slider stands. */
export function arrange(): void {
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
  const at = inWords(setting());
  if (result.shares.some(Number.isNaN)) return `${at} leaves no rule any weight.`;
  if (data.nPairs === 0) {
    const largest = result.shares.indexOf(Math.max(...result.shares));
    return `${at}: the largest share is ${data.rules[largest]}'s, ${percent(result.shares[largest]!)}.`;
  }
  const alike = scene.steps[0]!;
  const [now, before] = [result.tallies[0]!, alike.tallies[0]!];
  return (
    `${at}; ${tiesInWords()}. ` +
    `Separation ${fixed(result.separation)} (all rules alike: ${fixed(alike.separation)}). ` +
    `Accuracy ${percent(accuracy(now, view.ties))} (alike: ${percent(accuracy(before, view.ties))}). ` +
    `Tied ${percent(now[1] / now[2])}.`
  );
}

function inWords({ scheme, strength, temperature }: Setting): string {
  const of = scheme === "softmax" ? `${scheme} of temperature ${temperature.toFixed(2)}` : scheme;
  return `${of} at strength ${strength.toFixed(2)}`;
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
    x: {
      label: `share, %${rest ? ` (the first ${MOST_BARS} rules)` : ""}`,
      domain: [0, 100 * scene.largestShare],
      grid: true,
    },
    y: {
      type: "band",
      domain: shown,
      tickFormat: (k: number) => short(data.rules[k]!),
      label: null,
    },
    marks: [
      Plot.barX(shown, {
        x1: 0,
        x2: () => 0,
        y: (k: number) => k,
        fill: "var(--blue)",
        insetTop: 3,
        insetBottom: 3,
        className: "bars-of-shares",
      }),
      Plot.ruleX([100 / data.rules.length], { stroke: "var(--text)", strokeDasharray: "4 3" }),
    ],
  });
  const bars = marksOf(drawn, "bars-of-shares");
  const x = drawn.scale("x")!.apply;
  return ({ shares }) => {
    bars.forEach((bar, i) =>
      bar.setAttribute("width", String(Math.max(0, x(100 * shares[shown[i]!]!) - x(0)) || 0)),
    );
    drawn.setAttribute(
      "aria-label",
      `Share of each rule: ${shown
        .slice(0, 5)
        .map((k, i) => `${names[i]} ${percent(shares[k]!)}`)
        .join(", ")}${shown.length > 5 ? ", …" : ""}`,
    );
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
        Plot.lineY(alike, {
          x: place,
          y: (value: number) => Math.min(value, scene.top),
          stroke: colour,
          strokeDasharray: dash,
          strokeWidth: 1,
          strokeOpacity: 0.6,
        }),
        Plot.areaY([0, 1], {
          x: () => low,
          y1: 0,
          y2: () => 0,
          fill: colour,
          fillOpacity: 0.18,
          className: `area-${side}`,
        }),
        Plot.lineY([0, 1], {
          ...empty,
          stroke: colour,
          strokeWidth: 2,
          strokeDasharray: dash,
          className: `line-${side}`,
        }),
        Plot.text([name], {
          ...empty,
          text: () => name,
          fill: colour,
          dy: -8,
          fontWeight: "bold",
          className: `name-${side}`,
        }),
      ];
    }),
  });
  const x = drawn.scale("x")!.apply;
  const y = drawn.scale("y")!.apply;
  const across = Array.from({ length: N_POINTS }, (_, i) =>
    x(low + (i * (high - low)) / (N_POINTS - 1)).toFixed(1),
  );
  const found = names.map((_, side) =>
    ["area", "line", "name"].map((part) => marksOf(drawn, `${part}-${side}`)[0]!),
  );
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
      name!.setAttribute(
        "transform",
        `translate(${across[peak]},${y(Math.min(curve[peak]! || 0, scene.top))})`,
      );
    });
    drawn.setAttribute(
      "aria-label",
      `Density of the rewards${data.nPairs ? `; separation ${fixed(result.separation)}` : ""}`,
    );
  };
}

function accuracyDots(data: Dataset): Move {
  const names = ["all pairs", ...(data.subsets.names.length > 1 ? data.subsets.names : [])];
  const places = names.map((_, i) => i);
  const of = (tallies: Tally[], i: number) => 100 * accuracy(tallies[i]!, view.ties);
  const shown = names.map((name) => short(name));
  const drawn = show(find("live-accuracy"), "", {
    height: 70 + 26 * names.length,
    marginLeft: marginFor(shown),
    x: { label: "accuracy, % (ring: all rules alike)", domain: [0, 100], grid: true },
    y: { type: "band", domain: places, tickFormat: (i: number) => shown[i]!, label: null },
    marks: [
      Plot.dot(places, {
        x: (i: number) => of(scene.steps[0]!.tallies, i),
        y: (i: number) => i,
        stroke: "var(--text)",
        r: 6,
      }),
      Plot.dot(places, {
        x: () => 0,
        y: (i: number) => i,
        fill: "var(--blue)",
        r: 4,
        className: "dots-now",
      }),
    ],
  });
  const dots = marksOf(drawn, "dots-now");
  const x = drawn.scale("x")!.apply;
  return ({ tallies }) => {
    dots.forEach((dot, i) => {
      const value = of(tallies, i);
      dot.setAttribute("visibility", Number.isFinite(value) ? "visible" : "hidden");
      if (Number.isFinite(value)) dot.setAttribute("cx", String(x(value)));
    });
    drawn.setAttribute(
      "aria-label",
      `Accuracy: ${names.map((name, i) => `${name} ${percent(accuracy(tallies[i]!, view.ties))}`).join(", ")}`,
    );
  };
}

/** Separation and accuracy over the strength, and a line where the slider stands. */
function strengthCurves(): Move {
  const holder = live("strength")!;
  caption("strength", `Separation and accuracy as the strength of ${setting().scheme} grows`);
  const panels: [string, (result: Result) => number][] = [
    ["separation", (result) => result.separation],
    ["accuracy, %", (result) => 100 * accuracy(result.tallies[0]!, view.ties)],
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
        Plot.lineY(scene.steps, {
          x: (_: Result, i: number) => STEPS[i]!,
          y: of,
          stroke: "var(--blue)",
          strokeWidth: 2,
        }),
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
      half
        .querySelector(".marker")!
        .setAttribute("transform", `translate(${x(strength) - x(0)},0)`);
    }
  };
}

let asked = false;

export function redrawSoon(): void {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    redraw();
  });
}

/** The schemes chosen on either set of ratings: not every one is there on both. */
const chosen: string[] = [];

function offerSchemes(): void {
  const schemes = page.datasets[active]!.schemes;
  const select = find<HTMLSelectElement>("scheme");
  const before = chosen[active] ?? page.scheme;
  select.replaceChildren(...schemes.map((name) => new Option(name, name)));
  select.value = schemes.includes(before)
    ? before
    : schemes.includes("linear")
      ? "linear"
      : schemes[0]!;
}

export function choose(index: number): void {
  active = index;
  [0, 1].forEach((i) => {
    const tab = find(`tab-${i}`);
    tab.setAttribute("aria-selected", String(i === index));
    tab.tabIndex = i === index ? 0 : -1;
  });
  find("panel").setAttribute("aria-labelledby", `tab-${index}`);
  find("about-simulated").hidden = index === 0;
  const data = page.datasets[index]!;
  for (const part of find("panel").querySelectorAll<HTMLElement>(".with-pairs"))
    part.hidden = data.nPairs === 0;
  find("live-rewards").hidden = data.nRows === 0;
  widths.clear();
  offerSchemes();
  settle();
}
