/** Bucket policies and Block Public Access of buckets ("Bucket policies for Amazon S3", "Blocking public access to your Amazon S3 storage"). */
import type { PublicAccessBlockConfiguration, S3 } from '@aws-sdk/client-s3';
import type { Context } from '../../../kernel/context.ts';
import { loadActions } from '../../../kernel/policy/authorisation.ts';
import { validatePolicy } from '../../../kernel/policy/validate.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck } from '../access/checks.ts';
import { arnOfDirectory } from '../directory/rules.ts';
import { blockOf, isPublicPolicy } from '../access/public-access.ts';
import { accessDenied, noSuchSetting, s3Error } from '../errors.ts';
import { type BucketAsk, requireBucket } from '../lookup.ts';
import type { PublicBlock } from '../state.ts';
import { changeBucket } from './settings.ts';

/** Bytes of a bucket policy ("Bucket policies are limited to 20 KB in size"). */
const policyBytesMax = 20_480;

function malformedPolicy(message: string): Error {
  return s3Error('MalformedPolicy', message, 400);
}

/** Checks a policy against the grammar, and that it speaks of the resource, as `isOwn` knows it. Throws MalformedPolicy, PolicyTooLarge. */
export function checkPolicy(text: string, isOwn: (resource: string) => boolean): void {
  if (Buffer.byteLength(text) > policyBytesMax) {
    throw s3Error('PolicyTooLarge', 'Policy exceeds the maximum allowed document size.', 400);
  }
  if (!text.trimStart().startsWith('{')) throw malformedPolicy("Policies must be valid JSON and the first byte must be '{'");
  const result = validatePolicy(text, 'resource');
  if (!result.ok) {
    throw malformedPolicy(result.reason === 'json' ? 'This policy contains invalid Json' : result.message);
  }
  const { Statement: statements } = JSON.parse(text) as {
    Statement: { Resource?: string | string[] } | { Resource?: string | string[] }[];
  };
  for (const { Resource: resources } of Array.isArray(statements) ? statements : [statements]) {
    const list = resources === undefined ? [] : Array.isArray(resources) ? resources : [resources];
    if (list.some((one) => one !== '*' && !isOwn(one))) throw malformedPolicy('Policy has invalid resource');
  }
}

/** Refuses a policy that speaks of actions that S3 does not have. Throws MalformedPolicy. */
async function checkActions(text: string): Promise<void> {
  const { Statement: statements } = JSON.parse(text) as { Statement: Actions | Actions[] };
  const { actions } = await loadActions('s3');
  const names = [...actions.keys()].map((name) => `s3:${name.toLowerCase()}`);
  for (const { Action: some, NotAction: others } of [statements].flat()) {
    for (const action of [some ?? others ?? []].flat()) {
      const pattern = action.toLowerCase();
      const known = pattern === '*' || names.some((name) => fits(pattern, name));
      if (!known) throw malformedPolicy('Policy has invalid action');
    }
  }
}

interface Actions {
  Action?: string | string[];
  NotAction?: string | string[];
}

/** Whether a pattern with wildcards fits a whole text. */
export function fits(pattern: string, text: string): boolean {
  const form = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${form}$`).test(text);
}

function noPolicy(bucket: string): Error {
  return noSuchSetting('NoSuchBucketPolicy', 'The bucket policy does not exist', bucket);
}

function readBlock(configuration: PublicAccessBlockConfiguration | undefined): PublicBlock {
  const { BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets } = configuration ?? {};
  return {
    BlockPublicAcls: BlockPublicAcls === true,
    IgnorePublicAcls: IgnorePublicAcls === true,
    BlockPublicPolicy: BlockPublicPolicy === true,
    RestrictPublicBuckets: RestrictPublicBuckets === true,
  };
}

export const policyHandlers: HandlersOf<S3> = {
  async PutBucketPolicy(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const { Policy: policy = '' } = input;
    const own = bucket.zone === undefined ? `arn:aws:s3:::${bucket.name}` : arnOfDirectory(bucket);
    checkPolicy(policy, (resource) => fits(bucket.zone === undefined ? (resource.split('/')[0] ?? '') : resource, own));
    if (bucket.zone === undefined) await checkActions(policy);
    if (isPublicPolicy(policy) && (await blockOf(ctx, bucket)).BlockPublicPolicy) {
      const text = `User: ${ctx.caller.arn} is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::${bucket.name}" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.`;
      throw accessDenied(text);
    }
    await changeBucket(ctx, input, (row) => ({ ...row, policy }));
    return {};
  },

  async GetBucketPolicy(input, ctx) {
    const { policy, name } = await requireBucket(ctx, input);
    if (policy === undefined) throw noPolicy(name);
    return { Policy: policy };
  },

  async DeleteBucketPolicy(input, ctx) {
    await changeBucket(ctx, input, (row) => ({ ...row, policy: undefined }));
    return {};
  },

  async GetBucketPolicyStatus(input, ctx) {
    const { policy, name } = await requireBucket(ctx, input);
    if (policy === undefined) throw noPolicy(name);
    return { PolicyStatus: { IsPublic: isPublicPolicy(policy) } };
  },

  async PutPublicAccessBlock(input, ctx) {
    await changeBucket(ctx, input, (row) => ({ ...row, publicBlock: readBlock(input.PublicAccessBlockConfiguration) }));
    return {};
  },

  async GetPublicAccessBlock(input, ctx) {
    const { publicBlock, name } = await requireBucket(ctx, input);
    if (publicBlock === undefined) {
      throw noSuchSetting('NoSuchPublicAccessBlockConfiguration', 'The public access block configuration was not found', name);
    }
    return { PublicAccessBlockConfiguration: { ...publicBlock } };
  },

  async DeletePublicAccessBlock(input, ctx) {
    await changeBucket(ctx, input, (row) => ({ ...row, publicBlock: undefined }));
    return {};
  },
};

/** The owner's root user can always take back a policy that locks everybody out ("Bucket policies", the root user's exception). */
async function policyCheck(ctx: Context, ask: BucketAsk): Promise<Check[]> {
  const check = await bucketCheck(ctx, ask);
  const root = ctx.caller.kind === 'root' && ctx.caller.account === check.resourceAccount;
  return [root ? { ...check, resourcePolicy: undefined } : check];
}

export const policyChecks: AuthorisationsOf<S3> = {
  PutBucketPolicy: (input, ctx) => policyCheck(ctx, input),
  GetBucketPolicy: (input, ctx) => policyCheck(ctx, input),
  DeleteBucketPolicy: (input, ctx) => policyCheck(ctx, input),
  GetBucketPolicyStatus: async (input, ctx) => [await bucketCheck(ctx, input)],
  PutPublicAccessBlock: async (input, ctx) => [await bucketCheck(ctx, input)],
  GetPublicAccessBlock: async (input, ctx) => [await bucketCheck(ctx, input)],
  DeletePublicAccessBlock: async (input, ctx) => [await bucketCheck(ctx, input)],
};
