/** What the page holds, and small helpers that all its parts share. */

import { unpack, type Dataset, type Ratings, type Result, type Ties } from "./recompute.ts";

export type Triple = [value: number | null, low: number | null, high: number | null];

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

export const page = JSON.parse(document.getElementById("data")!.textContent!) as PageData;

const unpacked: (Ratings | undefined)[] = [];

/** What a tie counts as, wherever it is asked. */
export const view: { ties: Ties } = { ties: "half" };

export function find<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function live(name: string): HTMLElement | null {
  return document.querySelector<HTMLElement>(`#${name} .live`);
}

export function caption(name: string, text: string): void {
  const line = document.querySelector(`#${name} figcaption`)!;
  if (line.textContent !== text) line.textContent = text;
}

/** A name that fits beside an axis; the end stays, where names that begin alike differ. */
export function short(text: string, most = 24): string {
  const letters = [...text];
  if (letters.length <= most) return text;
  return `${letters.slice(0, most - 8).join("")}…${letters.slice(-7).join("")}`;
}

export function percent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "undefined";
}

export function ratingsOf(index: number): Ratings {
  return (unpacked[index] ??= unpack(page.datasets[index]!));
}

/** Rewards of chosen and of rejected responses, or of all where there are no pairs. */
export function sides(result: Result, nPairs: number): [string, Float64Array][] {
  if (nPairs === 0) return [["responses", result.rewards]];
  return [
    ["chosen", result.rewards.subarray(0, nPairs)],
    ["rejected", result.rewards.subarray(nPairs)],
  ];
}
