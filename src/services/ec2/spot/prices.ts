/**
 * Prices of types, USD per hour of Linux. On-Demand: AWS's list prices of us-east-1, by what all sizes of a family have in common (vCPUs, for burstable
 * types memory), taken for every Region. Spot: a model, because the market is not public data: each type in each zone has a lasting discount of 58 to 72 %,
 * around which the price moves by at most 4 % every six hours of the cloud's time. The same time gives the same price, in any account.
 */
import { createHash } from 'node:crypto';
import type { Millis } from '../../../base/clock.ts';
import { instanceTypes } from '../instances/type-catalogue.ts';

/** USD for two vCPUs (size `large`). */
const perLarge: Readonly<Record<string, number>> = {
  ...{ m4: 0.1, m5: 0.096, m5a: 0.086, m5d: 0.113, m5n: 0.119, m6i: 0.096, m6id: 0.1187, m6a: 0.0864, m6g: 0.077, m6gd: 0.0904 },
  ...{ m7i: 0.1008, m7a: 0.11592, m7g: 0.0816, m7gd: 0.1068 },
  ...{ c4: 0.1, c5: 0.085, c5a: 0.077, c5d: 0.096, c5n: 0.108, c6i: 0.085, c6id: 0.1008, c6a: 0.0765, c6g: 0.068, c6gd: 0.0768 },
  ...{ c7i: 0.08925, c7a: 0.10264, c7g: 0.0725, c7gd: 0.0907 },
  ...{
    r4: 0.133,
    r5: 0.126,
    r5a: 0.113,
    r5d: 0.144,
    r5n: 0.149,
    r6i: 0.126,
    r6id: 0.1512,
    r6a: 0.1134,
    r6g: 0.1008,
    r6gd: 0.1152,
  },
  ...{ r7i: 0.1323, r7a: 0.15215, r7g: 0.1071, r7gd: 0.1361 },
  ...{ i3: 0.156, i3en: 0.226, i4i: 0.172 },
};
/** USD per GiB of memory. */
const perGib: Readonly<Record<string, number>> = { t2: 0.0116, t3: 0.0104, t3a: 0.0094, t4g: 0.0084 };

const discount = { least: 0.58, most: 0.72 };
const swing = 0.04;
/** How long a Spot price holds. */
export const priceMillis: Millis = 6 * 3_600_000;

/** On-Demand price; undefined for types whose price is not in the list. */
export function onDemandPrice(type: string): number | undefined {
  const info = instanceTypes.get(type);
  const family = type.split('.')[0] ?? '';
  if (info === undefined) return undefined;
  const [large, gib] = [perLarge[family], perGib[family]];
  if (large !== undefined) return (large * info.vcpus) / 2;
  return gib === undefined ? undefined : (gib * info.memoryMiB) / 1024;
}

/** Between 0 and 1, always the same for the same words. */
function fraction(...words: readonly (string | number)[]): number {
  return createHash('sha256').update(words.join(' ')).digest().readUInt32BE(0) / 2 ** 32;
}

/** Spot price of a type in a zone at a time, to four places; undefined for types that Spot does not have. */
export function spotPrice(type: string, zone: string, at: Millis): number | undefined {
  const full = onDemandPrice(type);
  if (full === undefined) return undefined;
  const share = 1 - discount.least - (discount.most - discount.least) * fraction(type, zone);
  const moved = 1 + swing * (2 * fraction(type, zone, Math.floor(at / priceMillis)) - 1);
  return Math.round(full * share * moved * 1e4) / 1e4;
}

/** When the price that holds now began. */
export function priceSince(at: Millis): Millis {
  return Math.floor(at / priceMillis) * priceMillis;
}

/** A price as the API writes it. */
export function priceText(price: number): string {
  return price.toFixed(6);
}
