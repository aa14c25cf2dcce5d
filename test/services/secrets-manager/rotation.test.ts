import { EventBridge } from '@aws-sdk/client-eventbridge';
import { IAM } from '@aws-sdk/client-iam';
import { Lambda } from '@aws-sdk/client-lambda';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { SQS } from '@aws-sdk/client-sqs';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test, type TestContext } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { zipOf } from '../../support/zip.ts';

const day = 86_400_000;
const missing =
  "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN configured and you didn't include such an ARN as a parameter in this call.";
const unfinished = "A previous rotation isn't complete. That rotation will be reattempted.";
const cannot =
  'Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.';

/** A rotation function as the User Guide describes it, written with the official client; it fails in the step that its variable FAIL names. */
const source = `
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
const secrets = new SecretsManager({});
export const handler = async ({ Step, SecretId, ClientRequestToken, RotationToken }) => {
  console.log('STEP ' + Step + ' ' + ClientRequestToken);
  const { VersionIdsToStages: stages, RotationEnabled } = await secrets.describeSecret({ SecretId });
  if (!RotationEnabled) throw new Error('not enabled');
  if (!stages[ClientRequestToken]?.includes('AWSPENDING')) throw new Error('not pending');
  if (Step === process.env.FAIL) throw new Error('refused to ' + Step);
  if (Step === 'createSecret') {
    const { SecretString } = await secrets.getSecretValue({ SecretId, VersionStage: 'AWSCURRENT' });
    const next = String(Number(SecretString) + 1);
    await secrets.putSecretValue({ SecretId, ClientRequestToken, RotationToken, SecretString: next, VersionStages: ['AWSPENDING'] });
  }
  if (Step === 'testSecret') await secrets.getSecretValue({ SecretId, VersionId: ClientRequestToken, VersionStage: 'AWSPENDING' });
  if (Step === 'finishSecret') {
    const RemoveFromVersionId = Object.keys(stages).find((id) => stages[id].includes('AWSCURRENT'));
    await secrets.updateSecretVersionStage({ SecretId, VersionStage: 'AWSCURRENT', MoveToVersionId: ClientRequestToken, RemoveFromVersionId });
    await secrets.updateSecretVersionStage({ SecretId, VersionStage: 'AWSPENDING', RemoveFromVersionId: ClientRequestToken });
  }
};`;

let cloud: OwnCloud;
let code: Buffer;

beforeAll(async () => {
  cloud = await startOwnCloud();
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
  });
  code = zipOf({ 'index.js': outputFiles[0]?.contents ?? '' });
});

afterAll(async () => {
  await cloud?.stop();
});

function needsMachines(context: TestContext): void {
  context.skip(cloud.limits.length > 0, `functions do not run here: ${cloud.limits[0]}`);
}

/** An account with a rotation function that Secrets Manager may call, unless told otherwise. */
async function setUp({ permitted = true, fail = '' } = {}) {
  const account = freshAccount(cloud.endpoint);
  const [secrets, lambda, iam] = [new SecretsManager(account.config()), new Lambda(account.config()), new IAM(account.config())];
  const trust = { Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' };
  const { Role } = await iam.createRole({
    RoleName: 'rotator',
    AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [trust] }),
  });
  const allow = { Effect: 'Allow', Action: ['secretsmanager:*', 'logs:*'], Resource: '*' };
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [allow] });
  await iam.putRolePolicy({ RoleName: 'rotator', PolicyName: 'p', PolicyDocument });
  const FunctionName = 'rotate';
  const { FunctionArn = '' } = await lambda.createFunction({
    FunctionName,
    Role: Role?.Arn,
    Runtime: 'nodejs20.x',
    Handler: 'index.handler',
    Timeout: 30,
    Environment: { Variables: { FAIL: fail } },
    Code: { ZipFile: code },
  });
  if (permitted) {
    const grant = { StatementId: 's', Action: 'lambda:InvokeFunction', Principal: 'secretsmanager.amazonaws.com' };
    await lambda.addPermission({ FunctionName, ...grant });
  }
  await eventually(async () => expect((await lambda.getFunction({ FunctionName })).Configuration?.State).toBe('Active'), {
    why: 'the function is there',
  });
  await secrets.createSecret({ Name: 's', SecretString: '1' });
  const currentValue = async (VersionStage = 'AWSCURRENT') =>
    (await secrets.getSecretValue({ SecretId: 's', VersionStage })).SecretString;
  return { account, secrets, lambda, FunctionName, FunctionArn, currentValue };
}

test('SEC-004 a function rotates the secret in four steps, at once and again on its days', {
  timeout: 120_000,
}, async (context) => {
  needsMachines(context);
  const { account, secrets, lambda, FunctionName, FunctionArn, currentValue } = await setUp();
  const queue = await rotationEvents(account);
  const ClientRequestToken = 'a'.repeat(36);
  const answer = await secrets.rotateSecret({
    SecretId: 's',
    ClientRequestToken,
    RotationLambdaARN: FunctionArn,
    RotationRules: { AutomaticallyAfterDays: 30 },
  });
  expect(answer).toMatchObject({ Name: 's', VersionId: ClientRequestToken });
  await eventually(async () => expect(await currentValue()).toBe('2'), { timeoutMs: 60_000, why: 'the secret is rotated' });
  await eventually(
    async () => {
      const read = await secrets.getSecretValue({ SecretId: 's' });
      expect(read).toMatchObject({ VersionId: ClientRequestToken, VersionStages: ['AWSCURRENT'] });
    },
    { why: 'the function has taken the label away' },
  );
  expect(await currentValue('AWSPREVIOUS')).toBe('1');
  const described = await eventually(
    async () => {
      const now = await secrets.describeSecret({ SecretId: 's' });
      expect(now.LastRotatedDate).toBeDefined();
      return now;
    },
    { why: 'the rotation is over' },
  );
  expect(described).toMatchObject({
    RotationEnabled: true,
    RotationLambdaARN: FunctionArn,
    RotationRules: { AutomaticallyAfterDays: 30 },
  });
  const days = ((described.NextRotationDate?.getTime() ?? 0) - (described.LastRotatedDate?.getTime() ?? 0)) / day;
  expect(days).toBeGreaterThan(29);
  expect(days).toBeLessThan(31);
  expect(await queue()).toEqual(['RotationStarted', 'RotationSucceeded']);
  expect((await secrets.listSecrets({})).SecretList?.[0]).toMatchObject({ RotationEnabled: true });

  await advanceClock(cloud.endpoint, 29 * day);
  expect(await currentValue()).toBe('2');
  await advanceClock(cloud.endpoint, 2 * day);
  await eventually(async () => expect(await currentValue()).toBe('3'), { timeoutMs: 60_000, why: 'it is rotated again' });
  expect(await currentValue('AWSPREVIOUS')).toBe('2');

  // A value set by hand counts as a rotation: the days begin anew.
  await advanceClock(cloud.endpoint, 20 * day);
  await secrets.putSecretValue({ SecretId: 's', SecretString: '100' });
  await advanceClock(cloud.endpoint, 20 * day);
  expect(await currentValue()).toBe('100');

  await secrets.cancelRotateSecret({ SecretId: 's' });
  const cancelled = await secrets.describeSecret({ SecretId: 's' });
  expect(cancelled).toMatchObject({ RotationEnabled: false, RotationLambdaARN: FunctionArn });
  expect(cancelled.NextRotationDate).toBeUndefined();
  await advanceClock(cloud.endpoint, 60 * day);
  expect(await currentValue()).toBe('100');
  await lambda.deleteFunction({ FunctionName });
});

/** Names of the rotation events that came so far. */
async function rotationEvents(account: ReturnType<typeof freshAccount>) {
  const [events, sqs] = [new EventBridge(account.config()), new SQS(account.config())];
  const { QueueUrl } = await sqs.createQueue({ QueueName: 'told' });
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['QueueArn'] });
  const policy = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: '*' }],
  };
  await sqs.setQueueAttributes({ QueueUrl, Attributes: { Policy: JSON.stringify(policy) } });
  await events.putRule({ Name: 'r', EventPattern: JSON.stringify({ source: ['aws.secretsmanager'] }) });
  await events.putTargets({ Rule: 'r', Targets: [{ Id: 't', Arn: Attributes?.['QueueArn'] }] });
  return () =>
    eventually(
      async () => {
        const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 0 });
        const names = Messages.map(
          ({ Body }) => (JSON.parse(Body ?? '{}') as { detail: { eventName: string } }).detail.eventName,
        );
        expect(names.length).toBeGreaterThan(1);
        return names.sort();
      },
      { why: 'the events are told' },
    );
}

test('a step that fails leaves the version pending, is tried again, and refuses a second rotation', {
  timeout: 120_000,
}, async (context) => {
  needsMachines(context);
  const { secrets, lambda, FunctionName, FunctionArn, currentValue, account } = await setUp({ fail: 'testSecret' });
  const queue = await rotationEvents(account);
  const { VersionId } = await secrets.rotateSecret({
    SecretId: 's',
    RotationLambdaARN: FunctionArn,
    RotationRules: { ScheduleExpression: 'rate(10 days)', Duration: '3h' },
  });
  expect(await queue()).toEqual(['RotationFailed', 'RotationStarted']);
  expect(await currentValue()).toBe('1');
  expect(await currentValue('AWSPENDING')).toBe('2');
  const { VersionIdsToStages } = await secrets.describeSecret({ SecretId: 's' });
  expect(VersionIdsToStages?.[VersionId ?? '']).toEqual(['AWSPENDING']);
  await refused(secrets.rotateSecret({ SecretId: 's' }), 'InvalidRequestException', unfinished);
  await lambda.updateFunctionConfiguration({ FunctionName, Environment: { Variables: { FAIL: '' } } });
  await eventually(
    async () => expect((await lambda.getFunction({ FunctionName })).Configuration?.LastUpdateStatus).toBe('Successful'),
    { why: 'the function is mended' },
  );
  await advanceClock(cloud.endpoint, 3_600_000);
  await eventually(async () => expect(await currentValue()).toBe('2'), { timeoutMs: 60_000, why: 'the rotation is tried again' });
  expect((await secrets.getSecretValue({ SecretId: 's' })).VersionId).toBe(VersionId);
});

test('a rotation that is not to begin at once is only tested, and begins when its window opens', {
  timeout: 120_000,
}, async (context) => {
  needsMachines(context);
  const { secrets, FunctionArn, currentValue } = await setUp();
  const answer = await secrets.rotateSecret({
    SecretId: 's',
    RotationLambdaARN: FunctionArn,
    RotationRules: { ScheduleExpression: 'cron(0 8 ? * MON *)', Duration: '2h' },
    RotateImmediately: false,
  });
  expect(answer.VersionId).toBeUndefined();
  const described = await secrets.describeSecret({ SecretId: 's' });
  expect(Object.values(described.VersionIdsToStages ?? {})).toEqual([['AWSCURRENT']]);
  expect(described.NextRotationDate?.getUTCDay()).toBe(1);
  expect(described.NextRotationDate?.toISOString()).toMatch(/T09:59:59/);
  expect(described.RotationRules).toMatchObject({ ScheduleExpression: 'cron(0 8 ? * MON *)', Duration: '2h' });
  expect(await currentValue()).toBe('1');
  await advanceClock(cloud.endpoint, 7 * day);
  await eventually(async () => expect(await currentValue()).toBe('2'), { timeoutMs: 60_000, why: 'its Monday has come' });
});

test('RotateSecret refuses functions that it may not call and rules that make no sense', { timeout: 60_000 }, async () => {
  const { account, secrets, FunctionArn } = await setUp({ permitted: false });
  const lambda = FunctionArn;
  const rotate = (rules: Record<string, unknown> = {}, RotationLambdaARN: string | undefined = lambda) =>
    secrets.rotateSecret({ SecretId: 's', RotationLambdaARN, RotationRules: rules });
  await refused(rotate(), 'AccessDeniedException', cannot);
  await refused(rotate({}, `arn:aws:lambda:us-east-1:${account.id}:function:nothing`), 'AccessDeniedException', cannot);
  await refused(secrets.rotateSecret({ SecretId: 's' }), 'InvalidRequestException', missing);
  await refused(secrets.cancelRotateSecret({ SecretId: 's' }), 'InvalidRequestException', missing);
  await refused(
    secrets.rotateSecret({ SecretId: 'nothing', RotationLambdaARN: lambda }),
    'ResourceNotFoundException',
    "Secrets Manager can't find the specified secret.",
  );
  const limits = 'RotationRules.AutomaticallyAfterDays must be within 1-1000.';
  await refused(rotate({ AutomaticallyAfterDays: 1001 }), 'InvalidParameterException', limits);
  await refused(
    rotate({ AutomaticallyAfterDays: 1, ScheduleExpression: 'rate(1 day)' }),
    'InvalidParameterException',
    /only specify one/,
  );
  for (const ScheduleExpression of ['rate(3 hours)', 'rate(10 minutes)', 'cron(5 8 * * ? *)', 'every day', 'rate(1 days)'])
    await refused(rotate({ ScheduleExpression }), 'InvalidParameterException', 'Invalid ScheduleExpression.');
  await refused(rotate({ ScheduleExpression: 'rate(4 hours)', Duration: '5h' }), 'InvalidParameterException', /rotation window/);
  await refused(
    secrets.rotateSecret({
      SecretId: 's',
      RotationLambdaARN: lambda,
      ExternalSecretRotationRoleArn: 'arn:aws:iam::1:role/rotator',
    }),
    'NotImplemented',
  );
  await secrets.deleteSecret({ SecretId: 's' });
  await refused(
    secrets.rotateSecret({ SecretId: 's', RotationLambdaARN: lambda }),
    'InvalidRequestException',
    "You can't perform this operation on the secret because it was marked for deletion.",
  );
});
