/**
 * Which of the record sets of one name and type answer ("Choosing a routing policy" in Route 53's guide, in the plane's words). Sets whose probe
 * fails step back; when none is left, all count as healthy, because some answer is better than none.
 */
import { parseCidr } from '../../../base/cidr.ts';
import type { DnsAsker } from '../types.ts';
import { kilometres } from '../../../base/geography.ts';
import { clientAddress, holds } from './geography.ts';
import type { ChoiceRule, Place, RecordSetSpec } from './types.ts';

const severalMax = 8;

/** What a choice depends on. */
export interface Circumstances {
  asker: DnsAsker;
  place: Place | undefined;
  healthy: (set: RecordSetSpec) => boolean;
  /** From 0 up to 1, not included. */
  random: () => number;
}

type RuleOf<Kind extends ChoiceRule['kind']> = Extract<ChoiceRule, { kind: Kind }>;

/** The sets that answer: none, one, or several when they stand together. All have rules of one kind. */
export function chooseSets(sets: readonly RecordSetSpec[], circumstances: Circumstances): readonly RecordSetSpec[] {
  const [first] = sets;
  if (first === undefined) return [];
  const one = (set: RecordSetSpec | undefined): readonly RecordSetSpec[] => (set === undefined ? [] : [set]);
  switch (first.rule?.kind) {
    case undefined:
      return [first];
    case 'weight':
      return one(byWeight(sets, circumstances));
    case 'failover':
      return one(byFailover(sets, circumstances));
    case 'place':
      return one(firstHealthy(byPlace(sets, circumstances.place), circumstances));
    case 'distance':
      return one(firstHealthy(byDistance(sets, circumstances.place), circumstances));
    case 'blocks':
      return one(firstHealthy(byBlocks(sets, circumstances.asker), circumstances));
    case 'several':
      return several(sets, circumstances);
  }
}

/** The first healthy one of a list in order of preference; the first of all when none is. */
function firstHealthy(sets: readonly RecordSetSpec[], { healthy }: Circumstances): RecordSetSpec | undefined {
  return sets.find(healthy) ?? sets[0];
}

function ruleOf<Kind extends ChoiceRule['kind']>(set: RecordSetSpec, kind: Kind): RuleOf<Kind> | undefined {
  return set.rule?.kind === kind ? (set.rule as RuleOf<Kind>) : undefined;
}

const weightOf = (set: RecordSetSpec): number => ruleOf(set, 'weight')?.weight ?? 0;

function byWeight(sets: readonly RecordSetSpec[], { healthy, random }: Circumstances): RecordSetSpec | undefined {
  const weighty = sets.filter((set) => weightOf(set) > 0);
  const idle = sets.filter((set) => weightOf(set) === 0);
  const pools = [weighty.filter(healthy), idle.filter(healthy), weighty, idle];
  const pool = pools.find(({ length }) => length > 0) ?? [];
  const total = pool.reduce((sum, set) => sum + weightOf(set), 0);
  if (total === 0) return pool[Math.floor(random() * pool.length)];
  let left = random() * total;
  return (
    pool.find((set) => {
      left -= weightOf(set);
      return left < 0;
    }) ?? pool[0]
  );
}

function byFailover(sets: readonly RecordSetSpec[], { healthy }: Circumstances): RecordSetSpec | undefined {
  const primary = sets.find((set) => ruleOf(set, 'failover')?.primary === true);
  const secondary = sets.find((set) => ruleOf(set, 'failover')?.primary === false);
  if (primary === undefined || healthy(primary)) return primary ?? secondary;
  return secondary !== undefined && healthy(secondary) ? secondary : primary;
}

/** Matching sets, the most precise one first. */
function byPlace(sets: readonly RecordSetSpec[], place: Place | undefined): RecordSetSpec[] {
  const precision = (set: RecordSetSpec): number => {
    const { continent, country, subdivision } = ruleOf(set, 'place') ?? {};
    if (country === undefined && continent === undefined) return 0;
    if (country === undefined) return continent === place?.continent ? 1 : -1;
    if (country !== place?.country) return -1;
    if (subdivision === undefined) return 2;
    return subdivision === place.subdivision ? 3 : -1;
  };
  return sets.filter((set) => precision(set) >= 0).sort((a, b) => precision(b) - precision(a));
}

/** The nearest one first. A client whose place is unknown gets them in the order in which they stand. */
function byDistance(sets: readonly RecordSetSpec[], place: Place | undefined): RecordSetSpec[] {
  const { latitude, longitude } = place ?? {};
  if (latitude === undefined || longitude === undefined) return [...sets];
  const measure = (set: RecordSetSpec): number => {
    const rule = ruleOf(set, 'distance');
    if (rule === undefined) return Number.POSITIVE_INFINITY;
    const { bias } = rule;
    // Route 53: "biased distance = actual distance * (1 - bias/100)" for a positive bias, "/ (1 + bias/100)" for a negative one.
    const distance = kilometres({ latitude, longitude }, rule);
    return bias >= 0 ? distance * (1 - bias / 100) : distance / (1 + bias / 100);
  };
  return [...sets].sort((a, b) => measure(a) - measure(b));
}

/** Sets whose blocks hold the client, the longest block first, then the set for all others. */
function byBlocks(sets: readonly RecordSetSpec[], asker: DnsAsker): RecordSetSpec[] {
  const address = clientAddress(asker);
  const precision = (set: RecordSetSpec): number => {
    const { blocks = [] } = ruleOf(set, 'blocks') ?? {};
    if (blocks === '*') return 0;
    let best = -1;
    for (const text of blocks) {
      const block = parseCidr(text);
      if (block !== undefined && address !== undefined && holds(block, address)) best = Math.max(best, block.prefix + 1);
    }
    return best;
  };
  return sets.filter((set) => precision(set) >= 0).sort((a, b) => precision(b) - precision(a));
}

function several(sets: readonly RecordSetSpec[], { healthy, random }: Circumstances): RecordSetSpec[] {
  const good = sets.filter(healthy);
  const pool = good.length > 0 ? good : [...sets];
  for (let at = pool.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [pool[at], pool[other]] = [pool[other]!, pool[at]!];
  }
  return pool.slice(0, severalMax);
}
