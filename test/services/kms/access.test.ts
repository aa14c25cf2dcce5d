import { EC2 } from '@aws-sdk/client-ec2';
import { KMS } from '@aws-sdk/client-kms';
import { expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { newKey, policy, rooted, statement, user } from './support.ts';

const Plaintext = Buffer.from('secret');
const ofAccount = (id: string) => statement('Allow', 'kms:*', { Principal: { AWS: `arn:aws:iam::${id}:root` } });

test('IAM policies decide where the key policy names the account', async () => {
  const root = rooted();
  const KeyId = await newKey(root.kms);
  const arn = `arn:aws:kms:us-east-1:${root.account.id}:key/${KeyId}`;
  const nobody = await user(root);
  await refused(
    nobody.kms.encrypt({ KeyId, Plaintext }),
    'AccessDeniedException',
    `User: ${nobody.arn} is not authorized to perform: kms:Encrypt on resource: ${arn} because no identity-based policy allows the kms:Encrypt action`,
    400,
  );
  const somebody = await user(root, statement('Allow', 'kms:Encrypt'));
  const { CiphertextBlob } = await somebody.kms.encrypt({ KeyId, Plaintext });
  await refused(somebody.kms.decrypt({ CiphertextBlob }), 'AccessDeniedException', /kms:Decrypt/);
});

test('under a key policy that does not name the account, IAM policies and even the root user may do nothing', async () => {
  const root = rooted();
  const holder = await user(root);
  const admin = await user(root, statement('Allow', '*'));
  const KeyId = await newKey(root.kms, {
    Policy: policy(statement('Allow', ['kms:Encrypt', 'kms:Decrypt'], { Principal: { AWS: holder.arn } })),
    BypassPolicyLockoutSafetyCheck: true,
  });
  const { CiphertextBlob } = await holder.kms.encrypt({ KeyId, Plaintext });
  for (const kms of [admin.kms, root.kms]) {
    await refused(
      kms.decrypt({ CiphertextBlob }),
      'AccessDeniedException',
      /because no resource-based policy allows the kms:Decrypt action/,
    );
    await refused(kms.describeKey({ KeyId }), 'AccessDeniedException');
  }
});

test('a key policy that would lock its author out is refused, as are unknown principals and broken documents', async () => {
  const root = rooted();
  const { kms, account } = root;
  const locked = policy(statement('Allow', 'kms:Encrypt', { Principal: { AWS: '*' } }));
  const words = 'The new key policy will not allow you to update the key policy in the future.';
  await refused(kms.createKey({ Policy: locked }), 'MalformedPolicyDocumentException', words);
  const KeyId = await newKey(kms);
  await refused(kms.putKeyPolicy({ KeyId, Policy: locked }), 'MalformedPolicyDocumentException', words);
  const ghost = statement('Allow', 'kms:*', { Principal: { AWS: `arn:aws:iam::${account.id}:user/ghost` } });
  await refused(
    kms.putKeyPolicy({ KeyId, Policy: policy(ofAccount(account.id), ghost) }),
    'MalformedPolicyDocumentException',
    'Policy contains a statement with one or more invalid principals.',
  );
  await refused(kms.putKeyPolicy({ KeyId, Policy: 'not json' }), 'MalformedPolicyDocumentException');
  await refused(kms.putKeyPolicy({ KeyId, Policy: locked, PolicyName: 'other' }), 'NotFoundException', 'No such policy exists');
  const changed = policy(ofAccount(account.id));
  await kms.putKeyPolicy({ KeyId, Policy: changed });
  expect((await kms.getKeyPolicy({ KeyId })).Policy).toBe(changed);
  expect((await kms.listKeyPolicies({ KeyId })).PolicyNames).toEqual(['default']);
});

test('conditions see the encryption context, the alias and tags', async () => {
  const root = rooted();
  const KeyId = await newKey(root.kms, { Tags: [{ TagKey: 'team', TagValue: 'red' }] });
  await root.kms.createAlias({ AliasName: 'alias/red', TargetKeyId: KeyId });
  const byContext = await user(
    root,
    statement('Allow', 'kms:Encrypt', { Condition: { StringEquals: { 'kms:EncryptionContext:app': 'shop' } } }),
  );
  await byContext.kms.encrypt({ KeyId, Plaintext, EncryptionContext: { app: 'shop', more: 'x' } });
  await refused(byContext.kms.encrypt({ KeyId, Plaintext, EncryptionContext: { app: 'other' } }), 'AccessDeniedException');
  await refused(byContext.kms.encrypt({ KeyId, Plaintext }), 'AccessDeniedException');
  const byAlias = await user(
    root,
    statement('Allow', 'kms:Encrypt', { Condition: { StringEquals: { 'kms:RequestAlias': 'alias/red' } } }),
    statement('Allow', 'kms:DescribeKey', {
      Condition: {
        'ForAnyValue:StringEquals': { 'kms:ResourceAliases': 'alias/red' },
        StringEquals: { 'aws:ResourceTag/team': 'red' },
      },
    }),
  );
  await byAlias.kms.encrypt({ KeyId: 'alias/red', Plaintext });
  await refused(byAlias.kms.encrypt({ KeyId, Plaintext }), 'AccessDeniedException');
  await byAlias.kms.describeKey({ KeyId });
  await refused(byAlias.kms.describeKey({ KeyId: await newKey(root.kms) }), 'AccessDeniedException');
  const direct = await user(
    root,
    statement('Allow', 'kms:Encrypt', { Condition: { StringEquals: { 'kms:ViaService': 's3.us-east-1.amazonaws.com' } } }),
  );
  await refused(direct.kms.encrypt({ KeyId, Plaintext }), 'AccessDeniedException');
});

test('a key serves another account when its policy says so and by ARN only', async () => {
  const owner = rooted();
  const guest = rooted();
  const KeyId = await newKey(owner.kms, { Policy: policy(ofAccount(owner.account.id)) });
  const arn = `arn:aws:kms:us-east-1:${owner.account.id}:key/${KeyId}`;
  await refused(guest.kms.encrypt({ KeyId: arn, Plaintext }), 'AccessDeniedException');
  const unknown = arn.replace(KeyId, '00000000-0000-4000-8000-000000000000');
  await refused(guest.kms.encrypt({ KeyId: unknown, Plaintext }), 'AccessDeniedException', /does not exist in this Region/);
  const shared = statement('Allow', ['kms:Encrypt', 'kms:Decrypt'], {
    Principal: { AWS: `arn:aws:iam::${guest.account.id}:root` },
  });
  await owner.kms.putKeyPolicy({ KeyId, Policy: policy(ofAccount(owner.account.id), shared) });
  const { CiphertextBlob } = await guest.kms.encrypt({ KeyId: arn, Plaintext });
  expect(Buffer.from((await owner.kms.decrypt({ CiphertextBlob })).Plaintext ?? [])).toEqual(Plaintext);
  await guest.kms.decrypt({ CiphertextBlob });
  await refused(guest.kms.disableKey({ KeyId: arn }), 'AccessDeniedException');
  await refused(guest.kms.encrypt({ KeyId, Plaintext }), 'NotFoundException');
  const stranger = new KMS(freshAccount().config());
  await refused(stranger.decrypt({ CiphertextBlob }), 'AccessDeniedException');
});

test('KMS-003 a service’s own key is made on first use and cannot be changed', async () => {
  const root = rooted();
  const ec2 = new EC2(root.account.config());
  expect((await root.kms.listAliases({})).Aliases).toEqual([]);
  const volume = await ec2.createVolume({ AvailabilityZone: 'us-east-1a', Size: 1, Encrypted: true });
  const { KeyMetadata: key } = await root.kms.describeKey({ KeyId: 'alias/aws/ebs' });
  expect(key).toMatchObject({ KeyManager: 'AWS', KeyState: 'Enabled', Arn: volume.KmsKeyId });
  expect((await root.kms.describeKey({ KeyId: 'alias/aws/secretsmanager' })).KeyMetadata?.KeyManager).toBe('AWS');
  const KeyId = key?.KeyId ?? '';
  await refused(root.kms.scheduleKeyDeletion({ KeyId }), 'AccessDeniedException');
  await refused(root.kms.putKeyPolicy({ KeyId, Policy: policy(ofAccount(root.account.id)) }), 'AccessDeniedException');
  await refused(root.kms.encrypt({ KeyId, Plaintext }), 'AccessDeniedException');
  await refused(root.kms.createAlias({ AliasName: 'alias/aws/mine', TargetKeyId: KeyId }), 'AccessDeniedException');
  await refused(root.kms.describeKey({ KeyId: 'alias/aws/nothing' }), 'NotFoundException', /^Alias arn:.* is not found\.$/);
});

test('a grant lets its grantee work within its constraints until it is revoked', async () => {
  const root = rooted();
  const KeyId = await newKey(root.kms);
  const worker = await user(root);
  const { CiphertextBlob } = await root.kms.encrypt({ KeyId, Plaintext, EncryptionContext: { app: 'shop', env: 'dev' } });
  const decrypt = () => worker.kms.decrypt({ CiphertextBlob, EncryptionContext: { app: 'shop', env: 'dev' } });
  await refused(decrypt(), 'AccessDeniedException');
  const grant = { KeyId, GranteePrincipal: worker.arn, Operations: ['Decrypt', 'RetireGrant'], Name: 'once' } as const;
  const other = await root.kms.createGrant({
    ...grant,
    Name: 'exact',
    Operations: ['Decrypt', 'RetireGrant'],
    Constraints: { EncryptionContextEquals: { app: 'shop' } },
  });
  await refused(decrypt(), 'AccessDeniedException');
  const made = await root.kms.createGrant({
    ...grant,
    Operations: ['Decrypt', 'RetireGrant'],
    Constraints: { EncryptionContextSubset: { app: 'shop' } },
  });
  expect(Buffer.from((await decrypt()).Plaintext ?? [])).toEqual(Plaintext);
  const again = await root.kms.createGrant({
    ...grant,
    Operations: ['Decrypt', 'RetireGrant'],
    Constraints: { EncryptionContextSubset: { app: 'shop' } },
  });
  expect(again.GrantId).toBe(made.GrantId);
  await refused(worker.kms.encrypt({ KeyId, Plaintext }), 'AccessDeniedException');
  const { Grants } = await root.kms.listGrants({ KeyId });
  expect(Grants?.map(({ Name }) => Name).sort()).toEqual(['exact', 'once']);
  await root.kms.revokeGrant({ KeyId, GrantId: made.GrantId });
  await refused(decrypt(), 'AccessDeniedException');
  await refused(root.kms.revokeGrant({ KeyId, GrantId: made.GrantId }), 'NotFoundException');
  await worker.kms.retireGrant({ GrantToken: other.GrantToken });
  expect((await root.kms.listGrants({ KeyId })).Grants).toEqual([]);
});

test('grants are refused for principals that are not there, operations that do not fit, and tokens that are none', async () => {
  const root = rooted();
  const KeyId = await newKey(root.kms);
  const worker = await user(root);
  const ghost = `arn:aws:iam::${root.account.id}:user/ghost`;
  await refused(
    root.kms.createGrant({ KeyId, GranteePrincipal: ghost, Operations: ['Decrypt'] }),
    'InvalidArnException',
    /ARN does not refer to a valid principal/,
  );
  await refused(root.kms.createGrant({ KeyId, GranteePrincipal: worker.arn, Operations: ['Sign'] }), 'ValidationException');
  await refused(root.kms.encrypt({ KeyId, Plaintext, GrantTokens: ['nonsense'] }), 'InvalidGrantTokenException');
  const narrow = { KeyId, GranteePrincipal: worker.arn, Operations: ['CreateGrant', 'Decrypt'] };
  await root.kms.createGrant(narrow as never);
  const second = await user(root);
  await worker.kms.createGrant({ KeyId, GranteePrincipal: second.arn, Operations: ['Decrypt'] });
  await refused(
    worker.kms.createGrant({ KeyId, GranteePrincipal: second.arn, Operations: ['Encrypt'] }),
    'AccessDeniedException',
  );
  await refused(
    second.kms.retireGrant({ KeyId: `arn:aws:kms:us-east-1:${root.account.id}:key/${KeyId}`, GrantId: 'ab' }),
    'AccessDeniedException',
  );
});
