/** What the page holds, and small helpers that all its parts share. */

import { unpack, type Agreement, type Dataset, type Ratings, type Ties } from "./recompute.ts";

export type Triple = [value: number | null, low: number | null, high: number | null];

type ByTies = Record<Ties, Triple>;

interface PageData {
  datasets: (Dataset & { schemes: string[] })[];
  scheme: string;
  temperature: number;
  rules: { rule: string; entropy: Triple; accuracy: Partial<ByTies> }[];
  correlations: Partial<Record<Ties, string>>;
  /** Of the mean and of the weighted reward, on all pairs that are compared. */
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

/** What a tie counts as, wherever it is asked. */
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

/** How wide a text of a chart is. */
export function textWidth(text: string): number {
  pen.font = '12px system-ui, "Noto Sans", sans-serif';
  return pen.measureText(text).width;
}

/** A name that fits beside an axis; the end stays, where names that begin alike differ. */
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

/** What a tie counts as, in words. */
export function tiesInWords(): string {
  return `ties ${find<HTMLSelectElement>("ties-slider").selectedOptions[0]!.text}`;
}

export function percent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "undefined";
}

export function ratingsOf(index: number): Ratings {
  return (unpacked[index] ??= unpack(page.datasets[index]!));
}

/** Rewards of chosen and of rejected responses, or of all where there are no pairs. */
export function sides({ rewards }: Agreement, nPairs: number): [string, Float64Array][] {
  if (nPairs === 0) return [["responses", rewards]];
  return [
    ["chosen", rewards.subarray(0, nPairs)],
    ["rejected", rewards.subarray(nPairs)],
  ];
}
