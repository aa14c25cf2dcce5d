/** Traffic policies and their instances ("Using Traffic Flow to route DNS traffic"). */
import type { Route53, RRType, TrafficPolicy, TrafficPolicyInstance } from '@aws-sdk/client-route-53';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { error, invalidInput } from './errors.ts';
import { bareId, liesIn, nameProblem, normalName, reversedName } from './names.ts';
import { RecordSets, Zones } from './state.ts';
import { type TrafficInstanceRow, TrafficInstances, TrafficPolicies, type TrafficPolicyRow } from './traffic-state.ts';
import { readDocument } from './traffic-tree.ts';
import { requireZone } from './zone-lookup.ts';

const versionsMax = 1000;
const documentMax = 102_400;

type Reading = Pick<Context | Transaction, 'table'>;

async function requirePolicy(reading: Reading, id: string | undefined, version: number | undefined): Promise<TrafficPolicyRow> {
  const row = await reading.table(TrafficPolicies).get(id ?? '', version ?? 0);
  if (row === undefined) throw error('NoSuchTrafficPolicy', 'No traffic policy exists with the specified ID and version.', 404);
  return row;
}

async function requireInstance(reading: Reading, id: string | undefined): Promise<TrafficInstanceRow> {
  const row = await reading.table(TrafficInstances).get(id ?? '');
  if (row === undefined)
    throw error('NoSuchTrafficPolicyInstance', 'No traffic policy instance exists with the specified ID.', 404);
  return row;
}

function describePolicy({ id, version, name, type, document, comment }: TrafficPolicyRow): TrafficPolicy {
  const given = { Id: id, Version: version, Name: name, Type: type as RRType, Document: document };
  return comment === undefined ? given : { ...given, Comment: comment };
}

function describeInstance(row: TrafficInstanceRow): TrafficPolicyInstance {
  return {
    ...{ Id: row.id, HostedZoneId: row.zone, Name: row.name, TTL: row.ttl, State: row.state, Message: '' },
    ...{ TrafficPolicyId: row.policy, TrafficPolicyVersion: row.version, TrafficPolicyType: row.type as RRType },
  };
}

function checkDocument(document: string | undefined, comment: string | undefined) {
  new RequestCheck('InvalidInput').length('document', document, 0, documentMax).length('comment', comment, 0, 1024).done();
  return readDocument(document ?? '');
}

export const trafficHandlers: HandlersOf<Route53> = {
  async CreateTrafficPolicy(input, ctx) {
    const { Name: name = '', Document: document = '', Comment: comment } = input;
    new RequestCheck('InvalidInput').length('name', name, 0, 512).done();
    const { RecordType: type } = checkDocument(document, comment);
    const row: TrafficPolicyRow = { id: ctx.uuid(), version: 1, name, type, document, comment };
    await ctx.transact(async (tx) => {
      if ((await tx.table(TrafficPolicies).firstByIndex('byName', [name])) !== undefined)
        throw error('TrafficPolicyAlreadyExists', 'A traffic policy that has the same name already exists.', 409);
      await tx.table(TrafficPolicies).put(row);
    });
    return { TrafficPolicy: describePolicy(row), Location: `https://route53.amazonaws.com/2013-04-01/trafficpolicy/${row.id}/1` };
  },

  async CreateTrafficPolicyVersion(input, ctx) {
    const { Document: document = '', Comment: comment } = input;
    const { RecordType: type } = checkDocument(document, comment);
    return ctx.transact(async (tx) => {
      const last = (await tx.table(TrafficPolicies).list({ prefix: [input.Id ?? ''] })).at(-1);
      if (last === undefined) throw error('NoSuchTrafficPolicy', 'No traffic policy exists with the specified ID.', 404);
      if (last.version >= versionsMax)
        throw error('TooManyTrafficPolicyVersionsForCurrentPolicy', `A traffic policy has at most ${versionsMax} versions.`);
      if (last.type !== type) throw invalidInput(`The type of a traffic policy cannot change from ${last.type} to ${type}.`);
      const row: TrafficPolicyRow = { id: last.id, version: last.version + 1, name: last.name, type, document, comment };
      await tx.table(TrafficPolicies).put(row);
      const Location = `https://route53.amazonaws.com/2013-04-01/trafficpolicy/${row.id}/${row.version}`;
      return { TrafficPolicy: describePolicy(row), Location };
    });
  },

  async GetTrafficPolicy(input, ctx) {
    return { TrafficPolicy: describePolicy(await requirePolicy(ctx, input.Id, input.Version)) };
  },

  async DeleteTrafficPolicy(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requirePolicy(tx, input.Id, input.Version);
      if ((await tx.table(TrafficInstances).firstByIndex('byPolicy', [row.id, row.version])) !== undefined)
        throw error('TrafficPolicyInUse', 'The traffic policy is in use by a traffic policy instance.');
      await tx.table(TrafficPolicies).delete(row.id, row.version);
    });
    return {};
  },

  /** The name gets a record of the policy's type, which only the instance may change. */
  async CreateTrafficPolicyInstance(input, ctx) {
    const { Name: text = '', TTL: ttl = 0 } = input;
    new RequestCheck('InvalidInput').range('tTL', ttl, 0, 604_800).done();
    const problem = nameProblem(text);
    if (problem !== undefined) throw invalidInput(problem);
    const name = normalName(text);
    const row = await ctx.transact(async (tx) => {
      const zone = await requireZone(tx, bareId(input.HostedZoneId));
      const policy = await requirePolicy(tx, input.TrafficPolicyId, input.TrafficPolicyVersion);
      if (!liesIn(name, zone.name)) throw invalidInput(`The name ${name} does not lie in the hosted zone ${zone.name}`);
      const beside = await tx.table(RecordSets).list({ prefix: [zone.id, reversedName(name)] });
      if (beside.some(({ type }) => type === policy.type || type === 'CNAME' || policy.type === 'CNAME'))
        throw error('TrafficPolicyInstanceAlreadyExists', `There is already a record of the type ${policy.type} at ${name}`, 409);
      const made: TrafficInstanceRow = {
        ...{
          id: ctx.uuid(),
          zone: zone.id,
          name,
          ttl,
          policy: policy.id,
          version: policy.version,
          type: policy.type,
          state: 'Creating',
        },
      };
      await tx.table(TrafficInstances).put(made);
      const record = { zone: zone.id, name, type: policy.type, setIdentifier: '', ttl, values: [], routing: {} };
      await tx.table(RecordSets).put({ ...record, trafficPolicyInstance: made.id });
      await tx.table(Zones).put({ ...zone, recordCount: zone.recordCount + 1 });
      tx.hint('zones', zone.id);
      return made;
    });
    const Location = `https://route53.amazonaws.com/2013-04-01/trafficpolicyinstance/${row.id}`;
    return { TrafficPolicyInstance: describeInstance(row), Location };
  },

  async GetTrafficPolicyInstance(input, ctx) {
    return { TrafficPolicyInstance: describeInstance(await requireInstance(ctx, input.Id)) };
  },

  async GetTrafficPolicyInstanceCount(_input, ctx) {
    return { TrafficPolicyInstanceCount: await ctx.table(TrafficInstances).count() };
  },

  async UpdateTrafficPolicyInstance(input, ctx) {
    new RequestCheck('InvalidInput').range('tTL', input.TTL, 0, 604_800).done();
    return ctx.transact(async (tx) => {
      const row = await requireInstance(tx, input.Id);
      const policy = await requirePolicy(tx, input.TrafficPolicyId, input.TrafficPolicyVersion);
      if (policy.type !== row.type)
        throw error('ConflictingTypes', `The instance has the type ${row.type}, the policy ${policy.type}.`);
      const next: TrafficInstanceRow = {
        ...{ ...row, ttl: input.TTL ?? row.ttl, policy: policy.id, version: policy.version, state: 'Updating' },
      };
      await tx.table(TrafficInstances).put(next);
      tx.hint('zones', row.zone);
      return { TrafficPolicyInstance: describeInstance(next) };
    });
  },

  async DeleteTrafficPolicyInstance(input, ctx) {
    await ctx.transact(async (tx) => {
      const row = await requireInstance(tx, input.Id);
      const zone = await requireZone(tx, row.zone);
      await tx.table(TrafficInstances).delete(row.id);
      await tx.table(RecordSets).delete(row.zone, reversedName(row.name), row.type, '');
      await tx.table(Zones).put({ ...zone, recordCount: zone.recordCount - 1 });
      tx.hint('zones', row.zone);
    });
    return {};
  },
};
