/**
 * Answers the nodes' questions: who a client is and whether its policies let it (dax:… on the cluster), and what tables say, asked with the cluster's
 * role ("DAX access control": a client needs no rights on the tables).
 */
import { createHash } from 'node:crypto';
import type { Identity } from '../../kernel/caller.ts';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { type CacheProof, type CacheQuestion, CacheRefusal, type CacheSource, type KeyShape } from '../../planes/caches/types.ts';
import type { StsApi } from '../sts/api.ts';
import { clusterArn } from './lookup.ts';
import { replaceNode } from './nodes.ts';
import { type ClusterRow, Clusters, NameLists } from './state.ts';

/** Clients that have shown who they are; the oldest must show it again. They do so every few minutes anyway. */
const passesMax = 10_000;
/** Lists of names of a cluster: clients that put ever new names are refused in the end. */
const listsMax = 100_000;
/** The first number; one is the list of no names. */
const firstNumber = 2;

/** `system` is in no account. */
export function createSource(system: Context): CacheSource {
  const passes = new Map<number, Identity>();
  let last = 0;
  const admit = async (ctx: Context, proof: CacheProof): Promise<number> => {
    const identity = await identify(ctx, proof);
    last += 1;
    passes.set(last, identity);
    if (passes.size > passesMax) passes.delete(passes.keys().next().value!);
    return last;
  };
  return {
    async answer(group, question) {
      const [account = '', region = '', name = ''] = group.split('/');
      const ctx = system.inScope({ account, region });
      const row = await ctx.table(Clusters).get(name);
      if (row === undefined) throw new CacheRefusal('InternalServerError', 'The cluster is gone.', 500);
      if (question.ask === 'admit') return admit(ctx, question.proof);
      if (question.ask === 'permit') return permit(ctx, row, passes.get(question.pass), question);
      return refusing(() => answerTable(ctx, row, question));
    },
    ended(group, key) {
      const [account = '', region = '', name = ''] = group.split('/');
      void replaceNode(system.inScope({ account, region }), name, key);
    },
  };
}

const unknownClient = (): CacheRefusal =>
  new CacheRefusal('Unauthenticated', 'The security token included in the request is invalid.', 400);

/** Clients sign an empty POST to the service's own name, whatever cluster they talk to. */
async function identify(ctx: Context, proof: CacheProof): Promise<Identity> {
  const emptyHash = createHash('sha256').digest('hex');
  const identity = await ctx.part('proofs').identify({
    ...{ accessKeyId: proof.keyId, signature: proof.signature, stringToSign: proof.signedText, sessionToken: proof.token },
    service: 'dax',
    canonicalRequest: (time) => `POST\n/\n\nhost:dax.amazonaws.com\nx-amz-date:${time}\n\nhost;x-amz-date\n${emptyHash}`,
  });
  if (identity === undefined || identity.account !== ctx.account) throw unknownClient();
  return identity;
}

async function permit(
  ctx: Context,
  row: ClusterRow,
  identity: Identity | undefined,
  { action, within }: Extract<CacheQuestion, { ask: 'permit' }>,
): Promise<void> {
  if (identity === undefined) throw unknownClient();
  const check = {
    action: `dax:${action}`,
    resource: clusterArn(ctx, row.name),
    conditions: { 'dax:EnclosingOperation': within },
  };
  await ctx
    .asIdentity(identity)
    .permit(check)
    .catch((error: unknown) => {
      if (error instanceof AwsError) throw new CacheRefusal('AccessDenied.Client', error.message, 400);
      throw error;
    });
}

async function answerTable(
  ctx: Context,
  row: ClusterRow,
  question: Exclude<CacheQuestion, { ask: 'admit' | 'permit' }>,
): Promise<unknown> {
  if (question.ask === 'list-number') return listNumber(ctx, row, question.names);
  if (question.ask === 'list-names') {
    const list = await ctx.table(NameLists).get(row.label, question.number);
    if (list === undefined) throw new CacheRefusal('ValidationException', `There is no attribute list ${question.number}.`, 400);
    return list.names;
  }
  const sts = await ctx.internal<StsApi>('sts');
  const identity = await sts.roleIdentity({ roleArn: row.roleArn, sessionName: row.label, service: 'dax' });
  const tables = ctx.asIdentity(identity).call('dynamodb');
  if (question.ask === 'key-shape') {
    const { Table } = await tables.describeTable({ TableName: question.table });
    const types = new Map(Table?.AttributeDefinitions?.map(({ AttributeName, AttributeType }) => [AttributeName, AttributeType]));
    return (Table?.KeySchema ?? []).map(({ AttributeName: name = '' }): KeyShape[number] => ({
      name,
      type: types.get(name) ?? 'S',
    }));
  }
  const method = `${question.operation.charAt(0).toLowerCase()}${question.operation.slice(1)}`;
  return (tables as unknown as Readonly<Record<string, (input: object) => Promise<unknown>>>)[method]!(question.input);
}

/** Errors of the table are the client's. */
async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw new CacheRefusal(
      error.code,
      error.message,
      error.status,
      error.members as Readonly<Record<string, unknown>> | undefined,
    );
  }
}

/** The same names have the same number for all clients of the cluster, and keep it: clients remember it over a restart. */
async function listNumber(ctx: Context, { label }: ClusterRow, names: readonly string[]): Promise<number> {
  const hash = createHash('sha256').update(JSON.stringify(names)).digest('hex');
  const known = await ctx.table(NameLists).firstByIndex('byHash', [label, hash]);
  if (known !== undefined) return known.number;
  return ctx.transact(async (tx) => {
    const again = await tx.table(NameLists).firstByIndex('byHash', [label, hash]);
    if (again !== undefined) return again.number;
    const number = firstNumber + (await tx.table(NameLists).list({ prefix: [label] })).length;
    if (number > listsMax) throw new AwsError('LimitExceededException', 'Too many different lists of attribute names.');
    await tx.table(NameLists).put({ label, number, hash, names });
    return number;
  });
}
