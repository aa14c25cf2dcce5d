/** What each operation does with a key that is disabled, pending deletion or pending import ("Key states of AWS KMS keys", the table of states and operations). */
import type { KMS } from '@aws-sdk/client-kms';
import { beforeAll, describe, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { newKey, type Rooted, rooted } from './support.ts';

type State = 'Disabled' | 'PendingDeletion' | 'PendingImport';
type Outcome = 'works' | 'is disabled' | 'is pending deletion' | 'is pending import' | 'is not pending deletion';

let at: Rooted;
let foreign: Uint8Array | undefined;
beforeAll(async () => {
  at = rooted();
  const KeyId = await newKey(at.kms);
  ({ CiphertextBlob: foreign } = await at.kms.encrypt({ KeyId, Plaintext: Buffer.from('x') }));
});

const codes: Readonly<Record<Exclude<Outcome, 'works'>, string>> = {
  'is disabled': 'DisabledException',
  'is pending deletion': 'KMSInvalidStateException',
  'is pending import': 'KMSInvalidStateException',
  'is not pending deletion': 'KMSInvalidStateException',
};

/** A key in a state, and a ciphertext under it where it can have made one. */
async function keyIn(state: State): Promise<{ KeyId: string; own: Uint8Array | undefined }> {
  const { kms } = at;
  if (state === 'PendingImport') return { KeyId: await newKey(kms, { Origin: 'EXTERNAL' }), own: undefined };
  const KeyId = await newKey(kms);
  const { CiphertextBlob: own } = await kms.encrypt({ KeyId, Plaintext: Buffer.from('x') });
  if (state === 'Disabled') await kms.disableKey({ KeyId });
  else await kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
  return { KeyId, own };
}

const Plaintext = Buffer.from('x');
const calls: Readonly<Record<string, (kms: KMS, KeyId: string, own?: Uint8Array) => Promise<unknown>>> = {
  Encrypt: (kms, KeyId) => kms.encrypt({ KeyId, Plaintext }),
  Decrypt: (kms, _id, CiphertextBlob) => kms.decrypt({ CiphertextBlob }),
  ReEncrypt: (kms, DestinationKeyId) => kms.reEncrypt({ CiphertextBlob: foreign, DestinationKeyId }),
  GenerateDataKey: (kms, KeyId) => kms.generateDataKey({ KeyId, KeySpec: 'AES_256' }),
  GenerateDataKeyWithoutPlaintext: (kms, KeyId) => kms.generateDataKeyWithoutPlaintext({ KeyId, KeySpec: 'AES_256' }),
  GenerateDataKeyPair: (kms, KeyId) => kms.generateDataKeyPair({ KeyId, KeyPairSpec: 'ECC_NIST_P256' }),
  EnableKey: (kms, KeyId) => kms.enableKey({ KeyId }),
  DisableKey: (kms, KeyId) => kms.disableKey({ KeyId }),
  EnableKeyRotation: (kms, KeyId) => kms.enableKeyRotation({ KeyId }),
  DisableKeyRotation: (kms, KeyId) => kms.disableKeyRotation({ KeyId }),
  RotateKeyOnDemand: (kms, KeyId) => kms.rotateKeyOnDemand({ KeyId }),
  CreateGrant: (kms, KeyId) =>
    kms.createGrant({ KeyId, GranteePrincipal: `arn:aws:iam::${at.account.id}:root`, Operations: ['Encrypt'] }),
  CreateAlias: (kms, KeyId) => kms.createAlias({ AliasName: `alias/of-${KeyId}`, TargetKeyId: KeyId }),
  UpdateKeyDescription: (kms, KeyId) => kms.updateKeyDescription({ KeyId, Description: 'd' }),
  TagResource: (kms, KeyId) => kms.tagResource({ KeyId, Tags: [{ TagKey: 'a', TagValue: 'b' }] }),
  UntagResource: (kms, KeyId) => kms.untagResource({ KeyId, TagKeys: ['a'] }),
  CancelKeyDeletion: (kms, KeyId) => kms.cancelKeyDeletion({ KeyId }),
  ScheduleKeyDeletion: (kms, KeyId) => kms.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 }),
  DescribeKey: (kms, KeyId) => kms.describeKey({ KeyId }),
  ListGrants: (kms, KeyId) => kms.listGrants({ KeyId }),
  GetKeyPolicy: (kms, KeyId) => kms.getKeyPolicy({ KeyId }),
  ListKeyPolicies: (kms, KeyId) => kms.listKeyPolicies({ KeyId }),
  ListResourceTags: (kms, KeyId) => kms.listResourceTags({ KeyId }),
};

/** Operations that only read what is written of a key, in any state; and that change its policy. */
const always = ['DescribeKey', 'ListGrants', 'GetKeyPolicy', 'ListKeyPolicies', 'ListResourceTags'];
const cryptographic = ['Encrypt', 'ReEncrypt', 'GenerateDataKey', 'GenerateDataKeyWithoutPlaintext', 'GenerateDataKeyPair'];
const rotating = ['EnableKeyRotation', 'DisableKeyRotation', 'RotateKeyOnDemand'];
const descriptive = ['CreateAlias', 'UpdateKeyDescription', 'TagResource', 'UntagResource'];

function all(names: readonly string[], state: State, outcome: Outcome): [string, State, Outcome][] {
  return names.map((name) => [name, state, outcome]);
}

describe('an operation', () => {
  test.each([
    ...all([...always, ...descriptive, 'EnableKey', 'DisableKey', 'ScheduleKeyDeletion'], 'Disabled', 'works'),
    ...all([...cryptographic, ...rotating, 'Decrypt', 'CreateGrant'], 'Disabled', 'is disabled'),
    ...all(['CancelKeyDeletion'], 'Disabled', 'is not pending deletion'),
    ...all([...always, 'CancelKeyDeletion'], 'PendingDeletion', 'works'),
    ...all([...cryptographic, ...rotating, ...descriptive, 'Decrypt', 'CreateGrant'], 'PendingDeletion', 'is pending deletion'),
    ...all(['EnableKey', 'DisableKey', 'ScheduleKeyDeletion'], 'PendingDeletion', 'is pending deletion'),
    ...all([...always, ...descriptive, 'ScheduleKeyDeletion'], 'PendingImport', 'works'),
    ...all([...cryptographic, 'CreateGrant', 'EnableKey', 'DisableKey'], 'PendingImport', 'is pending import'),
    ...all(['CancelKeyDeletion'], 'PendingImport', 'is not pending deletion'),
  ])('%s of a key that is %s %s', async (name, state, outcome) => {
    const { KeyId, own } = await keyIn(state);
    const call = calls[name]?.(at.kms, KeyId, own);
    if (outcome === 'works') {
      await call;
      return;
    }
    const arn = `arn:aws:kms:us-east-1:${at.account.id}:key/${KeyId}`;
    await refused(call ?? Promise.resolve(), codes[outcome], `${arn} ${outcome}.`, 400);
    expect((await at.kms.describeKey({ KeyId })).KeyMetadata?.KeyState).toBe(state);
  });
});
