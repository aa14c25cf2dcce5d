/**
 * Where the bytes of a data folder are: in files of the folder, or in a bucket of a store that speaks S3. A folder stays with what it was started
 * with, because its rows point there; `blobs.json` in it remembers a bucket.
 */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PilviError } from '../../base/errors.ts';

/** A bucket, or the part of one under a prefix. */
export interface BlobPlace {
  bucket: string;
  /** Empty, or ending in a slash. */
  prefix: string;
  endpoint: URL;
  region: string;
}

/** What opens the store. */
export interface BlobCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

const form = 's3://BUCKET[/PREFIX]?endpoint=http(s)://HOST[:PORT][&region=REGION]';

/** Reads `s3://bucket/prefix?endpoint=…&region=…`; the Region is us-east-1 unless told. Throws PilviError BadOption. */
export function parseBlobPlace(text: string): BlobPlace {
  const wrong = (why: string): PilviError => new PilviError('BadOption', `--blobs ${text}: ${why}; it should be ${form}.`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.protocol !== 's3:' || url.hostname === '') throw wrong('no bucket');
  const endpointText = url.searchParams.get('endpoint') ?? '';
  const endpoint = URL.canParse(endpointText) ? new URL(endpointText) : undefined;
  if (endpoint === undefined || !/^https?:$/.test(endpoint.protocol)) throw wrong('no endpoint');
  for (const name of url.searchParams.keys()) if (name !== 'endpoint' && name !== 'region') throw wrong(`unknown: ${name}`);
  const words = url.pathname.replace(/^\/+|\/+$/g, '');
  return {
    bucket: url.hostname,
    prefix: words === '' ? '' : `${decodeURIComponent(words)}/`,
    endpoint,
    region: url.searchParams.get('region') ?? 'us-east-1',
  };
}

/** Host and port behind which the store listens. */
export function hostOf({ endpoint }: BlobPlace): { host: string; port: number } {
  const usual = endpoint.protocol === 'https:' ? 443 : 80;
  return { host: endpoint.hostname.replace(/^\[|\]$/g, ''), port: endpoint.port === '' ? usual : Number(endpoint.port) };
}

/** The credentials of an environment, by the names that every client knows. Throws PilviError BadOption when there are none. */
export function readBlobCredentials(env: Readonly<Record<string, string | undefined>>): BlobCredentials {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken } = env;
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new PilviError('BadOption', '--blobs needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment.');
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

interface Remembered {
  place: string;
  /** Names this cloud to the store (s3-blobs.ts). */
  cloud: string;
}

/**
 * Binds a data folder to a place: the name by which the cloud marks what is its own there; undefined for files. Throws PilviError BadOption when the
 * folder's bytes are elsewhere.
 */
export async function bindPlace(data: string, place: BlobPlace | undefined, newName: string): Promise<string | undefined> {
  const file = path.join(data, 'blobs.json');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const known = text === undefined ? undefined : (JSON.parse(text) as Remembered);
  const asked = place && `s3://${place.bucket}/${place.prefix} at ${place.endpoint.origin}`;
  if (known !== undefined) {
    if (known.place === asked) return known.cloud;
    throw new PilviError('BadOption', `The bytes of ${data} are in ${known.place}: start it with --blobs for that place.`);
  }
  if (asked === undefined) return undefined;
  if ((await readdir(path.join(data, 'blobs')).catch(() => [])).some((name) => name !== 'new'))
    throw new PilviError('BadOption', `The bytes of ${data} are in files already: start it without --blobs.`);
  await mkdir(data, { recursive: true });
  await writeFile(`${file}.new`, JSON.stringify({ place: asked, cloud: newName } satisfies Remembered), { flush: true });
  await rename(`${file}.new`, file);
  return newName;
}
