/** Charts by Observable Plot, set up for this page. */

import * as Plot from "@observablehq/plot";
import { textWidth } from "./data.ts";

/** Widths of the charts' containers; asking for one forces a layout, too slow for every frame. */
export const widths = new Map<HTMLElement, number>();

export function widthOf(holder: HTMLElement): number {
  const width = widths.get(holder) ?? (holder.clientWidth || 640);
  widths.set(holder, width);
  return width;
}

/** A chart with a label for those who cannot see it. */
export function chart(label: string, options: Plot.PlotOptions): ReturnType<typeof Plot.plot> {
  const style = { fontSize: "12px", background: "none" };
  const made = Plot.plot({ marginBottom: 40, style, className: "chart", ...options });
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  // Adding or removing a style sheet restyles the whole page; page.css has its rules instead.
  made.querySelector("style")?.remove();
  // The chart as a whole has a label; parts of an image need none of their own.
  for (const part of made.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  return made;
}

/** Replaces an element's content with a chart. */
export function show(
  holder: HTMLElement,
  label: string,
  options: Plot.PlotOptions,
): ReturnType<typeof Plot.plot> {
  const width = Math.max(280, Math.min(widthOf(holder), 1100));
  const made = chart(label, { width, ...options });
  holder.replaceChildren(made);
  return made;
}

/** The margin for names beside an axis: as wide as the longest. */
export function marginFor(names: string[]): number {
  return 16 + Math.max(...names.map(textWidth), 28);
}

/** The elements of one of a chart's marks, in the order of its data. */
export function marksOf(chart: Element, className: string): SVGElement[] {
  return [...chart.querySelectorAll<SVGElement>(`.${className} > *`)];
}
