/** Code of functions and layers: archives kept as blobs, unpacked on the host by their content, so that the same code lies there once. */
import { createHash } from 'node:crypto';
import type { Context } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import { CodeRefused } from '../../planes/functions/types.ts';
import { codeTooLarge, invalidParameter } from './errors.ts';
import { type CodeSpec, LayerVersions, Versions } from './state.ts';

/** "50 MB (zipped, when uploaded through the Lambda API)": 70,167,211 bytes is what the request may have, base64 included. */
const requestBytesMax = 70_167_211;
const zipBytesMax = 52_428_800;
/** "250 MB (unzipped, including layers and custom runtimes)". */
export const unpackedBytesMax = 262_144_000;

export interface CodeInput {
  ZipFile?: Uint8Array | undefined;
  S3Bucket?: string | undefined;
  S3Key?: string | undefined;
  S3ObjectVersion?: string | undefined;
}

/** The archive that an input names, directly or in a bucket (read with the caller's rights). Throws InvalidParameterValueException. */
export async function readArchive(ctx: Context, input: CodeInput, operation: string): Promise<Uint8Array> {
  const { ZipFile, S3Bucket, S3Key, S3ObjectVersion } = input;
  if (ZipFile !== undefined) {
    if (ZipFile.byteLength > zipBytesMax) throw codeTooLarge(requestBytesMax, operation);
    return ZipFile;
  }
  if (S3Bucket === undefined || S3Key === undefined) throw invalidParameter('Please provide a source for function code.');
  try {
    const { Body } = await ctx.call('s3').getObject({ Bucket: S3Bucket, Key: S3Key, VersionId: S3ObjectVersion });
    return await gather(Body as unknown);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    const told = `Error occurred while GetObject. S3 Error Code: ${error.code}. S3 Error Message: ${error.message}`;
    throw error.status === 403
      ? new AwsError(
          'AccessDeniedException',
          `Your access has been denied by S3, please make sure your request credentials have permission to GetObject for ${S3Bucket}/${S3Key}. S3 Error Code: ${error.code}. S3 Error Message: ${error.message}`,
          { status: 403, members: { Type: 'User' } },
        )
      : invalidParameter(told);
  }
}

async function gather(body: unknown): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  if (typeof body === 'string') return Buffer.from(body);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    bytes += piece.byteLength;
    if (bytes > unpackedBytesMax) throw invalidParameter(`Unzipped size must be smaller than ${unpackedBytesMax} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** Checks an archive by unpacking it, and keeps it. `taken`: bytes that other layers of the function have unpacked. */
export async function storeCode(ctx: Context, archive: Uint8Array): Promise<CodeSpec> {
  const digest = createHash('sha256').update(archive).digest();
  const name = digest.toString('hex').slice(0, 40);
  await unpack(ctx, name, archive);
  const blob = ctx.id('content');
  const written = await ctx.part('blobs').write(blob, pieces(archive));
  return { name, sha256: digest.toString('base64'), bytes: archive.byteLength, blob, inline: written.inline };
}

async function* pieces(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** The archive behind a version. */
export async function readCode(ctx: Context, code: CodeSpec): Promise<Uint8Array> {
  if (code.inline !== undefined) return code.inline;
  const open = await ctx.part('blobs').open(code.blob);
  if (open === undefined) throw new Error(`The code ${code.blob} is gone.`);
  const found: Uint8Array[] = [];
  for await (const piece of open.read(0, code.bytes)) found.push(piece);
  return Buffer.concat(found);
}

/** Makes sure that the code lies unpacked on the host. */
export async function ensureUnpacked(ctx: Context, code: CodeSpec): Promise<void> {
  if (!(await ctx.part('functions').hasCode(code.name))) await unpack(ctx, code.name, await readCode(ctx, code));
}

/** Removes unpacked code that no version and no layer has any more. */
export async function sweepCode(ctx: Context): Promise<void> {
  const rows = [...(await ctx.everywhere(Versions)), ...(await ctx.everywhere(LayerVersions))];
  const needed = new Set(rows.map(({ row }) => row.code.name));
  const functions = ctx.part('functions');
  for (const name of await functions.installed()) if (!needed.has(name)) await functions.removeCode(name);
}

async function unpack(ctx: Context, name: string, archive: Uint8Array): Promise<void> {
  try {
    await ctx.part('functions').install(name, archive, unpackedBytesMax);
  } catch (error) {
    if (!(error instanceof CodeRefused)) throw error;
    if (error.reason === 'too-large') throw invalidParameter(`Unzipped size must be smaller than ${unpackedBytesMax} bytes`);
    throw invalidParameter('Could not unzip uploaded file. Please check your file, then try to upload again.');
  }
}
