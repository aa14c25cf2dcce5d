import { randomUUID } from 'node:crypto';
import { IAM } from '@aws-sdk/client-iam';
import { KMS } from '@aws-sdk/client-kms';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, freshAccount, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';

const day = 86_400_000;
const marked = "You can't perform this operation on the secret because it was marked for deletion.";
const missing = "Secrets Manager can't find the specified secret.";

function rooted(endpoint?: string) {
  const account = freshAccount(endpoint);
  return {
    account,
    secrets: new SecretsManager(account.config()),
    iam: new IAM(account.config()),
    kms: new KMS(account.config()),
  };
}

async function userWith({ account, iam }: ReturnType<typeof rooted>, Action: string[]) {
  const UserName = `u-${randomUUID()}`;
  await iam.createUser({ UserName });
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] });
  await iam.putUserPolicy({ UserName, PolicyName: 'p', PolicyDocument });
  const { AccessKey } = await iam.createAccessKey({ UserName });
  return new SecretsManager(account.configFor(AccessKey ?? {}));
}

test('SEC-001 a secret holds a string or bytes under a KMS key, for those who may use both', async () => {
  const root = rooted();
  const { secrets, kms, account } = root;
  const made = await secrets.createSecret({ Name: 'prod/db', SecretString: 'my secret', Description: 'of the shop' });
  expect(made.ARN).toMatch(new RegExp(`^arn:aws:secretsmanager:us-east-1:${account.id}:secret:prod/db-[A-Za-z0-9]{6}$`));
  for (const SecretId of ['prod/db', made.ARN, made.ARN?.slice(0, -7)]) {
    const read = await secrets.getSecretValue({ SecretId });
    expect(read).toMatchObject({ ARN: made.ARN, Name: 'prod/db', SecretString: 'my secret', VersionStages: ['AWSCURRENT'] });
    expect(read.VersionId).toBe(made.VersionId);
  }
  const binary = await secrets.createSecret({ Name: 'bytes', SecretBinary: Buffer.from([1, 2, 3]) });
  expect(Buffer.from((await secrets.getSecretValue({ SecretId: binary.ARN })).SecretBinary ?? [])).toEqual(
    Buffer.from([1, 2, 3]),
  );
  await refused(
    secrets.createSecret({ Name: 'prod/db', SecretString: 'other' }),
    'ResourceExistsException',
    'The operation failed because the secret prod/db already exists.',
  );
  await refused(secrets.getSecretValue({ SecretId: 'nothing' }), 'ResourceNotFoundException', missing);
  const nobody = await userWith(root, ['secretsmanager:ListSecrets']);
  await refused(nobody.getSecretValue({ SecretId: 'prod/db' }), 'AccessDeniedException', /secretsmanager:GetSecretValue/);
  // The account's own key lets everybody through who may use the secret; a customer's key must be allowed too.
  const reader = await userWith(root, ['secretsmanager:GetSecretValue']);
  expect((await reader.getSecretValue({ SecretId: 'prod/db' })).SecretString).toBe('my secret');
  const { KeyMetadata } = await kms.createKey({});
  await secrets.createSecret({ Name: 'guarded', SecretString: 'mine', KmsKeyId: KeyMetadata?.Arn });
  await refused(reader.getSecretValue({ SecretId: 'guarded' }), 'AccessDeniedException', 'Access to KMS is not allowed');
  const both = await userWith(root, ['secretsmanager:GetSecretValue', 'kms:Decrypt']);
  expect((await both.getSecretValue({ SecretId: 'guarded' })).SecretString).toBe('mine');
  expect((await secrets.describeSecret({ SecretId: 'guarded' })).KmsKeyId).toBe(KeyMetadata?.Arn);
  await kms.disableKey({ KeyId: KeyMetadata?.KeyId });
  await refused(secrets.getSecretValue({ SecretId: 'guarded' }), 'DecryptionFailure');
});

test('SEC-002 a new value becomes AWSCURRENT and the one before AWSPREVIOUS', async () => {
  const { secrets } = rooted();
  const first = await secrets.createSecret({ Name: 's', SecretString: 'one' });
  await refused(
    secrets.getSecretValue({ SecretId: 's', VersionStage: 'AWSPREVIOUS' }),
    'ResourceNotFoundException',
    "Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS",
  );
  const second = await secrets.putSecretValue({ SecretId: 's', SecretString: 'two' });
  expect(second.VersionStages).toEqual(['AWSCURRENT']);
  expect((await secrets.getSecretValue({ SecretId: 's' })).SecretString).toBe('two');
  expect((await secrets.getSecretValue({ SecretId: 's', VersionStage: 'AWSPREVIOUS' })).SecretString).toBe('one');
  await secrets.updateSecret({ SecretId: 's', SecretString: 'three', Description: 'changed' });
  expect((await secrets.getSecretValue({ SecretId: 's' })).SecretString).toBe('three');
  expect((await secrets.getSecretValue({ SecretId: 's', VersionStage: 'AWSPREVIOUS' })).VersionId).toBe(second.VersionId);
  const described = await secrets.describeSecret({ SecretId: 's' });
  expect(described.Description).toBe('changed');
  expect(Object.keys(described.VersionIdsToStages ?? {})).not.toContain(first.VersionId);
  const all = await secrets.listSecretVersionIds({ SecretId: 's', IncludeDeprecated: true });
  expect(all.Versions?.length).toBe(3);
  expect((await secrets.listSecretVersionIds({ SecretId: 's' })).Versions?.length).toBe(2);
});

test('labels of one’s own move between versions, and are taken only from the version that is named', async () => {
  const { secrets } = rooted();
  const one = await secrets.createSecret({ Name: 's', SecretString: 'one' });
  const two = await secrets.putSecretValue({ SecretId: 's', SecretString: 'two', VersionStages: ['TRIAL'] });
  expect((await secrets.getSecretValue({ SecretId: 's' })).SecretString).toBe('one');
  expect((await secrets.getSecretValue({ SecretId: 's', VersionStage: 'TRIAL' })).SecretString).toBe('two');
  const move = { SecretId: 's', VersionStage: 'AWSCURRENT', MoveToVersionId: two.VersionId };
  await refused(
    secrets.updateSecretVersionStage(move),
    'InvalidParameterException',
    `The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version ${one.VersionId}, so you must explicitly reference that version in RemoveFromVersionId.`,
  );
  await secrets.updateSecretVersionStage({ ...move, RemoveFromVersionId: one.VersionId });
  expect((await secrets.getSecretValue({ SecretId: 's' })).VersionStages?.sort()).toEqual(['AWSCURRENT', 'TRIAL']);
  expect((await secrets.getSecretValue({ SecretId: 's', VersionStage: 'AWSPREVIOUS' })).VersionId).toBe(one.VersionId);
  await refused(
    secrets.getSecretValue({ SecretId: 's', VersionId: one.VersionId, VersionStage: 'TRIAL' }),
    'InvalidRequestException',
    'You provided a VersionStage that is not associated to the provided VersionId.',
  );
});

test('a token makes a request safe to repeat', async () => {
  const { secrets } = rooted();
  const ClientRequestToken = randomUUID();
  const create = { Name: 's', SecretString: 'one', ClientRequestToken };
  const made = await secrets.createSecret(create);
  expect(made.VersionId).toBe(ClientRequestToken);
  expect((await secrets.createSecret(create)).ARN).toBe(made.ARN);
  await refused(secrets.createSecret({ ...create, SecretString: 'x' }), 'ResourceExistsException');
  await refused(
    secrets.putSecretValue({ SecretId: 's', SecretString: 'x', ClientRequestToken }),
    'ResourceExistsException',
    `You can't use ClientRequestToken ${ClientRequestToken} because that value is already in use for a version of secret ${made.ARN}.`,
  );
  await refused(
    secrets.putSecretValue({ SecretId: 's', SecretString: 'x', ClientRequestToken: 'short' }),
    'InvalidParameterException',
    'ClientRequestToken must be 32-64 characters long.',
  );
});

test('what is wrong with a request is said', async () => {
  const { secrets } = rooted();
  await refused(
    secrets.createSecret({ Name: 'Inv Name', SecretString: 'x' }),
    'ValidationException',
    'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
  );
  await refused(
    secrets.createSecret({ Name: 's', SecretString: 'x', SecretBinary: Buffer.from('y') }),
    'InvalidParameterException',
    "You can't specify both a binary secret value and a string secret value in the same secret.",
  );
  await secrets.createSecret({ Name: 'empty' });
  await refused(secrets.getSecretValue({ SecretId: 'empty' }), 'ResourceNotFoundException');
  await refused(
    secrets.putSecretValue({ SecretId: 'empty' }),
    'InvalidRequestException',
    'You must provide either SecretString or SecretBinary.',
  );
  await refused(secrets.putSecretValue({ SecretId: 'empty', SecretString: 'x'.repeat(65_537) }), 'ValidationException');
});

test('resource policies let other accounts in, and public ones can be blocked', async () => {
  const owner = rooted();
  const guest = rooted();
  const { KeyMetadata } = await owner.kms.createKey({});
  const made = await owner.secrets.createSecret({ Name: 's', SecretString: 'shared', KmsKeyId: KeyMetadata?.Arn });
  const allow = (AWS: string, Action: string) =>
    ({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Principal: { AWS }, Action, Resource: '*' }] }) as const;
  const guestArn = `arn:aws:iam::${guest.account.id}:root`;
  await refused(guest.secrets.getSecretValue({ SecretId: made.ARN }), 'AccessDeniedException');
  const open = JSON.stringify(allow('*', 'secretsmanager:GetSecretValue'));
  await refused(
    owner.secrets.putResourcePolicy({ SecretId: 's', ResourcePolicy: open, BlockPublicPolicy: true }),
    'PublicPolicyException',
  );
  expect((await owner.secrets.validateResourcePolicy({ ResourcePolicy: open })).PolicyValidationPassed).toBe(false);
  const ResourcePolicy = JSON.stringify(allow(guestArn, 'secretsmanager:GetSecretValue'));
  expect((await owner.secrets.validateResourcePolicy({ ResourcePolicy })).PolicyValidationPassed).toBe(true);
  await owner.secrets.putResourcePolicy({ SecretId: 's', ResourcePolicy, BlockPublicPolicy: true });
  await refused(guest.secrets.getSecretValue({ SecretId: made.ARN }), 'AccessDeniedException', 'Access to KMS is not allowed');
  const keyPolicy = allow(`arn:aws:iam::${owner.account.id}:root`, 'kms:*');
  const Policy = JSON.stringify({
    ...keyPolicy,
    Statement: [...keyPolicy.Statement, ...allow(guestArn, 'kms:Decrypt').Statement],
  });
  await owner.kms.putKeyPolicy({ KeyId: KeyMetadata?.KeyId, Policy });
  expect((await guest.secrets.getSecretValue({ SecretId: made.ARN })).SecretString).toBe('shared');
  await owner.secrets.deleteResourcePolicy({ SecretId: 's' });
  await refused(guest.secrets.getSecretValue({ SecretId: made.ARN }), 'AccessDeniedException');
  await refused(
    owner.secrets.putResourcePolicy({ SecretId: 's', ResourcePolicy: '{"no": "policy"}' }),
    'MalformedPolicyDocumentException',
  );
});

test('lists are filtered, ordered and paged, and a batch reads what it may', async () => {
  const { secrets } = rooted();
  for (const n of [1, 2, 3, 4, 5])
    await secrets.createSecret({ Name: `app/${n}`, SecretString: `v${n}`, Tags: [{ Key: 'n', Value: String(n) }] });
  await secrets.createSecret({ Name: 'other', Description: 'Payments gateway', SecretString: 'x' });
  const names = async (Filters: { Key: 'name' | 'description' | 'tag-value' | 'all'; Values: string[] }[]) =>
    (await secrets.listSecrets({ Filters, SortBy: 'name', SortOrder: 'asc' })).SecretList?.map(({ Name }) => Name);
  expect(await names([{ Key: 'name', Values: ['app/'] }])).toEqual(['app/1', 'app/2', 'app/3', 'app/4', 'app/5']);
  expect(await names([{ Key: 'name', Values: ['!app/'] }])).toEqual(['other']);
  expect(await names([{ Key: 'description', Values: ['pay'] }])).toEqual(['other']);
  expect(await names([{ Key: 'tag-value', Values: ['3', '4'] }])).toEqual(['app/3', 'app/4']);
  const seen: (string | undefined)[] = [];
  let NextToken: string | undefined;
  do {
    const page = await secrets.listSecrets({ MaxResults: 4, SortBy: 'name', SortOrder: 'asc', NextToken });
    seen.push(...(page.SecretList ?? []).map(({ Name }) => Name));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  expect(seen).toEqual(['app/1', 'app/2', 'app/3', 'app/4', 'app/5', 'other']);
  await refused(secrets.listSecrets({ NextToken: 'nonsense' }), 'InvalidNextTokenException');
  const batch = await secrets.batchGetSecretValue({ SecretIdList: ['app/1', 'nothing', 'app/2'] });
  expect(batch.SecretValues?.map(({ SecretString }) => SecretString)).toEqual(['v1', 'v2']);
  expect(batch.Errors).toEqual([{ SecretId: 'nothing', ErrorCode: 'ResourceNotFoundException', Message: missing }]);
  await refused(secrets.batchGetSecretValue({}), 'InvalidParameterException');
});

test('random passwords have the length and the kinds asked for', async () => {
  const { secrets } = rooted();
  const password = async (input: Parameters<SecretsManager['getRandomPassword']>[0]) =>
    (await secrets.getRandomPassword(input)).RandomPassword ?? '';
  const plain = await password({});
  expect(plain).toHaveLength(32);
  for (const kind of [/[a-z]/, /[A-Z]/, /[0-9]/, /[^A-Za-z0-9 ]/]) expect(plain).toMatch(kind);
  expect(await password({ PasswordLength: 50, ExcludePunctuation: true, ExcludeNumbers: true })).toMatch(/^[A-Za-z]{50}$/);
  expect(await password({ ExcludeCharacters: 'abc', PasswordLength: 500 })).not.toMatch(/[abc]/);
  await refused(secrets.getRandomPassword({ PasswordLength: 3 }), 'InvalidParameterException');
  await refused(secrets.getRandomPassword({ PasswordLength: 4097 }), 'ValidationException');
});

test('a replica in another Region follows its primary, and can stand alone', async () => {
  const { account, secrets } = rooted();
  const europe = new SecretsManager(account.config({ region: 'eu-west-1' }));
  const made = await secrets.createSecret({ Name: 's', SecretString: 'one', AddReplicaRegions: [{ Region: 'eu-west-1' }] });
  expect(made.ReplicationStatus?.[0]).toMatchObject({ Region: 'eu-west-1', Status: 'InProgress' });
  const reads = (value: string) =>
    eventually(async () => expect((await europe.getSecretValue({ SecretId: 's' })).SecretString).toBe(value), {
      why: 'the replica follows',
    });
  await reads('one');
  await eventually(
    async () => expect((await secrets.describeSecret({ SecretId: 's' })).ReplicationStatus?.[0]?.Status).toBe('InSync'),
    { why: 'the status follows' },
  );
  await secrets.putSecretValue({ SecretId: 's', SecretString: 'two' });
  await reads('two');
  await refused(europe.putSecretValue({ SecretId: 's', SecretString: 'x' }), 'InvalidRequestException');
  await refused(secrets.deleteSecret({ SecretId: 's' }), 'InvalidRequestException');
  await europe.stopReplicationToReplica({ SecretId: 's' });
  await europe.putSecretValue({ SecretId: 's', SecretString: 'own' });
  await refused(
    secrets.replicateSecretToRegions({ SecretId: 's', AddReplicaRegions: [{ Region: 'mars-1' }] }),
    'InvalidParameterException',
  );
  await secrets.replicateSecretToRegions({ SecretId: 's', AddReplicaRegions: [{ Region: 'eu-west-1' }] });
  await eventually(
    async () => expect((await secrets.describeSecret({ SecretId: 's' })).ReplicationStatus?.[0]?.Status).toBe('Failed'),
    { why: 'the name is taken there' },
  );
});

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(() => cloud.stop());

test('SEC-003 deletion waits 30 days, or 7 to 30 as told, and can be undone until then', async () => {
  const { secrets } = rooted(cloud.endpoint);
  await secrets.createSecret({ Name: 's', SecretString: 'one' });
  await refused(
    secrets.deleteSecret({ SecretId: 's', RecoveryWindowInDays: 6 }),
    'InvalidParameterException',
    'The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).',
  );
  await refused(
    secrets.deleteSecret({ SecretId: 's', RecoveryWindowInDays: 7, ForceDeleteWithoutRecovery: true }),
    'InvalidParameterException',
    "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
  );
  await secrets.deleteSecret({ SecretId: 's' });
  await refused(secrets.getSecretValue({ SecretId: 's' }), 'InvalidRequestException', marked);
  await refused(
    secrets.createSecret({ Name: 's', SecretString: 'x' }),
    'InvalidRequestException',
    "You can't create this secret because a secret with this name is already scheduled for deletion.",
  );
  expect((await secrets.listSecrets({})).SecretList).toEqual([]);
  expect((await secrets.listSecrets({ IncludePlannedDeletion: true })).SecretList?.length).toBe(1);
  await advanceClock(cloud.endpoint, 29 * day);
  await secrets.restoreSecret({ SecretId: 's' });
  await advanceClock(cloud.endpoint, 2 * day);
  expect((await secrets.getSecretValue({ SecretId: 's' })).SecretString).toBe('one');
  await secrets.deleteSecret({ SecretId: 's', RecoveryWindowInDays: 7 });
  await advanceClock(cloud.endpoint, 7 * day + 60_000);
  await refused(secrets.restoreSecret({ SecretId: 's' }), 'ResourceNotFoundException', missing);
  await secrets.createSecret({ Name: 's', SecretString: 'anew' });
  await secrets.deleteSecret({ SecretId: 's', ForceDeleteWithoutRecovery: true });
  await refused(secrets.describeSecret({ SecretId: 's' }), 'ResourceNotFoundException', missing);
});
