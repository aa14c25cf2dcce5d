/**
 * What stands above all zones: the root, the top-level zones, and which name servers each domain was handed to. Whoever registers domains sets theirs;
 * a public zone whose domain nobody has registered is handed to its own servers, so that a zone answers the world without a registrar.
 */
import type { HostedZones } from './hosted/zone-book.ts';
import { isInZone } from './resolve.ts';
import type { DnsAsker, DnsQuestion, DnsRecord, DnsReply, SoaData, ZoneAnswer, ZoneSource } from './types.ts';

/** Seconds, as the real root and top-level zones have them. */
const delegationTtl = 172_800;
const rootServer = 'a.root-servers.net';
const topServer = 'a.gtld-servers.net';
/** Top-level zones that exist though no zone lies below them. */
const wellKnown = ['com', 'net', 'org', 'uk'] as const;

const soaOf = (mname: string): SoaData => ({
  ...{ mname, rname: 'hostmaster.pilvi.localhost', serial: 1, refresh: 1800, retry: 900, expire: 604_800, minimum: 900 },
});

export interface DomainServer {
  name: string;
  /** Known to the registry: of servers of ours, and of those that lie in the domain itself. */
  addresses: readonly string[];
}

export interface RegisteredDomain {
  /** In small letters without the dot at the end. */
  name: string;
  /** Nobody answers for a domain without servers. */
  servers: readonly DomainServer[];
}

/** What registrars hand to the plane. */
export interface Registry {
  /** Replaces what was known of a domain; without servers the name is taken, and does not resolve. */
  setDomain(domain: RegisteredDomain): void;
  /** The name belongs to nobody again. */
  removeDomain(name: string): void;
  /** The registered domain that a name lies in. */
  domainOf(name: string): RegisteredDomain | undefined;
}

export interface RegistryOptions {
  /** Addresses of the root's and of the top-level zones' server. */
  root: string;
  top: string;
  zones: Pick<HostedZones, 'openZoneAbove' | 'topLevels'>;
  /** Answers names of other sources: those of name servers. */
  follow: (question: DnsQuestion, asker: DnsAsker) => Promise<DnsReply>;
}

const nameServers = (name: string, servers: readonly string[]): DnsRecord[] =>
  servers.map((data) => ({ name, type: 'NS' as const, ttl: delegationTtl, data }));
const address = (name: string, data: string): DnsRecord => ({ name, type: 'A', ttl: delegationTtl, data });

export class NameRegistry implements Registry, ZoneSource {
  readonly name = 'registry';
  readonly #options: RegistryOptions;
  readonly #domains = new Map<string, RegisteredDomain>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** Rises with each change. */
  version = 0;

  mayAnswer(name: string): boolean {
    return !name.includes('.') || name === rootServer || name === topServer || this.domainOf(name) !== undefined;
  }

  setDomain(domain: RegisteredDomain): void {
    this.version += 1;
    this.#domains.set(domain.name, domain);
  }

  removeDomain(name: string): void {
    this.version += 1;
    this.#domains.delete(name);
  }

  domainOf(name: string): RegisteredDomain | undefined {
    for (let rest = name; rest.includes('.'); rest = rest.slice(rest.indexOf('.') + 1)) {
      const found = this.#domains.get(rest);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  answer(question: DnsQuestion, asker: DnsAsker): ZoneAnswer | undefined | Promise<ZoneAnswer | undefined> {
    const { root, top } = this.#options;
    if (asker.server === top) return this.#answerTop(question, asker);
    if (asker.server === root) return this.#answerRoot(question);
    return this.#answerResolver(question);
  }

  /** A resolver knows the root, and follows delegations itself; what no other zone answers for is left to it. */
  #answerResolver(question: DnsQuestion): ZoneAnswer | undefined {
    const { name } = question;
    if (name === '' || name === rootServer) return this.#answerRoot(question);
    if (name === topServer || !name.includes('.')) {
      const top = this.#exists(name) || name === topServer;
      return top ? this.#answerOwn(question, name === topServer ? 'gtld-servers.net' : name) : undefined;
    }
    const domain = this.domainOf(name);
    return domain === undefined ? undefined : this.#handOn(domain.name, domain.servers);
  }

  #answerRoot(question: DnsQuestion): ZoneAnswer {
    const { name, type } = question;
    const soa = soaOf(rootServer);
    const base = { apex: '', soa, soaTtl: 86_400 };
    const all = type === 'ANY';
    if (name === '')
      return {
        ...base,
        exists: true,
        records: [
          ...(type === 'NS' || all ? nameServers('', [rootServer]) : []),
          ...(type === 'SOA' || all ? [{ name: '', type: 'SOA' as const, ttl: 86_400, data: soa }] : []),
        ],
      };
    if (name === rootServer)
      return { ...base, exists: true, records: type === 'A' || all ? [address(name, this.#options.root)] : [] };
    const label = name.slice(name.lastIndexOf('.') + 1);
    if (!this.#exists(label)) return { ...base, exists: false, records: [] };
    const glue = [address(topServer, this.#options.top)];
    return { ...base, exists: true, records: [], delegation: nameServers(label, [topServer]), glue };
  }

  async #answerTop(question: DnsQuestion, asker: DnsAsker): Promise<ZoneAnswer | undefined> {
    const { name } = question;
    const label = name.slice(name.lastIndexOf('.') + 1);
    if (name === '' || !this.#exists(label)) return undefined;
    if (name === label) return this.#answerOwn(question, label);
    if (name === topServer) return this.#answerOwn(question, 'gtld-servers.net');
    const domain = this.domainOf(name);
    if (domain !== undefined) return this.#handOn(domain.name, domain.servers);
    const zone = this.#options.zones.openZoneAbove(name);
    if (zone !== undefined) return this.#handOn(zone.apex, zone.servers);
    // Name servers' own names are answered here, as if their zones were ours too: nobody has to walk for them.
    const { answers } = await this.#options.follow(question, { address: asker.address });
    const found = answers.length > 0 && /(^|\.)awsdns-\d\d\./.test(name);
    return { apex: label, records: found ? answers : [], exists: found, soa: soaOf(topServer) };
  }

  #answerOwn({ name, type }: DnsQuestion, apex: string): ZoneAnswer {
    const soa = soaOf(topServer);
    const all = type === 'ANY';
    if (name === topServer)
      return { apex, soa, exists: true, records: type === 'A' || all ? [address(name, this.#options.top)] : [] };
    const records: DnsRecord[] = type === 'NS' || all ? nameServers(name, [topServer]) : [];
    if (type === 'SOA' || all) records.push({ name, type: 'SOA', ttl: 900, data: soa });
    return { apex, soa, exists: true, records };
  }

  #handOn(apex: string, servers: readonly DomainServer[]): ZoneAnswer {
    if (servers.length === 0) return { apex, records: [], exists: false, soa: soaOf(topServer) };
    const delegation = nameServers(
      apex,
      servers.map(({ name }) => name),
    );
    const glue = servers.flatMap(({ name, addresses }) => addresses.map((one) => address(name, one)));
    return { apex, records: [], exists: true, delegation, glue };
  }

  #exists(label: string): boolean {
    if ((wellKnown as readonly string[]).includes(label) || this.#options.zones.topLevels().has(label)) return true;
    for (const name of this.#domains.keys()) if (isInZone(name, label)) return true;
    return false;
  }
}
