/** Charts by Observable Plot, as this page wants them. */

import * as Plot from "@observablehq/plot";
import { textWidth } from "./data.ts";

/** Widths of what holds charts; to ask for one lays the page out, too slow for every frame. */
export const widths = new Map<HTMLElement, number>();

export function widthOf(holder: HTMLElement): number {
  const width = widths.get(holder) ?? (holder.clientWidth || 640);
  widths.set(holder, width);
  return width;
}

/** A chart with a label that says it to who cannot see it. */
export function chart(label: string, options: Plot.PlotOptions): ReturnType<typeof Plot.plot> {
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

/** Where names stand beside an axis: as wide as the longest. */
export function marginFor(names: string[]): number {
  return 16 + Math.max(...names.map(textWidth), 28);
}

/** Elements of one mark of a chart, in the order of its data. */
export function marksOf(chart: Element, className: string): SVGElement[] {
  return [...chart.querySelectorAll<SVGElement>(`.${className} > *`)];
}
