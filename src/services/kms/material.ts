/** Key material: how it is made, kept, and taken out to work with. Secret bytes leave this file only for one operation's time. */
import { createHash, createPrivateKey, generateKeyPair, type KeyObject, type KeyPairKeyObjectResult } from 'node:crypto';
import { promisify } from 'node:util';
import type { Context, Scope } from '../../kernel/context.ts';
import type { SpecRules } from './rules.ts';
import { type KeyRow, type MaterialRow, Materials } from './state.ts';

const generate = promisify(generateKeyPair);

/** Secret bytes, and for key pairs the public key, both in the form in which rows hold them. */
export interface NewMaterial {
  secret: Uint8Array;
  publicKey?: Uint8Array | undefined;
}

/** A fresh key pair of a spec; undefined for specs without pairs. */
export function newPair(material: SpecRules['material']): Promise<KeyPairKeyObjectResult> | undefined {
  switch (material.kind) {
    case 'rsa':
      return generate('rsa', { modulusLength: material.bits });
    case 'ec':
      return generate('ec', { namedCurve: material.curve });
    case 'ed25519':
      return generate('ed25519', {});
    default:
      return undefined;
  }
}

/** Both halves as DER: PKCS #8 and SubjectPublicKeyInfo. */
export function exportPair({ privateKey, publicKey }: KeyPairKeyObjectResult): Required<NewMaterial> {
  return {
    secret: privateKey.export({ type: 'pkcs8', format: 'der' }),
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
  };
}

/** Fresh material for a key. Takes up to a second for RSA; await it outside transactions. */
export async function newMaterial(ctx: Context, { material }: SpecRules): Promise<NewMaterial> {
  if (material.kind === 'bytes') return { secret: ctx.bytes(material.length) };
  const pair = await newPair(material);
  if (pair === undefined) throw new Error(`Material of kind ${material.kind} has no key pair.`);
  return exportPair(pair);
}

/** The label under which material is sealed does not name the Region: replicas hold the very same bytes. */
const labelOf = (account: string, key: string): string => `kms ${account} ${key}`;

/** The row that keeps material as version `number` of a key. */
export function materialRow(
  ctx: Context,
  scope: Scope,
  key: string,
  number: number,
  { secret, publicKey }: NewMaterial,
): MaterialRow {
  return {
    key,
    number,
    id: materialId(key, secret),
    sealed: sealMaterial(ctx, scope, key, secret),
    publicKey,
    created: ctx.now,
  };
}

/** KeyMaterialId: the same for the same bytes in the same key, which is how a re-import is recognised. */
export function materialId(key: string, secret: Uint8Array): string {
  return createHash('sha256').update(key).update(secret).digest('hex');
}

function sealMaterial(ctx: Context, scope: Scope, key: string, secret: Uint8Array): Uint8Array {
  return ctx.part('vault').seal(secret, labelOf(scope.account, key));
}

/** Secret bytes of a version of a key, or undefined when that version was never there or is deleted. */
export async function openMaterial(ctx: Context, scope: Scope, row: KeyRow, number: number): Promise<Buffer | undefined> {
  const material = await ctx.tableIn(scope, Materials).get(row.id, number);
  if (material?.sealed === undefined) return undefined;
  return ctx.part('vault').open(material.sealed, labelOf(scope.account, row.id));
}

/** Secret bytes of the version in force. Throws Error when there is none: a key in such a state is not enabled. */
export async function currentMaterial(ctx: Context, scope: Scope, row: KeyRow): Promise<Buffer> {
  const secret = await openMaterial(ctx, scope, row, row.current);
  if (secret === undefined) throw new Error(`Key ${row.id} is ${row.state} and has no material ${row.current}.`);
  return secret;
}

/** The private key of a key pair. */
export async function privateKeyOf(ctx: Context, scope: Scope, row: KeyRow): Promise<KeyObject> {
  return createPrivateKey({ key: await currentMaterial(ctx, scope, row), format: 'der', type: 'pkcs8' });
}
