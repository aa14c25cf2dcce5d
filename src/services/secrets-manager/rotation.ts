/**
 * Rotation: a function is called for each of four steps and moves AWSCURRENT to a version that Secrets Manager made for it, empty and labelled
 * AWSPENDING. The steps and their retries are a task, so that a restart in the middle tries again. Sources: User Guide, "Lambda function rotation", "Rotate by
 * Lambda function: events"; API Reference, RotateSecret and CancelRotateSecret.
 */
import type { RotateSecretRequest, SecretsManager } from '@aws-sdk/client-secrets-manager';
import type { Millis } from '../../base/clock.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { cannotInvoke, invalidRequest } from './errors.ts';
import { scheduleReplication } from './replication.ts';
import { nextRotation, readRotationRules } from './rotation-rules.ts';
import { scheduleRotation, stopRotation } from './rotation-state.ts';
import { checkNoReplica, current, moveStages, readToken, stageHolder } from './rules.ts';
import { inTransaction, requireSecret, secretArn } from './secret-ids.ts';
import { type RotationFacts, type SecretRow, Secrets, Values } from './state.ts';

const pendingStage = 'AWSPENDING';
const steps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
type Step = (typeof steps)[number];

/** "Secrets Manager retries the entire rotation process multiple times": how often here, and the pause before each further attempt. */
const attemptsMax = 5;
const pauseMillis = (attempts: number): Millis => 60_000 * 2 ** (attempts - 1);

const noFunction =
  "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN configured and you didn't include such an ARN as a parameter in this call.";

/** The function is called on account of the secret: its policy must allow the principal secretsmanager.amazonaws.com. */
function caller(ctx: Context, arn: string) {
  return ctx.onAccountOf(arn, ctx.account, 'secretsmanager').call('lambda');
}

/** Throws AccessDeniedException when the function is not there or its policy does not let Secrets Manager call it. */
async function checkFunction(ctx: Context, arn: string, lambda: string): Promise<void> {
  try {
    await caller(ctx, arn).invoke({ FunctionName: lambda, InvocationType: 'DryRun' });
  } catch (error) {
    if (!(error instanceof AwsError) || error.status >= 500) throw error;
    if (error.status === 403 || error.status === 404 || error.status === 400) throw cannotInvoke();
  }
}

/** Runs one step. Returns why it failed, or undefined. */
async function runStep(ctx: Context, row: SecretRow, rotation: RotationFacts, step: Step): Promise<string | undefined> {
  const arn = secretArn(ctx, row);
  const event = {
    Step: step,
    SecretId: arn,
    ClientRequestToken: rotation.pending?.version,
    RotationToken: rotation.pending?.token,
  };
  try {
    const answer = await caller(ctx, arn).invoke({ FunctionName: rotation.lambda, Payload: Buffer.from(JSON.stringify(event)) });
    return answer.FunctionError === undefined ? undefined : `${step}: ${answer.FunctionError}`;
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    return `${step}: ${error.code}: ${error.message}`;
  }
}

/** "RotationStarted", "RotationSucceeded", "RotationFailed", "RotationAbandoned": events of the service that CloudTrail tells EventBridge. */
async function announce(ctx: Context, tx: Transaction, row: SecretRow, eventName: string): Promise<void> {
  const arn = secretArn(ctx, row);
  await tx.emit({
    source: 'aws.secretsmanager',
    detailType: 'AWS Service Event via CloudTrail',
    detail: {
      eventVersion: '1.08',
      userIdentity: { accountId: ctx.account, invokedBy: 'secretsmanager.amazonaws.com' },
      eventTime: new Date(ctx.now).toISOString().replace(/\.\d+Z$/, 'Z'),
      eventSource: 'secretsmanager.amazonaws.com',
      eventName,
      awsRegion: ctx.region,
      additionalEventData: { SecretId: arn },
      eventID: ctx.uuid(),
      eventType: 'AwsServiceEvent',
      recipientAccountId: ctx.account,
    },
    resources: [],
  });
}

/** The version that a rotation left unfinished: it has AWSPENDING and is not the current one. */
function unfinished({ versions }: SecretRow): string | undefined {
  const pending = stageHolder(versions, pendingStage);
  return pending === undefined || pending === stageHolder(versions, current) ? undefined : pending;
}

/** Begins a rotation in a transaction: the version is there, empty, before the function is called. Takes up an unfinished one. */
async function begin(ctx: Context, tx: Transaction, row: SecretRow, fresh: string): Promise<SecretRow> {
  const version = unfinished(row) ?? fresh;
  const token = row.rotation?.pending?.version === version ? row.rotation.pending.token : ctx.uuid();
  const known = row.versions[version];
  const versions = moveStages({ ...row.versions, [version]: known ?? { created: ctx.now, stages: [] } }, version, [pendingStage]);
  const rotation = row.rotation && { ...row.rotation, pending: { version, token, attempts: 0 } };
  const begun: SecretRow = { ...row, versions, rotation };
  await tx.table(Secrets).put(begun);
  await tx.schedule({ task: 'rotate', key: row.name, due: ctx.now });
  await announce(ctx, tx, begun, 'RotationStarted');
  return begun;
}

/** The day of a rotation by the rules has come. */
export const rotationDue: Task = async ({ key: name }, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Secrets).get(name);
    if (row?.rotation?.enabled !== true || row.deleted !== undefined) return;
    const next = nextRotation(row.rotation, ctx.now);
    const begun = await begin(ctx, tx, { ...row, rotation: { ...row.rotation, next } }, ctx.uuid());
    await scheduleRotation(tx, begun);
  });
};

/** All steps of a rotation that has begun, from the first. A failure is tried again later; when all attempts failed, the version stays AWSPENDING. */
export const rotate: Task = async ({ key: name }, ctx) => {
  const row = await ctx.table(Secrets).get(name);
  const rotation = row?.rotation;
  if (row === undefined || rotation?.pending === undefined || row.deleted !== undefined) return;
  const { version } = rotation.pending;
  let failure: string | undefined;
  for (const step of steps) failure ??= await runStep(ctx, row, rotation, step);
  await ctx.transact(async (tx) => {
    const now = await tx.table(Secrets).get(name);
    if (now?.rotation?.pending?.version !== version) return;
    if (failure === undefined && stageHolder(now.versions, current) === version) await finish(ctx, tx, now, now.rotation);
    else await fail(ctx, tx, now, now.rotation);
  });
};

async function finish(ctx: Context, tx: Transaction, row: SecretRow, rotation: RotationFacts): Promise<void> {
  const { pending: _done, ...kept } = rotation;
  const next = nextRotation(rotation, ctx.now);
  const done: SecretRow = { ...row, rotation: { ...kept, rotated: ctx.now, next }, changed: ctx.now };
  await tx.table(Secrets).put(done);
  await scheduleRotation(tx, done);
  await scheduleReplication(tx, done, ctx.now);
  await announce(ctx, tx, done, 'RotationSucceeded');
}

async function fail(ctx: Context, tx: Transaction, row: SecretRow, rotation: RotationFacts): Promise<void> {
  const attempts = (rotation.pending?.attempts ?? 0) + 1;
  await tx
    .table(Secrets)
    .put({ ...row, rotation: { ...rotation, pending: rotation.pending && { ...rotation.pending, attempts } } });
  await announce(ctx, tx, row, 'RotationFailed');
  if (attempts < attemptsMax) await tx.schedule({ task: 'rotate', key: row.name, due: ctx.now + pauseMillis(attempts) });
}

/** What a request makes of a secret's rotation. Throws InvalidRequestException, InvalidParameterException. */
function configured(ctx: Context, row: SecretRow, input: RotateSecretRequest): RotationFacts {
  const old = row.rotation;
  const lambda = input.RotationLambdaARN ?? old?.lambda;
  if (lambda === undefined) throw invalidRequest(noFunction);
  const rules = input.RotationRules === undefined ? (old?.rules ?? {}) : readRotationRules(input.RotationRules);
  const facts = { ...old, lambda, rules, enabled: true, since: ctx.now };
  return { ...facts, next: nextRotation(facts, ctx.now) };
}

/** The version for a test without rotation, with what its function needs to know; it is gone afterwards. */
async function testOnly(ctx: Context, name: string, version: string): Promise<void> {
  const row = await ctx.table(Secrets).get(name);
  if (row?.rotation === undefined) return;
  await runStep(ctx, row, { ...row.rotation, pending: { version, token: ctx.uuid(), attempts: 0 } }, 'testSecret');
  await ctx.transact(async (tx) => {
    const now = await tx.table(Secrets).get(name);
    if (now === undefined || stageHolder(now.versions, pendingStage) !== version) return;
    const { [version]: _tested, ...versions } = now.versions;
    await tx.table(Values).delete(name, version);
    await tx.table(Secrets).put({ ...now, versions });
  });
}

export const rotationHandlers: HandlersOf<SecretsManager> = {
  /** Sets rotation up and, unless told not to, begins one. Asking again while one is unfinished is refused, and takes that one up again. */
  async RotateSecret(input, ctx) {
    for (const name of ['ExternalSecretRotationMetadata', 'ExternalSecretRotationRoleArn'] as const)
      if (input[name] !== undefined) throw parameterNotImplemented('RotateSecret', name);
    new RequestCheck().length('rotationLambdaARN', input.RotationLambdaARN, 0, 2048).done();
    const version = readToken(input.ClientRequestToken, () => ctx.uuid());
    const { row: found, arn } = await requireSecret(ctx, input.SecretId);
    checkNoReplica(found, ctx.region);
    await checkFunction(ctx.inScope({ account: ctx.account }), arn, configured(ctx, found, input).lambda);
    const immediately = input.RotateImmediately ?? true;
    const refused = await ctx.transact(async (tx) => {
      const { row } = await requireSecret(inTransaction(ctx, tx), input.SecretId);
      const rotation = configured(ctx, row, input);
      if (row.versions[version] !== undefined && row.rotation?.pending?.version === version) return false;
      if (unfinished(row) !== undefined) {
        if (row.rotation !== undefined) await begin(ctx, tx, row, version);
        return true;
      }
      const changed: SecretRow = { ...row, rotation, changed: ctx.now };
      await scheduleRotation(tx, changed);
      if (immediately) await begin(ctx, tx, changed, version);
      else {
        const versions = moveStages({ ...row.versions, [version]: { created: ctx.now, stages: [] } }, version, [pendingStage]);
        await tx.table(Secrets).put({ ...changed, versions });
      }
      return false;
    });
    if (refused) throw invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.");
    if (!immediately) await testOnly(ctx, found.name, version);
    return { ARN: arn, Name: found.name, ...(immediately ? { VersionId: version } : {}) };
  },

  /** Rotation ends; a version that one in progress had made stays as it is. */
  async CancelRotateSecret(input, ctx) {
    return ctx.transact(async (tx) => {
      const { row, arn } = await requireSecret(inTransaction(ctx, tx), input.SecretId);
      checkNoReplica(row, ctx.region);
      if (row.rotation === undefined) throw invalidRequest(noFunction);
      const { pending, ...kept } = row.rotation;
      await tx.table(Secrets).put({ ...row, rotation: { ...kept, enabled: false, next: undefined } });
      await stopRotation(tx, row.name);
      if (pending !== undefined) await announce(ctx, tx, row, 'RotationAbandoned');
      return { ARN: arn, Name: row.name, ...(pending === undefined ? {} : { VersionId: pending.version }) };
    });
  },
};
