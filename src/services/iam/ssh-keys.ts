/** SSH public keys of users (for Git): RSA, in OpenSSH or PEM form, shown in either. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import type { IAM, SSHPublicKey, SSHPublicKeyMetadata } from '@aws-sdk/client-iam';
import { AwsError } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { onUser } from './authorise.ts';
import { dateOf } from './dates.ts';
import { idCannotBeFound, quotaExceeded } from './errors.ts';
import { pageItems } from './paging.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import { type Reading, type SshKeyRow, SshKeys } from './state.ts';
import { requireOwner, requireUser } from './users.ts';

/** "The public key must be encoded in ssh-rsa format or PEM format. The minimum bit-length of the public key is 2048 bits" (UploadSSHPublicKey). */
const rsaBitsMin = 2048;

function invalidKey(): AwsError {
  return new AwsError('InvalidPublicKey', 'The public key is malformed or otherwise invalid.');
}

/** Length-prefixed field of the SSH wire form (RFC 4251, section 5). */
function field(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** An integer of the wire form: a leading zero keeps it positive. */
function integer(base64url: string): Buffer {
  const bytes = Buffer.from(base64url, 'base64url');
  return field((bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
}

function readFields(blob: Buffer): Buffer[] {
  const fields: Buffer[] = [];
  for (let at = 0; at + 4 <= blob.length; ) {
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) throw invalidKey();
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

function parseOpenSsh(text: string): KeyObject {
  const blob = Buffer.from(/^ssh-rsa ([A-Za-z0-9+/]+=*)(\s|$)/.exec(text)?.[1] ?? '', 'base64');
  const [type, exponent, modulus] = readFields(blob);
  if (type?.toString('latin1') !== 'ssh-rsa' || exponent === undefined || modulus === undefined) throw invalidKey();
  const encode = (bytes: Buffer): string => (bytes[0] === 0 ? bytes.subarray(1) : bytes).toString('base64url');
  return createPublicKey({ key: { kty: 'RSA', e: encode(exponent), n: encode(modulus) }, format: 'jwk' });
}

/** The key in the text of an upload. Throws InvalidPublicKey, UnrecognizedPublicKeyEncoding. */
function parseKey(text: string): KeyObject {
  if (!text.startsWith('ssh-') && !text.includes('-----BEGIN')) {
    throw new AwsError('UnrecognizedPublicKeyEncoding', 'The public key encoding format is unsupported or unrecognized.');
  }
  let key: KeyObject;
  try {
    key = text.startsWith('ssh-') ? parseOpenSsh(text) : createPublicKey(text);
  } catch {
    throw invalidKey();
  }
  if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < rsaBitsMin) throw invalidKey();
  return key;
}

function toWire(key: KeyObject): Buffer {
  const { e = '', n = '' } = key.export({ format: 'jwk' });
  return Buffer.concat([field(Buffer.from('ssh-rsa')), integer(e), integer(n)]);
}

/** MD5 over the wire form, as `ssh-keygen -E md5 -l` prints it. */
function fingerprintOf(key: KeyObject): string {
  return createHash('md5').update(toWire(key)).digest('hex').match(/../g)?.join(':') ?? '';
}

const toOpenSsh = (key: KeyObject): string => `ssh-rsa ${toWire(key).toString('base64')}`;

/** The key of this user. Throws NoSuchEntity, also for another user's key. */
async function requireKey(reading: Reading, userId: string, id: string): Promise<SshKeyRow> {
  const row = await reading.table(SshKeys).get(id);
  if (row === undefined || row.user !== userId) throw idCannotBeFound('Public Key', id);
  return row;
}

function describeMetadata(userName: string, row: SshKeyRow): SSHPublicKeyMetadata {
  return {
    UserName: userName,
    SSHPublicKeyId: row.id,
    Status: row.active ? 'Active' : 'Inactive',
    UploadDate: dateOf(row.created),
  };
}

function describeKey(userName: string, row: SshKeyRow, body: string): SSHPublicKey {
  return { ...(describeMetadata(userName, row) as SSHPublicKey), Fingerprint: row.fingerprint, SSHPublicKeyBody: body };
}

function checkMembers(name: string | undefined, id?: string): RequestCheck {
  return new RequestCheck()
    .name('userName', name, sizes.userName)
    .length('SSHPublicKeyId', id, 20, 128)
    .pattern('SSHPublicKeyId', id, /^\w+$/, '[\\w]+');
}

export const sshKeyHandlers: HandlersOf<IAM> = {
  /** At most five keys per user, each once. */
  async UploadSSHPublicKey({ UserName, SSHPublicKeyBody: body = '' }, ctx) {
    checkMembers(UserName).length('SSHPublicKeyBody', body, 1, 16_384).done();
    const text = body.trim();
    await requireUser(ctx, UserName);
    const fingerprint = fingerprintOf(parseKey(text));
    const id = ctx.id('sshPublicKey');
    return ctx.transact(async (tx) => {
      const user = await requireUser(tx, UserName);
      const others = await tx.table(SshKeys).byIndex('byUser', [user.id]);
      if (others.some((other) => other.fingerprint === fingerprint)) {
        throw new AwsError('DuplicateSSHPublicKey', 'The SSH public key is already associated with the specified IAM user.');
      }
      if (others.length >= quotas.SSHPublicKeysPerUser) throw quotaExceeded('SSHPublicKeysPerUser', quotas.SSHPublicKeysPerUser);
      const row: SshKeyRow = { id, user: user.id, created: ctx.now, body: text, fingerprint, active: true };
      await tx.table(SshKeys).put(row);
      return { SSHPublicKey: describeKey(user.name, row, text) };
    });
  },

  async GetSSHPublicKey({ UserName, SSHPublicKeyId: id = '', Encoding: encoding }, ctx) {
    checkMembers(UserName, id).oneOf('encoding', encoding, ['SSH', 'PEM']).done();
    const user = await requireUser(ctx, UserName);
    const row = await requireKey(ctx, user.id, id);
    const key = parseKey(row.body);
    const ssh = row.body.startsWith('ssh-') ? row.body : toOpenSsh(key);
    const body = encoding === 'PEM' ? key.export({ type: 'spki', format: 'pem' }).toString() : ssh;
    return { SSHPublicKey: describeKey(user.name, row, body) };
  },

  async ListSSHPublicKeys(input, ctx) {
    checkMembers(input.UserName).paging(input).done();
    const owner = await requireOwner(ctx, ctx, input.UserName);
    const rows = await ctx.table(SshKeys).byIndex('byUser', [owner.id]);
    const { items, page } = pageItems(`ListSSHPublicKeys ${owner.id}`, rows, (row) => [row.created, row.id], input);
    return { SSHPublicKeys: items.map((row) => describeMetadata(owner.name, row)), ...page };
  },

  async UpdateSSHPublicKey({ UserName, SSHPublicKeyId: id = '', Status: status }, ctx) {
    checkMembers(UserName, id).oneOf('status', status, ['Active', 'Inactive']).done();
    await ctx.transact(async (tx) => {
      const row = await requireKey(tx, (await requireUser(tx, UserName)).id, id);
      await tx.table(SshKeys).put({ ...row, active: status === 'Active' });
    });
    return {};
  },

  async DeleteSSHPublicKey({ UserName, SSHPublicKeyId: id = '' }, ctx) {
    checkMembers(UserName, id).done();
    await ctx.transact(async (tx) => {
      const row = await requireKey(tx, (await requireUser(tx, UserName)).id, id);
      await tx.table(SshKeys).delete(row.id);
    });
    return {};
  },
};

export const sshKeyChecks: AuthorisationsOf<IAM> = {
  UploadSSHPublicKey: onUser,
  GetSSHPublicKey: onUser,
  ListSSHPublicKeys: onUser,
  UpdateSSHPublicKey: onUser,
  DeleteSSHPublicKey: onUser,
};
