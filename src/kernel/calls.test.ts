import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CloudClock } from '../base/clock.ts';
import { IdSource } from '../base/ids.ts';
import { openLmdbStore } from '../store/lmdb/lmdb-store.ts';
import type { Store } from '../store/store.ts';
import { type Caller, rootIdentity } from './caller.ts';
import type { Context } from './context.ts';
import { Kernel } from './kernel.ts';
import { type Check, defineService, type PolicySource, type ServiceEntry } from './service.ts';

const account = '111122223333';
const key = `arn:aws:kms:eu-west-1:${account}:key/1`;
const allow = (extra: object): string =>
  JSON.stringify({ Statement: [{ Effect: 'Allow', Action: '*', Resource: '*', ...extra }] });

let folder: string;
let store: Store;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pilvi-calls-'));
  store = await openLmdbStore(folder);
});

afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A cloud of a secrets service that calls a key service with its caller's rights, a topic service that calls it by itself, and an IAM of one user. */
function cloudOf(check: Check, identity: readonly string[] = []): Kernel {
  const policies: PolicySource = { policiesOf: () => Promise.resolve({ identity }) };
  const entry = (definition: { name: ServiceEntry['name'] }, more: Partial<ServiceEntry> = {}): ServiceEntry => ({
    name: definition.name,
    load: () => Promise.resolve({ default: definition }),
    ...more,
  });
  const keys = defineService({
    name: 'kms',
    tables: [],
    handlers: { DescribeKey: () => ({}) },
    authorise: { DescribeKey: () => [check] },
  });
  const describe = async (ctx: Context): Promise<object> => {
    await ctx.call('kms').describeKey({ KeyId: key });
    return {};
  };
  const secrets = defineService({
    name: 'secrets-manager',
    tables: [],
    handlers: { GetSecretValue: (_input: unknown, ctx: Context) => describe(ctx) },
  });
  const topics = defineService({
    name: 'sns',
    tables: [],
    handlers: {
      Publish: (_input: unknown, ctx: Context) => describe(ctx.onAccountOf('arn:aws:sns:eu-west-1:444455556666:t')),
      ListTopics: (_input: unknown, ctx: Context) => describe(ctx.asService()),
    },
  });
  const iam = defineService({ name: 'iam', tables: [], handlers: {}, policies });
  return new Kernel({
    store,
    clock: new CloudClock(),
    ids: new IdSource(),
    log: () => undefined,
    services: [entry(keys), entry(secrets), entry(topics), entry(iam, { holds: 'identity-policies' })],
    parts: {},
  });
}

const root: Caller = {
  ...rootIdentity(account),
  sourceIp: '127.0.0.1',
  userAgent: 'test',
  secureTransport: false,
  calledVia: [],
};
const alice: Caller = {
  ...root,
  kind: 'user',
  arn: `arn:aws:iam::${account}:user/alice`,
  userId: 'AIDA1',
  userName: 'alice',
  principal: { type: 'User', account, arn: `arn:aws:iam::${account}:user/alice` },
};

/** `allowed`, or the reason at the end of the denial. */
async function outcome(kernel: Kernel, service: string, operation: string, caller: Caller): Promise<string> {
  const facts = { account, region: 'eu-west-1', service, operation, requestId: 'r', caller, now: kernel.clock.now() };
  return kernel.invoke(facts, {}).then(
    () => 'allowed',
    (error: Error) => error.message,
  );
}

describe('the policy of a resource that must allow', () => {
  const must = (resourcePolicy?: string): Check => ({ resource: key, resourcePolicy, resourceMustAllow: true });

  test('holds root too: without a policy that names the account nobody may', async () => {
    expect(await outcome(cloudOf(must()), 'kms', 'DescribeKey', root)).toContain('because no resource-based policy allows');
    expect(await outcome(cloudOf(must(allow({ Principal: { AWS: account } }))), 'kms', 'DescribeKey', root)).toBe('allowed');
  });

  test('that names the account leaves it to identity policies', async () => {
    const policy = must(allow({ Principal: { AWS: account } }));
    expect(await outcome(cloudOf(policy), 'kms', 'DescribeKey', alice)).toContain('because no identity-based policy allows');
    expect(await outcome(cloudOf(policy, [allow({})]), 'kms', 'DescribeKey', alice)).toBe('allowed');
    expect(await outcome(cloudOf(must(), [allow({})]), 'kms', 'DescribeKey', alice)).toContain('no resource-based policy allows');
  });
});

describe('a call that a service makes with its caller’s rights', () => {
  const through = (condition: object): readonly string[] => [
    allow({ Action: 'secretsmanager:*' }),
    allow({ Action: 'kms:*', Condition: condition }),
  ];
  const check: Check = { resource: key };

  test.each([
    ['aws:CalledVia', { 'ForAnyValue:StringEquals': { 'aws:CalledVia': 'secretsmanager.amazonaws.com' } }],
    ['aws:CalledViaFirst', { StringEquals: { 'aws:CalledViaFirst': 'secretsmanager.amazonaws.com' } }],
    ['aws:CalledViaLast', { StringEquals: { 'aws:CalledViaLast': 'secretsmanager.amazonaws.com' } }],
    ['aws:ViaAWSService', { Bool: { 'aws:ViaAWSService': 'true' } }],
    ['kms:ViaService', { StringEquals: { 'kms:ViaService': 'secretsmanager.eu-west-1.amazonaws.com' } }],
  ])('is known by %s, and the direct call is not', async (_name, condition) => {
    const kernel = cloudOf(check, through(condition));
    expect(await outcome(kernel, 'secrets-manager', 'GetSecretValue', alice)).toBe('allowed');
    expect(await outcome(kernel, 'kms', 'DescribeKey', alice)).toContain('because no identity-based policy allows');
  });
});

describe('a service that acts by itself', () => {
  test('is asked nothing when it is the cloud’s own work', async () => {
    expect(await outcome(cloudOf({ resource: key }), 'sns', 'ListTopics', root)).toBe('allowed');
  });

  test.each([
    ['nothing', undefined, false],
    ['another service', { Principal: { Service: 'sqs.amazonaws.com' } }, false],
    ['the service', { Principal: { Service: 'sns.amazonaws.com' } }, true],
    [
      'the service for this resource',
      { Principal: { Service: 'sns.amazonaws.com' }, Condition: { ArnEquals: { 'aws:SourceArn': 'arn:aws:sns:*:*:t' } } },
      true,
    ],
    [
      'the service for another account',
      { Principal: { Service: 'sns.amazonaws.com' }, Condition: { StringEquals: { 'aws:SourceAccount': account } } },
      false,
    ],
  ])('on account of a resource is held to the policy of what it touches: it names %s', async (_name, statement, allowed) => {
    const check = { resource: key, resourcePolicy: statement === undefined ? undefined : allow(statement) };
    const said = await outcome(cloudOf(check), 'sns', 'Publish', root);
    expect(said).toContain(allowed ? 'allowed' : 'sns.amazonaws.com is not authorized to perform: kms:DescribeKey');
  });
});
