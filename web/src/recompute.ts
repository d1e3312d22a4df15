/**
 * What the slider recomputes: weights, rewards, and how well they agree with people.
 *
 * The same definitions as in the Python library, to the last digits: see its docstrings for
 * formulas and references. Nothing here touches the page.
 */

/** One rule's ratings mapped to [0, 1]: indices into a table of at most 255 values, or the values. */
export type Packed = { codes: string; table: number[] } | { values: string };

/** The ratings that a page embeds. Rows are responses; for pairs, all chosen ones come first. */
export interface Dataset {
  name: string;
  rules: string[];
  nRows: number;
  nPairs: number;
  columns: Packed[];
  /** How far each rule applies to each row; empty where all do. */
  applies: Packed[];
  subsets: { names: string[]; codes: string };
  /** Ratings per level of each rule over the whole calibration set. */
  counts: number[][];
  /** Raw weights of the schemes that need more than the counts, and of uniform. */
  weights: Record<string, number[]>;
  maxMissing: number;
}

export interface Setting {
  scheme: string;
  /** 0 is uniform, 1 the scheme itself, above 1 sharpens it. */
  strength: number;
  /** The temperature of softmax, in nats. */
  temperature: number;
}

/** A dataset unpacked; NaN where unrated. */
export interface Ratings {
  columns: Float64Array[];
  /** Undefined where every rule applies to every row. */
  applies?: Float64Array[];
  complete: boolean;
  nPairs: number;
  subsets: Uint16Array;
}

/** Won, tied and known pairs. */
export type Tally = [won: number, tied: number, known: number];
export type Ties = "strict" | "half" | "resolved" | "right";

/** How well rewards agree with people. */
export interface Agreement {
  rewards: Float64Array;
  separation: number;
  /** All pairs, then each subset. */
  tallies: Tally[];
}

export interface Result extends Agreement {
  weights: number[];
  shares: number[];
}

export const UNRATED = 255;
export const N_POINTS = 201;
const TIE_TOLERANCE = 1e-9;
/** A response has a reward only if some rule with weight applies to it this far. */
const LEAST_APPLIES = 0.1;

function bytes(base64: string): ArrayBuffer {
  const text = atob(base64);
  const array = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) array[i] = text.charCodeAt(i);
  return array.buffer;
}

/** Numbers in the page are little-endian, as is every machine that runs a browser. */
export function unpack(data: Dataset): Ratings {
  const unpacked = (column: Packed) => {
    if ("values" in column) return new Float64Array(bytes(column.values));
    const table = new Float64Array(UNRATED + 1).fill(NaN);
    table.set(column.table);
    return Float64Array.from(new Uint8Array(bytes(column.codes)), (code) => table[code]!);
  };
  const columns = data.columns.map(unpacked);
  return {
    columns,
    ...(data.applies.length > 0 && { applies: data.applies.map(unpacked) }),
    complete: data.applies.length === 0 && !columns.some((column) => column.some(Number.isNaN)),
    nPairs: data.nPairs,
    subsets: new Uint16Array(bytes(data.subsets.codes)),
  };
}

/** Plug-in rating entropy in nats; NaN if nothing was counted. */
export function entropy(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return NaN;
  let sum = 0;
  for (const count of counts) if (count > 0) sum -= (count / total) * Math.log(count / total);
  return Math.max(sum, 0);
}

/** Raw weights: the scheme's, to the power of the strength. */
export function weigh(data: Dataset, { scheme, strength, temperature }: Setting): number[] {
  const given = data.weights[scheme];
  if (given) return given.map((weight) => weight ** strength);
  return data.counts.map((counts) => {
    const nats = entropy(counts);
    if (scheme === "softmax") return Math.exp((-strength * nats) / temperature);
    return Math.max(1 - nats / Math.log(counts.length), 0) ** strength;
  });
}

/**
 * Mean of each row's ratings, weighed by share and how far the rule applies; NaN if more of that
 * weight than allowed is unrated, or if no rule applies.
 */
export function compose(ratings: Ratings, shares: number[], maxMissing: number): Float64Array {
  const nRows = ratings.columns[0]?.length ?? 0;
  const total = new Float64Array(nRows);
  if (ratings.complete) {
    ratings.columns.forEach((column, k) => {
      const share = shares[k]!;
      for (let i = 0; i < nRows; i++) total[i]! += share * column[i]!;
    });
    return total;
  }
  const present = new Float64Array(nRows);
  const whole = new Float64Array(nRows).fill(ratings.applies ? 0 : 1);
  const furthest = new Float64Array(nRows).fill(ratings.applies ? 0 : 1);
  ratings.columns.forEach((column, k) => {
    const share = shares[k]!;
    const applies = ratings.applies?.[k];
    for (let i = 0; i < nRows; i++) {
      const value = column[i]!;
      const weight = share * (applies ? applies[i]! : 1);
      if (applies) {
        whole[i]! += weight;
        if (share > 0) furthest[i] = Math.max(furthest[i]!, applies[i]!);
      }
      if (Number.isNaN(value)) continue;
      total[i]! += weight * value;
      present[i]! += weight;
    }
  });
  return total.map((sum, i) => {
    const [rated, all] = [present[i]!, whole[i]!];
    const known = rated > 0 && furthest[i]! >= LEAST_APPLIES;
    return known && all - rated <= (maxMissing + 1e-12) * all ? sum / rated : NaN;
  });
}

/** Won, tied and known pairs: overall, then for each subset. */
export function tally(rewards: Float64Array, ratings: Ratings, nSubsets: number): Tally[] {
  const tallies: Tally[] = Array.from({ length: nSubsets + 1 }, () => [0, 0, 0]);
  for (let i = 0; i < ratings.nPairs; i++) {
    const margin = rewards[i]! - rewards[ratings.nPairs + i]!;
    if (Number.isNaN(margin)) continue;
    for (const found of [tallies[0]!, tallies[1 + ratings.subsets[i]!]!]) {
      if (margin > TIE_TOLERANCE) found[0]++;
      else if (margin >= -TIE_TOLERANCE) found[1]++;
      found[2]++;
    }
  }
  return tallies;
}

/** Share of pairs ranked right under a tie convention; NaN if nothing is known. */
export function accuracy([won, tied, known]: Tally, ties: Ties): number {
  if (ties === "resolved") return won / (known - tied);
  return (won + { strict: 0, half: tied / 2, right: tied }[ties]) / known;
}

/** How far apart chosen and rejected rewards lie, in pooled standard deviations (Cohen's d). */
export function separation(rewards: Float64Array, nPairs: number): number {
  let n = 0;
  let sumChosen = 0;
  let sumRejected = 0;
  const isKnown = (i: number) => !Number.isNaN(rewards[i]! + rewards[nPairs + i]!);
  for (let i = 0; i < nPairs; i++) {
    if (!isKnown(i)) continue;
    n++;
    sumChosen += rewards[i]!;
    sumRejected += rewards[nPairs + i]!;
  }
  if (n < 2) return NaN;
  const [chosen, rejected] = [sumChosen / n, sumRejected / n];
  let squares = 0;
  for (let i = 0; i < nPairs; i++) {
    if (isKnown(i)) squares += (rewards[i]! - chosen) ** 2 + (rewards[nPairs + i]! - rejected) ** 2;
  }
  const pooled = Math.sqrt(squares / (2 * (n - 1)));
  return pooled > TIE_TOLERANCE ? (chosen - rejected) / pooled : NaN;
}

/**
 * A Gaussian kernel density at `N_POINTS` points from low to high, mirrored at both ends.
 *
 * Values are first split between their two nearest points, so the cost is not values times points.
 * The bandwidth is Scott's, at least one step and at most an eighth of the whole.
 */
export function density(values: Float64Array, low: number, high: number): Float64Array {
  const step = (high - low) / (N_POINTS - 1);
  const bins = new Float64Array(N_POINTS);
  let n = 0;
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    n++;
    sum += value;
  }
  const mean = sum / n;
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    squares += (value - mean) ** 2;
    const place = Math.min(Math.max((value - low) / step, 0), N_POINTS - 1);
    const left = Math.min(Math.floor(place), N_POINTS - 2);
    bins[left]! += 1 - (place - left);
    bins[left + 1]! += place - left;
  }
  const deviation = n > 1 ? Math.sqrt(squares / (n - 1)) : 0;
  const bandwidth = Math.min(Math.max(deviation * n ** -0.2, step), (high - low) / 8);
  const reach = Math.min(Math.ceil((8 * bandwidth) / step), N_POINTS - 1);
  const kernel = Float64Array.from(
    { length: reach + 1 },
    (_, i) =>
      Math.exp(-0.5 * ((i * step) / bandwidth) ** 2) / (bandwidth * Math.sqrt(2 * Math.PI) * n),
  );
  const found = new Float64Array(N_POINTS);
  bins.forEach((count, at) => {
    if (count === 0) return;
    for (let i = -reach; i <= reach; i++) {
      const to = at + i;
      const mirrored = to < 0 ? -to : to >= N_POINTS ? 2 * (N_POINTS - 1) - to : to;
      found[mirrored]! += count * kernel[Math.abs(i)]!;
    }
    // The ends are their own mirror image: they receive values from one side only.
  });
  found[0]! *= 2;
  found[N_POINTS - 1]! *= 2;
  return found;
}

/**
 * Agreement on the pairs, or responses, that the others know too; all other rewards become NaN.
 *
 * Which ones have a reward depends on the weights, so two rewards are comparable only this way.
 */
export function agreement(
  data: Dataset,
  ratings: Ratings,
  rewards: Float64Array,
  others = rewards,
): Agreement {
  const n = data.nPairs;
  // Both sides of a pair must be known.
  const pairOf = (values: Float64Array, i: number) =>
    n > 0 ? values[i % n]! + values[n + (i % n)]! : values[i]!;
  const isKnown = (i: number) => !Number.isNaN(pairOf(rewards, i) + pairOf(others, i));
  const shared =
    others === rewards ? rewards : rewards.map((reward, i) => (isKnown(i) ? reward : NaN));
  return {
    rewards: shared,
    separation: separation(shared, n),
    tallies: tally(shared, ratings, data.subsets.names.length),
  };
}

/** Everything that follows from one position of the slider. */
export function recompute(data: Dataset, ratings: Ratings, setting: Setting): Result {
  const weights = weigh(data, setting);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const shares = weights.map((weight) => weight / sum);
  const rewards = compose(ratings, shares, data.maxMissing);
  return {
    weights,
    shares,
    ...agreement(data, ratings, rewards),
  };
}
