import { randomUUID } from 'node:crypto';
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { KMS } from '@aws-sdk/client-kms';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { SQS } from '@aws-sdk/client-sqs';
import { SSM } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';

const day = 86_400_000;

function rooted(endpoint?: string) {
  const account = freshAccount(endpoint);
  return { account, ssm: new SSM(account.config()), iam: new IAM(account.config()), kms: new KMS(account.config()) };
}

async function userWith({ account, iam }: ReturnType<typeof rooted>, Action: string[], Resource: string | string[] = '*') {
  const UserName = `u-${randomUUID()}`;
  await iam.createUser({ UserName });
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource }] });
  await iam.putUserPolicy({ UserName, PolicyName: 'p', PolicyDocument });
  const { AccessKey } = await iam.createAccessKey({ UserName });
  return new SSM(account.configFor(AccessKey ?? {}));
}

test('a parameter is read by name, by ARN, by version; a new value is a new version', async () => {
  const { account, ssm } = rooted();
  const put = { Name: '/app/db/host', Value: 'one', Type: 'String' } as const;
  expect(await ssm.putParameter(put)).toMatchObject({ Version: 1, Tier: 'Standard' });
  const arn = `arn:aws:ssm:us-east-1:${account.id}:parameter/app/db/host`;
  const { Parameter } = await ssm.getParameter({ Name: '/app/db/host' });
  expect(Parameter).toMatchObject({ Name: '/app/db/host', Type: 'String', Value: 'one', Version: 1, ARN: arn, DataType: 'text' });
  await refused(
    ssm.putParameter(put),
    'ParameterAlreadyExists',
    'The parameter already exists. To overwrite this value, set the overwrite option in the request to true.',
  );
  expect((await ssm.putParameter({ ...put, Value: 'two', Overwrite: true })).Version).toBe(2);
  expect((await ssm.getParameter({ Name: arn })).Parameter?.Value).toBe('two');
  expect((await ssm.getParameter({ Name: '/app/db/host:1' })).Parameter).toMatchObject({ Value: 'one', Selector: ':1' });
  await refused(
    ssm.getParameter({ Name: '/app/db/host:3' }),
    'ParameterVersionNotFound',
    'Systems Manager could not find version 3 of /app/db/host. Verify the version and try again.',
  );
  await refused(ssm.getParameter({ Name: '/app/db' }), 'ParameterNotFound');
  await ssm.putParameter({ Name: 'plain', Value: 'x', Type: 'String' });
  expect((await ssm.getParameter({ Name: `arn:aws:ssm:us-east-1:${account.id}:parameter/plain` })).Parameter?.Value).toBe('x');
  expect(await ssm.getParameters({ Names: ['plain', 'nothing'] })).toMatchObject({ InvalidParameters: ['nothing'] });
  const history = (await ssm.getParameterHistory({ Name: '/app/db/host' })).Parameters ?? [];
  expect(history.map(({ Value, Version }) => [Value, Version])).toEqual([
    ['one', 1],
    ['two', 2],
  ]);
  await ssm.deleteParameter({ Name: 'plain' });
  await refused(ssm.deleteParameter({ Name: 'plain' }), 'ParameterNotFound');
  const gone = await ssm.deleteParameters({ Names: ['/app/db/host', 'plain'] });
  expect(gone).toMatchObject({ DeletedParameters: ['/app/db/host'], InvalidParameters: ['plain'] });
});

test('names, types, tiers and patterns are held to their rules', async () => {
  const { ssm } = rooted();
  const put = (input: Partial<Parameters<SSM['putParameter']>[0]>) =>
    ssm.putParameter({ Name: 'n', Value: 'v', Type: 'String', ...input });
  await refused(put({ Name: '/aws/mine' }), 'AccessDeniedException', 'No access to reserved parameter name: /aws/mine.');
  await refused(put({ Name: 'ssm-mine' }), 'ValidationException', /^Parameter name: can't be prefixed with "ssm"/);
  await refused(put({ Name: 'a/b' }), 'ValidationException', 'Parameter name must be a fully qualified name.');
  await refused(put({ Name: '/a b' }), 'ValidationException');
  await refused(put({ Name: '/l'.repeat(16) }), 'HierarchyLevelLimitExceededException');
  await refused(
    ssm.putParameter({ Name: 'n', Value: 'v' }),
    'ValidationException',
    'A parameter type is required when you create a parameter.',
  );
  await refused(
    put({ Value: 'x'.repeat(4097) }),
    'ValidationException',
    /^Standard tier parameters support a maximum parameter value of 4096/,
  );
  expect((await put({ Name: 'big', Value: 'x'.repeat(4097), Tier: 'Intelligent-Tiering' })).Tier).toBe('Advanced');
  await refused(put({ Name: 'big', Tier: 'Standard', Overwrite: true }), 'ValidationException', /downgrade/);
  await refused(put({ Name: 'huge', Value: 'x'.repeat(8193), Tier: 'Advanced' }), 'ValidationException');
  await refused(
    put({ AllowedPattern: '^\\d+$' }),
    'ParameterPatternMismatchException',
    'Parameter value, cannot be validated against allowedPattern: ^\\d+$',
  );
  await put({});
  await refused(put({ Type: 'StringList', Overwrite: true }), 'HierarchyTypeMismatchException');
  await refused(
    put({ Overwrite: true, Tags: [{ Key: 'a', Value: 'b' }] }),
    'ValidationException',
    /tags and overwrite can't be used together/,
  );
  await refused(put({ Name: 'img', DataType: 'aws:ec2:image', Value: 'ami-0123456789abcdef0' }), 'ValidationException');
});

test('a path is read level by level or whole, in pages', async () => {
  const { ssm } = rooted();
  const names = ['/a/1', '/a/2', '/a/b/3', '/a/b/c/4', '/ab/5', '/z', 'root'];
  for (const Name of names) await ssm.putParameter({ Name, Value: Name, Type: Name === '/a/2' ? 'StringList' : 'String' });
  const read = async (input: Parameters<SSM['getParametersByPath']>[0]) =>
    (await ssm.getParametersByPath(input)).Parameters?.map(({ Name }) => Name);
  expect(await read({ Path: '/a' })).toEqual(['/a/1', '/a/2']);
  expect(await read({ Path: '/a/', Recursive: true })).toEqual(['/a/1', '/a/2', '/a/b/3', '/a/b/c/4']);
  expect(await read({ Path: '/', Recursive: true })).toEqual(names);
  expect(await read({ Path: '/' })).toEqual(['/z', 'root']);
  expect(await read({ Path: '/nothing' })).toEqual([]);
  const byType = [{ Key: 'Type', Option: 'Equals', Values: ['StringList'] }];
  expect(await read({ Path: '/a', ParameterFilters: byType })).toEqual(['/a/2']);
  const seen: (string | undefined)[] = [];
  let NextToken: string | undefined;
  do {
    const page = await ssm.getParametersByPath({ Path: '/', Recursive: true, MaxResults: 3, NextToken });
    expect(page.Parameters?.length).toBeLessThanOrEqual(3);
    seen.push(...(page.Parameters ?? []).map(({ Name }) => Name));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  expect(seen).toEqual(names);
  await refused(ssm.getParametersByPath({ Path: 'a' }), 'ValidationException', /must begin with a forward slash/);
  await refused(
    ssm.getParametersByPath({ Path: '/a', MaxResults: 11 }),
    'ValidationException',
    "1 validation error detected: Value '11' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 10",
  );
  await refused(ssm.getParametersByPath({ Path: '/a', NextToken: 'none' }), 'InvalidNextToken');
  const described = await ssm.describeParameters({ ParameterFilters: [{ Key: 'Path', Option: 'OneLevel', Values: ['/a'] }] });
  expect(described.Parameters?.map(({ Name }) => Name)).toEqual(['/a/1', '/a/2']);
  await refused(ssm.describeParameters({ ParameterFilters: [{ Key: 'Colour', Values: ['x'] }] }), 'InvalidFilterKey');
});

test('a secure parameter is encrypted by KMS and shown in the clear only to those who may decrypt', async () => {
  const root = rooted();
  const { ssm, kms } = root;
  await ssm.putParameter({ Name: '/s', Value: 'secret', Type: 'SecureString' });
  const hidden = (await ssm.getParameter({ Name: '/s' })).Parameter?.Value ?? '';
  expect(hidden).not.toContain('secret');
  expect((await ssm.getParameter({ Name: '/s', WithDecryption: true })).Parameter?.Value).toBe('secret');
  expect((await ssm.describeParameters({})).Parameters?.[0]?.KeyId).toBe('alias/aws/ssm');
  const { KeyMetadata } = await kms.createKey({});
  await ssm.putParameter({ Name: '/own', Value: 'secret', Type: 'SecureString', KeyId: KeyMetadata?.KeyId });
  // The ciphertext is KMS's own, bound to the parameter by its ARN.
  const CiphertextBlob = Buffer.from((await ssm.getParameter({ Name: '/own' })).Parameter?.Value ?? '', 'base64');
  const EncryptionContext = { PARAMETER_ARN: `arn:aws:ssm:us-east-1:${root.account.id}:parameter/own` };
  expect(Buffer.from((await kms.decrypt({ CiphertextBlob, EncryptionContext })).Plaintext ?? []).toString()).toBe('secret');
  await refused(kms.decrypt({ CiphertextBlob }), 'InvalidCiphertextException');
  const long = 'x'.repeat(6000);
  await ssm.putParameter({ Name: '/long', Value: long, Type: 'SecureString', KeyId: KeyMetadata?.KeyId, Tier: 'Advanced' });
  expect((await ssm.getParameter({ Name: '/long', WithDecryption: true })).Parameter?.Value).toBe(long);
  const reader = await userWith(root, ['ssm:GetParameter']);
  expect((await reader.getParameter({ Name: '/own' })).Parameter?.Value).toBeDefined();
  await refused(reader.getParameter({ Name: '/own', WithDecryption: true }), 'AccessDeniedException', /kms:Decrypt/);
  expect((await reader.getParameter({ Name: '/s', WithDecryption: true })).Parameter?.Value).toBe('secret');
  await refused(ssm.putParameter({ Name: '/bad', Value: 'x', Type: 'SecureString', KeyId: 'alias/none' }), 'InvalidKeyId');
  await kms.disableKey({ KeyId: KeyMetadata?.KeyId });
  await refused(ssm.getParameter({ Name: '/own', WithDecryption: true }), 'InvalidKeyId');
});

test('IAM decides parameter by parameter and path by path', async () => {
  const root = rooted();
  for (const Name of ['/shop/a', '/bank/a']) await root.ssm.putParameter({ Name, Value: 'v', Type: 'String' });
  const resource = `arn:aws:ssm:us-east-1:${root.account.id}:parameter/shop`;
  const shop = await userWith(root, ['ssm:GetParameter*'], [resource, `${resource}/*`]);
  expect((await shop.getParameter({ Name: '/shop/a' })).Parameter?.Value).toBe('v');
  await refused(
    shop.getParameter({ Name: '/bank/a' }),
    'AccessDeniedException',
    /because no identity-based policy allows the ssm:GetParameter action/,
  );
  await refused(shop.getParameters({ Names: ['/shop/a', '/bank/a'] }), 'AccessDeniedException');
  expect((await shop.getParametersByPath({ Path: '/shop' })).Parameters?.length).toBe(1);
  await refused(shop.getParametersByPath({ Path: '/' }), 'AccessDeniedException');
});

test('labels name one version each and move', async () => {
  const { ssm } = rooted();
  for (const Value of ['1', '2', '3']) await ssm.putParameter({ Name: 'p', Value, Type: 'String', Overwrite: true });
  const answer = await ssm.labelParameterVersion({ Name: 'p', ParameterVersion: 1, Labels: ['prod', '9lives', 'aws-x'] });
  expect(answer).toMatchObject({ ParameterVersion: 1, InvalidLabels: ['9lives', 'aws-x'] });
  expect((await ssm.getParameter({ Name: 'p:prod' })).Parameter).toMatchObject({ Value: '1', Version: 1, Selector: ':prod' });
  await ssm.labelParameterVersion({ Name: 'p', Labels: ['prod'] });
  expect((await ssm.getParameter({ Name: 'p:prod' })).Parameter?.Version).toBe(3);
  await refused(ssm.getParameter({ Name: 'p:other' }), 'ParameterVersionNotFound');
  await refused(ssm.labelParameterVersion({ Name: 'p', ParameterVersion: 7, Labels: ['x'] }), 'ParameterVersionNotFound');
  const many = Array.from({ length: 10 }, (_, at) => `l${at}`);
  await refused(ssm.labelParameterVersion({ Name: 'p', Labels: many }), 'ParameterVersionLabelLimitExceeded');
  expect(await ssm.unlabelParameterVersion({ Name: 'p', ParameterVersion: 3, Labels: ['prod', 'no'] })).toMatchObject({
    RemovedLabels: ['prod'],
    InvalidLabels: ['no'],
  });
});

test('a hundred versions are kept, and a labelled oldest one stops the next', async () => {
  const { ssm } = rooted();
  for (let n = 1; n <= 101; n++) await ssm.putParameter({ Name: 'p', Value: String(n), Type: 'String', Overwrite: true });
  await refused(ssm.getParameter({ Name: 'p:1' }), 'ParameterVersionNotFound');
  await ssm.labelParameterVersion({ Name: 'p', ParameterVersion: 2, Labels: ['keep'] });
  await refused(
    ssm.putParameter({ Name: 'p', Value: 'x', Type: 'String', Overwrite: true }),
    'ParameterMaxVersionLimitExceeded',
    /^You attempted to create a new version of p by calling the PutParameter API with the overwrite flag. Version 2,/,
  );
});

test('public parameters name the newest images, Regions and services', async () => {
  const { account, ssm } = rooted();
  const Name = '/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-';
  const found = (await ssm.getParametersByPath({ Path: '/aws/service/ami-amazon-linux-latest' })).Parameters ?? [];
  const image = found.find((one) => one.Name?.startsWith(Name));
  const { Images } = await new EC2(account.config()).describeImages({ ImageIds: [image?.Value ?? ''] });
  expect(Images?.[0]?.Name).toMatch(/^al2023-ami-/);
  expect((await ssm.getParameter({ Name: image?.Name })).Parameter?.Value).toBe(image?.Value);
  const region = '/aws/service/global-infrastructure/regions/eu-west-1';
  expect((await ssm.getParameter({ Name: `${region}/longName` })).Parameter?.Value).toBe('Europe (Ireland)');
  expect((await ssm.getParameter({ Name: `${region}/services/s3` })).Parameter?.Value).toBe('s3');
  await refused(ssm.getParameter({ Name: '/aws/service/nothing' }), 'ParameterNotFound');
  await refused(ssm.putParameter({ Name: '/aws/service/mine', Value: 'x', Type: 'String' }), 'AccessDeniedException');
  const by = { Name: 'img', Value: image?.Value, Type: 'String', DataType: 'aws:ec2:image' } as const;
  expect((await ssm.putParameter(by)).Version).toBe(1);
});

test('secrets are read through Parameter Store', async () => {
  const { account, ssm } = rooted();
  await new SecretsManager(account.config()).createSecret({ Name: 'db', SecretString: 'pw' });
  const Name = '/aws/reference/secretsmanager/db';
  expect((await ssm.getParameter({ Name, WithDecryption: true })).Parameter).toMatchObject({ Value: 'pw', Type: 'SecureString' });
  await refused(
    ssm.getParameter({ Name }),
    'ValidationException',
    'WithDecryption flag must be True for retrieving a Secret Manager secret.',
  );
  await refused(ssm.getParameter({ Name: `${Name}x`, WithDecryption: true }), 'ParameterNotFound');
});

test('tags are kept, listed and removed', async () => {
  const { ssm } = rooted();
  await ssm.putParameter({ Name: 'p', Value: 'v', Type: 'String', Tags: [{ Key: 'team', Value: 'red' }] });
  const on = { ResourceType: 'Parameter', ResourceId: 'p' } as const;
  await ssm.addTagsToResource({ ...on, Tags: [{ Key: 'env', Value: 'dev' }] });
  await ssm.removeTagsFromResource({ ...on, TagKeys: ['team'] });
  expect((await ssm.listTagsForResource(on)).TagList).toEqual([{ Key: 'env', Value: 'dev' }]);
  const tagged = await ssm.describeParameters({ ParameterFilters: [{ Key: 'tag:env', Values: ['dev'] }] });
  expect(tagged.Parameters?.length).toBe(1);
  await refused(ssm.listTagsForResource({ ...on, ResourceId: 'none' }), 'InvalidResourceId');
  await refused(ssm.listTagsForResource({ ResourceType: 'Document', ResourceId: 'x' }), 'NotImplemented', undefined, 501);
});

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(() => cloud.stop());

test('a parameter expires when its policy says so', async () => {
  const { ssm } = rooted(cloud.endpoint);
  await ssm.putParameter({ Name: 'now', Value: 'v', Type: 'String' });
  const now = (await ssm.getParameter({ Name: 'now' })).Parameter?.LastModifiedDate?.getTime() ?? 0;
  const Timestamp = new Date(now + 10 * day).toISOString();
  const policies = [
    { Type: 'Expiration', Version: '1.0', Attributes: { Timestamp } },
    { Type: 'ExpirationNotification', Version: '1.0', Attributes: { Before: '3', Unit: 'Days' } },
    { Type: 'NoChangeNotification', Version: '1.0', Attributes: { After: '20', Unit: 'Days' } },
  ];
  const put = { Name: 'p', Value: 'v', Type: 'String', Tier: 'Advanced', Policies: JSON.stringify(policies) } as const;
  await refused(ssm.putParameter({ ...put, Tier: 'Standard' }), 'ValidationException');
  await refused(ssm.putParameter({ ...put, Policies: '[{"Type":"Other"}]' }), 'InvalidPolicyTypeException');
  await refused(ssm.putParameter({ ...put, Policies: JSON.stringify([policies[1]]) }), 'IncompatiblePolicyException');
  await ssm.putParameter(put);
  await advanceClock(cloud.endpoint, 8 * day);
  const { Parameters } = await ssm.describeParameters({ ParameterFilters: [{ Key: 'Tier', Values: ['Advanced'] }] });
  expect(Parameters?.[0]?.Policies?.map(({ PolicyStatus }) => PolicyStatus)).toEqual(['Pending', 'Finished', 'Pending']);
  await advanceClock(cloud.endpoint, 3 * day);
  await refused(ssm.getParameter({ Name: 'p' }), 'ParameterNotFound');
});

test('policies tell EventBridge before a parameter expires, when it did not change, and when it is gone', async () => {
  const { ssm, account } = rooted(cloud.endpoint);
  const [events, sqs] = [new EventBridge(account.config()), new SQS(account.config())];
  const Attributes14 = { MessageRetentionPeriod: String(14 * 86_400) };
  const { QueueUrl } = await sqs.createQueue({ QueueName: 'told', Attributes: Attributes14 });
  const statement = { Effect: 'Allow', Principal: { Service: 'events.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: '*' };
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
  await sqs.setQueueAttributes({ QueueUrl, Attributes: { Policy } });
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['QueueArn'] });
  await events.putRule({ Name: 'r', EventPattern: JSON.stringify({ source: ['aws.ssm'] }) });
  await events.putTargets({ Rule: 'r', Targets: [{ Id: 't', Arn: Attributes?.['QueueArn'] }] });
  await ssm.putParameter({ Name: 'now', Value: 'v', Type: 'String' });
  const now = (await ssm.getParameter({ Name: 'now' })).Parameter?.LastModifiedDate?.getTime() ?? 0;
  const Timestamp = new Date(now + 30 * day).toISOString();
  const policies = [
    { Type: 'Expiration', Version: '1.0', Attributes: { Timestamp } },
    { Type: 'ExpirationNotification', Version: '1.0', Attributes: { Before: '15', Unit: 'Days' } },
    { Type: 'NoChangeNotification', Version: '1.0', Attributes: { After: '20', Unit: 'Days' } },
  ];
  await ssm.putParameter({ Name: 'p', Value: 'v', Type: 'String', Tier: 'Advanced', Policies: JSON.stringify(policies) });
  const told = async (): Promise<[types: (string | undefined)[], changes: (string | undefined)[]]> => {
    const { Messages = [] } = await sqs.receiveMessage({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 0 });
    const details = Messages.map(({ Body }) => (JSON.parse(Body ?? '{}') as { detail: Record<string, string> }).detail);
    const types = details.map((detail) => detail['policy-type']).filter((type) => type !== undefined);
    return [types.sort(), details.filter(({ name }) => name === 'p').map(({ operation }) => operation)];
  };
  // Each comes in its own time, and no queue keeps messages for longer than 14 days.
  await advanceClock(cloud.endpoint, 21 * day);
  await eventually(async () => expect((await told())[0]).toEqual(['ExpirationNotification', 'NoChangeNotification']), {
    why: 'both notices have come',
  });
  await advanceClock(cloud.endpoint, 10 * day);
  await eventually(
    async () => {
      const [types, changes] = await told();
      expect(types).toEqual(['Expiration', 'NoChangeNotification']);
      expect(changes).toContain('Delete');
    },
    { why: 'it is gone, and the first notice is as old as a queue keeps them' },
  );
});
