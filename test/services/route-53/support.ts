/** A zone of a fresh account, changes to it in one line, and questions over real DNS to the host's port. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  type Change,
  type ChangeInfo,
  type HostedZone,
  type ResourceRecordSet,
  Route53,
  type RRType,
} from '@aws-sdk/client-route-53';
import { inject } from 'vitest';
import { admin, eventually, freshAccount, type TestAccount } from '../../support/cloud.ts';

const run = promisify(execFile);

/** Whether dig is installed (package dnsutils). */
export const digRefused: string | undefined = await run('dig', ['-v']).then(
  () => undefined,
  () => 'dig is not installed (package bind9-dnsutils)',
);

export interface DigAnswer {
  status: string;
  flags: string[];
  /** `name ttl type data` of each record of the section. */
  answer: { name: string; ttl: number; type: string; data: string }[];
  authority: { name: string; ttl: number; type: string; data: string }[];
  text: string;
}

/** The host's port for public zones of a cloud. */
async function dnsPort(endpoint: string = inject('endpoint')): Promise<number> {
  return ((await admin('GET', 'health', undefined, endpoint)) as { dnsPort: number }).dnsPort;
}

/** Asks with dig; `more` are its own words, such as `+tcp` or `+subnet=192.0.2.0/24`. */
export async function dig(port: number, name: string, type = 'A', ...more: string[]): Promise<DigAnswer> {
  const words = [
    '-p',
    String(port),
    '@127.0.0.1',
    '+norecurse',
    '+time=3',
    '+tries=2',
    '+nocookie',
    ...more,
    '-t',
    type,
    '-q',
    name,
  ];
  const { stdout } = await run('dig', words);
  return parseDig(stdout);
}

/** Sections of dig's usual output. */
export function parseDig(text: string): DigAnswer {
  const section = (title: string) => {
    const lines = new RegExp(`;; ${title} SECTION:\\n((?:[^;\\n].*\\n)*)`).exec(text)?.[1]?.trim();
    return (lines === undefined || lines === '' ? [] : lines.split('\n')).map((line) => {
      const [name = '', ttl = '', , type = '', ...data] = line.split(/\s+/);
      return { name, ttl: Number(ttl), type, data: data.join(' ') };
    });
  };
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? 'SILENT',
    flags: (/flags: ([a-z ]*);/.exec(text)?.[1] ?? '').split(' '),
    answer: section('ANSWER'),
    authority: section('AUTHORITY'),
    text,
  };
}

export class ZoneLab {
  readonly account: TestAccount;
  readonly client: Route53;
  readonly #endpoint: string;
  zone: HostedZone = { Id: '', Name: '', CallerReference: '' };
  nameServers: string[] = [];
  port = 0;

  constructor(endpoint: string = inject('endpoint')) {
    this.#endpoint = endpoint;
    this.account = freshAccount(endpoint);
    this.client = new Route53(this.account.config());
  }

  get id(): string {
    return this.zone.Id!.replace('/hostedzone/', '');
  }

  /** Makes a public zone with a name nobody else has. */
  async open(name = `z${this.account.id}.example`): Promise<this> {
    this.port = await dnsPort(this.#endpoint);
    const made = await this.client.createHostedZone({ Name: name, CallerReference: `${this.account.id}-${name}` });
    this.zone = made.HostedZone!;
    this.nameServers = made.DelegationSet?.NameServers ?? [];
    await this.synced(made.ChangeInfo!);
    return this;
  }

  /** `www` → `www.ZONE.` */
  name(label = ''): string {
    return label === '' ? this.zone.Name! : `${label}.${this.zone.Name}`;
  }

  record(label: string, type: RRType, values: readonly string[], more: Partial<ResourceRecordSet> = {}): ResourceRecordSet {
    return { Name: this.name(label), Type: type, TTL: 300, ResourceRecords: values.map((Value) => ({ Value })), ...more };
  }

  change(...changes: Change[]) {
    return this.client.changeResourceRecordSets({ HostedZoneId: this.id, ChangeBatch: { Changes: changes } });
  }

  async synced(change: ChangeInfo): Promise<void> {
    await eventually(
      async () => {
        const { ChangeInfo } = await this.client.getChange({ Id: change.Id! });
        if (ChangeInfo?.Status !== 'INSYNC') throw new Error(String(ChangeInfo?.Status));
      },
      { why: 'the change reaches the name servers' },
    );
  }

  /** Upserts sets and waits until they are answered. */
  async put(...sets: ResourceRecordSet[]): Promise<void> {
    const { ChangeInfo } = await this.change(
      ...sets.map((ResourceRecordSet) => ({ Action: 'UPSERT' as const, ResourceRecordSet })),
    );
    await this.synced(ChangeInfo!);
  }

  dig(label: string, type = 'A', ...more: string[]): Promise<DigAnswer> {
    return dig(this.port, this.name(label), type, ...more);
  }
}
