/** The charts that the slider moves: the charts stay, and only their marks move. */

import * as Plot from "@observablehq/plot";
import { chart, marginFor, marksOf, show, widthOf } from "./chart.ts";
import { caption, find, fixed, live, percent, short, sides, view } from "./data.ts";
import {
  accuracy,
  density,
  N_POINTS,
  type Agreement,
  type Dataset,
  type Result,
  type Setting,
  type Tally,
} from "./recompute.ts";

/** What stays fixed while the slider moves: the axes, the order of the rules, the curves. */
export interface Scene {
  scheme: string;
  order: number[];
  domain: [number, number];
  top: number;
  largestShare: number;
  /** With equal weights. */
  before: Result;
  /** At even steps of the strength, from 0. */
  steps: Position[];
}

/** The slider's position. */
export interface Position {
  setting: Setting;
  result: Result;
  /** On the pairs known to both: this result, and that of equal weights. */
  now: Agreement;
  alike: Agreement;
}

/** What moves the marks of a chart; axes and elements stay, or frames are lost. */
export type Move = (position: Position) => void;

export const STEPS = Array.from({ length: 21 }, (_, i) => i * 0.2);

const MOST_BARS = 40;

/** A column of numbers to the right of a chart, one per row; `write` fills it. */
function valuesBeside(rows: number[], className: string): Plot.Markish {
  return Plot.text(rows, {
    y: (row: number) => row,
    text: () => "–",
    frameAnchor: "right",
    textAnchor: "start",
    dx: 8,
    fill: "var(--text)",
    className,
  });
}

/** Sets an attribute only if it differs, since setting one causes a redraw. */
function set(mark: SVGElement, name: string, value: string): void {
  if (mark.getAttribute(name) !== value) mark.setAttribute(name, value);
}

/** Writes a number with one decimal, likewise only if it differs. */
function write(text: SVGElement, value: number): void {
  const now = Number.isFinite(value) ? value.toFixed(1) : "–";
  if (text.textContent !== now) text.textContent = now;
}

export function shareBars(data: Dataset, scene: Scene): Move {
  const shown = scene.order.slice(0, MOST_BARS);
  const names = shown.map((k) => short(data.rules[k]!));
  const rest = data.rules.length - shown.length;
  const holder = live("shares")!;
  caption("shares", "Share of each rule in the reward (dashed: all rules alike)");
  const drawn = show(holder, "", {
    height: 60 + 22 * shown.length,
    marginLeft: marginFor(names),
    marginRight: 44,
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
      valuesBeside(shown, "values-of-shares"),
      Plot.ruleX([100 / data.rules.length], { stroke: "var(--text)", strokeDasharray: "4 3" }),
    ],
  });
  const bars = marksOf(drawn, "bars-of-shares");
  const values = marksOf(drawn, "values-of-shares");
  const x = drawn.scale("x")!.apply;
  return ({ result: { shares } }) => {
    bars.forEach((bar, i) => {
      const share = shares[shown[i]!]!;
      const width = Math.max(0, x(100 * share) - x(0)) || 0;
      bar.setAttribute("width", String(width));
      write(values[i]!, 100 * share);
    });
    drawn.setAttribute(
      "aria-label",
      `Share of each rule: ${shown
        .slice(0, 5)
        .map((k, i) => `${names[i]} ${percent(shares[k]!)}`)
        .join(", ")}${shown.length > 5 ? ", …" : ""}`,
    );
  };
}

export function rewardCurves(data: Dataset, scene: Scene): Move {
  const [low, high] = scene.domain;
  const names = sides(scene.before, data.nPairs).map(([name]) => name);
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
      return [
        Plot.lineY([0, 1], {
          ...empty,
          stroke: colour,
          strokeDasharray: dash,
          strokeWidth: 1,
          strokeOpacity: 0.6,
          className: `alike-${side}`,
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
    ["area", "line", "name", "alike"].map((part) => marksOf(drawn, `${part}-${side}`)[0]!),
  );
  const pathOf = (curve: Float64Array) =>
    across
      .map((place, i) => `${place},${y(Math.min(curve[i]! || 0, scene.top)).toFixed(1)}`)
      .join("L");
  let before: Agreement | undefined;
  return ({ now, alike }) => {
    // It moves only if ratings have gaps: it covers the pairs known to both.
    if (alike !== before) {
      sides(alike, data.nPairs).forEach(([, rewards], side) => {
        found[side]![3]!.setAttribute("d", `M${pathOf(density(rewards, low, high))}`);
      });
    }
    before = alike;
    sides(now, data.nPairs).forEach(([, rewards], side) => {
      const [area, line, name] = found[side]!;
      const curve = density(rewards, low, high);
      const path = `M${pathOf(curve)}`;
      const peak = curve.reduce((top, height, i) => (height > curve[top]! ? i : top), 0);
      line!.setAttribute("d", path);
      area!.setAttribute("d", `${path}L${across[N_POINTS - 1]},${y(0)}L${across[0]},${y(0)}Z`);
      name!.setAttribute(
        "transform",
        `translate(${across[peak]},${y(Math.min(curve[peak]! || 0, scene.top))})`,
      );
    });
    drawn.setAttribute(
      "aria-label",
      `Density of the rewards${data.nPairs ? `; separation ${fixed(now.separation)}` : ""}`,
    );
  };
}

export function accuracyDots(data: Dataset, scene: Scene): Move {
  const names = ["all pairs", ...(data.subsets.names.length > 1 ? data.subsets.names : [])];
  const places = names.map((_, i) => i);
  const of = (tallies: Tally[], i: number) => 100 * accuracy(tallies[i]!, view.ties);
  const shown = names.map((name) => short(name));
  const known = scene.steps
    .flatMap(({ now, alike }) => [now, alike])
    .flatMap(({ tallies }) => places.map((i) => of(tallies, i)))
    .filter(Number.isFinite);
  const domain = known.length
    ? [Math.max(0, Math.min(...known) - 4), Math.min(100, Math.max(...known) + 4)]
    : [0, 100];
  const drawn = show(find("live-accuracy"), "", {
    height: 70 + 26 * names.length,
    marginLeft: marginFor(shown),
    marginRight: 44,
    x: { label: "accuracy, % (ring: all rules alike)", domain, grid: true },
    y: { type: "band", domain: places, tickFormat: (i: number) => shown[i]!, label: null },
    marks: [
      ...[
        { className: "dots-alike", stroke: "var(--text)", r: 6 },
        { className: "dots-now", fill: "var(--blue)", r: 4 },
      ].map((look) => Plot.dot(places, { x: () => 50, y: (i: number) => i, ...look })),
      valuesBeside(places, "values-now"),
    ],
  });
  const dots = (["alike", "now"] as const).map((key) => ({
    key,
    marks: marksOf(drawn, `dots-${key}`),
  }));
  const values = marksOf(drawn, "values-now");
  const x = drawn.scale("x")!.apply;
  return (position) => {
    for (const { key, marks } of dots) {
      marks.forEach((dot, i) => {
        const value = of(position[key].tallies, i);
        set(dot, "visibility", Number.isFinite(value) ? "visible" : "hidden");
        if (Number.isFinite(value)) set(dot, "cx", String(x(value)));
      });
    }
    const { tallies } = position.now;
    values.forEach((text, i) => write(text, of(tallies, i)));
    drawn.setAttribute(
      "aria-label",
      `Accuracy: ${names.map((name, i) => `${name} ${percent(accuracy(tallies[i]!, view.ties))}`).join(", ")}`,
    );
  };
}

/** Separation and accuracy over the strength, with a line at the slider's position. */
export function strengthCurves(scene: Scene): Move {
  const holder = live("strength")!;
  caption("strength", `Separation and accuracy as the strength of ${scene.scheme} grows`);
  const panels: [string, (found: Agreement) => number][] = [
    ["separation", (found) => found.separation],
    ["accuracy, %", (found) => 100 * accuracy(found.tallies[0]!, view.ties)],
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
          x: (_: Position, i: number) => STEPS[i]!,
          y: ({ now }: Position) => of(now),
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
  return ({ setting: { strength } }) => {
    for (const half of drawn) {
      const x = half.scale("x")!.apply;
      half
        .querySelector(".marker")!
        .setAttribute("transform", `translate(${x(strength) - x(0)},0)`);
    }
  };
}
