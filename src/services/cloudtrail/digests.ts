/**
 * Digest files: a chain of signed lists of hashes, by which `aws cloudtrail validate-logs` finds files that were changed or removed. Source: CloudTrail
 * User Guide, "CloudTrail digest file structure", "Custom implementations of CloudTrail log file integrity validation".
 */
import { createHash, createPrivateKey, createPublicKey, createSign, generateKeyPairSync } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { CloudTrail } from '@aws-sdk/client-cloudtrail';
import type { Context } from '../../kernel/context.ts';
import type { HandlersOf } from '../../kernel/service.ts';
import { pathDates } from './delivery.ts';
import { type DigestKeyRow, DigestKeys, type TrailRow } from './state.ts';

const keyBits = 2048;
const vaultLabel = 'cloudtrail digest key';
/** How long a key is shown to be valid. */
const keyLife = 365 * 86_400_000;

/** The Region's signing key, made on first use. */
async function signingKey(ctx: Context): Promise<DigestKeyRow> {
  const [known] = await ctx.table(DigestKeys).list({ limit: 1 });
  if (known !== undefined) return known;
  const pair = generateKeyPairSync('rsa', { modulusLength: keyBits });
  const publicKey = pair.publicKey.export({ type: 'pkcs1', format: 'der' });
  const row: DigestKeyRow = {
    fingerprint: createHash('md5').update(publicKey).digest('hex'),
    publicKey: publicKey.toString('base64'),
    privateKey: Buffer.from(
      ctx.part('vault').seal(pair.privateKey.export({ type: 'pkcs8', format: 'der' }), vaultLabel),
    ).toString('base64'),
    from: ctx.now,
  };
  await ctx.transact((tx) => tx.table(DigestKeys).put(row));
  return row;
}

const second = (at: number): string => new Date(at).toISOString().replace(/\.\d{3}/, '');

/** Writes the digest of a trail's new files and returns what the next one refers to. */
export async function writeDigest(
  ctx: Context,
  row: TrailRow,
  at: number,
  put: (key: string, body: Uint8Array, metadata: Record<string, string>) => Promise<void>,
): Promise<NonNullable<TrailRow['previousDigest']>> {
  const key = await signingKey(ctx);
  const { folder, seconds } = pathDates(at);
  const { account, region } = ctx;
  const file = `AWSLogs/${account}/CloudTrail-Digest/${region}/${folder}/${account}_CloudTrail-Digest_${region}_${row.name}_${region}_${seconds}.json.gz`;
  const prefix = row.prefix === undefined ? '' : `${row.prefix}/`;
  const previous = row.previousDigest;
  const digest = JSON.stringify({
    awsAccountId: account,
    digestStartTime: second(row.lastDigest ?? at),
    digestEndTime: second(at),
    digestS3Bucket: row.bucket,
    digestS3Object: `${prefix}${file}`,
    digestPublicKeyFingerprint: key.fingerprint,
    digestSignatureAlgorithm: 'SHA256withRSA',
    newestEventTime: row.undigested.length === 0 ? null : second(Math.max(...row.undigested.map(({ to }) => to))),
    oldestEventTime: row.undigested.length === 0 ? null : second(Math.min(...row.undigested.map(({ from }) => from))),
    previousDigestS3Bucket: previous?.bucket ?? null,
    previousDigestS3Object: previous?.key ?? null,
    previousDigestHashValue: previous?.hash ?? null,
    previousDigestHashAlgorithm: previous === undefined ? null : 'SHA-256',
    previousDigestSignature: previous?.signature ?? null,
    logFiles: row.undigested.map((entry) => ({
      s3Bucket: entry.bucket,
      s3Object: entry.key,
      hashValue: entry.hash,
      hashAlgorithm: 'SHA-256',
      newestEventTime: second(entry.to),
      oldestEventTime: second(entry.from),
    })),
  });
  const body = gzipSync(digest);
  const hash = createHash('sha256').update(digest).digest('hex');
  // What is signed: end time, place, hash of the content, and the signature before.
  const text = [second(at), `${row.bucket}/${prefix}${file}`, hash, previous?.signature ?? 'null'].join('\n');
  const privateKey = createPrivateKey({
    key: Buffer.from(ctx.part('vault').open(Buffer.from(key.privateKey, 'base64'), vaultLabel)),
    format: 'der',
    type: 'pkcs8',
  });
  const signature = createSign('sha256').update(text).sign(privateKey, 'hex');
  await put(file, body, { signature, 'signature-algorithm': 'SHA256withRSA' });
  return { bucket: row.bucket, key: `${prefix}${file}`, hash, signature };
}

export const digestHandlers: HandlersOf<CloudTrail> = {
  async ListPublicKeys(_input, ctx) {
    const rows = await ctx.table(DigestKeys).list();
    return {
      PublicKeyList: rows.map((row) => ({
        Value: createPublicKey({ key: Buffer.from(row.publicKey, 'base64'), format: 'der', type: 'pkcs1' }).export({
          type: 'pkcs1',
          format: 'der',
        }),
        ValidityStartTime: new Date(row.from),
        ValidityEndTime: new Date(row.from + keyLife),
        Fingerprint: row.fingerprint,
      })),
    };
  },
};
