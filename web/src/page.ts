/** The page's controls; every number that moves comes from recompute.ts. */

import { widths } from "./chart.ts";
import { find, page, view } from "./data.ts";
import { drawBeforeAfter, drawComparison, drawContrast, drawEntropyAccuracy } from "./figures.ts";
import { type Ties } from "./recompute.ts";
import { announce, arrange, choose, redrawSoon, settle } from "./slider.ts";

function sortable(table: HTMLTableElement): void {
  const body = table.tBodies[0]!;
  for (const head of table.querySelectorAll<HTMLTableCellElement>("th[aria-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `Sort by ${head.textContent!.trim()}`);
    head.append(button);
    button.addEventListener("click", () => {
      const upwards = head.getAttribute("aria-sort") !== "ascending";
      for (const other of table.querySelectorAll("th[aria-sort]"))
        other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
      const key = (row: HTMLTableRowElement) => row.cells[head.cellIndex]!.dataset["sort"]!;
      const isText = head.cellIndex === 0;
      const compare = (a: string, b: string) =>
        isText ? a.localeCompare(b) : Number(a) - Number(b);
      const rows = [...body.rows];
      const undefinedLast = (row: HTMLTableRowElement) => Number(!isText && key(row) === "nan");
      rows.sort(
        (a, b) =>
          undefinedLast(a) - undefinedLast(b) || (upwards ? 1 : -1) * compare(key(a), key(b)),
      );
      body.append(...rows);
    });
  }
}

/** The numbers behind the dots are also printed, since nobody can open them on paper. */
function printWhole(numbers: HTMLDetailsElement | null): void {
  if (!numbers) return;
  let was = numbers.open;
  window.addEventListener("beforeprint", () => {
    was = numbers.open;
    numbers.open = true;
  });
  window.addEventListener("afterprint", () => {
    numbers.open = was;
  });
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

function drawAll(): void {
  arrange();
  drawBeforeAfter();
  drawEntropyAccuracy();
  drawComparison();
  drawContrast();
}

function start(): void {
  for (const part of document.querySelectorAll<HTMLElement>(".needs-script")) part.hidden = false;
  for (const holder of document.querySelectorAll<HTMLElement>(".live")) {
    holder.hidden = false;
    const picture = holder.parentElement!.querySelector<HTMLElement>(".still");
    if (picture) picture.hidden = true;
  }
  find<HTMLInputElement>("temperature").value = String(page.temperature);
  for (const id of ["strength", "temperature"]) {
    find(id).addEventListener("input", redrawSoon);
    find(id).addEventListener("change", announce);
  }
  find("temperature").addEventListener("change", settle);
  find("scheme").addEventListener("change", settle);
  find("scheme").addEventListener("change", announce);
  const choices = document.querySelectorAll<HTMLSelectElement>(".ties");
  for (const choice of choices) {
    choice.addEventListener("change", () => {
      view.ties = choice.value as Ties;
      for (const other of choices) other.value = view.ties;
      arrange();
      announce();
      drawEntropyAccuracy();
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
      for (const other of document.querySelectorAll("[data-theme-choice]"))
        other.setAttribute("aria-pressed", String(other === button));
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.body.classList.add("tips-closed");
  });
  for (const tipped of document.querySelectorAll(".tipped")) {
    for (const kind of ["focus", "mouseenter"])
      tipped.addEventListener(kind, () => document.body.classList.remove("tips-closed"));
  }
  sortable(find<HTMLTableElement>("rules"));
  printWhole(document.querySelector<HTMLDetailsElement>("#numbers"));
  find("copy").addEventListener("click", () => void copyProvenance());
  choose(0);
  drawBeforeAfter();
  drawEntropyAccuracy();
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
