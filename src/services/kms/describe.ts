/** A key as the API shows it. */
import type { KeyMetadata } from '@aws-sdk/client-kms';
import type { Scope } from '../../kernel/context.ts';
import { keyArn } from './key-ids.ts';
import { type SpecRules, specRules } from './rules.ts';
import type { KeyRow, MaterialRow } from './state.ts';

const day = 86_400_000;

/** Algorithms by the key's usage: one list, the others are absent. */
function algorithmsOf(row: KeyRow, rules: SpecRules): Partial<KeyMetadata> {
  switch (row.usage) {
    case 'ENCRYPT_DECRYPT':
      return { EncryptionAlgorithms: [...rules.encryption] };
    case 'SIGN_VERIFY':
      return { SigningAlgorithms: [...rules.signing] };
    case 'GENERATE_VERIFY_MAC':
      return { MacAlgorithms: [...rules.mac] };
    case 'KEY_AGREEMENT':
      return { KeyAgreementAlgorithms: [...rules.agreement] };
  }
}

function familyOf({ account, region }: Scope, { id, multiRegion }: KeyRow): Partial<KeyMetadata> {
  if (multiRegion === undefined) return { MultiRegion: false };
  const member = (at: string) => ({ Arn: keyArn({ account, region: at }, id), Region: at });
  return {
    MultiRegion: true,
    MultiRegionConfiguration: {
      MultiRegionKeyType: multiRegion.primary === region ? 'PRIMARY' : 'REPLICA',
      PrimaryKey: member(multiRegion.primary),
      ReplicaKeys: multiRegion.replicas.map(member),
    },
  };
}

function deletionOf({ deletion, state }: KeyRow): Partial<KeyMetadata> {
  if (deletion === undefined) return {};
  if (state === 'PendingReplicaDeletion') return { PendingDeletionWindowInDays: deletion.days };
  return deletion.due === undefined ? {} : { DeletionDate: new Date(deletion.due) };
}

/** `material` is the version in force, where there is one. */
export function describeKey(scope: Scope, row: KeyRow, material: MaterialRow | undefined): KeyMetadata {
  const expires = material?.imported?.expires;
  return {
    AWSAccountId: scope.account,
    KeyId: row.id,
    Arn: keyArn(scope, row.id),
    CreationDate: new Date(row.created),
    Enabled: row.state === 'Enabled',
    Description: row.description,
    KeyUsage: row.usage,
    KeyState: row.state,
    Origin: row.origin,
    KeyManager: row.manager,
    CustomerMasterKeySpec: row.spec as KeyMetadata['CustomerMasterKeySpec'],
    KeySpec: row.spec as KeyMetadata['KeySpec'],
    ...algorithmsOf(row, specRules(row.spec)),
    ...familyOf(scope, row),
    ...deletionOf(row),
    ...(row.spec === 'SYMMETRIC_DEFAULT' && material?.sealed !== undefined ? { CurrentKeyMaterialId: material.id } : {}),
    ...(material?.imported === undefined || material.sealed === undefined
      ? {}
      : {
          ExpirationModel: expires === undefined ? 'KEY_MATERIAL_DOES_NOT_EXPIRE' : 'KEY_MATERIAL_EXPIRES',
          ...(expires === undefined ? {} : { ValidTo: new Date(expires) }),
        }),
  };
}

/** When a deletion asked for now comes due. */
export function deletionDate(now: number, days: number): number {
  return now + days * day;
}
