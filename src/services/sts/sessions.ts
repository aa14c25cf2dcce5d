/**
 * Sessions: temporary credentials, who they stand for, and their end. Every operation that hands out credentials ends here. A session is found by
 * its access key id, which names its account. Expired ones are kept for a day, so that who uses them learns that they expired.
 */
import type { Credentials } from '@aws-sdk/client-sts';
import { accountOfAccessKeyId, newAccessKeyId } from '../../base/access-key-id.ts';
import type { Millis } from '../../base/clock.ts';
import { IdSource, idKinds } from '../../base/ids.ts';
import type { Credential, Identity, SessionFacts } from '../../kernel/caller.ts';
import type { Context } from '../../kernel/context.ts';
import type { CredentialSource, Task } from '../../kernel/service.ts';
import type { IamApi, RoleRow } from '../iam/api.ts';
import { validationError } from './errors.ts';
import { checkSessionPolicy, packedSize, readPolicyArns, type SessionPolicyInput } from './rules.ts';
import { type SessionRow, Sessions } from './state.ts';

const hour: Millis = 3_600_000;
/** How long expired sessions are kept. */
const expiredKept: Millis = 24 * hour;
/** Sessions deleted in one transaction. */
const sweepRows = 500;

/** A session policy that has been checked, and what it and the tags take of the session's room. */
export interface SessionLimits {
  policy?: string | undefined;
  policyArns?: readonly string[] | undefined;
  packedSize: number | undefined;
}

/** Reads the policies of a request. `account` is whose managed policies may be named. Throws ValidationError, MalformedPolicyDocument, PackedPolicyTooLarge. */
export async function readLimits(
  ctx: Context,
  account: string,
  input: SessionPolicyInput,
  tags: Readonly<Record<string, string>>,
): Promise<SessionLimits> {
  checkSessionPolicy(input.Policy);
  const policyArns = readPolicyArns(input);
  const documents = await documentsOf(ctx, account, policyArns);
  const missing = policyArns.find((_, index) => documents[index] === undefined);
  if (missing !== undefined) throw validationError(`The specified policy ARN ${missing} does not exist or is not attachable.`);
  const texts = [input.Policy, ...documents].filter((text) => text !== undefined);
  const size = packedSize(texts, tags);
  return texts.length === 0 ? { packedSize: size } : { policy: input.Policy, policyArns, packedSize: size };
}

async function documentsOf(ctx: Context, account: string, arns: readonly string[]): Promise<(string | undefined)[]> {
  if (arns.length === 0) return [];
  const iam = await ctx.internal<IamApi>('iam');
  return Promise.all(arns.map((arn) => iam.policyDocument(account, arn)));
}

/** A new session as kept, before it is written. */
export interface NewSession {
  identity: Identity;
  seconds: number;
  limits: SessionLimits;
}

/** Writes a session into its identity's account and schedules its removal. */
export async function openSession(ctx: Context, { identity, seconds, limits }: NewSession): Promise<SessionRow> {
  const { account } = identity;
  const ids = new IdSource((count) => ctx.bytes(count));
  const row: SessionRow = {
    id: newAccessKeyId(ids, idKinds.sessionKey.prefix, account),
    secret: ctx.id('secretKey'),
    token: ctx.id('sessionToken'),
    created: ctx.now,
    // Whole seconds, as Expiration shows.
    expires: (Math.floor(ctx.now / 1000) + seconds) * 1000,
    identity,
    policy: limits.policy,
    policyArns: limits.policyArns,
  };
  const sweepAt = Math.ceil((row.expires + expiredKept) / hour) * hour;
  await ctx.inScope({ account, region: 'us-east-1' }).transact(async (tx) => {
    await tx.table(Sessions).put(row);
    await tx.schedule({ task: 'sweep', key: String(sweepAt), due: sweepAt });
  });
  return row;
}

/** Removes what expired a day ago. One job per hour in which sessions end, however many they are. */
export const sweep: Task = async ({ due }, ctx) => {
  for (;;) {
    const removed = await ctx.transact(async (tx) => {
      const rows = (await tx.table(Sessions).byIndex('byExpiry', [], { limit: sweepRows })).filter(
        ({ expires }) => expires + expiredKept <= due,
      );
      for (const row of rows) await tx.table(Sessions).delete(row.id);
      return rows.length;
    });
    if (removed < sweepRows) return;
  }
};

/** Credentials as answers carry them. */
export function describeCredentials(row: SessionRow): Credentials {
  return { AccessKeyId: row.id, SecretAccessKey: row.secret, SessionToken: row.token, Expiration: new Date(row.expires) };
}

/** Who an ASIA… key is. Policies of the session are those in force now. */
export const credentialSource: CredentialSource = {
  async find(accessKeyId: string, ctx: Context): Promise<Credential | undefined> {
    const account = accountOfAccessKeyId(accessKeyId);
    if (account === undefined) return undefined;
    const row = await ctx.inScope({ account }).table(Sessions).get(accessKeyId);
    if (row === undefined) return undefined;
    const identity = await identityOf(ctx, row);
    if (identity === undefined) return undefined;
    const { secret: secretAccessKey, token: sessionToken, expires } = row;
    return { accessKeyId, secretAccessKey, sessionToken, expires, active: true, identity };
  },
};

/** A user's session is the user as it is now, and nobody once the user is gone; other identities are as they were. */
async function identityOf(ctx: Context, { identity, policy, policyArns }: SessionRow): Promise<Identity | undefined> {
  if (identity.kind === 'user') {
    const iam = await ctx.internal<IamApi>('iam');
    const user = await iam.findUserById(identity.account, identity.userId);
    return user === undefined ? undefined : { ...iam.userIdentity(identity.account, user), session: identity.session };
  }
  if (policyArns === undefined || identity.session === undefined) return identity;
  const documents = await documentsOf(ctx, identity.account, policyArns);
  // A managed policy that is gone allows nothing any more; the others still count.
  const policies = [policy, ...documents].filter((text) => text !== undefined);
  return { ...identity, session: { ...identity.session, policies } };
}

/** What a role's session is besides its role. */
export interface RoleSession {
  account: string;
  row: RoleRow;
  roleArn: string;
  sessionName: string;
  facts: SessionFacts;
  sessionTags: Readonly<Record<string, string>>;
}

/** The identity of a role's session: tags given to the session count before the role's ("Pass session tags in AWS STS"). */
export function roleIdentity({ account, row, roleArn, sessionName, facts, sessionTags }: RoleSession): Identity {
  const arn = `arn:aws:sts::${account}:assumed-role/${row.name}/${sessionName}`;
  const given = new Set(Object.keys(sessionTags).map((key) => key.toLowerCase()));
  const roleTags = Object.entries(row.tags).filter(([key]) => !given.has(key.toLowerCase()));
  return {
    kind: 'role',
    account,
    arn,
    userId: `${row.id}:${sessionName}`,
    principal: { type: 'AssumedRole', account, arn, roleArn, uniqueId: row.id },
    tags: { ...Object.fromEntries(roleTags), ...sessionTags },
    session: facts,
  };
}
