/**
 * Imported material: the customer's own key, wrapped under a public key that KMS hands out for a day, and gone again when it expires or is deleted.
 * The same material can be imported again, other material cannot. The import token carries the wrapping key's private half, sealed, so nothing is
 * kept for imports that never come. Source: AWS KMS Developer Guide, "Importing key material"; RFC 5649 for the AES wrap.
 */
import {
  constants,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  privateDecrypt,
} from 'node:crypto';
import { promisify } from 'node:util';
import type { AlgorithmSpec, ImportKeyMaterialRequest, KMS } from '@aws-sdk/client-kms';
import type { Millis } from '../../base/clock.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { invalidCiphertext, unsupportedOperation, validationError, wrongOrigin } from './errors.ts';
import { checkState, keyArn, ownKeyId } from './key-ids.ts';
import { changeKey, requireRow } from './keys.ts';
import { materialId, materialRow, type NewMaterial } from './material.ts';
import { limits, specRules } from './rules.ts';
import { type KeyRow, Keys, type KeyState, type MaterialRow, Materials } from './state.ts';

const generate = promisify(generateKeyPair);
const tokenLife: Millis = 24 * 3_600_000;
const expiryDaysMax = 365;
const day: Millis = 86_400_000;
const importable: readonly KeyState[] = ['PendingImport', 'Enabled', 'Disabled'];
const wrappingAlgorithms = [
  'RSAES_PKCS1_V1_5',
  'RSAES_OAEP_SHA_1',
  'RSAES_OAEP_SHA_256',
  'RSA_AES_KEY_WRAP_SHA_1',
  'RSA_AES_KEY_WRAP_SHA_256',
  'SM2PKE',
];
/** Alternative initial value of RFC 5649, section 3. */
const wrapIv = Buffer.from('a65959a6', 'hex');

/** What an import token says when it is opened. */
interface Token {
  key: string;
  algorithm: AlgorithmSpec;
  expires: Millis;
  privateKey: string;
}

const tokenLabel = 'kms import token';

function openToken(ctx: Context, bytes: Uint8Array | undefined, key: string): Token {
  let token: Token | undefined;
  try {
    token = JSON.parse(
      ctx
        .part('vault')
        .open(bytes ?? new Uint8Array(), tokenLabel)
        .toString(),
    ) as Token;
  } catch {
    // Not sealed by this cloud: refused below.
  }
  if (token?.key !== `${ctx.account} ${ctx.region} ${key}`) throw new AwsError('InvalidImportTokenException', '');
  if (token.expires <= ctx.now) throw new AwsError('ExpiredImportTokenException', '');
  return token;
}

function openRsa(key: KeyObject, algorithm: AlgorithmSpec, wrapped: Uint8Array): Buffer {
  if (algorithm === 'RSAES_PKCS1_V1_5') return privateDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, wrapped);
  const oaepHash = algorithm.endsWith('SHA_1') ? 'sha1' : 'sha256';
  return privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, wrapped);
}

/** The material that was wrapped. Throws InvalidCiphertextException. */
function unwrap(token: Token, wrapped: Uint8Array): Buffer {
  const key = createPrivateKey({ key: Buffer.from(token.privateKey, 'base64'), format: 'der', type: 'pkcs8' });
  try {
    if (!token.algorithm.startsWith('RSA_AES_KEY_WRAP')) return openRsa(key, token.algorithm, wrapped);
    const size = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
    const aes = openRsa(key, token.algorithm, wrapped.subarray(0, size));
    const decipher = createDecipheriv('id-aes256-wrap-pad', aes, wrapIv);
    return Buffer.concat([decipher.update(wrapped.subarray(size)), decipher.final()]);
  } catch {
    throw invalidCiphertext();
  }
}

/** Refuses material that is not of the key's spec. Throws IncorrectKeyMaterialException. */
function readMaterial(row: KeyRow, secret: Buffer): NewMaterial {
  const { material } = specRules(row.spec);
  if (material.kind === 'bytes') {
    if (secret.length !== material.length) throw new AwsError('IncorrectKeyMaterialException', '');
    return { secret };
  }
  try {
    const key = createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' });
    const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
    const fits =
      material.kind === 'rsa'
        ? modulusLength === material.bits
        : material.kind === 'ec'
          ? namedCurve === material.curve
          : key.asymmetricKeyType === 'ed25519';
    if (fits) return { secret, publicKey: createPublicKey(key).export({ type: 'spki', format: 'der' }) };
  } catch {
    // No private key in PKCS #8: refused below.
  }
  throw new AwsError('IncorrectKeyMaterialException', '');
}

/** When the material expires; undefined for never. Throws ValidationException. */
function readExpiry(ctx: Context, { ExpirationModel: model, ValidTo: validTo }: ImportKeyMaterialRequest): Millis | undefined {
  new RequestCheck().oneOf('expirationModel', model, ['KEY_MATERIAL_EXPIRES', 'KEY_MATERIAL_DOES_NOT_EXPIRE']).done();
  if (model === 'KEY_MATERIAL_DOES_NOT_EXPIRE') {
    if (validTo !== undefined)
      throw validationError('A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE');
    return undefined;
  }
  if (validTo === undefined) throw validationError('A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES');
  if (validTo.getTime() <= ctx.now || validTo.getTime() > ctx.now + expiryDaysMax * day)
    throw validationError(`The validTo date must be in the future and at most ${expiryDaysMax} days from now.`);
  return validTo.getTime();
}

/** The key after its material went: it waits for the same material again. */
async function dropMaterial(tx: Transaction, row: KeyRow, material: MaterialRow): Promise<KeyRow> {
  await tx.table(Materials).put({ ...material, sealed: undefined });
  const waitsForDeletion = row.state === 'PendingDeletion' || row.state === 'PendingReplicaDeletion';
  return waitsForDeletion ? row : { ...row, state: 'PendingImport' };
}

/** Material whose time is over goes, unless it was imported again with another end. */
export const expireMaterial: Task = async ({ key: id, due }, ctx) => {
  await ctx.transact(async (tx) => {
    const row = await tx.table(Keys).get(id);
    const material = row === undefined ? undefined : await tx.table(Materials).get(id, row.current);
    if (row === undefined || material?.sealed === undefined || material.imported?.expires !== due) return;
    await tx.table(Keys).put(await dropMaterial(tx, row, material));
  });
};

function requireExternal(ctx: Context, row: KeyRow): void {
  if (row.origin !== 'EXTERNAL') throw wrongOrigin(keyArn(ctx, row.id), row.origin);
}

export const importHandlers: HandlersOf<KMS> = {
  async GetParametersForImport(input, ctx) {
    const { WrappingAlgorithm: algorithm, WrappingKeySpec: spec } = input;
    new RequestCheck()
      .oneOf('wrappingAlgorithm', algorithm, wrappingAlgorithms)
      .oneOf('wrappingKeySpec', spec, ['RSA_2048', 'RSA_3072', 'RSA_4096', 'SM2'])
      .done();
    if (spec === 'SM2' || algorithm === 'SM2PKE') throw unsupportedOperation('SM2 is supported in China Regions only.');
    const row = await requireRow(ctx, ownKeyId(ctx, input.KeyId));
    requireExternal(ctx, row);
    checkState(keyArn(ctx, row.id), row.state === 'Disabled' ? { ...row, state: 'Enabled' } : row, ['Enabled', 'PendingImport']);
    const { publicKey, privateKey } = await generate('rsa', { modulusLength: Number(spec?.slice('RSA_'.length)) });
    const expires = ctx.now + tokenLife;
    const token: Token = {
      key: `${ctx.account} ${ctx.region} ${row.id}`,
      algorithm: algorithm as AlgorithmSpec,
      expires,
      privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    };
    return {
      KeyId: keyArn(ctx, row.id),
      ImportToken: ctx.part('vault').seal(Buffer.from(JSON.stringify(token)), tokenLabel),
      PublicKey: publicKey.export({ type: 'spki', format: 'der' }),
      ParametersValidTo: new Date(expires),
    };
  },

  /**
   * Throws InvalidImportTokenException, ExpiredImportTokenException, InvalidCiphertextException, IncorrectKeyMaterialException (of another spec, or
   * other material than before), KMSInvalidStateException.
   */
  async ImportKeyMaterial(input, ctx) {
    if (input.ImportType === 'NEW_KEY_MATERIAL')
      throw parameterNotImplemented('ImportKeyMaterial', 'ImportType NEW_KEY_MATERIAL');
    if (input.KeyMaterialDescription !== undefined) throw parameterNotImplemented('ImportKeyMaterial', 'KeyMaterialDescription');
    new RequestCheck()
      .size('importToken', input.ImportToken, 1, limits.ciphertextBytesMax)
      .size('encryptedKeyMaterial', input.EncryptedKeyMaterial, 1, limits.ciphertextBytesMax)
      .oneOf('importType', input.ImportType, ['NEW_KEY_MATERIAL', 'EXISTING_KEY_MATERIAL'])
      .done();
    const expires = readExpiry(ctx, input);
    const found = await requireRow(ctx, ownKeyId(ctx, input.KeyId));
    requireExternal(ctx, found);
    const token = openToken(ctx, input.ImportToken, found.id);
    const made = readMaterial(found, unwrap(token, input.EncryptedKeyMaterial ?? new Uint8Array()));
    const id = materialId(found.id, made.secret);
    if (input.KeyMaterialId !== undefined && input.KeyMaterialId !== id) throw new AwsError('IncorrectKeyMaterialException', '');
    await changeKey(ctx, input.KeyId, importable, async (row, tx) => {
      const old = await tx.table(Materials).get(row.id, Math.max(row.current, 1));
      if (old !== undefined && old.id !== id) throw new AwsError('IncorrectKeyMaterialException', '');
      await tx.table(Materials).put({ ...materialRow(ctx, ctx, row.id, 1, made), imported: { expires } });
      if (expires === undefined) await tx.unschedule('expireMaterial', row.id);
      else await tx.schedule({ task: 'expireMaterial', key: row.id, due: expires });
      return { ...row, current: 1, state: row.state === 'PendingImport' ? 'Enabled' : row.state };
    });
    return { KeyId: keyArn(ctx, found.id), KeyMaterialId: id };
  },

  /** Also succeeds when nothing is there to delete. */
  async DeleteImportedKeyMaterial(input, ctx) {
    let id: string | undefined;
    const row = await changeKey(ctx, input.KeyId, [...importable, 'PendingDeletion'], async (key, tx) => {
      requireExternal(ctx, key);
      const material = await tx.table(Materials).get(key.id, key.current);
      id = material?.id;
      if (input.KeyMaterialId !== undefined && input.KeyMaterialId !== id)
        throw validationError(`Key material ${input.KeyMaterialId} is not associated with the key.`);
      await tx.unschedule('expireMaterial', key.id);
      return material?.sealed === undefined ? key : dropMaterial(tx, key, material);
    });
    return { KeyId: keyArn(ctx, row.id), ...(id === undefined ? {} : { KeyMaterialId: id }) };
  },
};
