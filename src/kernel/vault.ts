/**
 * What must not lie readable in the store: key material, private keys, passwords that have to be given back. The cloud has one master key, in a
 * file of its own beside the store, so that a copy of the rows alone discloses nothing. Rejected: keys in the store (they would travel with every
 * export), and a password of the user's (a cloud must start unattended).
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import type { IdSource } from '../base/ids.ts';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const fileName = 'master.key';

export interface Vault {
  /** Encrypts; `label` says what it is and must be given again to open it. */
  seal(plain: Uint8Array, label: string): Uint8Array;
  /** The inverse. Throws when the bytes were changed, or sealed under another label or master key. */
  open(sealed: Uint8Array, label: string): Buffer;
}

/** A vault under a key of 32 bytes: AES-256-GCM; a sealed text is nonce, tag, bytes. */
export function createVault(key: Uint8Array, ids: IdSource): Vault {
  return {
    seal(plain, label) {
      const nonce = ids.bytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(label));
      const body = Buffer.concat([cipher.update(plain), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    open(sealed, label) {
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes });
      decipher.setAAD(Buffer.from(label)).setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
      return Buffer.concat([decipher.update(sealed.subarray(nonceBytes + tagBytes)), decipher.final()]);
    },
  };
}

/**
 * The vault of the cloud in this data folder; its key is made on first use and readable to its owner only. Call it once the folder is owned.
 * Throws when the file is there and is no key.
 */
export async function openVault(folder: string, ids: IdSource): Promise<Vault> {
  const file = path.join(folder, fileName);
  const found = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  const key = found ?? (await writeKey(file, Buffer.from(ids.bytes(keyBytes))));
  if (key.length !== keyBytes) throw new Error(`${file} holds ${key.length} bytes; a master key has ${keyBytes}.`);
  return createVault(key, ids);
}

/** Whole or not at all, also when the host loses power: what is sealed later is lost with the key. */
async function writeKey(file: string, key: Buffer): Promise<Buffer> {
  const draft = await open(`${file}.new`, 'w', 0o600);
  await draft.writeFile(key);
  await draft.sync();
  await draft.close();
  await rename(`${file}.new`, file);
  const folder = await open(path.dirname(file));
  await folder.sync();
  await folder.close();
  return key;
}
