import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import { KMS } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { newKey, rooted } from './support.ts';

const day = 86_400_000;
const Plaintext = Buffer.from('secret');
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(() => cloud.stop());

test('KMS-006 deletion waits 7 to 30 days, can be cancelled, and is final', async () => {
  const { kms } = rooted(cloud.endpoint);
  const KeyId = await newKey(kms);
  await kms.createAlias({ AliasName: 'alias/going', TargetKeyId: KeyId });
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext });
  await refused(
    kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 6 }),
    'ValidationException',
    "1 validation error detected: Value '6' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value greater than or equal to 7",
  );
  await refused(kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 31 }), 'ValidationException');
  const first = await kms.scheduleKeyDeletion({ KeyId });
  expect(first).toMatchObject({ KeyState: 'PendingDeletion', PendingWindowInDays: 30 });
  const arn = first.KeyId;
  await refused(kms.decrypt({ CiphertextBlob }), 'KMSInvalidStateException', `${arn} is pending deletion.`);
  await refused(kms.enableKey({ KeyId }), 'KMSInvalidStateException', `${arn} is pending deletion.`);
  await kms.cancelKeyDeletion({ KeyId });
  const { KeyMetadata } = await kms.describeKey({ KeyId });
  expect(KeyMetadata).toMatchObject({ KeyState: 'Disabled', Enabled: false });
  expect(KeyMetadata?.DeletionDate).toBeUndefined();
  await refused(kms.decrypt({ CiphertextBlob }), 'DisabledException', `${arn} is disabled.`);
  await refused(kms.cancelKeyDeletion({ KeyId }), 'KMSInvalidStateException');
  const before = (await kms.createKey({})).KeyMetadata?.CreationDate?.getTime() ?? 0;
  const { DeletionDate } = await kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
  expect(Math.abs((DeletionDate?.getTime() ?? 0) - before - 7 * day)).toBeLessThan(60_000);
  await advanceClock(cloud.endpoint, 7 * day - 60_000);
  expect((await kms.describeKey({ KeyId })).KeyMetadata?.KeyState).toBe('PendingDeletion');
  await advanceClock(cloud.endpoint, 120_000);
  await refused(kms.describeKey({ KeyId }), 'NotFoundException', `Key '${arn}' does not exist`);
  await refused(kms.describeKey({ KeyId: 'alias/going' }), 'NotFoundException');
  await refused(kms.decrypt({ CiphertextBlob }), 'AccessDeniedException');
});

test('rotation by the clock and on demand changes the material, and old ciphertexts still open', async () => {
  const { kms } = rooted(cloud.endpoint);
  const { KeyMetadata } = await kms.createKey({});
  const KeyId = KeyMetadata?.KeyId ?? '';
  expect((await kms.getKeyRotationStatus({ KeyId })).KeyRotationEnabled).toBe(false);
  await refused(kms.enableKeyRotation({ KeyId, RotationPeriodInDays: 89 }), 'ValidationException');
  await kms.enableKeyRotation({ KeyId, RotationPeriodInDays: 90 });
  expect(await kms.getKeyRotationStatus({ KeyId })).toMatchObject({ KeyRotationEnabled: true, RotationPeriodInDays: 90 });
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext });
  await advanceClock(cloud.endpoint, 181 * day);
  const rotations = (await kms.listKeyRotations({ KeyId })).Rotations ?? [];
  expect(rotations.map(({ RotationType }) => RotationType)).toEqual(['AUTOMATIC', 'AUTOMATIC']);
  await kms.rotateKeyOnDemand({ KeyId });
  expect((await kms.listKeyRotations({ KeyId })).Rotations?.at(-1)?.RotationType).toBe('ON_DEMAND');
  const all = (await kms.listKeyRotations({ KeyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL' })).Rotations ?? [];
  expect(all.map(({ KeyMaterialState }) => KeyMaterialState)).toEqual(['NON_CURRENT', 'NON_CURRENT', 'NON_CURRENT', 'CURRENT']);
  const opened = await kms.decrypt({ CiphertextBlob });
  expect(Buffer.from(opened.Plaintext ?? [])).toEqual(Plaintext);
  expect(opened.KeyMaterialId).toBe(KeyMetadata?.CurrentKeyMaterialId);
  const now = (await kms.describeKey({ KeyId })).KeyMetadata?.CurrentKeyMaterialId;
  expect(now).not.toBe(KeyMetadata?.CurrentKeyMaterialId);
  await kms.disableKeyRotation({ KeyId });
  await advanceClock(cloud.endpoint, 100 * day);
  expect((await kms.listKeyRotations({ KeyId })).Rotations?.length).toBe(3);
  const mac = await newKey(kms, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
  await refused(kms.enableKeyRotation({ KeyId: mac }), 'UnsupportedOperationException');
});

test('imported material works until it expires, and only the same material comes back', async () => {
  const { kms } = rooted(cloud.endpoint);
  const { KeyMetadata } = await kms.createKey({ Origin: 'EXTERNAL' });
  const KeyId = KeyMetadata?.KeyId ?? '';
  expect(KeyMetadata).toMatchObject({ KeyState: 'PendingImport', Enabled: false, Origin: 'EXTERNAL' });
  await refused(kms.encrypt({ KeyId, Plaintext }), 'KMSInvalidStateException', `${KeyMetadata?.Arn} is pending import.`);
  const material = randomBytes(32);
  const wrap = async (secret: Buffer, algorithm: 'RSAES_OAEP_SHA_256' | 'RSA_AES_KEY_WRAP_SHA_256') => {
    const { ImportToken, PublicKey } = await kms.getParametersForImport({
      KeyId,
      WrappingAlgorithm: algorithm,
      WrappingKeySpec: 'RSA_2048',
    });
    const key = createPublicKey({ key: Buffer.from(PublicKey ?? []), format: 'der', type: 'spki' });
    const rsa = (plain: Buffer) => publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, plain);
    if (algorithm === 'RSAES_OAEP_SHA_256') return { KeyId, ImportToken, EncryptedKeyMaterial: rsa(secret) };
    const aes = randomBytes(32);
    const cipher = createCipheriv('id-aes256-wrap-pad', aes, Buffer.from('a65959a6', 'hex'));
    return { KeyId, ImportToken, EncryptedKeyMaterial: Buffer.concat([rsa(aes), cipher.update(secret), cipher.final()]) };
  };
  const good = await wrap(material, 'RSAES_OAEP_SHA_256');
  await refused(
    kms.importKeyMaterial(good),
    'ValidationException',
    'A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES',
  );
  const short = await wrap(randomBytes(16), 'RSAES_OAEP_SHA_256');
  const forever = { ExpirationModel: 'KEY_MATERIAL_DOES_NOT_EXPIRE' } as const;
  await refused(kms.importKeyMaterial({ ...short, ...forever }), 'IncorrectKeyMaterialException');
  await refused(kms.importKeyMaterial({ ...good, ...forever, ImportToken: Buffer.from('none') }), 'InvalidImportTokenException');
  await refused(
    kms.importKeyMaterial({ ...good, ...forever, EncryptedKeyMaterial: randomBytes(256) }),
    'InvalidCiphertextException',
  );
  const now = (await kms.createKey({})).KeyMetadata?.CreationDate?.getTime() ?? 0;
  await kms.importKeyMaterial({ ...good, ValidTo: new Date(now + 10 * day) });
  expect((await kms.describeKey({ KeyId })).KeyMetadata).toMatchObject({
    KeyState: 'Enabled',
    ExpirationModel: 'KEY_MATERIAL_EXPIRES',
  });
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext });
  await advanceClock(cloud.endpoint, 10 * day + 60_000);
  expect((await kms.describeKey({ KeyId })).KeyMetadata?.KeyState).toBe('PendingImport');
  await refused(kms.decrypt({ CiphertextBlob }), 'KMSInvalidStateException');
  await refused(kms.importKeyMaterial({ ...good, ...forever }), 'ExpiredImportTokenException');
  const other = await wrap(randomBytes(32), 'RSAES_OAEP_SHA_256');
  await refused(kms.importKeyMaterial({ ...other, ...forever }), 'IncorrectKeyMaterialException');
  await kms.importKeyMaterial({ ...(await wrap(material, 'RSA_AES_KEY_WRAP_SHA_256')), ...forever });
  expect(Buffer.from((await kms.decrypt({ CiphertextBlob })).Plaintext ?? [])).toEqual(Plaintext);
  await kms.deleteImportedKeyMaterial({ KeyId });
  await refused(kms.decrypt({ CiphertextBlob }), 'KMSInvalidStateException', `${KeyMetadata?.Arn} is pending import.`);
  const made = (await kms.createKey({})).KeyMetadata;
  await refused(
    kms.getParametersForImport({ KeyId: made?.KeyId, WrappingAlgorithm: 'RSAES_OAEP_SHA_1', WrappingKeySpec: 'RSA_2048' }),
    'UnsupportedOperationException',
    `${made?.Arn} origin is AWS_KMS which is not valid for this operation.`,
  );
});

test('replicas of a multi-Region key open each other’s ciphertexts, and a primary outlives them', async () => {
  const { account, kms } = rooted(cloud.endpoint);
  const { KeyMetadata } = await kms.createKey({ MultiRegion: true });
  const KeyId = KeyMetadata?.KeyId ?? '';
  expect(KeyId).toMatch(/^mrk-[0-9a-f]{32}$/);
  expect(KeyMetadata?.MultiRegionConfiguration).toMatchObject({ MultiRegionKeyType: 'PRIMARY', ReplicaKeys: [] });
  const europe = new KMS(account.config({ region: 'eu-west-1' }));
  await refused(europe.describeKey({ KeyId }), 'NotFoundException');
  await kms.replicateKey({ KeyId, ReplicaRegion: 'eu-west-1', Tags: [{ TagKey: 'at', TagValue: 'eu' }] });
  await refused(kms.replicateKey({ KeyId, ReplicaRegion: 'eu-west-1' }), 'AlreadyExistsException');
  await refused(europe.replicateKey({ KeyId, ReplicaRegion: 'us-west-2' }), 'UnsupportedOperationException');
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext });
  expect(Buffer.from((await europe.decrypt({ CiphertextBlob })).Plaintext ?? [])).toEqual(Plaintext);
  await kms.rotateKeyOnDemand({ KeyId });
  const rotated = await europe.encrypt({ KeyId, Plaintext });
  await kms.decrypt({ CiphertextBlob: rotated.CiphertextBlob });
  await kms.updatePrimaryRegion({ KeyId, PrimaryRegion: 'eu-west-1' });
  expect((await kms.describeKey({ KeyId })).KeyMetadata?.MultiRegionConfiguration?.MultiRegionKeyType).toBe('REPLICA');
  expect((await europe.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 })).KeyState).toBe('PendingReplicaDeletion');
  await kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
  await advanceClock(cloud.endpoint, 8 * day);
  await refused(kms.describeKey({ KeyId }), 'NotFoundException');
  expect((await europe.describeKey({ KeyId })).KeyMetadata?.KeyState).toBe('PendingDeletion');
  await advanceClock(cloud.endpoint, 7 * day);
  await refused(europe.describeKey({ KeyId }), 'NotFoundException');
  const single = await newKey(kms);
  await refused(kms.replicateKey({ KeyId: single, ReplicaRegion: 'eu-west-1' }), 'UnsupportedOperationException');
});
