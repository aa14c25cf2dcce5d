/** Top-level domains that this registrar sells, with US dollars a year near those of the real price list; it is no copy that is kept in step. */
export interface TopLevel {
  name: string;
  registration: number;
  renewal: number;
  transfer: number;
  changeOwnership: number;
  restoration: number;
  /** Years for which a name can be had at once. */
  yearsMax: number;
}

const sold = (name: string, price: number, restoration: number, more: Partial<TopLevel> = {}): TopLevel => ({
  ...{ name, registration: price, renewal: price, transfer: price, changeOwnership: 0, restoration, yearsMax: 10 },
  ...more,
});

export const topLevels: readonly TopLevel[] = [
  sold('biz', 20, 57),
  sold('click', 3, 33),
  sold('cloud', 25, 80),
  sold('co.uk', 9, 0, { transfer: 0 }),
  sold('com', 14, 57),
  sold('de', 9, 59, { changeOwnership: 9, yearsMax: 1 }),
  sold('dev', 15, 80),
  sold('eu', 13, 33, { yearsMax: 1 }),
  sold('fi', 24, 0, { yearsMax: 5 }),
  sold('info', 24, 66),
  sold('io', 71, 91),
  sold('link', 5, 33),
  sold('me', 17, 91),
  sold('net', 15, 57),
  sold('org', 14, 66),
  sold('uk', 9, 0, { transfer: 0 }),
];

/** What a name is sold under; undefined for what is not sold. */
export function topLevelOf(domain: string): TopLevel | undefined {
  const suffix = domain.slice(domain.indexOf('.') + 1);
  return topLevels.find(({ name }) => name === suffix);
}
