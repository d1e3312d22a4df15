/** The data in the page, and small helpers shared by all its parts. */

import { unpack, type Agreement, type Dataset, type Ratings, type Ties } from "./recompute.ts";

export type Triple = [value: number | null, low: number | null, high: number | null];

type ByTies = Record<Ties, Triple>;

interface PageData {
  datasets: (Dataset & { schemes: string[] })[];
  scheme: string;
  temperature: number;
  rules: { rule: string; entropy: Triple; accuracy: Partial<ByTies> }[];
  correlations: Partial<Record<Ties, string>>;
  /** For the mean and the weighted reward, on all compared pairs. */
  beforeAfter: { says: string; x: number[]; curves: Record<string, number[]> }[];
  comparison: { scheme: string; accuracy: ByTies; subsets: ByTies[] }[];
  subsets: string[];
  contrasts: {
    pair: string;
    weighted: number;
    uniform: number;
    byRule: [rule: string, weighted: number, uniform: number][];
  }[];
  provenance: unknown;
}

export const page = JSON.parse(document.getElementById("data")!.textContent!) as PageData;

const unpacked: (Ratings | undefined)[] = [];

/** The tie convention that the whole page uses. */
export const view: { ties: Ties } = { ties: "half" };

export function find<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function live(name: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(`#figure-${name} .live`);
}

export function caption(name: string, text: string): void {
  const line = document.querySelector(`#figure-${name} figcaption`)!;
  if (line.textContent !== text) line.textContent = text;
}

const pen = document.createElement("canvas").getContext("2d")!;
const WIDEST = 150;

/** The width of a chart's text. */
export function textWidth(text: string): number {
  pen.font = '12px system-ui, "Noto Sans", sans-serif';
  return pen.measureText(text).width;
}

/** A name cut to fit beside an axis; its end is kept, where names with a common start differ. */
export function short(text: string): string {
  const letters = [...text];
  let shown = text;
  for (let kept = Math.min(letters.length - 1, 40); kept > 1 && textWidth(shown) > WIDEST; kept--) {
    const end = Math.min(7, Math.floor(kept / 2));
    shown = `${letters.slice(0, kept - end).join("")}…${letters.slice(-end).join("")}`;
  }
  return shown;
}

export function fixed(value: number, digits = 3): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "undefined";
}

/** The tie conventions in words. */
export function tiesInWords(): string {
  return `ties ${find<HTMLSelectElement>("ties-slider").selectedOptions[0]!.text}`;
}

export function percent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "undefined";
}

export function ratingsOf(index: number): Ratings {
  return (unpacked[index] ??= unpack(page.datasets[index]!));
}

/** Rewards of chosen and of rejected responses, or of all if there are no pairs. */
export function sides({ rewards }: Agreement, nPairs: number): [string, Float64Array][] {
  if (nPairs === 0) return [["responses", rewards]];
  return [
    ["chosen", rewards.subarray(0, nPairs)],
    ["rejected", rewards.subarray(nPairs)],
  ];
}
