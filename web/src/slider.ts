/** The slider: its settings, and everything that follows from them. */

import { widths } from "./chart.ts";
import { find, fixed, live, page, percent, ratingsOf, sides, tiesInWords, view } from "./data.ts";
import {
  accuracyDots,
  rewardCurves,
  shareBars,
  STEPS,
  strengthCurves,
  type Move,
  type Position,
  type Scene,
} from "./moving.ts";
import {
  accuracy,
  agreement,
  density,
  recompute,
  weigh,
  type Dataset,
  type Result,
  type Setting,
} from "./recompute.ts";

let active = 0;

let scene: Scene;

let moves: Move[] = [];

function setting(): Setting {
  return {
    scheme: find<HTMLSelectElement>("scheme").value,
    strength: Number(find<HTMLInputElement>("strength").value),
    temperature: Number(find<HTMLInputElement>("temperature").value),
  };
}

/** What depends only on the ratings and the scheme, and so stays while the slider moves. */
export function settle(): void {
  const data = page.datasets[active]!;
  const ratings = ratingsOf(active);
  const now = setting();
  chosen[active] = now.scheme;
  const before = recompute(data, ratings, { ...now, strength: 0 });
  const steps = STEPS.map((strength) => positionOf({ ...now, strength }, before));
  const sharpest = weigh(data, { ...now, strength: 1 });
  const order = data.rules.map((_, k) => k).sort((a, b) => sharpest[b]! - sharpest[a]!);
  let [low, high] = [1, 0];
  const drawn = steps.flatMap(({ now, alike }) => [now, alike]);
  for (const { rewards } of drawn) {
    for (const reward of rewards) {
      if (reward < low) low = reward;
      if (reward > high) high = reward;
    }
  }
  const pad = 0.05 * (high - low || 0.1);
  const domain: [number, number] =
    low <= high ? [Math.max(0, low - pad), Math.min(1, high + pad)] : [0, 1];
  const peaks = steps.map(({ now }) =>
    Math.max(
      0,
      ...sides(now, data.nPairs).flatMap(([, rewards]) =>
        [...density(rewards, ...domain)].filter(Number.isFinite),
      ),
    ),
  );
  // Room for every curve, but a spike at one end of the slider must not flatten all the others.
  const top = 1.05 * Math.min(Math.max(...peaks), 3 * Math.max(peaks[0]!, peaks[5]!));
  const largestShare = Math.max(
    ...steps.flatMap(({ result }) => result.shares.filter(Number.isFinite)),
  );
  scene = { scheme: now.scheme, order, domain, top: top || 1, largestShare, before, steps };
  arrange();
}

/** Redraws the slider's charts, then moves them to the slider's position. */
export function arrange(): void {
  const data = page.datasets[active]!;
  moves = [shareBars(data, scene)];
  live("strength")?.parentElement?.toggleAttribute("hidden", data.nPairs === 0);
  if (data.nRows > 0) moves.push(rewardCurves(data, scene));
  if (data.nPairs > 0) moves.push(accuracyDots(data, scene));
  if (data.nPairs > 0 && live("strength")) moves.push(strengthCurves(scene));
  redraw();
}

function redraw(): void {
  const data = page.datasets[active]!;
  const { strength, temperature, scheme } = setting();
  const position = positionOf(setting(), scene.before);
  find("strength-now").textContent = strength.toFixed(2);
  find("temperature-now").textContent = temperature.toFixed(2);
  find<HTMLInputElement>("temperature").disabled = scheme !== "softmax";
  find("summary").textContent = summary(data, position);
  for (const move of moves) move(position);
}

function positionOf(setting: Setting, before: Result): Position {
  const data = page.datasets[active]!;
  const ratings = ratingsOf(active);
  const result = recompute(data, ratings, setting);
  if (ratings.complete) return { setting, result, now: result, alike: before };
  return {
    setting,
    result,
    now: agreement(data, ratings, result.rewards, before.rewards),
    alike: agreement(data, ratings, before.rewards, result.rewards),
  };
}

/** Announces the slider's position once it rests: in every frame, a screen reader would lose track. */
export function announce(): void {
  redraw();
  find("summary-said").textContent = find("summary").textContent;
}

function summary(data: Dataset, { setting, result, now, alike }: Position): string {
  const at = inWords(setting);
  if (result.shares.some(Number.isNaN)) return `${at} leaves no rule any weight.`;
  if (data.nPairs === 0) {
    const largest = result.shares.indexOf(Math.max(...result.shares));
    return `${at}: the largest share is ${data.rules[largest]}'s, ${percent(result.shares[largest]!)}.`;
  }
  const [[, tied, known], before] = [now.tallies[0]!, alike.tallies[0]!];
  return (
    `${at}; ${tiesInWords()}. ` +
    `Separation ${fixed(now.separation)} (all rules alike: ${fixed(alike.separation)}). ` +
    `Accuracy ${percent(accuracy(now.tallies[0]!, view.ties))} (alike: ${percent(accuracy(before, view.ties))}). ` +
    `Tied ${percent(tied / known)}.` +
    (known < data.nPairs
      ? ` Of ${data.nPairs} pairs, on the ${known} whose reward is known either way.`
      : "")
  );
}

function inWords({ scheme, strength, temperature }: Setting): string {
  const of = scheme === "softmax" ? `${scheme} of temperature ${temperature.toFixed(2)}` : scheme;
  return `${of} at strength ${strength.toFixed(2)}`;
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

/** The scheme chosen for each set of ratings: not every scheme is available for both. */
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
  // Only results from the ratings can be saved, not simulated ones.
  for (const files of find("panel").querySelectorAll<HTMLElement>(".files"))
    files.hidden = index === 1;
  find("live-rewards").hidden = data.nRows === 0;
  find("summary-said").textContent = ""; // it described the other ratings
  widths.clear();
  offerSchemes();
  settle();
}
