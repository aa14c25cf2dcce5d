/** Manifests: lists of objects as CSV, or an inventory ("Specifying a manifest"). */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { JobManifest } from '@aws-sdk/client-s3-control';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';

const expand = promisify(gunzip);

export interface ManifestEntry {
  bucket: string;
  key: string;
  versionId?: string | undefined;
}

/** What an object's ARN names. Throws InvalidRequest. */
export function placeOfArn(arn: string | undefined): { Bucket: string; Key: string } {
  const [, Bucket, Key] = /^arn:aws:s3:::([^/]+)\/(.+)$/s.exec(arn ?? '') ?? [];
  if (Bucket === undefined || Key === undefined) throw new AwsError('InvalidRequest', `Invalid object ARN: ${arn ?? ''}`);
  return { Bucket, Key };
}

/** An object's bytes, as the identity of `ctx` may read them. */
async function readObject(
  ctx: Context,
  place: { Bucket: string; Key: string; VersionId?: string; IfMatch?: string },
): Promise<Buffer> {
  const { Body } = await ctx.call('s3').getObject(place);
  const pieces: Uint8Array[] = [];
  for await (const piece of Body instanceof Uint8Array ? [Body] : (Body as unknown as AsyncIterable<Uint8Array>))
    pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The values of a line of CSV, with or without quotes. */
function splitLine(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, inQuotes, bare]) => inQuotes?.replaceAll('""', '"') ?? bare ?? '',
  );
}

function* entriesOf(text: string, fields: readonly string[]): Generator<ManifestEntry> {
  const at = (values: readonly string[], field: string) => values[fields.indexOf(field)];
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    const values = splitLine(line);
    const [bucket, key, versionId] = [at(values, 'Bucket'), at(values, 'Key'), at(values, 'VersionId')];
    if (bucket === undefined || key === undefined)
      throw new AwsError('InvalidManifest', `Not enough fields: ${line.slice(0, 100)}`);
    yield { bucket, key: decodeURIComponent(key.replaceAll('+', ' ')), ...(versionId ? { versionId } : {}) };
  }
}

/** Reads a manifest with the rights of `ctx`. Throws what S3 refuses with, PreconditionFailed when it is not the one that was named. */
export async function* readManifest(
  ctx: Context,
  { Spec: spec, Location: location }: JobManifest,
): AsyncGenerator<ManifestEntry> {
  const version = location?.ObjectVersionId;
  const IfMatch = `"${(location?.ETag ?? '').replaceAll('"', '')}"`;
  const place = { ...placeOfArn(location?.ObjectArn), ...(version === undefined ? {} : { VersionId: version }), IfMatch };
  const bytes = await readObject(ctx, place);
  if (spec?.Format === 'S3BatchOperations_CSV_20180820') {
    yield* entriesOf(bytes.toString(), spec.Fields ?? []);
    return;
  }
  const { fileSchema, files, destinationBucket } = JSON.parse(bytes.toString()) as {
    fileSchema: string;
    destinationBucket: string;
    files: { key: string }[];
  };
  for (const { key } of files) {
    const data = await readObject(ctx, { Bucket: destinationBucket.replace(/^arn:aws:s3:::/, ''), Key: key });
    yield* entriesOf((await expand(data)).toString(), fileSchema.split(', '));
  }
}
