/**
 * Which resource each of IAM's operations is authorised on, and what conditions it offers: AWS's "Actions, resources, and condition keys for IAM".
 * Names that do not exist are authorised all the same, so that only who may ask learns that they do not.
 */
import type { Tag } from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import type { Check } from '../../kernel/service.ts';
import type { Table } from '../../store/tables.ts';
import {
  groupArn,
  instanceProfileArn,
  mfaArn,
  parseEntityArn,
  policyArn,
  roleArn,
  serverCertificateArn,
  userArn,
} from './arns.ts';
import {
  Groups,
  type IdentityRow,
  InstanceProfiles,
  MfaDevices,
  Policies,
  Roles,
  ServerCertificates,
  type TagMap,
  Users,
} from './state.ts';

type Conditions = NonNullable<Check['conditions']>;

interface UserInput {
  UserName?: string | undefined;
  Tags?: readonly Tag[] | undefined;
  TagKeys?: readonly string[] | undefined;
  PolicyArn?: string | undefined;
  PermissionsBoundary?: string | undefined;
}

/** `aws:ResourceTag/…` and `iam:ResourceTag/…` of an entity. */
export function resourceTags(tags: TagMap | undefined): Conditions {
  return Object.fromEntries(
    Object.entries(tags ?? {}).flatMap(([key, value]) => [
      [`aws:ResourceTag/${key}`, value],
      [`iam:ResourceTag/${key}`, value],
    ]),
  );
}

/** `aws:RequestTag/…` and `aws:TagKeys` of a request. */
export function requestTags(input: Pick<UserInput, 'Tags' | 'TagKeys'>): Conditions {
  const keys = [...(input.Tags ?? []).map(({ Key = '' }) => Key), ...(input.TagKeys ?? [])];
  const values = (input.Tags ?? []).map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value]);
  return { ...Object.fromEntries(values), 'aws:TagKeys': keys.length === 0 ? undefined : keys };
}

/**
 * Conditions of operations on users and roles. `iam:PermissionsBoundary` is the boundary the request sets, else the one the identity has;
 * `iam:PolicyARN` the policy that is attached or detached.
 */
function identityConditions(row: IdentityRow | undefined, input: Omit<UserInput, 'UserName'>): Conditions {
  return {
    ...resourceTags(row?.tags),
    ...requestTags(input),
    'iam:PermissionsBoundary': input.PermissionsBoundary ?? row?.boundary,
    'iam:PolicyARN': input.PolicyArn,
  };
}

/** The user named, or the caller when it names none; the root user when root asks of itself. */
export async function onUser(input: UserInput, ctx: Context): Promise<Check[]> {
  if (input.UserName === undefined && ctx.caller.kind === 'root') return [{ resource: ctx.caller.arn }];
  const name = input.UserName ?? ctx.caller.userName ?? '';
  const row = await ctx.table(Users).get(name.toLowerCase());
  return [{ resource: userArn(ctx.account, row ?? { path: '/', name }), conditions: identityConditions(row, input) }];
}

/** A user to be made: the path is the request's. */
export function onNewUser(input: UserInput & { Path?: string | undefined }, ctx: Context): Check[] {
  const resource = userArn(ctx.account, { path: input.Path ?? '/', name: input.UserName ?? '' });
  return [{ resource, conditions: identityConditions(undefined, input) }];
}

/** The role named. */
export async function onRole(
  input: Omit<UserInput, 'UserName'> & { RoleName?: string | undefined },
  ctx: Context,
): Promise<Check[]> {
  const name = input.RoleName ?? '';
  const row = await ctx.table(Roles).get(name.toLowerCase());
  return [{ resource: roleArn(ctx.account, row ?? { path: '/', name }), conditions: identityConditions(row, input) }];
}

/** A role to be made. */
export function onNewRole(
  input: Omit<UserInput, 'UserName'> & { RoleName?: string | undefined; Path?: string | undefined },
  ctx: Context,
): Check[] {
  const resource = roleArn(ctx.account, { path: input.Path ?? '/', name: input.RoleName ?? '' });
  return [{ resource, conditions: identityConditions(undefined, input) }];
}

/** The group named; groups have no tags. */
export async function onGroup(
  input: { GroupName?: string | undefined; PolicyArn?: string | undefined },
  ctx: Context,
): Promise<Check[]> {
  const name = input.GroupName ?? '';
  const row = await ctx.table(Groups).get(name.toLowerCase());
  return [{ resource: groupArn(ctx.account, row ?? { path: '/', name }), conditions: { 'iam:PolicyARN': input.PolicyArn } }];
}

/** A group to be made. */
export function onNewGroup(input: { GroupName?: string | undefined; Path?: string | undefined }, ctx: Context): Check[] {
  return [{ resource: groupArn(ctx.account, { path: input.Path ?? '/', name: input.GroupName ?? '' }) }];
}

/** The policy whose ARN is given, of this account or AWS's. */
export async function onPolicy(
  input: { PolicyArn?: string | undefined; Tags?: readonly Tag[] | undefined; TagKeys?: readonly string[] | undefined },
  ctx: Context,
): Promise<Check[]> {
  const arn = input.PolicyArn ?? '';
  const parsed = parseEntityArn('policy', arn);
  const row = parsed?.account === ctx.account ? await ctx.table(Policies).get(parsed.name.toLowerCase()) : undefined;
  return [{ resource: arn, conditions: { ...resourceTags(row?.tags), ...requestTags(input) } }];
}

/** A policy to be made. */
export function onNewPolicy(
  input: { PolicyName?: string | undefined; Path?: string | undefined; Tags?: readonly Tag[] | undefined },
  ctx: Context,
): Check[] {
  const resource = policyArn(ctx.account, { path: input.Path ?? '/', name: input.PolicyName ?? '' });
  return [{ resource, conditions: requestTags(input) }];
}

async function onRow<Row extends { tags: TagMap }>(
  ctx: Context,
  table: Table<Row>,
  key: string,
  resource: (row: Row | undefined) => string,
  input: Pick<UserInput, 'Tags' | 'TagKeys'>,
): Promise<Check[]> {
  const row = await ctx.table(table).get(key);
  return [{ resource: resource(row), conditions: { ...resourceTags(row?.tags), ...requestTags(input) } }];
}

/** The MFA device whose serial number is given. */
export function onMfaDevice(
  input: { SerialNumber?: string | undefined; Tags?: readonly Tag[] | undefined; TagKeys?: readonly string[] | undefined },
  ctx: Context,
): Promise<Check[]> {
  const serial = input.SerialNumber ?? '';
  return onRow(ctx, MfaDevices, serial, () => serial, input);
}

/** A virtual MFA device to be made. */
export function onNewMfaDevice(
  input: { VirtualMFADeviceName?: string | undefined; Path?: string | undefined; Tags?: readonly Tag[] | undefined },
  ctx: Context,
): Check[] {
  const resource = mfaArn(ctx.account, { path: input.Path ?? '/', name: input.VirtualMFADeviceName ?? '' });
  return [{ resource, conditions: requestTags(input) }];
}

/** The instance profile named. */
export function onInstanceProfile(
  input: {
    InstanceProfileName?: string | undefined;
    Tags?: readonly Tag[] | undefined;
    TagKeys?: readonly string[] | undefined;
  },
  ctx: Context,
): Promise<Check[]> {
  const name = input.InstanceProfileName ?? '';
  return onRow(
    ctx,
    InstanceProfiles,
    name.toLowerCase(),
    (row) => instanceProfileArn(ctx.account, row ?? { path: '/', name }),
    input,
  );
}

/** An instance profile to be made. */
export function onNewInstanceProfile(
  input: { InstanceProfileName?: string | undefined; Path?: string | undefined; Tags?: readonly Tag[] | undefined },
  ctx: Context,
): Check[] {
  const resource = instanceProfileArn(ctx.account, { path: input.Path ?? '/', name: input.InstanceProfileName ?? '' });
  return [{ resource, conditions: requestTags(input) }];
}

/** The server certificate named. */
export function onServerCertificate(
  input: {
    ServerCertificateName?: string | undefined;
    Tags?: readonly Tag[] | undefined;
    TagKeys?: readonly string[] | undefined;
  },
  ctx: Context,
): Promise<Check[]> {
  const name = input.ServerCertificateName ?? '';
  return onRow(
    ctx,
    ServerCertificates,
    name.toLowerCase(),
    (row) => serverCertificateArn(ctx.account, row ?? { path: '/', name }),
    input,
  );
}

/** A server certificate to be uploaded. */
export function onNewServerCertificate(
  input: { ServerCertificateName?: string | undefined; Path?: string | undefined; Tags?: readonly Tag[] | undefined },
  ctx: Context,
): Check[] {
  const resource = serverCertificateArn(ctx.account, { path: input.Path ?? '/', name: input.ServerCertificateName ?? '' });
  return [{ resource, conditions: requestTags(input) }];
}

/**
 * Lists are authorised on the path that they list, as access denied errors of the real service show (`…on resource: arn:aws:iam::A:user/`); a
 * policy for `*` or for all users covers it.
 */
export function onPath(
  kind: string,
): (input: { PathPrefix?: string | undefined; Marker?: string | undefined }, ctx: Context) => Check[] {
  return (input, ctx) => [{ resource: `arn:aws:iam::${ctx.account}:${kind}${input.PathPrefix ?? '/'}` }];
}
