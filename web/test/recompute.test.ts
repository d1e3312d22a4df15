import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  accuracy,
  agreement,
  compose,
  density,
  entropy,
  N_POINTS,
  recompute,
  separation,
  tally,
  unpack,
  weigh,
  type Dataset,
  type Setting,
  type Ties,
} from "../src/recompute.ts";

interface Case {
  data: number;
  setting: Setting;
  expected: {
    weights: number[];
    shares: number[];
    rewards: (number | null)[];
    separation: number;
    tallies: [number, number, number][];
    accuracy: Record<Ties, number>;
    density: number[];
    beside_uniform: { separation: number; tally: [number, number, number] };
  };
}

const golden = new URL("../../tests/golden/recompute.json", import.meta.url);
const { datasets, cases } = JSON.parse(readFileSync(golden, "utf8")) as {
  datasets: Dataset[];
  cases: Case[];
};

function near(found: number, expected: number | null): void {
  const wanted = expected ?? NaN;
  if (Number.isNaN(wanted)) return assert.ok(Number.isNaN(found), `${found} is not NaN`);
  assert.ok(Math.abs(found - wanted) <= 1e-9, `${found} is not ${wanted}`);
}

function allNear(found: ArrayLike<number>, expected: readonly (number | null)[]): void {
  assert.equal(found.length, expected.length);
  expected.forEach((value, i) => near(found[i]!, value));
}

function encode(array: Uint8Array | Uint16Array | Float64Array): string {
  return Buffer.from(array.buffer).toString("base64");
}

/** Two pairs under two rules: the first is rated on two levels, the second is unrated once. */
function two(): Dataset {
  return {
    name: "two",
    rules: ["a", "b"],
    nRows: 4,
    nPairs: 2,
    columns: [
      { codes: encode(Uint8Array.of(1, 0, 0, 0)), table: [0, 1] },
      { values: encode(Float64Array.of(0.5, 0.25, 0.5, NaN)) },
    ],
    applies: [],
    subsets: { names: ["x", "y"], codes: encode(Uint16Array.of(0, 1)) },
    counts: [
      [3, 1],
      [1, 1, 1],
    ],
    weights: { uniform: [1, 1], given: [1, 0.5] },
    maxMissing: 0.2,
  };
}

test("a rule counts as far as it applies, and not at all where it does not", () => {
  const data: Dataset = {
    ...two(),
    columns: [
      { values: encode(Float64Array.of(1, 1, NaN, 1)) },
      { values: encode(Float64Array.of(0, 0, 0.5, NaN)) },
    ],
    applies: [
      { values: encode(Float64Array.of(1, 0.05, 0, 0.5)) },
      { values: encode(Float64Array.of(0.25, 0.05, 1, 1)) },
    ],
  };
  // 0.75 · 1 / (0.75 + 0.25 · 0.25); nothing applies; the second alone; 0.25 of 0.625 unrated.
  allNear(compose(unpack(data), [0.75, 0.25], 0.2), [0.75 / 0.8125, null, 0.5, null]);
  allNear(compose(unpack(data), [0.75, 0.25], 0.4), [0.75 / 0.8125, null, 0.5, 1]);
});

test("there are golden cases with gaps and without, of every kind of scheme", () => {
  assert.equal(cases.length, 18);
  assert.ok(cases.some((one) => one.expected.rewards.includes(null)));
  assert.equal(new Set(cases.map((one) => one.setting.scheme)).size, 5);
});

for (const [i, { data: which, setting, expected }] of cases.entries()) {
  test(`golden ${i}: ${setting.scheme} at strength ${setting.strength} is what Python computes`, () => {
    const data = datasets[which]!;
    const ratings = unpack(data);
    const found = recompute(data, ratings, setting);
    allNear(found.weights, expected.weights);
    allNear(found.shares, expected.shares);
    allNear(found.rewards, expected.rewards);
    near(found.separation, expected.separation);
    assert.deepEqual(found.tallies, expected.tallies);
    for (const [ties, value] of Object.entries(expected.accuracy)) {
      near(accuracy(found.tallies[0]!, ties as Ties), value);
    }
    allNear(density(found.rewards.subarray(0, data.nPairs), 0.1, 1), expected.density);
    const mean = recompute(data, ratings, { ...setting, strength: 0 }).rewards;
    const shared = agreement(data, ratings, found.rewards, mean);
    near(shared.separation, expected.beside_uniform.separation);
    assert.deepEqual(shared.tallies[0], expected.beside_uniform.tally);
  });
}

test("entropy of a half and two quarters is 1.5 bits; of nothing, unknown", () => {
  near(entropy([2, 1, 1]), 1.5 * Math.LN2);
  near(entropy([0, 7]), 0);
  near(entropy([0, 0]), NaN);
});

test("unpacking gives codes their values, and 255 none", () => {
  const data = two();
  data.columns[0] = { codes: encode(Uint8Array.of(1, 255, 0, 0)), table: [0.25, 0.75] };
  const { columns, complete, subsets } = unpack(data);
  allNear(columns[0]!, [0.75, null, 0.25, 0.25]);
  allNear(columns[1]!, [0.5, 0.25, 0.5, null]);
  assert.deepEqual([complete, ...subsets], [false, 0, 1]);
});

test("strength 0 is uniform for every scheme, a weight of 0 included", () => {
  const data = two();
  data.weights["given"] = [1, 0];
  for (const scheme of ["linear", "softmax", "given", "uniform"]) {
    assert.deepEqual(weigh(data, { scheme, strength: 0, temperature: 2 }), [1, 1]);
  }
});

test("linear is 1 - H / ln(levels), softmax exp(-H / temperature), both to the power of strength", () => {
  const data = two();
  data.counts[1] = [1, 1, 2, 0];
  // 1.5 bits of 2: H / ln 4 = 0.75, so (1 - 0.75) ** 2 = 1/16.
  near(weigh(data, { scheme: "linear", strength: 2, temperature: 1 })[1]!, 1 / 16);
  // exp(-2 * 1.5 ln 2 / 3) = 1/2.
  near(weigh(data, { scheme: "softmax", strength: 2, temperature: 3 })[1]!, 0.5);
});

test("shares of unrated rules go to the others, or the reward is unknown", () => {
  const data = two();
  const ratings = unpack(data);
  // Rule b is unrated for the second pair's rejected response: allowed at a share of 0.2, not 0.25.
  allNear(compose(ratings, [0.8, 0.2], 0.2), [0.9, 0.05, 0.1, 0]);
  allNear(compose(ratings, [0.75, 0.25], 0.2), [0.875, 0.0625, 0.125, null]);
});

test("pairs with an unknown reward have no verdict, and a difference of rounding is a tie", () => {
  const ratings = { columns: [], complete: true, nPairs: 4, subsets: Uint16Array.of(0, 0, 1, 1) };
  const rewards = Float64Array.of(1, 0.3, NaN, 0.2, 0, 0.1 + 0.2, 0, 0.9);
  assert.deepEqual(tally(rewards, ratings, 2), [
    [1, 1, 3],
    [1, 1, 2],
    [0, 0, 1],
  ]);
  near(accuracy([1, 1, 3], "half"), 0.5);
  near(accuracy([1, 1, 3], "strict"), 1 / 3);
  near(accuracy([1, 1, 3], "resolved"), 0.5);
  near(accuracy([1, 1, 3], "right"), 2 / 3);
  near(accuracy([0, 0, 0], "half"), NaN);
});

test("two rewards are compared on the pairs that both know", () => {
  const data = { ...two(), nRows: 8, nPairs: 4 };
  const ratings = { columns: [], complete: false, nPairs: 4, subsets: Uint16Array.of(0, 0, 1, 1) };
  // The other lacks the first pair's chosen reward, this one the last pair's rejected reward.
  const rewards = Float64Array.of(0.9, 0.8, 0.2, 0.9, 0.1, 0.1, 0.4, NaN);
  const others = Float64Array.of(NaN, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5);
  const found = agreement(data, ratings, rewards, others);
  assert.deepEqual(found.tallies, [
    [1, 0, 2],
    [1, 0, 1],
    [0, 0, 1],
  ]);
  // Means 0.5 and 0.25, variances 0.18 and 0.045.
  near(found.separation, 0.25 / Math.sqrt((0.18 + 0.045) / 2));
  allNear(found.rewards, [null, 0.8, 0.2, null, null, 0.1, 0.4, null]);
  assert.deepEqual(agreement(data, ratings, rewards).tallies[0], [2, 0, 3]);
});

test("without pairs, two rewards are compared on the responses that both know", () => {
  const data = { ...two(), nRows: 3, nPairs: 0 };
  const ratings = { columns: [], complete: false, nPairs: 0, subsets: Uint16Array.of() };
  const found = agreement(
    data,
    ratings,
    Float64Array.of(0.1, NaN, 0.3),
    Float64Array.of(NaN, 0.2, 0.4),
  );
  allNear(found.rewards, [null, null, 0.3]);
});

test("separation is Cohen's d, and unknown where nothing varies", () => {
  // Means 0.9 and 0.1, variances 0.02 each.
  near(separation(Float64Array.of(0.8, 1.0, 0.0, 0.2), 2), 0.8 / Math.sqrt(0.02));
  near(separation(Float64Array.of(0.8, NaN, 0.0, 0.2), 2), NaN);
  near(separation(Float64Array.of(0.5, 0.5, 0.1, 0.1), 2), NaN);
});

test("a density integrates to 1, also where values pile up at an end", () => {
  for (const values of [
    [0.5, 0.6],
    [1, 1, 1, 0.97],
    [0, 0.01, NaN],
  ]) {
    const found = density(Float64Array.from(values), 0, 1);
    const inner = found.slice(1, -1).reduce((sum, value) => sum + value, 0);
    const area = (inner + (found[0]! + found[N_POINTS - 1]!) / 2) / (N_POINTS - 1);
    assert.ok(Math.abs(area - 1) < 1e-9, `${area}`);
  }
});
