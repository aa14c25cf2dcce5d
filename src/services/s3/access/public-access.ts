/** Block Public Access: what counts as public, and what the four settings of bucket and account take away (S3 User Guide, "Blocking public access"). */
import type { Reading } from '../lookup.ts';
import { Accounts, type BucketRow, type PublicBlock } from '../state.ts';

export const allBlocked: PublicBlock = {
  BlockPublicAcls: true,
  IgnorePublicAcls: true,
  BlockPublicPolicy: true,
  RestrictPublicBuckets: true,
};

const nothingBlocked: PublicBlock = {
  BlockPublicAcls: false,
  IgnorePublicAcls: false,
  BlockPublicPolicy: false,
  RestrictPublicBuckets: false,
};

/** What holds for a bucket: "the most restrictive combination" of its own settings and its account's. */
export async function blockOf(reading: Reading, bucket: BucketRow): Promise<PublicBlock> {
  return combineBlocks(bucket.publicBlock, await accountBlockOf(reading, bucket.account));
}

/** An account's own settings; undefined when it has none. */
export async function accountBlockOf(reading: Reading, account: string): Promise<PublicBlock | undefined> {
  return (await reading.table(Accounts).get(account))?.publicBlock;
}

/** What is blocked by any of these. */
export function combineBlocks(...blocks: readonly (PublicBlock | undefined)[]): PublicBlock {
  const found = blocks.filter((block) => block !== undefined);
  const [first] = found;
  if (first === undefined) return nothingBlocked;
  if (found.length === 1) return first;
  return {
    BlockPublicAcls: found.some((block) => block.BlockPublicAcls),
    IgnorePublicAcls: found.some((block) => block.IgnorePublicAcls),
    BlockPublicPolicy: found.some((block) => block.BlockPublicPolicy),
    RestrictPublicBuckets: found.some((block) => block.RestrictPublicBuckets),
  };
}

interface Statement {
  Effect?: string;
  Principal?: unknown;
  NotPrincipal?: unknown;
  Condition?: Record<string, Record<string, unknown>>;
}

/** Keys whose fixed values make a statement for everybody not public ("The meaning of public"). */
const fixingKeys: ReadonlySet<string> = new Set([
  'aws:sourcearn',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:sourceowner',
  'aws:sourceaccount',
  'aws:sourceip',
  'aws:userid',
  'aws:principalorgid',
  'aws:principalorgpaths',
  'aws:principalaccount',
  'aws:principalarn',
  's3:x-amz-server-side-encryption-aws-kms-key-id',
  's3:dataaccesspointarn',
  's3:dataaccesspointaccount',
]);

/** The statements of a policy that has been validated. */
export function statementsOfPolicy(policy: string): Statement[] {
  const { Statement: statements } = JSON.parse(policy) as { Statement?: Statement | Statement[] };
  return Array.isArray(statements) ? statements : statements === undefined ? [] : [statements];
}

/** Whether a bucket policy grants something to everybody. */
export function isPublicPolicy(policy: string | undefined): boolean {
  return policy !== undefined && statementsOfPolicy(policy).some(isPublicStatement);
}

function isPublicStatement({
  Effect: effect,
  Principal: principal,
  NotPrincipal: not,
  Condition: condition,
}: Statement): boolean {
  if (effect !== 'Allow') return false;
  return (not !== undefined || namesEverybody(principal)) && !isFixed(condition);
}

function namesEverybody(principal: unknown): boolean {
  if (principal === '*') return true;
  if (typeof principal !== 'object' || principal === null) return false;
  const aws = (principal as { AWS?: unknown }).AWS;
  return aws === '*' || (Array.isArray(aws) && aws.includes('*'));
}

function isFixed(condition: Statement['Condition']): boolean {
  return Object.entries(condition ?? {}).some(
    ([operator, keys]) =>
      /^(ForAnyValue:)?(String|Arn|IpAddress)/.test(operator) &&
      !/Not|IfExists/.test(operator) &&
      Object.entries(keys).some(([key, values]) => fixingKeys.has(key.toLowerCase()) && areFixed(key, values)),
  );
}

function areFixed(key: string, values: unknown): boolean {
  const list = (Array.isArray(values) ? values : [values]).map(String);
  if (key.toLowerCase() === 'aws:sourceip') return !list.some((value) => /\/[0-7]$/.test(value));
  return list.length > 0 && !list.some((value) => /[*?]/.test(value) || value.includes('${'));
}
