/**
 * Last-accessed information: which services an identity may use, by its policies, and when it last did, from the record of finished calls. Every
 * signed attempt counts, also one that was denied ("Refine permissions using last accessed information").
 */
import type { IAM, PolicyGrantingServiceAccess, ServiceLastAccessed } from '@aws-sdk/client-iam';
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { serviceNames } from '../../kernel/policy/authorisation.ts';
import { parseDocument } from '../../kernel/policy/document.ts';
import type { AuthorisationsOf, CallRecord, Check, HandlersOf } from '../../kernel/service.ts';
import { defineTable } from '../../store/tables.ts';
import { parseEntityArn } from './arns.ts';
import { dateOf } from './dates.ts';
import { noSuchEntity, validationError } from './errors.ts';
import { documentInForce } from './managed-policies.ts';
import { byKey, pageItems } from './paging.ts';
import { allIdentities, type Entity, policiesOf, requireEntity, withGroups } from './policy-sources.ts';
import { RequestCheck } from './rules.ts';
import type { PrincipalRow, UserRow } from './state.ts';

/** Reports are kept as long as the information they tell is tracked. */
const reportKept: Millis = 400 * 86_400_000;

export interface AccessRow {
  /** Unique id of the user or role. */
  identity: string;
  /** Service as actions name it: `ec2`. */
  namespace: string;
  at: Millis;
  region: string;
}

/** When a user or role last called a service. */
export const Accesses = defineTable<AccessRow>()({
  name: 'iam.accesses',
  scope: 'account',
  key: (row) => [row.identity, row.namespace],
});

interface ReportEntry {
  namespace: string;
  last?: { at: Millis; region: string; arn: string } | undefined;
  /** Those who called it, latest first. */
  entities: readonly { arn: string; id: string; at: Millis }[];
}

export interface AccessReportRow {
  id: string;
  created: Millis;
  arn: string;
  entries: readonly ReportEntry[];
}

export const AccessReports = defineTable<AccessReportRow>()({
  name: 'iam.accessReports',
  scope: 'account',
  key: (row) => [row.id],
});

/** Notes who called what, one write per identity and service of a batch. Root is not tracked here. */
export async function recordAccess(batch: readonly CallRecord[], ctx: Context): Promise<void> {
  const latest = new Map<string, { account: string; row: AccessRow }>();
  for (const { identity, action, at, region } of batch) {
    const id = identity.kind === 'user' ? identity.userId : identity.kind === 'role' ? identity.principal.uniqueId : undefined;
    const namespace = action.slice(0, action.indexOf(':'));
    if (id !== undefined)
      latest.set(`${id} ${namespace}`, { account: identity.account, row: { identity: id, namespace, at, region } });
  }
  if (latest.size === 0) return;
  await ctx.transact(async (tx) => {
    for (const { account, row } of latest.values()) await tx.tableIn({ account, region: '' }, Accesses).put(row);
  });
}

/** Whether an action pattern, as `s3:Get*`, `*` or `e*:Describe*`, may be about a service. */
function concerns(pattern: string, namespace: string): boolean {
  if (pattern === '*') return true;
  const prefix = pattern.slice(0, Math.max(pattern.indexOf(':'), 0)).toLowerCase();
  if (!/[*?]/.test(prefix)) return prefix === namespace;
  const form = prefix
    .replace(/[^*?\w]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${form}$`).test(namespace);
}

/** Whether a policy allows anything of a service; denies are not weighed, as the real report does not. */
function grants(document: string, namespace: string): boolean {
  return parseDocument(document).statements.some(({ effect, actions, notActions }) => {
    if (effect !== 'Allow') return false;
    if (actions !== undefined) return actions.some((action) => concerns(action, namespace));
    return !(notActions ?? []).some((action) => action === '*' || action.toLowerCase() === `${namespace}:*`);
  });
}

/** Identities that a report about a group or policy is about: the group's users, who has the policy attached; else the identity itself. */
async function identitiesBehind(ctx: Context, entity: Entity | undefined, arn: string): Promise<Entity[]> {
  if (entity !== undefined && entity.kind !== 'group') return [entity];
  const all = await allIdentities(ctx, ctx.account);
  if (entity !== undefined)
    return all.filter(({ kind, row }) => kind === 'user' && (row as UserRow).groups.includes(entity.row.id));
  const using: Entity[] = [];
  for (const identity of all) {
    const owners = await withGroups(ctx, ctx.account, identity);
    if (owners.some(({ row }: { row: PrincipalRow }) => row.attached.includes(arn))) using.push(identity);
  }
  return using;
}

async function makeEntries(ctx: Context, arn: string): Promise<ReportEntry[]> {
  const isPolicy = parseEntityArn('policy', arn) !== undefined;
  const document = isPolicy ? await documentInForce(ctx, ctx.account, arn) : undefined;
  if (isPolicy && document === undefined) throw noSuchEntity(`Policy ${arn} was not found.`);
  const entity = isPolicy ? undefined : await requireEntity(ctx, ctx.account, arn);
  const policies = entity === undefined ? [] : await policiesOf(ctx, ctx.account, await withGroups(ctx, ctx.account, entity));
  const documents = document === undefined ? policies.map((policy) => policy.document) : [document];
  const behind = await identitiesBehind(ctx, entity, arn);
  const accesses = await Promise.all(
    behind.map(async ({ arn: owner, row }) => ({ owner, rows: await ctx.table(Accesses).list({ prefix: [row.id] }) })),
  );
  return [...(await serviceNames()).keys()]
    .filter((namespace) => documents.some((text) => grants(text, namespace)))
    .sort()
    .map((namespace) => {
      const uses = accesses
        .flatMap(({ owner, rows }) => rows.filter((row) => row.namespace === namespace).map((row) => ({ owner, row })))
        .sort((a, b) => b.row.at - a.row.at);
      const [latest] = uses;
      return {
        namespace,
        last: latest === undefined ? undefined : { at: latest.row.at, region: latest.row.region, arn: latest.owner },
        entities: uses.map(({ owner, row }) => ({ arn: owner, id: row.identity, at: row.at })),
      };
    });
}

async function requireReport(ctx: Context, id: string | undefined): Promise<AccessReportRow> {
  new RequestCheck().length('jobId', id, 36, 36).done();
  const row = await ctx.table(AccessReports).get(id ?? '');
  if (row === undefined || row.created + reportKept < ctx.now) throw noSuchEntity(`Job with ID ${id} was not found.`);
  return row;
}

function describeEntry(names: ReadonlyMap<string, string>, { namespace, last, entities }: ReportEntry): ServiceLastAccessed {
  return {
    ServiceName: names.get(namespace) ?? namespace,
    ServiceNamespace: namespace,
    LastAuthenticated: last === undefined ? undefined : dateOf(last.at),
    LastAuthenticatedEntity: last?.arn,
    LastAuthenticatedRegion: last?.region,
    TotalAuthenticatedEntities: entities.length,
  };
}

const kindNames = { user: 'USER', role: 'ROLE', group: 'GROUP' } as const;

export const lastAccessedHandlers: HandlersOf<IAM> = {
  /** Throws InvalidInput, NoSuchEntity. Tracking of single actions is not implemented. */
  async GenerateServiceLastAccessedDetails({ Arn: arn = '', Granularity: granularity }, ctx) {
    new RequestCheck().length('arn', arn, 20, 2048).oneOf('granularity', granularity, ['SERVICE_LEVEL', 'ACTION_LEVEL']).done();
    if (granularity === 'ACTION_LEVEL')
      throw parameterNotImplemented('GenerateServiceLastAccessedDetails', 'Granularity=ACTION_LEVEL');
    const row: AccessReportRow = { id: ctx.uuid(), created: ctx.now, arn, entries: await makeEntries(ctx, arn) };
    await ctx.transact((tx) => tx.table(AccessReports).put(row));
    return { JobId: row.id };
  },

  async GetServiceLastAccessedDetails(input, ctx) {
    new RequestCheck().paging(input).done();
    const report = await requireReport(ctx, input.JobId);
    const { items, page } = pageItems(`LastAccessed ${report.id}`, report.entries, ({ namespace }) => [namespace], input);
    const names = await serviceNames();
    return {
      JobStatus: 'COMPLETED',
      JobType: 'SERVICE_LEVEL',
      JobCreationDate: dateOf(report.created),
      JobCompletionDate: dateOf(report.created),
      ServicesLastAccessed: items.map((entry) => describeEntry(names, entry)),
      ...page,
    };
  },

  async GetServiceLastAccessedDetailsWithEntities(input, ctx) {
    new RequestCheck().paging(input).length('serviceNamespace', input.ServiceNamespace, 1, 64).done();
    const report = await requireReport(ctx, input.JobId);
    const entry = report.entries.find(({ namespace }) => namespace === input.ServiceNamespace);
    const { items, page } = pageItems(
      `LastEntities ${report.id}`,
      [...(entry?.entities ?? [])].sort(byKey(({ id }) => id)),
      ({ id }) => [id],
      input,
    );
    return {
      JobStatus: 'COMPLETED',
      JobCreationDate: dateOf(report.created),
      JobCompletionDate: dateOf(report.created),
      EntityDetailsList: items.map(({ arn, id, at }) => {
        const kind = parseEntityArn('user', arn) === undefined ? 'role' : 'user';
        const parsed = parseEntityArn(kind, arn);
        const info = { Arn: arn, Name: parsed?.name, Type: kindNames[kind], Id: id, Path: parsed?.path };
        return { EntityInfo: info, LastAuthenticated: dateOf(at) };
      }),
      ...page,
    };
  },

  /** The policies of an identity that allow anything of a service, one entry per service asked for. */
  async ListPoliciesGrantingServiceAccess({ Arn: arn = '', ServiceNamespaces: namespaces = [], Marker: marker }, ctx) {
    new RequestCheck().length('arn', arn, 20, 2048).done();
    // The answer is always whole, so no marker is ours.
    if (marker !== undefined) throw validationError('Invalid Marker.');
    const entity = await requireEntity(ctx, ctx.account, arn);
    const policies = await policiesOf(ctx, ctx.account, await withGroups(ctx, ctx.account, entity));
    return {
      PoliciesGrantingServiceAccess: namespaces.map((namespace) => ({
        ServiceNamespace: namespace,
        Policies: policies
          .filter(({ document }) => grants(document, namespace))
          .map(
            ({ name, arn: policyArn, entity: owner }): PolicyGrantingServiceAccess =>
              policyArn === undefined
                ? { PolicyName: name, PolicyType: 'INLINE', EntityType: kindNames[owner.kind], EntityName: owner.row.name }
                : { PolicyName: name, PolicyType: 'MANAGED', PolicyArn: policyArn },
          ),
      })),
      IsTruncated: false,
    };
  },
};

const onArn = ({ Arn = '' }: { Arn?: string | undefined }): Check[] => [{ resource: Arn }];

export const lastAccessedChecks: AuthorisationsOf<IAM> = {
  GenerateServiceLastAccessedDetails: onArn,
  ListPoliciesGrantingServiceAccess: onArn,
};
