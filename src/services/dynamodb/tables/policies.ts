/** Resource-based policies of tables ("Using resource-based policies for DynamoDB"). */
import type { DynamoDB } from '@aws-sdk/client-dynamodb';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { HandlersOf } from '../../../kernel/service.ts';
import { validation } from '../errors.ts';
import { requireTable } from '../lookup.ts';
import { type TableRow, Tables } from '../state.ts';

/** "Resource-based policy considerations": 20 KB. */
const policyBytesMax = 20 * 1024;

async function requireResource(reading: Context | Transaction, ctx: Context, arn: string | undefined): Promise<TableRow> {
  if (arn?.includes('/stream/') === true)
    throw new AwsError('NotImplemented', 'Pilvi does not implement policies of streams.', { status: 501 });
  return requireTable(reading, ctx, arn);
}

function checkRevision(row: TableRow, expected: string | undefined): void {
  if (expected === undefined) return;
  const matches = expected === 'NO_POLICY' ? row.policy === undefined : row.policy?.revision === expected;
  if (!matches)
    throw new AwsError(
      'PolicyNotFoundException',
      `Resource-based policy not found for the provided ResourceArn: ${row.arn} with the given revision id`,
    );
}

function checkDocument(document: string): void {
  if (Buffer.byteLength(document, 'utf8') > policyBytesMax)
    throw validation(`Resource-based policy exceeds the maximum size of ${policyBytesMax} bytes`);
  try {
    const parsed: unknown = JSON.parse(document);
    if (typeof parsed === 'object' && parsed !== null && 'Statement' in parsed) return;
  } catch {
    // Told below.
  }
  throw validation('Policy contains invalid syntax');
}

export const policyHandlers: HandlersOf<DynamoDB> = {
  PutResourcePolicy(input, ctx) {
    const document = input.Policy ?? '';
    checkDocument(document);
    return ctx.transact(async (tx) => {
      const row = await requireResource(tx, ctx, input.ResourceArn);
      checkRevision(row, input.ExpectedRevisionId);
      const revision = row.policy?.document === document ? row.policy.revision : String(ctx.now);
      await tx.table(Tables).put({ ...row, policy: { document, revision } });
      return { RevisionId: revision };
    });
  },

  async GetResourcePolicy(input, ctx) {
    const { arn, policy } = await requireResource(ctx, ctx, input.ResourceArn);
    if (policy === undefined)
      throw new AwsError('PolicyNotFoundException', `Resource-based policy not found for the provided ResourceArn: ${arn}`);
    return { Policy: policy.document, RevisionId: policy.revision };
  },

  DeleteResourcePolicy(input, ctx) {
    return ctx.transact(async (tx) => {
      const row = await requireResource(tx, ctx, input.ResourceArn);
      checkRevision(row, input.ExpectedRevisionId);
      const { policy, ...rest } = row;
      if (policy !== undefined) await tx.table(Tables).put(rest);
      return { RevisionId: policy?.revision };
    });
  },
};
