import { KMS } from '@aws-sdk/client-kms';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { newKey, rooted } from './support.ts';

const secret = Buffer.from('a secret of some length');

test('KMS-001 a key encrypts and decrypts up to 4096 bytes, by id, ARN and alias, and no changed ciphertext opens', async () => {
  const { account, kms } = rooted();
  const { KeyMetadata: key } = await kms.createKey({ Description: 'test key 123' });
  expect(key).toMatchObject({
    AWSAccountId: account.id,
    CustomerMasterKeySpec: 'SYMMETRIC_DEFAULT',
    Description: 'test key 123',
    Enabled: true,
    EncryptionAlgorithms: ['SYMMETRIC_DEFAULT'],
    KeyManager: 'CUSTOMER',
    KeySpec: 'SYMMETRIC_DEFAULT',
    KeyState: 'Enabled',
    KeyUsage: 'ENCRYPT_DECRYPT',
    MultiRegion: false,
    Origin: 'AWS_KMS',
  });
  await kms.createAlias({ AliasName: 'alias/orders', TargetKeyId: key?.KeyId });
  const aliasArn = `arn:aws:kms:us-east-1:${account.id}:alias/orders`;
  for (const KeyId of [key?.KeyId, key?.Arn, 'alias/orders', aliasArn]) {
    const { CiphertextBlob, KeyId: used } = await kms.encrypt({ KeyId, Plaintext: secret });
    expect(used).toBe(key?.Arn);
    expect(Buffer.from(CiphertextBlob ?? []).includes(secret)).toBe(false);
    const { Plaintext, EncryptionAlgorithm } = await kms.decrypt({ CiphertextBlob });
    expect(Buffer.from(Plaintext ?? [])).toEqual(secret);
    expect(EncryptionAlgorithm).toBe('SYMMETRIC_DEFAULT');
    const changed = Buffer.from(CiphertextBlob ?? []);
    changed.writeUInt8(changed.readUInt8(changed.length - 20) ^ 1, changed.length - 20);
    await refused(kms.decrypt({ CiphertextBlob: changed }), 'InvalidCiphertextException');
  }
  const most = Buffer.alloc(4096, 7);
  const { CiphertextBlob } = await kms.encrypt({ KeyId: key?.KeyId, Plaintext: most });
  expect(Buffer.from((await kms.decrypt({ CiphertextBlob })).Plaintext ?? [])).toEqual(most);
  await refused(
    kms.encrypt({ KeyId: key?.KeyId, Plaintext: Buffer.alloc(4097) }),
    'ValidationException',
    "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
  );
  const elsewhere = new KMS(account.config({ region: 'eu-west-1' }));
  await refused(
    elsewhere.describeKey({ KeyId: key?.KeyId }),
    'NotFoundException',
    `Key 'arn:aws:kms:eu-west-1:${account.id}:key/${key?.KeyId}' does not exist`,
  );
  await refused(elsewhere.describeKey({ KeyId: key?.Arn }), 'NotFoundException', 'Invalid arn us-east-1');
  await refused(
    elsewhere.decrypt({ CiphertextBlob }),
    'AccessDeniedException',
    'The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.',
  );
});

test('the encryption context must be the same to decrypt, in any order', async () => {
  const { kms } = rooted();
  const KeyId = await newKey(kms);
  const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext: secret, EncryptionContext: { a: '1', b: '2' } });
  await refused(kms.decrypt({ CiphertextBlob }), 'InvalidCiphertextException', 'UnknownError');
  await refused(kms.decrypt({ CiphertextBlob, EncryptionContext: { a: '1' } }), 'InvalidCiphertextException');
  await refused(kms.decrypt({ CiphertextBlob, EncryptionContext: { a: '1', b: '2', c: '3' } }), 'InvalidCiphertextException');
  const { Plaintext } = await kms.decrypt({ CiphertextBlob, EncryptionContext: { b: '2', a: '1' } });
  expect(Buffer.from(Plaintext ?? [])).toEqual(secret);
});

test('another key than the ciphertext’s is refused, and so is what is no ciphertext', async () => {
  const { kms } = rooted();
  const [one, other] = [await newKey(kms), await newKey(kms)];
  const { CiphertextBlob } = await kms.encrypt({ KeyId: one, Plaintext: secret });
  await refused(
    kms.decrypt({ CiphertextBlob, KeyId: other }),
    'IncorrectKeyException',
    'The key ID in the request does not identify a CMK that can perform this operation.',
  );
  await refused(kms.decrypt({ CiphertextBlob: Buffer.from('nonsense') }), 'InvalidCiphertextException');
  await refused(kms.encrypt({ KeyId: 'fake-key-id', Plaintext: secret }), 'NotFoundException', "Invalid keyId 'fake-key-id'");
  await refused(
    kms.encrypt({ KeyId: one, Plaintext: secret, EncryptionAlgorithm: 'RSAES_OAEP_SHA_1' }),
    'InvalidKeyUsageException',
    'Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec SYMMETRIC_DEFAULT.',
  );
});

test('ReEncrypt moves a ciphertext to another key and context', async () => {
  const { kms } = rooted();
  const [one, other] = [await newKey(kms), await newKey(kms)];
  const { CiphertextBlob } = await kms.encrypt({ KeyId: one, Plaintext: secret, EncryptionContext: { from: 'here' } });
  const moved = await kms.reEncrypt({
    CiphertextBlob,
    SourceEncryptionContext: { from: 'here' },
    DestinationKeyId: other,
    DestinationEncryptionContext: { to: 'there' },
  });
  expect(moved.SourceKeyId).toContain(one);
  expect(moved.KeyId).toContain(other);
  const { Plaintext, KeyId } = await kms.decrypt({ CiphertextBlob: moved.CiphertextBlob, EncryptionContext: { to: 'there' } });
  expect(KeyId).toContain(other);
  expect(Buffer.from(Plaintext ?? [])).toEqual(secret);
  await refused(kms.reEncrypt({ CiphertextBlob, DestinationKeyId: other }), 'InvalidCiphertextException');
});

test('data keys come in the clear and wrapped, of the length asked for', async () => {
  const { kms } = rooted();
  const KeyId = await newKey(kms);
  for (const [input, length] of [
    [{ KeySpec: 'AES_256' }, 32],
    [{ KeySpec: 'AES_128' }, 16],
    [{ NumberOfBytes: 77 }, 77],
  ] as const) {
    const made = await kms.generateDataKey({ KeyId, ...input, EncryptionContext: { for: 'test' } });
    expect(made.Plaintext?.length).toBe(length);
    const opened = await kms.decrypt({ CiphertextBlob: made.CiphertextBlob, EncryptionContext: { for: 'test' } });
    expect(opened.Plaintext).toEqual(made.Plaintext);
    const wrapped = await kms.generateDataKeyWithoutPlaintext({ KeyId, ...input });
    expect('Plaintext' in wrapped).toBe(false);
    expect((await kms.decrypt({ CiphertextBlob: wrapped.CiphertextBlob })).Plaintext?.length).toBe(length);
  }
  await refused(kms.generateDataKey({ KeyId }), 'ValidationException', 'Please specify either number of bytes or key spec.');
  await refused(
    kms.generateDataKey({ KeyId, NumberOfBytes: 1, KeySpec: 'AES_256' }),
    'ValidationException',
    'Please specify either number of bytes or key spec, but not both.',
  );
  await refused(
    kms.generateDataKey({ KeyId, NumberOfBytes: 1025 }),
    'ValidationException',
    "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024",
  );
  expect((await kms.generateRandom({ NumberOfBytes: 44 })).Plaintext?.length).toBe(44);
  await refused(kms.generateRandom({}), 'ValidationException', 'NumberOfBytes is required.');
  await refused(kms.encrypt({ KeyId, Plaintext: secret, DryRun: true }), 'DryRunOperationException');
});
