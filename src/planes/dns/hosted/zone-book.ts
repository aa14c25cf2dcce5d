/**
 * The zones that the plane holds, ready to answer: names of each zone in maps, wildcards, delegations, choices and aliases (RFC 1034, 4592, 2308).
 * Specs come from outside, whole, one zone at a time; nothing here survives a restart. For askers in networks public answers are kept for
 * their time to live, as a resolver keeps them, by the cloud's clock.
 */
import type { Millis } from '../../../base/clock.ts';
import type { DomainServer, RegisteredDomain } from '../registry.ts';
import { isInZone } from '../resolve.ts';
import type { DnsAsker, DnsQuestion, DnsRecord, DnsReply, ZoneAnswer, ZoneSource } from '../types.ts';
import { type Circumstances, chooseSets } from './choose.ts';
import { PlaceTable } from './geography.ts';
import { QueryCounts } from './query-counts.ts';
import type { Place, RecordSetSpec, ZoneQuery, ZoneSpec } from './types.ts';

/** Aliases of aliases that are followed inside the book. */
const aliasDepthMax = 8;
const keptMax = 20_000;

type Sets = readonly RecordSetSpec[];

interface Zone {
  spec: ZoneSpec;
  networks: ReadonlySet<string> | undefined;
  servers: ReadonlySet<string>;
  /** Sets of a name by type; empty for a name that is only a part of longer ones. */
  names: Map<string, Map<string, Sets>>;
  delegates: boolean;
}

interface Kept {
  answer: ZoneAnswer;
  at: Millis;
  until: Millis;
}

export interface ZoneBookOptions {
  /** Cloud time. */
  now: () => Millis;
  /** The registered domain that a name lies in: from networks its public zones are seen only where the registry leads. */
  domainOf?: ((name: string) => RegisteredDomain | undefined) | undefined;
  /** Answers names of other sources, for aliases. */
  follow: (question: DnsQuestion, asker: DnsAsker) => Promise<DnsReply & { healthy?: boolean | undefined }>;
}

/** What services hand to the plane, and learn from it. */
export interface HostedZones extends ZoneSource {
  ensureZone(spec: ZoneSpec): void;
  removeZone(key: string): void;
  /** Says whether what a probe watches is healthy; undefined forgets it, and it counts as healthy. */
  setProbe(key: string, healthy: boolean | undefined): void;
  /** Replaces the table of where clients are. */
  setPlaces(entries: readonly { cidr: string; place: Place }[]): void;
  placeOf(asker: DnsAsker): Place | undefined;
  /** The public zone next to the top that a name lies in, with the servers that its own records name. */
  openZoneAbove(name: string): { apex: string; servers: readonly DomainServer[] } | undefined;
  /** Apex of the deepest private zone that a network sees a name in. */
  ownApex(name: string, network: string): string | undefined;
  /** Last labels of all public zones. */
  topLevels(): ReadonlySet<string>;
  /** Calls back for each query that one of the logged zones answered; returns how to stop. */
  onQuery(listener: (query: ZoneQuery) => void): () => void;
  /** Queries that came over the network, by public zone. */
  readonly counts: QueryCounts;
}

export class ZoneBook implements HostedZones {
  readonly name = 'hosted';
  readonly #options: ZoneBookOptions;
  readonly #zones = new Map<string, Zone>();
  readonly #byApex = new Map<string, Zone[]>();
  readonly #probes = new Map<string, boolean>();
  readonly #places = new PlaceTable();
  readonly #kept = new Map<string, Kept>();
  readonly #listeners = new Set<(query: ZoneQuery) => void>();
  readonly counts = new QueryCounts();

  constructor(options: ZoneBookOptions) {
    this.#options = options;
  }

  /** Rises with each change of a zone. */
  version = 0;

  ensureZone(spec: ZoneSpec): void {
    this.#drop(spec.key);
    const zone = build(spec);
    this.version += 1;
    this.#zones.set(spec.key, zone);
    const beside = [...(this.#byApex.get(spec.apex) ?? []), zone];
    this.#byApex.set(
      spec.apex,
      beside.sort((a, b) => a.spec.rank - b.spec.rank),
    );
  }

  removeZone(key: string): void {
    const apex = this.#zones.get(key)?.spec.apex;
    this.#drop(key);
    // A zone that is gone is not remembered: whoever makes it again starts afresh.
    for (const [kept, { answer }] of this.#kept) if (answer.apex === apex) this.#kept.delete(kept);
  }

  setProbe(key: string, healthy: boolean | undefined): void {
    if (healthy === undefined) this.#probes.delete(key);
    else this.#probes.set(key, healthy);
  }

  setPlaces(entries: readonly { cidr: string; place: Place }[]): void {
    this.#places.set(entries);
  }

  placeOf(asker: DnsAsker): Place | undefined {
    return this.#places.find(asker);
  }

  onQuery(listener: (query: ZoneQuery) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  answer(question: DnsQuestion, asker: DnsAsker): ZoneAnswer | undefined | Promise<ZoneAnswer | undefined> {
    const zone = this.#zoneOf(question.name, asker);
    if (zone === undefined) return undefined;
    if (asker.network === undefined || zone.networks !== undefined) return this.#ask(zone, question, asker);
    return this.#askAsResolver(zone, question, asker);
  }

  /**
   * Whether a question of somebody on the internet has one answer, the same for all until a zone changes: one value of a plain set, which nobody
   * logs, and which is no alias that is to be followed.
   */
  isPlain(question: DnsQuestion, asker: DnsAsker): boolean {
    const zone = asker.network === undefined ? this.#zoneOf(question.name, asker) : undefined;
    if (zone === undefined || zone.spec.logged === true || zone.delegates || question.type === 'ANY') return false;
    const [only, another] = setsFor(nodeOf(zone, question.name) ?? new Map(), question);
    if (only === undefined || another !== undefined || only.type !== question.type) return false;
    return only.rule === undefined && only.alias === undefined && only.values.length === 1;
  }

  /** What counts one more answer to a question that `isPlain`. */
  counterOf(question: DnsQuestion, asker: DnsAsker): () => void {
    const key = this.#zoneOf(question.name, asker)?.spec.key;
    return () => void (key !== undefined && this.counts.add(key, 'plain'));
  }

  #drop(key: string): void {
    this.version += 1;
    const zone = this.#zones.get(key);
    if (zone === undefined) return;
    this.#zones.delete(key);
    const { apex } = zone.spec;
    const others = (this.#byApex.get(apex) ?? []).filter((one) => one !== zone);
    if (others.length === 0) this.#byApex.delete(apex);
    else this.#byApex.set(apex, others);
  }

  /** Private zones of the asker's network come before public ones, of each kind the deepest. */
  #zoneOf(name: string, { network, server }: DnsAsker): Zone | undefined {
    let open: Zone | undefined;
    const domain = network === undefined ? undefined : this.#options.domainOf?.(name);
    for (let rest = name; ; rest = rest.slice(rest.indexOf('.') + 1)) {
      for (const zone of this.#byApex.get(rest) ?? []) {
        if (zone.networks !== undefined) {
          if (network !== undefined && zone.networks.has(network)) return zone;
        } else if ((server === undefined || zone.servers.has(server)) && this.#isLedTo(zone, domain)) open ??= zone;
      }
      if (!rest.includes('.')) return open;
    }
  }

  /** Whether the registry leads to the zone: its domain was handed to its servers, or to those of the zone at the domain's apex above it. */
  #isLedTo({ spec: { apex }, servers }: Zone, domain: RegisteredDomain | undefined): boolean {
    if (domain === undefined || !isInZone(apex, domain.name)) return true;
    const handedTo = (held: ReadonlySet<string>) =>
      domain.servers.some(({ addresses }) => addresses.some((address) => held.has(address)));
    if (apex === domain.name) return handedTo(servers);
    return (this.#byApex.get(domain.name) ?? []).some((zone) => zone.networks === undefined && handedTo(zone.servers));
  }

  openZoneAbove(name: string): { apex: string; servers: readonly DomainServer[] } | undefined {
    const labels = name.split('.');
    for (let count = 2; count <= labels.length; count += 1) {
      const apex = labels.slice(-count).join('.');
      const zone = this.#byApex.get(apex)?.find(({ networks }) => networks === undefined);
      const [set] = zone?.names.get(apex)?.get('NS') ?? [];
      if (set === undefined) continue;
      return { apex, servers: set.values.map(({ data }) => ({ name: String(data), addresses: [] })) };
    }
    return undefined;
  }

  ownApex(name: string, network: string): string | undefined {
    const zone = this.#zoneOf(name, { address: '', network });
    return zone?.networks === undefined ? undefined : zone.spec.apex;
  }

  topLevels(): ReadonlySet<string> {
    const found = new Set<string>();
    for (const [apex, zones] of this.#byApex)
      if (zones.some(({ networks }) => networks === undefined)) found.add(apex.slice(apex.lastIndexOf('.') + 1));
    return found;
  }

  async #askAsResolver(zone: Zone, question: DnsQuestion, asker: DnsAsker): Promise<ZoneAnswer> {
    const now = this.#options.now();
    const key = `${asker.network} ${question.type} ${question.name}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.until > now) {
      const passed = Math.floor((now - kept.at) / 1000);
      // Each asker gets them in another order, so that clients behind one resolver spread too.
      const records = turn(kept.answer.records).map((record) => ({ ...record, ttl: (record.ttl ?? 0) - passed }));
      return { ...kept.answer, records };
    }
    const answer = await this.#ask(zone, question, asker);
    const seconds = Math.min(...answer.records.map(({ ttl }) => ttl ?? 0));
    if (answer.records.length > 0 && seconds > 0) {
      if (this.#kept.size >= keptMax) this.#kept.clear();
      this.#kept.set(key, { answer, at: now, until: now + seconds * 1000 });
    }
    return answer;
  }

  #ask(zone: Zone, question: DnsQuestion, asker: DnsAsker): ZoneAnswer | Promise<ZoneAnswer> {
    const delegation = zone.delegates ? delegationOf(zone, question) : undefined;
    if (delegation !== undefined) return this.#finish(zone, question, asker, [], true, { delegation });
    const node = nodeOf(zone, question.name);
    if (node === undefined) return this.#finish(zone, question, asker, [], false);
    const found = setsFor(node, question);
    const alias = found.some(({ alias: target }) => target !== undefined);
    const plain = !alias && found.every(({ rule }) => rule === undefined);
    if (plain) {
      const records = found.flatMap((set) => rotate(set.values, question.name, set.ttl));
      return this.#finish(zone, question, asker, records, true);
    }
    return this.#choose(zone, found, question, asker, 0).then((chosen) =>
      this.#finish(zone, question, asker, chosen.records, true, { foreignAlias: chosen.foreign }),
    );
  }

  #finish(
    { spec }: Zone,
    { name, type }: DnsQuestion,
    { address, clientSubnet, network, transport }: DnsAsker,
    records: readonly DnsRecord[],
    exists: boolean,
    { delegation, foreignAlias = false }: { delegation?: readonly DnsRecord[]; foreignAlias?: boolean } = {},
  ): ZoneAnswer {
    const status = exists ? 'NOERROR' : 'NXDOMAIN';
    if (transport !== undefined && spec.networks === undefined) this.counts.add(spec.key, foreignAlias ? 'aliases' : 'plain');
    if (spec.logged === true)
      for (const listener of this.#listeners)
        listener({ zone: spec.key, name, type, status, address, clientSubnet, network, transport, foreignAlias });
    return { apex: spec.apex, records, exists, soa: spec.soa, soaTtl: spec.soaTtl, delegation };
  }

  async #choose(zone: Zone, sets: Sets, question: DnsQuestion, asker: DnsAsker, depth: number) {
    const chosen = chooseSets(sets, await this.#circumstances(zone, sets, asker, depth));
    const records: DnsRecord[] = [];
    let foreign = false;
    for (const set of chosen) {
      if (set.alias === undefined) records.push(...rotate(set.values, question.name, set.ttl));
      else {
        const target = await this.#target(zone, set, asker, depth);
        foreign ||= !set.alias.own;
        records.push(...target.map((record) => ({ ...record, name: question.name }) as DnsRecord));
      }
    }
    return { records, foreign };
  }

  /** What an alias answers with: records of its own type, without the names between. */
  async #target(zone: Zone, { alias, type }: RecordSetSpec, asker: DnsAsker, depth: number): Promise<readonly DnsRecord[]> {
    if (alias === undefined || depth >= aliasDepthMax) return [];
    const question = { name: alias.name, type };
    if (alias.own) {
      const sets = setsFor(nodeOf(zone, alias.name) ?? new Map(), question);
      return (await this.#choose(zone, sets, question, asker, depth + 1)).records;
    }
    return (await this.#options.follow(question, asker)).answers.filter((record) => record.type === type);
  }

  async #circumstances(zone: Zone, sets: Sets, asker: DnsAsker, depth: number): Promise<Circumstances> {
    const failing = new Set<RecordSetSpec>();
    // A set that stands alone is answered whatever its health.
    if (sets.some(({ rule }) => rule !== undefined))
      for (const set of sets) if (!(await this.#isHealthy(zone, set, asker, depth))) failing.add(set);
    return { asker, place: this.#places.find(asker), healthy: (set) => !failing.has(set), random: Math.random };
  }

  async #isHealthy(zone: Zone, set: RecordSetSpec, asker: DnsAsker, depth: number): Promise<boolean> {
    if (set.probe !== undefined && this.#probes.get(set.probe) === false) return false;
    const { alias } = set;
    if (alias === undefined || !alias.followHealth || depth >= aliasDepthMax) return true;
    if (!alias.own) return (await this.#options.follow({ name: alias.name, type: set.type }, asker)).healthy !== false;
    const targets = setsFor(nodeOf(zone, alias.name) ?? new Map(), { name: alias.name, type: set.type });
    for (const target of targets) if (await this.#isHealthy(zone, target, asker, depth + 1)) return true;
    return targets.length === 0;
  }
}

function build(spec: ZoneSpec): Zone {
  const names = new Map<string, Map<string, Sets>>();
  const nodeAt = (name: string): Map<string, Sets> => {
    let node = names.get(name);
    if (node === undefined) {
      node = new Map();
      names.set(name, node);
    }
    return node;
  };
  nodeAt(spec.apex);
  for (const set of spec.sets) {
    const node = nodeAt(set.name);
    node.set(set.type, [...(node.get(set.type) ?? []), set]);
    // Parts of a name exist too (RFC 4592, empty non-terminals).
    for (let up = set.name; up !== spec.apex && isInZone(up, spec.apex); up = up.slice(up.indexOf('.') + 1)) nodeAt(up);
  }
  const delegates = spec.sets.some(({ type, name }) => type === 'NS' && name !== spec.apex);
  const networks = spec.networks === undefined ? undefined : new Set(spec.networks);
  return { spec, names, delegates, networks, servers: new Set(spec.servers) };
}

/** The name's own sets, else those of the wildcard beside its closest existing ancestor; undefined when there are none. */
function nodeOf({ names, spec }: Zone, name: string): ReadonlyMap<string, Sets> | undefined {
  const own = names.get(name);
  if (own !== undefined) return own;
  for (let up = name; up !== spec.apex; ) {
    up = up.slice(up.indexOf('.') + 1);
    if (names.has(up)) return names.get(`*.${up}`);
  }
  return undefined;
}

function setsFor(node: ReadonlyMap<string, Sets>, { type }: DnsQuestion): Sets {
  if (type === 'ANY') return [...node.values()].flat().filter(({ rule, alias }) => rule === undefined && alias === undefined);
  return node.get(type) ?? node.get('CNAME') ?? [];
}

/** Name servers of the zone that the name was handed to. The parent keeps only the DS record of such a zone. */
function delegationOf({ names, spec }: Zone, { name, type }: DnsQuestion): readonly DnsRecord[] | undefined {
  let found: readonly DnsRecord[] | undefined;
  for (let up = name; up !== spec.apex; up = up.slice(up.indexOf('.') + 1)) {
    const [set] = names.get(up)?.get('NS') ?? [];
    if (set !== undefined && !(up === name && type === 'DS')) found = rotate(set.values, up, set.ttl);
  }
  return found;
}

/** Values as records, beginning with another one each time, so that clients spread. */
function rotate(values: RecordSetSpec['values'], name: string, ttl: number): DnsRecord[] {
  return turn(values).map((value) => ({ ...value, name, ttl }) as DnsRecord);
}

function turn<T>(list: readonly T[]): readonly T[] {
  const start = list.length > 1 ? Math.floor(Math.random() * list.length) : 0;
  return start === 0 ? list : [...list.slice(start), ...list.slice(0, start)];
}
