import { createHash, createPublicKey, diffieHellman, generateKeyPairSync, verify } from 'node:crypto';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { newKey, rooted } from './support.ts';

const Message = Buffer.from('an important message');
const { kms } = rooted();
const publicKey = async (KeyId: string) =>
  createPublicKey({ key: Buffer.from((await kms.getPublicKey({ KeyId })).PublicKey ?? []), format: 'der', type: 'spki' });

test('signatures of RSA and ECC keys hold outside too, over messages and over digests', async () => {
  for (const [spec, algorithms] of [
    ['RSA_2048', ['RSASSA_PKCS1_V1_5_SHA_256', 'RSASSA_PSS_SHA_384', 'RSASSA_PSS_SHA_512']],
    ['ECC_NIST_P256', ['ECDSA_SHA_256']],
    ['ECC_NIST_P384', ['ECDSA_SHA_384']],
    ['ECC_NIST_P521', ['ECDSA_SHA_512']],
    ['ECC_SECG_P256K1', ['ECDSA_SHA_256']],
  ] as const) {
    const KeyId = await newKey(kms, { KeySpec: spec, KeyUsage: 'SIGN_VERIFY' });
    const key = await publicKey(KeyId);
    for (const SigningAlgorithm of algorithms) {
      const hash = `sha${SigningAlgorithm.slice(-3)}`;
      const digest = createHash(hash).update(Message).digest();
      const whole = await kms.sign({ KeyId, Message, SigningAlgorithm });
      const hashed = await kms.sign({ KeyId, Message: digest, MessageType: 'DIGEST', SigningAlgorithm });
      for (const Signature of [whole.Signature, hashed.Signature]) {
        const outside = SigningAlgorithm.includes('PSS') ? { key, padding: 6, saltLength: -1 } : { key };
        expect(verify(hash, Message, outside, Signature ?? Buffer.alloc(0)), `${spec} ${SigningAlgorithm}`).toBe(true);
        expect((await kms.verify({ KeyId, Message, SigningAlgorithm, Signature })).SignatureValid).toBe(true);
        const byDigest = { KeyId, Message: digest, MessageType: 'DIGEST', SigningAlgorithm, Signature } as const;
        expect((await kms.verify(byDigest)).SignatureValid).toBe(true);
        await refused(
          kms.verify({ KeyId, Message: Buffer.from('another'), SigningAlgorithm, Signature }),
          'KMSInvalidSignatureException',
        );
        await refused(kms.verify({ ...byDigest, Message: Buffer.alloc(digest.length, 1) }), 'KMSInvalidSignatureException');
      }
      await refused(
        kms.sign({ KeyId, Message: Buffer.alloc(5), MessageType: 'DIGEST', SigningAlgorithm }),
        'ValidationException',
        `Digest is invalid length for algorithm ${SigningAlgorithm}.`,
      );
    }
  }
});

test('an Ed25519 key signs messages', async () => {
  const KeyId = await newKey(kms, { KeySpec: 'ECC_NIST_EDWARDS25519', KeyUsage: 'SIGN_VERIFY' });
  const { Signature } = await kms.sign({ KeyId, Message, SigningAlgorithm: 'ED25519_SHA_512' });
  expect(verify(null, Message, await publicKey(KeyId), Signature ?? Buffer.alloc(0))).toBe(true);
  await refused(kms.sign({ KeyId, Message, SigningAlgorithm: 'ECDSA_SHA_256' }), 'InvalidKeyUsageException');
});

test('RSA keys encrypt as much as their padding leaves room for', async () => {
  const KeyId = await newKey(kms, { KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' });
  for (const [EncryptionAlgorithm, most] of [
    ['RSAES_OAEP_SHA_1', 214],
    ['RSAES_OAEP_SHA_256', 190],
  ] as const) {
    const Plaintext = Buffer.alloc(most, 3);
    const { CiphertextBlob } = await kms.encrypt({ KeyId, Plaintext, EncryptionAlgorithm });
    expect(Buffer.from((await kms.decrypt({ KeyId, CiphertextBlob, EncryptionAlgorithm })).Plaintext ?? [])).toEqual(Plaintext);
    await refused(
      kms.encrypt({ KeyId, Plaintext: Buffer.alloc(most + 1), EncryptionAlgorithm }),
      'ValidationException',
      `Algorithm ${EncryptionAlgorithm} and key spec RSA_2048 cannot encrypt data larger than ${most} bytes.`,
    );
  }
  await refused(kms.generateDataKey({ KeyId, KeySpec: 'AES_256' }), 'InvalidKeyUsageException');
});

test('HMAC keys make and verify codes', async () => {
  for (const bits of [224, 256, 384, 512] as const) {
    const KeyId = await newKey(kms, { KeySpec: `HMAC_${bits}`, KeyUsage: 'GENERATE_VERIFY_MAC' });
    const MacAlgorithm = `HMAC_SHA_${bits}` as const;
    const { Mac } = await kms.generateMac({ KeyId, Message, MacAlgorithm });
    expect(Mac?.length).toBe(bits / 8);
    expect((await kms.verifyMac({ KeyId, Message, MacAlgorithm, Mac })).MacValid).toBe(true);
    await refused(kms.verifyMac({ KeyId, Message: Buffer.from('x'), MacAlgorithm, Mac }), 'KMSInvalidMacException');
  }
  const KeyId = await newKey(kms, { KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' });
  await refused(
    kms.generateMac({ KeyId, Message, MacAlgorithm: 'HMAC_SHA_512' }),
    'InvalidKeyUsageException',
    'Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256.',
  );
  await refused(
    kms.generateMac({ KeyId, Message, MacAlgorithm: 'INVALID' as never }),
    'ValidationException',
    "1 validation error detected: Value 'INVALID' at 'macAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [HMAC_SHA_384, HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]",
  );
});

test('operations are refused on keys of another usage, and key specs without one', async () => {
  const symmetric = await kms.createKey({});
  const arn = symmetric.KeyMetadata?.Arn;
  await refused(
    kms.generateMac({ KeyId: arn, Message, MacAlgorithm: 'HMAC_SHA_256' }),
    'InvalidKeyUsageException',
    `${arn} key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac.`,
  );
  await refused(kms.getPublicKey({ KeyId: arn }), 'UnsupportedOperationException');
  await refused(
    kms.createKey({ KeySpec: 'HMAC_256' }),
    'ValidationException',
    'You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.',
  );
  await refused(kms.createKey({ KeySpec: 'RSA_2048', KeyUsage: 'GENERATE_VERIFY_MAC' }), 'ValidationException');
  await refused(kms.createKey({ Origin: 'AWS_CLOUDHSM' }), 'NotImplemented', undefined, 501);
});

test('a shared secret is the one that the other side derives', async () => {
  const KeyId = await newKey(kms, { KeySpec: 'ECC_NIST_P256', KeyUsage: 'KEY_AGREEMENT' });
  const mine = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const PublicKey = mine.publicKey.export({ type: 'spki', format: 'der' });
  const { SharedSecret } = await kms.deriveSharedSecret({ KeyId, KeyAgreementAlgorithm: 'ECDH', PublicKey });
  const theirs = diffieHellman({ privateKey: mine.privateKey, publicKey: await publicKey(KeyId) });
  expect(Buffer.from(SharedSecret ?? [])).toEqual(theirs);
  const other = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey.export({ type: 'spki', format: 'der' });
  await refused(kms.deriveSharedSecret({ KeyId, KeyAgreementAlgorithm: 'ECDH', PublicKey: other }), 'ValidationException');
});

test('data key pairs come with their private half wrapped', async () => {
  const KeyId = await newKey(kms);
  const made = await kms.generateDataKeyPair({ KeyId, KeyPairSpec: 'ECC_NIST_P256' });
  const opened = await kms.decrypt({ CiphertextBlob: made.PrivateKeyCiphertextBlob });
  expect(opened.Plaintext).toEqual(made.PrivateKeyPlaintext);
  const bare = await kms.generateDataKeyPairWithoutPlaintext({ KeyId, KeyPairSpec: 'RSA_2048' });
  expect('PrivateKeyPlaintext' in bare).toBe(false);
  expect(bare.PublicKey?.length).toBeGreaterThan(200);
});
