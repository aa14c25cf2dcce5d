/**
 * Grants: permission to use one key, given to one principal, taken back at any time. Source: AWS KMS Developer Guide, "Grants in AWS KMS"; API
 * Reference, CreateGrant. They are enforced in grant-policies.ts.
 */
import type { CreateGrantRequest, GrantListEntry, GrantOperation, KMS } from '@aws-sdk/client-kms';
import { parseArn } from '../../base/arn.ts';
import type { Context } from '../../kernel/context.ts';
import { parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { dryRun, invalidArn, invalidGrantId, limitExceeded, notFound, validationError } from './errors.ts';
import { checkGrantTokens, formatGrantToken, type GrantPlace, parseGrantToken } from './grant-tokens.ts';
import { checkUsable, type FoundKey, keyArn, requireKey } from './key-ids.ts';
import { pageList } from './keys.ts';
import { principalExists } from './policies.ts';
import { limits } from './rules.ts';
import { type GrantRow, Grants, type KeyUsage } from './state.ts';

const management: readonly GrantOperation[] = ['CreateGrant', 'RetireGrant', 'DescribeKey'];
const symmetric: readonly GrantOperation[] = [
  'Decrypt',
  'Encrypt',
  'GenerateDataKey',
  'GenerateDataKeyWithoutPlaintext',
  'ReEncryptFrom',
  'ReEncryptTo',
  'GenerateDataKeyPair',
  'GenerateDataKeyPairWithoutPlaintext',
];

/** Operations that a grant on a key can hold ("Grant operations"). */
const byUsage: Readonly<Record<KeyUsage, readonly GrantOperation[]>> = {
  ENCRYPT_DECRYPT: ['Decrypt', 'Encrypt', 'ReEncryptFrom', 'ReEncryptTo', 'GetPublicKey'],
  SIGN_VERIFY: ['Sign', 'Verify', 'GetPublicKey'],
  GENERATE_VERIFY_MAC: ['GenerateMac', 'VerifyMac'],
  KEY_AGREEMENT: ['DeriveSharedSecret', 'GetPublicKey'],
};

const everyOperation = [...new Set([...symmetric, ...Object.values(byUsage).flat(), ...management])];
const nameForm = /^[a-zA-Z0-9:/_-]+$/;
const namePattern = '^[a-zA-Z0-9:/_-]+$';
const grantIdBytes = 32;
const grantsPerKeyMax = 50_000;

function checkMembers(ctx: Context, input: CreateGrantRequest): void {
  if (input.GranteeServicePrincipal !== undefined) throw parameterNotImplemented(ctx.operation, 'GranteeServicePrincipal');
  if (input.RetiringServicePrincipal !== undefined) throw parameterNotImplemented(ctx.operation, 'RetiringServicePrincipal');
  if (input.Constraints?.SourceArn !== undefined) throw parameterNotImplemented(ctx.operation, 'Constraints.SourceArn');
  const check = new RequestCheck()
    .length('keyId', input.KeyId, 1, limits.keyIdCharsMax)
    .length('granteePrincipal', input.GranteePrincipal, 1, 256)
    .length('retiringPrincipal', input.RetiringPrincipal, 1, 256)
    .length('name', input.Name, 1, 256)
    .pattern('name', input.Name, nameForm, namePattern);
  for (const [index, operation] of (input.Operations ?? []).entries())
    check.oneOf(`operations.${index + 1}.member`, operation, everyOperation);
  check.done();
}

async function checkPrincipal(ctx: Context, arn: string | undefined): Promise<void> {
  if (arn === undefined) return;
  const service = parseArn(arn)?.service;
  if (service !== 'iam' && service !== 'sts') throw invalidArn(arn);
  if (!(await principalExists(ctx, arn))) throw invalidArnPrincipal(arn);
}

function invalidArnPrincipal(arn: string): Error {
  return invalidArn(`: ARN does not refer to a valid principal: ${arn}`);
}

function checkFitting({ row }: FoundKey, input: CreateGrantRequest): void {
  const possible = [...(row.spec === 'SYMMETRIC_DEFAULT' ? symmetric : byUsage[row.usage]), ...management];
  const wrong = (input.Operations ?? []).find((operation) => !possible.includes(operation));
  if (wrong !== undefined || (input.Operations ?? []).length === 0)
    throw validationError(`Operation ${wrong ?? ''} is not a supported grant operation for key spec ${row.spec}.`);
  if (input.Constraints !== undefined && row.spec !== 'SYMMETRIC_DEFAULT')
    throw validationError('Encryption context constraints are supported on grants for symmetric encryption KMS keys only.');
}

/** Whether a grant of the same name says the same: such a request makes no second grant ("Name"). */
function same(grant: GrantRow, made: GrantRow): boolean {
  const facts = ({ name, grantee, retiring, operations, constraints }: GrantRow): string =>
    JSON.stringify([name, grantee, retiring, [...operations].sort(), constraints]);
  return made.name !== undefined && facts(grant) === facts(made);
}

function describeGrant(key: FoundKey, row: GrantRow): GrantListEntry {
  const { constraints } = row;
  return {
    KeyId: key.arn,
    GrantId: row.id,
    ...(row.name === undefined ? {} : { Name: row.name }),
    CreationDate: new Date(row.created),
    GranteePrincipal: row.grantee,
    ...(row.retiring === undefined ? {} : { RetiringPrincipal: row.retiring }),
    IssuingAccount: `arn:aws:iam::${row.issuer}:root`,
    Operations: [...row.operations] as GrantOperation[],
    ...(constraints === undefined
      ? {}
      : {
          Constraints: {
            ...(constraints.equals === undefined ? {} : { EncryptionContextEquals: constraints.equals }),
            ...(constraints.subset === undefined ? {} : { EncryptionContextSubset: constraints.subset }),
          },
        }),
  };
}

/** Where the grant is that a request to retire names: by token, or by key ARN and id. Throws InvalidArnException, ValidationException. */
export function retiringPlace(input: {
  GrantToken?: string | undefined;
  KeyId?: string | undefined;
  GrantId?: string | undefined;
}): GrantPlace {
  if (input.GrantToken !== undefined) return parseGrantToken(input.GrantToken);
  if (input.KeyId === undefined || input.GrantId === undefined)
    throw validationError('Either a grant token or a key ID and grant ID must be specified.');
  const arn = parseArn(input.KeyId);
  if (arn?.service !== 'kms' || !arn.resource.startsWith('key/')) throw invalidArn(input.KeyId);
  return { account: arn.account, region: arn.region, key: arn.resource.slice('key/'.length), grant: input.GrantId };
}

export const grantHandlers: HandlersOf<KMS> = {
  /** Throws InvalidArnException, ValidationException, LimitExceededException, and what finding a usable key throws. */
  async CreateGrant(input, ctx) {
    checkMembers(ctx, input);
    await checkGrantTokens(ctx, input.GrantTokens);
    const key = await requireKey(ctx, input.KeyId);
    checkUsable(key);
    await checkPrincipal(ctx, input.GranteePrincipal);
    await checkPrincipal(ctx, input.RetiringPrincipal);
    checkFitting(key, input);
    if (input.GranteePrincipal === undefined) throw validationError('A GranteePrincipal is required.');
    if (input.DryRun === true) throw dryRun();
    const { EncryptionContextEquals: equals, EncryptionContextSubset: subset } = input.Constraints ?? {};
    const made: GrantRow = {
      key: key.row.id,
      id: Buffer.from(ctx.bytes(grantIdBytes)).toString('hex'),
      name: input.Name,
      created: ctx.now,
      grantee: input.GranteePrincipal,
      retiring: input.RetiringPrincipal,
      operations: [...new Set(input.Operations)],
      constraints: input.Constraints === undefined ? undefined : { equals, subset },
      issuer: ctx.caller.account,
    };
    const id = await ctx.transact(async (tx) => {
      const table = tx.tableIn(key.scope, Grants);
      const grants = await table.list({ prefix: [key.row.id] });
      const found = grants.find((grant) => same(grant, made));
      if (found !== undefined) return found.id;
      if (grants.length >= grantsPerKeyMax) throw limitExceeded(`The key has reached the quota of ${grantsPerKeyMax} grants.`);
      await table.put(made);
      return made.id;
    });
    return { GrantId: id, GrantToken: formatGrantToken({ ...key.scope, key: key.row.id, grant: id }) };
  },

  async ListGrants(input, ctx) {
    if (input.GranteeServicePrincipal !== undefined) throw parameterNotImplemented('ListGrants', 'GranteeServicePrincipal');
    const key = await requireKey(ctx, input.KeyId);
    const rows = (await ctx.tableIn(key.scope, Grants).list({ prefix: [key.row.id] })).filter(
      ({ id, grantee }) =>
        (input.GrantId === undefined || input.GrantId === id) &&
        (input.GranteePrincipal === undefined || input.GranteePrincipal === grantee),
    );
    const { items, page } = pageList(`ListGrants ${key.arn}`, rows, (row) => row.id, input);
    return { Grants: items.map((row) => describeGrant(key, row)), ...page };
  },

  async ListRetirableGrants(input, ctx) {
    if (input.RetiringServicePrincipal !== undefined)
      throw parameterNotImplemented('ListRetirableGrants', 'RetiringServicePrincipal');
    const rows = await ctx.table(Grants).byIndex('byRetiring', [input.RetiringPrincipal ?? '']);
    const { items, page } = pageList('ListRetirableGrants', rows, (row) => `${row.key} ${row.id}`, input);
    const keys = await Promise.all(items.map((row) => requireKey(ctx, row.key)));
    return { Grants: items.map((row, at) => describeGrant(keys[at] as FoundKey, row)), ...page };
  },

  /** By its retiring principal, its grantee where the grant allows that, or the account that made it. */
  async RetireGrant(input, ctx) {
    const { key, grant, ...scope } = retiringPlace(input);
    if (input.DryRun === true) throw dryRun();
    await ctx.transact(async (tx) => {
      if (!(await tx.tableIn(scope, Grants).delete(key, grant))) throw notFound(`Grant ID ${grant} not found`);
    });
    return {};
  },

  async RevokeGrant(input, ctx) {
    const key = await requireKey(ctx, input.KeyId);
    const { GrantId: id = '' } = input;
    if (!/^[0-9a-f]{1,128}$/.test(id)) throw invalidGrantId(id);
    if (input.DryRun === true) throw dryRun();
    await ctx.transact(async (tx) => {
      if (!(await tx.tableIn(key.scope, Grants).delete(key.row.id, id)))
        throw notFound(`Grant ID ${id} not found for key ${keyArn(key.scope, key.row.id)}`);
    });
    return {};
  },
};
