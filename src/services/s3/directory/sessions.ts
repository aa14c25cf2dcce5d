/**
 * CreateSession: five minutes of credentials for one directory bucket, so that each request is proven without asking IAM again ("CreateSession",
 * S3 API Reference). A session's requests are signed for `s3express`; it is worth nothing elsewhere.
 */
import type { S3 } from '@aws-sdk/client-s3';
import type { Identity } from '../../../kernel/caller.ts';
import { parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, CredentialSource, HandlersOf } from '../../../kernel/service.ts';
import type { Value } from '../../../store/store.ts';
import { invalidArgument, methodNotAllowed } from '../errors.ts';
import { requireBucket } from '../lookup.ts';
import { Sessions } from '../state.ts';
import { directoryCheck, isDirectoryName, sessionBucketKey, sessionModeKey } from './rules.ts';

const sessionMillis = 5 * 60_000;
/** Ended sessions that a new one takes away with it. */
const sweptMax = 100;

export const sessionHandlers: HandlersOf<S3> = {
  async CreateSession(input, ctx) {
    const { Bucket: bucket = '', SessionMode: mode = 'ReadWrite' } = input;
    if (!isDirectoryName(bucket)) throw methodNotAllowed('CreateSession', 'BUCKET');
    if (mode !== 'ReadOnly' && mode !== 'ReadWrite')
      throw invalidArgument('The session mode is not valid', 'x-amz-create-session-mode', mode);
    for (const name of ['ServerSideEncryption', 'SSEKMSKeyId', 'SSEKMSEncryptionContext', 'BucketKeyEnabled'] as const)
      if (input[name] !== undefined && input[name] !== 'AES256') throw parameterNotImplemented('CreateSession', name);
    await requireBucket(ctx, input);
    const { kind, account, arn, userId, userName, principal, tags, session } = ctx.caller;
    const claims = { ...session?.claims, [sessionBucketKey]: [bucket], [sessionModeKey]: [mode] };
    const facts = session ?? { issuedAt: ctx.now, tags: {}, transitiveTagKeys: [] };
    const identity: Identity = { kind, account, arn, userId, userName, principal, tags, session: { ...facts, claims } };
    const row = {
      accessKeyId: ctx.id('expressKey'),
      secret: ctx.id('secretKey'),
      token: Buffer.from(ctx.bytes(96)).toString('base64url'),
      bucket,
      expires: ctx.now + sessionMillis,
      identity: JSON.parse(JSON.stringify(identity)) as Value,
    };
    await ctx.transact(async (tx) => {
      const sessions = tx.table(Sessions);
      for (const old of await sessions.byIndex('byBucket', [bucket], { limit: sweptMax }))
        if (old.expires <= ctx.now) await sessions.delete(old.accessKeyId);
      await sessions.put(row);
    });
    return {
      Credentials: {
        AccessKeyId: row.accessKeyId,
        SecretAccessKey: row.secret,
        SessionToken: row.token,
        Expiration: new Date(row.expires),
      },
      ServerSideEncryption: 'AES256',
    };
  },
};

export const sessionChecks: AuthorisationsOf<S3> = {
  CreateSession: async (input, ctx) => {
    if (!isDirectoryName(input.Bucket)) throw methodNotAllowed('CreateSession', 'BUCKET');
    const check = directoryCheck(ctx, await requireBucket(ctx, input));
    return [{ ...check, conditions: { 's3express:SessionMode': input.SessionMode ?? 'ReadWrite' } }];
  },
};

/** Sessions as credentials of requests to S3. */
export const sessionCredentials: CredentialSource = {
  async find(accessKeyId, ctx) {
    const row = await ctx.table(Sessions).get(accessKeyId);
    if (row === undefined) return undefined;
    return {
      accessKeyId,
      secretAccessKey: row.secret,
      sessionToken: row.token,
      active: true,
      expires: row.expires,
      onlyFor: 's3',
      identity: row.identity as unknown as Identity,
    };
  },
};
