/**
 * KMS's rules: what each key spec can do, limits, forms. Pure. Sources: AWS KMS Developer Guide, "Key spec reference", "Quotas"; constraints of the
 * API Reference.
 */
import type {
  EncryptionAlgorithmSpec,
  KeyAgreementAlgorithmSpec,
  KeySpec,
  MacAlgorithmSpec,
  SigningAlgorithmSpec,
} from '@aws-sdk/client-kms';
import type { KeyUsage } from './state.ts';

/** What a key of a spec is made of, and what it can do. */
export interface SpecRules {
  material:
    | { kind: 'bytes'; length: number }
    | { kind: 'rsa'; bits: number }
    | { kind: 'ec'; curve: string }
    | { kind: 'ed25519' };
  /** Usages it can be made with. */
  usages: readonly KeyUsage[];
  encryption: readonly EncryptionAlgorithmSpec[];
  signing: readonly SigningAlgorithmSpec[];
  mac: readonly MacAlgorithmSpec[];
  agreement: readonly KeyAgreementAlgorithmSpec[];
}

const rsaSigning: readonly SigningAlgorithmSpec[] = [
  'RSASSA_PKCS1_V1_5_SHA_256',
  'RSASSA_PKCS1_V1_5_SHA_384',
  'RSASSA_PKCS1_V1_5_SHA_512',
  'RSASSA_PSS_SHA_256',
  'RSASSA_PSS_SHA_384',
  'RSASSA_PSS_SHA_512',
];

/** All signing algorithms of the API, as AWS lists them. */
export const signingAlgorithms: readonly string[] = [
  'RSASSA_PSS_SHA_256',
  'RSASSA_PSS_SHA_384',
  'RSASSA_PSS_SHA_512',
  'RSASSA_PKCS1_V1_5_SHA_256',
  'RSASSA_PKCS1_V1_5_SHA_384',
  'RSASSA_PKCS1_V1_5_SHA_512',
  'ECDSA_SHA_256',
  'ECDSA_SHA_384',
  'ECDSA_SHA_512',
  'SM2DSA',
  'ML_DSA_SHAKE_256',
  'ED25519_SHA_512',
  'ED25519_PH_SHA_512',
];

const nothing = { encryption: [], signing: [], mac: [], agreement: [] } as const;

const rsa = (bits: number): SpecRules => ({
  ...nothing,
  material: { kind: 'rsa', bits },
  usages: ['ENCRYPT_DECRYPT', 'SIGN_VERIFY'],
  encryption: ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'],
  signing: rsaSigning,
});

const nist = (curve: string, algorithm: SigningAlgorithmSpec): SpecRules => ({
  ...nothing,
  material: { kind: 'ec', curve },
  usages: ['SIGN_VERIFY', 'KEY_AGREEMENT'],
  signing: [algorithm],
  agreement: ['ECDH'],
});

const hmac = (bits: number, length: number): SpecRules => ({
  ...nothing,
  material: { kind: 'bytes', length },
  usages: ['GENERATE_VERIFY_MAC'],
  mac: [`HMAC_SHA_${bits}` as MacAlgorithmSpec],
});

/** By key spec. Specs that are in the API and not here need what this machine has not: ML-DSA and ML-KEM, and SM2 of the China Regions. */
export const keySpecs: Readonly<Partial<Record<KeySpec, SpecRules>>> = {
  SYMMETRIC_DEFAULT: {
    ...nothing,
    material: { kind: 'bytes', length: 32 },
    usages: ['ENCRYPT_DECRYPT'],
    encryption: ['SYMMETRIC_DEFAULT'],
  },
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: nist('prime256v1', 'ECDSA_SHA_256'),
  ECC_NIST_P384: nist('secp384r1', 'ECDSA_SHA_384'),
  ECC_NIST_P521: nist('secp521r1', 'ECDSA_SHA_512'),
  ECC_SECG_P256K1: {
    ...nothing,
    material: { kind: 'ec', curve: 'secp256k1' },
    usages: ['SIGN_VERIFY'],
    signing: ['ECDSA_SHA_256'],
  },
  ECC_NIST_EDWARDS25519: {
    ...nothing,
    material: { kind: 'ed25519' },
    usages: ['SIGN_VERIFY'],
    signing: ['ED25519_SHA_512', 'ED25519_PH_SHA_512'],
  },
  HMAC_224: hmac(224, 28),
  HMAC_256: hmac(256, 32),
  HMAC_384: hmac(384, 48),
  HMAC_512: hmac(512, 64),
};

/** The rules of a spec that exists here. Throws Error for others: rows hold none. */
export function specRules(spec: string): SpecRules {
  const rules = keySpecs[spec as KeySpec];
  if (rules === undefined) throw new Error(`There are no rules for key spec ${spec}.`);
  return rules;
}

/** Values of enums as AWS lists them. */
export const enums = {
  keySpec: [
    'RSA_2048',
    'RSA_3072',
    'RSA_4096',
    'ECC_NIST_P256',
    'ECC_NIST_P384',
    'ECC_NIST_P521',
    'ECC_SECG_P256K1',
    'SYMMETRIC_DEFAULT',
    'HMAC_224',
    'HMAC_256',
    'HMAC_384',
    'HMAC_512',
    'SM2',
    'ML_DSA_44',
    'ML_DSA_65',
    'ML_DSA_87',
    'ML_KEM_512',
    'ML_KEM_768',
    'ML_KEM_1024',
    'ECC_NIST_EDWARDS25519',
  ],
  keyUsage: ['SIGN_VERIFY', 'ENCRYPT_DECRYPT', 'GENERATE_VERIFY_MAC', 'KEY_AGREEMENT', 'ENCAPSULATE_DECAPSULATE'],
  origin: ['AWS_KMS', 'EXTERNAL', 'AWS_CLOUDHSM', 'EXTERNAL_KEY_STORE'],
  encryptionAlgorithm: ['SYMMETRIC_DEFAULT', 'RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256', 'SM2PKE'],
  dataKeySpec: ['AES_256', 'AES_128'],
} as const;

/** Limits, with their units in the names. */
export const limits = {
  plaintextBytesMax: 4096,
  ciphertextBytesMax: 6144,
  dataKeyBytesMax: 1024,
  keyIdCharsMax: 2048,
  descriptionCharsMax: 8192,
  policyCharsMax: 131_072,
  /** "Key policy document size: 32 KB". */
  policyBytesMax: 32_768,
  aliasCharsMax: 256,
  aliasesPerKeyMax: 50,
  keysMax: 100_000,
  tagsPerKeyMax: 50,
  tagKeyCharsMax: 128,
  tagValueCharsMax: 256,
  deletionDaysMin: 7,
  deletionDaysMax: 30,
  pageItemsMax: 1000,
  pageItemsDefault: 100,
} as const;

export const aliasForm = /^[a-zA-Z0-9:/_-]+$/;
export const aliasPattern = '^[a-zA-Z0-9:/_-]+$';

/** `8a5b1c2d-…` or `mrk-…`. */
export const keyIdForm = /^(?:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|mrk-[0-9a-fA-F]{32})$/;

/** Operation to the usage its key must have. */
export const usageOf: Readonly<Record<string, KeyUsage>> = {
  Encrypt: 'ENCRYPT_DECRYPT',
  Decrypt: 'ENCRYPT_DECRYPT',
  ReEncrypt: 'ENCRYPT_DECRYPT',
  GenerateDataKey: 'ENCRYPT_DECRYPT',
  GenerateDataKeyWithoutPlaintext: 'ENCRYPT_DECRYPT',
  GenerateDataKeyPair: 'ENCRYPT_DECRYPT',
  GenerateDataKeyPairWithoutPlaintext: 'ENCRYPT_DECRYPT',
  Sign: 'SIGN_VERIFY',
  Verify: 'SIGN_VERIFY',
  GenerateMac: 'GENERATE_VERIFY_MAC',
  VerifyMac: 'GENERATE_VERIFY_MAC',
  DeriveSharedSecret: 'KEY_AGREEMENT',
};
