/** Key pairs: the private half is given once and never kept (EC2-029). */
import { createHash, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { EC2, KeyPairInfo } from '@aws-sdk/client-ec2';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { invalidParameterValue, missingParameter, notFound } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { describeTags, ec2Arn, requestTagConditions, tagsFor } from '../tags.ts';
import { openSshLine, openSshPrivateKey, parseOpenSshLine } from './openssh.ts';
import { type KeyPairRow, KeyPairs } from './state.ts';

const generate = promisify(generateKeyPair);
const nameLengthMax = 255;
/** RSA keys that EC2 makes ("2048-bit SSH-2 RSA keys"). */
const rsaBits = 2048;

/**
 * Fingerprints as EC2 shows them: made by EC2, RSA: SHA-1 of the private key in DER (PKCS#8); imported RSA: MD5 of the public key in DER;
 * ED25519: SHA-256 of the public key, base64 ("Verify the fingerprint of your key pair").
 */
function fingerprintOf(publicKey: KeyObject, privateKey: KeyObject | undefined, line: string): string {
  if (publicKey.asymmetricKeyType === 'ed25519') {
    return createHash('sha256')
      .update(Buffer.from(line.split(' ')[1] ?? '', 'base64'))
      .digest('base64');
  }
  const digest =
    privateKey === undefined
      ? createHash('md5')
          .update(publicKey.export({ type: 'spki', format: 'der' }))
          .digest('hex')
      : createHash('sha1')
          .update(privateKey.export({ type: 'pkcs8', format: 'der' }))
          .digest('hex');
  return digest.match(/../g)?.join(':') ?? digest;
}

function checkName(name: string | undefined): string {
  if (name === undefined || name === '') throw missingParameter('KeyName');
  if (name.length > nameLengthMax || /[^\x20-\x7e]/.test(name) || name !== name.trim())
    throw invalidParameterValue(`Invalid value '${name}' for keyPairNames.`);
  return name;
}

async function addKeyPair(ctx: Context, row: KeyPairRow): Promise<void> {
  await ctx.transact(async (tx) => {
    if ((await tx.table(KeyPairs).get(row.name)) !== undefined)
      throw new AwsError('InvalidKeyPair.Duplicate', `The keypair already exists`);
    await tx.table(KeyPairs).put(row);
  });
}

function describeKeyPair(row: KeyPairRow, withPublicKey: boolean): KeyPairInfo {
  return {
    KeyPairId: row.id,
    KeyName: row.name,
    KeyType: row.type,
    KeyFingerprint: row.fingerprint,
    CreateTime: new Date(row.created),
    PublicKey: withPublicKey ? `${row.publicKey}\n` : undefined,
    Tags: describeTags(row.tags),
  };
}

type Reading = Pick<Context | Transaction, 'table'>;

async function findByIdOrName(
  source: Reading,
  id: string | undefined,
  name: string | undefined,
): Promise<KeyPairRow | undefined> {
  return id === undefined ? source.table(KeyPairs).get(name ?? '') : source.table(KeyPairs).firstByIndex('byId', [id]);
}

export const keyPairHandlers: HandlersOf<EC2> = {
  /** The only answer that holds the private key. Throws InvalidKeyPair.Duplicate. */
  async CreateKeyPair(input, ctx) {
    const name = checkName(input.KeyName);
    const type = input.KeyType ?? 'rsa';
    if (type !== 'rsa' && type !== 'ed25519') throw invalidParameterValue(`Value (${type}) for parameter keyType is invalid.`);
    if (input.KeyFormat !== undefined && input.KeyFormat !== 'pem')
      throw parameterNotImplemented('CreateKeyPair', `KeyFormat ${input.KeyFormat}`);
    const tags = tagsFor('key-pair', input.TagSpecifications);
    const pair = type === 'rsa' ? await generate('rsa', { modulusLength: rsaBits }) : await generate('ed25519');
    const line = openSshLine(pair.publicKey, name);
    const fingerprint = fingerprintOf(pair.publicKey, pair.privateKey, line);
    const row: KeyPairRow = { id: ctx.id('keyPair'), name, type, fingerprint, publicKey: line, created: ctx.now, tags };
    await addKeyPair(ctx, row);
    const material =
      type === 'rsa'
        ? String(pair.privateKey.export({ type: 'pkcs1', format: 'pem' })).trimEnd()
        : openSshPrivateKey(pair.privateKey, name, ctx.bytes(4));
    return {
      KeyName: name,
      KeyPairId: row.id,
      KeyFingerprint: fingerprint,
      KeyMaterial: material,
      Tags: describeTags(tags),
    };
  },

  /** Takes an OpenSSH line, or the same in base64 once more as the CLI sends it, or a PEM public key. Throws InvalidKey.Format. */
  async ImportKeyPair(input, ctx) {
    const name = checkName(input.KeyName);
    const tags = tagsFor('key-pair', input.TagSpecifications);
    const given = Buffer.from(input.PublicKeyMaterial ?? new Uint8Array())
      .toString('utf8')
      .trim();
    const publicKey = readPublicKey(given);
    if (publicKey === undefined) throw new AwsError('InvalidKey.Format', 'Key is not in valid OpenSSH public key format');
    const line = openSshLine(publicKey, name);
    const type = publicKey.asymmetricKeyType === 'ed25519' ? 'ed25519' : 'rsa';
    const fingerprint = fingerprintOf(publicKey, undefined, line);
    const row: KeyPairRow = { id: ctx.id('keyPair'), name, type, fingerprint, publicKey: line, created: ctx.now, tags };
    await addKeyPair(ctx, row);
    return { KeyName: name, KeyPairId: row.id, KeyFingerprint: fingerprint, Tags: describeTags(tags) };
  },

  async DescribeKeyPairs(input, ctx) {
    const rows = await ctx.table(KeyPairs).list();
    for (const name of input.KeyNames ?? []) if (!rows.some((row) => row.name === name)) throw notFound('keyPair', name);
    const unknown = input.KeyPairIds?.find((id) => !rows.some((row) => row.id === id));
    if (unknown !== undefined) throw new AwsError('InvalidKeyPair.NotFound', `The key pair ID '${unknown}' does not exist`);
    const named = rows.filter(
      (row) => (input.KeyNames?.includes(row.name) ?? true) && (input.KeyPairIds?.includes(row.id) ?? true),
    );
    const passing = applyFilters(named, input.Filters, {
      'key-name': (row) => row.name,
      'key-pair-id': (row) => row.id,
      fingerprint: (row) => row.fingerprint,
    });
    return { KeyPairs: passing.map((row) => describeKeyPair(row, input.IncludePublicKey === true)) };
  },

  /** Succeeds also when there is none of this name. */
  async DeleteKeyPair(input, ctx) {
    if (input.KeyName === undefined && input.KeyPairId === undefined) throw missingParameter('KeyName');
    const id = await ctx.transact(async (tx) => {
      const row = await findByIdOrName(tx, input.KeyPairId, input.KeyName);
      if (row === undefined) return input.KeyPairId;
      await tx.table(KeyPairs).delete(row.name);
      return row.id;
    });
    return { Return: true, KeyPairId: id };
  },
};

function readPublicKey(text: string): KeyObject | undefined {
  try {
    if (text.includes('PRIVATE KEY')) return undefined;
    if (text.startsWith('-----BEGIN')) return createPublicKey(text);
    return parseOpenSshLine(text) ?? parseOpenSshLine(Buffer.from(text, 'base64').toString('utf8').trim());
  } catch {
    return undefined;
  }
}

export const keyPairAuthorisations: AuthorisationsOf<EC2> = {
  CreateKeyPair: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'key-pair', input.KeyName ?? '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  ImportKeyPair: (input, ctx) => [
    {
      resource: ec2Arn(ctx, 'key-pair', input.KeyName ?? '*'),
      conditions: requestTagConditions(input.TagSpecifications?.flatMap(({ Tags = [] }) => Tags)),
    },
  ],
  DeleteKeyPair: async (input, ctx) => {
    const row = await findByIdOrName(ctx, input.KeyPairId, input.KeyName);
    return [{ resource: ec2Arn(ctx, 'key-pair', row?.name ?? input.KeyName ?? '*') }];
  },
};
