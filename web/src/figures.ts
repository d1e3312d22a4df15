/** The charts that the slider does not move. */

import * as Plot from "@observablehq/plot";
import { marginFor, show, widthOf } from "./chart.ts";
import { caption, find, live, page, short, tiesInWords, view, type Triple } from "./data.ts";

export function drawBeforeAfter(): void {
  const holder = live("before-after");
  if (!holder) return;
  const said = page.beforeAfter.map(({ says }) => says);
  const rows = page.beforeAfter.flatMap(({ says, x, curves }) =>
    Object.entries(curves).flatMap(([side, curve]) =>
      curve.map((y, i) => ({ panel: says, side, y, x: x[i]! })),
    ),
  );
  show(holder, `Densities of the rewards. ${said.join("; ")}`, {
    height: 420,
    marginLeft: 12,
    marginRight: 32,
    x: { label: "reward" },
    y: { axis: null, insetTop: 36 },
    fy: { label: null, domain: said, axis: null },
    color: {
      domain: ["chosen", "rejected", "responses"],
      range: ["var(--blue)", "var(--orange)", "var(--blue)"],
    },
    marks: [
      Plot.areaY(rows, {
        x: "x",
        y1: () => 0,
        y2: "y",
        fy: "panel",
        z: "side",
        fill: "side",
        fillOpacity: 0.18,
      }),
      Plot.lineY(rows, { x: "x", y: "y", fy: "panel", z: "side", stroke: "side", strokeWidth: 2 }),
      Plot.text(said, {
        fy: (text: string) => text,
        text: (text: string) => text,
        frameAnchor: "top-left",
        dy: 2,
        fontWeight: "bold",
      }),
      Plot.text(
        rows,
        Plot.selectMaxY({
          x: "x",
          y: "y",
          fy: "panel",
          z: "side",
          text: "side",
          fill: "side",
          dy: -8,
        }),
      ),
    ],
  });
}

const known = (found: Triple | undefined): found is [number, number, number] => found?.[0] != null;

export function drawEntropyAccuracy(): void {
  const holder = live("entropy-accuracy");
  if (!holder) return;
  const rows = page.rules.flatMap(({ rule, entropy, accuracy: of }) => {
    const found = of[view.ties];
    if (!known(entropy) || !known(found)) return [];
    return [
      {
        rule,
        x: entropy[0],
        x1: entropy[1],
        x2: entropy[2],
        y: 100 * found[0],
        y1: 100 * (found[1] ?? found[0]),
        y2: 100 * (found[2] ?? found[0]),
      },
    ];
  });
  const labelled = rows.length <= 30 && widthOf(holder) >= 600;
  const r = page.correlations[view.ties] ?? "undefined";
  const said = `Pearson correlation of entropy with accuracy over the rules, ${tiesInWords()}: ${r}.`;
  find("correlation-now").textContent = said;
  show(holder, `One dot per rule. ${said}`, {
    height: 400,
    marginLeft: 44,
    marginRight: labelled ? 90 : 16,
    x: { label: "normalised entropy", grid: true, nice: true },
    y: { label: "accuracy of the rule alone, %", grid: true, nice: true },
    marks: [
      Plot.ruleX(rows, { x: "x", y1: "y1", y2: "y2", stroke: "var(--blue)", strokeOpacity: 0.5 }),
      Plot.ruleY(rows, { y: "y", x1: "x1", x2: "x2", stroke: "var(--blue)", strokeOpacity: 0.5 }),
      Plot.dot(rows, { x: "x", y: "y", fill: "var(--blue)", r: 4 }),
      ...(labelled
        ? [
            Plot.text(rows, {
              x: "x",
              y: "y",
              text: (row: { rule: string }) => short(row.rule),
              dx: 7,
              dy: -7,
              textAnchor: "start" as const,
            }),
          ]
        : []),
      Plot.tip(
        rows,
        Plot.pointer({
          x: "x",
          y: "y",
          title: (row: (typeof rows)[0]) =>
            `${row.rule}\nentropy ${row.x.toFixed(3)}\naccuracy ${row.y.toFixed(1)} %`,
          fill: "var(--back)",
          stroke: "var(--faint)",
        }),
      ),
    ],
  });
}

export function drawComparison(): void {
  const holder = live("comparison");
  if (!holder) return;
  const subset = Number(find<HTMLSelectElement>("subset").value);
  const rows = page.comparison.flatMap(({ scheme, accuracy: overall, subsets }) => {
    const found = (subset < 0 ? overall : subsets[subset]!)[view.ties];
    if (!known(found)) return [];
    return [
      {
        scheme,
        x: 100 * found[0],
        x1: 100 * (found[1] ?? found[0]),
        x2: 100 * (found[2] ?? found[0]),
      },
    ];
  });
  const names = rows.map((row) => short(row.scheme));
  caption(
    "comparison",
    `All schemes on ${subset < 0 ? "all pairs" : page.subsets[subset]}; ${tiesInWords()}`,
  );
  const uniform = rows.find((row) => row.scheme === "uniform");
  show(
    holder,
    `Accuracy of every scheme: ${rows.map((row) => `${row.scheme} ${row.x.toFixed(1)} %`).join(", ")}`,
    {
      height: 60 + 26 * rows.length,
      marginLeft: marginFor(names),
      x: { label: "accuracy, % (dashed: uniform)", grid: true, nice: true },
      y: {
        type: "band",
        domain: rows.map((row) => row.scheme),
        tickFormat: (name: string) => short(name),
        label: null,
      },
      marks: [
        ...(uniform
          ? [Plot.ruleX([uniform.x], { stroke: "var(--text)", strokeDasharray: "4 3" })]
          : []),
        Plot.ruleY(rows, {
          y: "scheme",
          x1: "x1",
          x2: "x2",
          stroke: "var(--blue)",
          strokeWidth: 2,
        }),
        Plot.dot(rows, {
          x: "x",
          y: "scheme",
          fill: "var(--blue)",
          r: 5,
          title: (row: (typeof rows)[0]) =>
            `${row.scheme}: ${row.x.toFixed(1)} % (${row.x1.toFixed(1)} to ${row.x2.toFixed(1)})`,
        }),
      ],
    },
  );
}

export function drawContrast(): void {
  const holder = live("contributions");
  if (!holder) return;
  const pair = page.contrasts[Number(find<HTMLSelectElement>("contrast").value)]!;
  const shown = pair.byRule;
  const panels: [string, number, (row: [string, number, number]) => number][] = [
    [`mean: ${pair.uniform.toFixed(3)}`, pair.uniform, (row) => row[2]],
    [`weighted: ${pair.weighted.toFixed(3)}`, pair.weighted, (row) => row[1]],
  ];
  const rest = panels.some(([, total, of]) => {
    const sum = shown.reduce((before, row) => before + of(row), 0);
    return Math.abs(total - sum) > 1e-9;
  });
  const labels = [...shown.map(([rule]) => short(rule)), ...(rest ? ["other rules"] : [])];
  const rows = panels.flatMap(([panel, total, of]) => {
    let end = 0;
    return labels.map((_, i) => {
      const start = end;
      end = i < shown.length ? start + of(shown[i]!) : total;
      return { panel, place: i, x1: start, x2: end };
    });
  });
  caption("contributions", `What each rule adds, on pair ${pair.pair}`);
  show(
    holder,
    `What each rule adds on pair ${pair.pair}. ${panels.map(([panel]) => panel).join("; ")}`,
    {
      height: 2 * (40 + 20 * labels.length) + 40,
      marginLeft: marginFor(labels),
      marginTop: 30,
      x: { label: "reward, chosen minus rejected", grid: true, ticks: 4 },
      y: {
        type: "band",
        domain: labels.map((_, i) => i),
        tickFormat: (i: number) => labels[i]!,
        label: null,
      },
      fy: { label: null, domain: panels.map(([panel]) => panel), axis: null },
      marks: [
        Plot.barX(rows, {
          x1: "x1",
          x2: "x2",
          y: "place",
          fy: "panel",
          fill: (row: { x1: number; x2: number }) =>
            row.x2 >= row.x1 ? "var(--blue)" : "var(--orange)",
          insetTop: 2,
          insetBottom: 2,
          className: "parts",
        }),
        Plot.ruleX([0], { stroke: "var(--text)" }),
        Plot.ruleX(panels, {
          className: "totals",
          x: (panel: [string, number, unknown]) => panel[1],
          fy: (panel: [string, number, unknown]) => panel[0],
          stroke: "var(--text)",
          strokeDasharray: "4 3",
        }),
        Plot.text(panels, {
          fy: (panel: [string, number, unknown]) => panel[0],
          text: (panel: [string, number, unknown]) => panel[0],
          frameAnchor: "top-right",
          dy: -12,
          fontWeight: "bold",
        }),
      ],
    },
  );
}
