/** ListObjectsV2, ListObjects, ListObjectVersions. */
import type {
  CommonPrefix,
  DeleteMarkerEntry,
  ListObjectVersionsCommandInput,
  ObjectVersion,
  S3,
  _Object,
} from '@aws-sdk/client-s3';
import { formatPageToken, parsePageToken } from '../../../base/paging.ts';
import type { Context } from '../../../kernel/context.ts';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { bucketCheck, listConditions } from '../access/checks.ts';
import { invalidArgument } from '../errors.ts';
import { checkVersionId, findVersion, requireBucket } from '../lookup.ts';
import { canonicalId } from '../rules.ts';
import { type ObjectRow, Objects, type VersionRow, Versions } from '../state.ts';
import { commonPrefix, isAfter, walkKeys } from './walk.ts';

/** Entries of one page ("up to 1,000 objects"). */
const pageMax = 1000;

interface ListAsk {
  Prefix?: string | undefined;
  Delimiter?: string | undefined;
  MaxKeys?: number | undefined;
  EncodingType?: string | undefined;
}

interface Checked {
  prefix: string;
  delimiter: string;
  limit: number;
  maxKeys: number;
  encode: (text: string) => string;
}

/** Throws InvalidArgument for a negative number and an encoding that there is not. */
export function readListAsk(ask: ListAsk, countName = 'max-keys'): Checked {
  const { MaxKeys: maxKeys = pageMax, EncodingType: encoding } = ask;
  if (maxKeys < 0 || maxKeys > 2_147_483_647) {
    throw invalidArgument(`Argument ${countName} must be an integer between 0 and 2147483647`, countName, String(maxKeys));
  }
  if (encoding !== undefined && encoding !== 'url')
    throw invalidArgument('Invalid Encoding Method specified in Request', 'encoding-type', encoding);
  const limit = Math.min(maxKeys, pageMax);
  return {
    prefix: ask.Prefix ?? '',
    delimiter: ask.Delimiter ?? '',
    limit,
    maxKeys: limit,
    encode: encoding === 'url' ? urlEncode : same,
  };
}

function same(text: string): string {
  return text;
}

/** S3 leaves slashes and the unreserved characters, and encodes spaces as plus signs. */
function urlEncode(text: string): string {
  return encodeURIComponent(text)
    .replace(/%2F/g, '/')
    .replace(/%20/g, '+')
    .replace(/[!'()]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}

function readObjects(ctx: Context, bucket: string): (from: string, inclusive: boolean, limit: number) => Promise<ObjectRow[]> {
  const objects = ctx.table(Objects);
  return async (from, inclusive, limit) => {
    if (from === '') return objects.list({ prefix: [bucket], limit });
    const first = inclusive ? await objects.get(bucket, from) : undefined;
    const rest = await objects.list({ prefix: [bucket], after: [bucket, from], limit: first === undefined ? limit : limit - 1 });
    return first === undefined ? rest : [first, ...rest];
  };
}

function describeRow(row: ObjectRow, { encode }: Checked, withOwner: boolean): _Object {
  return {
    Key: encode(row.key),
    LastModified: new Date(row.created),
    ETag: `"${row.etag}"`,
    ...(row.checksum === undefined ? {} : { ChecksumAlgorithm: [row.checksum.algorithm], ChecksumType: row.checksum.type }),
    Size: row.bytes,
    StorageClass: row.storageClass as 'STANDARD',
    ...(withOwner ? { Owner: { ID: canonicalId(row.owner) } } : {}),
  };
}

/** Common prefixes in the API's form. */
export function describePrefixes(prefixes: readonly string[], encode: (text: string) => string): CommonPrefix[] {
  return prefixes.map((prefix) => ({ Prefix: encode(prefix) }));
}

const tokenScope = (bucket: string): string => `ListObjectsV2 ${bucket}`;

export const listHandlers: HandlersOf<S3> = {
  async ListObjectsV2(input, ctx) {
    const { Bucket: bucket = '', StartAfter: startAfter, ContinuationToken: token } = input;
    await requireBucket(ctx, input);
    const ask = readListAsk(input);
    const continued = token === undefined ? undefined : parsePageToken(tokenScope(bucket), token)?.[0];
    if (token !== undefined && typeof continued !== 'string') {
      throw invalidArgument('The continuation token provided is incorrect', 'continuation-token', token);
    }
    const after = typeof continued === 'string' ? continued : (startAfter ?? '');
    const { rows, prefixes, next } = await walkKeys({ ...ask, after }, readObjects(ctx, bucket));
    return {
      Name: bucket,
      Prefix: ask.encode(ask.prefix),
      ...(ask.delimiter === '' ? {} : { Delimiter: ask.encode(ask.delimiter) }),
      MaxKeys: ask.maxKeys,
      KeyCount: rows.length + prefixes.length,
      IsTruncated: next !== undefined,
      ...(next === undefined ? {} : { NextContinuationToken: formatPageToken(tokenScope(bucket), [next]) }),
      ...(token === undefined ? {} : { ContinuationToken: token }),
      ...(startAfter === undefined ? {} : { StartAfter: ask.encode(startAfter) }),
      ...(input.EncodingType === undefined ? {} : { EncodingType: input.EncodingType }),
      Contents: rows.map((row) => describeRow(row, ask, input.FetchOwner === true)),
      CommonPrefixes: describePrefixes(prefixes, ask.encode),
    };
  },

  /** The older form: the marker is a key, and NextMarker comes only with a delimiter. */
  async ListObjects(input, ctx) {
    const { Bucket: bucket = '', Marker: marker = '' } = input;
    await requireBucket(ctx, input);
    const ask = readListAsk(input);
    const { rows, prefixes, next } = await walkKeys({ ...ask, after: marker }, readObjects(ctx, bucket));
    return {
      Name: bucket,
      Prefix: ask.encode(ask.prefix),
      Marker: ask.encode(marker),
      ...(ask.delimiter === '' ? {} : { Delimiter: ask.encode(ask.delimiter) }),
      MaxKeys: ask.maxKeys,
      IsTruncated: next !== undefined,
      ...(next === undefined || ask.delimiter === '' ? {} : { NextMarker: ask.encode(next) }),
      ...(input.EncodingType === undefined ? {} : { EncodingType: input.EncodingType }),
      Contents: rows.map((row) => describeRow(row, ask, true)),
      CommonPrefixes: describePrefixes(prefixes, ask.encode),
    };
  },

  ListObjectVersions: listVersions,
};

/** Versions of all keys, newest first within a key. Pages may end between two versions of a key, so versions are walked one by one. */
async function listVersions(input: ListObjectVersionsCommandInput, ctx: Context) {
  const { Bucket: bucket = '', KeyMarker: keyMarker = '', VersionIdMarker: idMarker } = input;
  await requireBucket(ctx, input);
  if (idMarker !== undefined && keyMarker === '') {
    throw invalidArgument('A version-id marker cannot be specified without a key marker.', 'version-id-marker', idMarker);
  }
  if (idMarker === '') throw invalidArgument('A version-id marker cannot be empty.', 'version-id-marker', '');
  if (idMarker !== undefined) checkVersionId(idMarker, 'version-id-marker');
  const ask = readListAsk(input);
  const page = await walkVersions(ctx, bucket, ask, keyMarker, idMarker);
  const Versions: ObjectVersion[] = [];
  const DeleteMarkers: DeleteMarkerEntry[] = [];
  for (const { row, latest } of page.versions) {
    const shown = {
      Key: ask.encode(row.key),
      VersionId: row.versionId,
      IsLatest: latest,
      LastModified: new Date(row.created),
      Owner: { ID: canonicalId(row.owner) },
    };
    if (row.marker === true) DeleteMarkers.push(shown);
    else {
      const checksum =
        row.checksum === undefined ? {} : { ChecksumAlgorithm: [row.checksum.algorithm], ChecksumType: row.checksum.type };
      Versions.push({
        ...shown,
        ETag: `"${row.etag}"`,
        ...checksum,
        Size: row.bytes,
        StorageClass: row.storageClass as 'STANDARD',
      });
    }
  }
  const { next } = page;
  return {
    Name: bucket,
    Prefix: ask.encode(ask.prefix),
    KeyMarker: ask.encode(keyMarker),
    VersionIdMarker: idMarker ?? '',
    ...(ask.delimiter === '' ? {} : { Delimiter: ask.encode(ask.delimiter) }),
    MaxKeys: ask.maxKeys,
    IsTruncated: next !== undefined,
    ...(next === undefined
      ? {}
      : {
          NextKeyMarker: ask.encode(next.key),
          ...(next.versionId === undefined ? {} : { NextVersionIdMarker: next.versionId }),
        }),
    ...(input.EncodingType === undefined ? {} : { EncodingType: input.EncodingType }),
    Versions,
    DeleteMarkers,
    CommonPrefixes: describePrefixes(page.prefixes, ask.encode),
  };
}

interface VersionPage {
  versions: { row: VersionRow; latest: boolean }[];
  prefixes: string[];
  next: { key: string; versionId?: string | undefined } | undefined;
}

async function walkVersions(
  ctx: Context,
  bucket: string,
  ask: Checked,
  keyMarker: string,
  idMarker: string | undefined,
): Promise<VersionPage> {
  const table = ctx.table(Versions);
  const page: VersionPage = { versions: [], prefixes: [], next: undefined };
  const marked = idMarker === undefined ? undefined : await findVersion(ctx, bucket, keyMarker, idMarker);
  /** Key of the store after which to go on; a number behind all sequences closes a key. */
  const closed = (key: string): readonly (string | number)[] => [bucket, key, Number.POSITIVE_INFINITY];
  let after: readonly (string | number)[] | undefined;
  if (keyMarker !== '') {
    const rolled = commonPrefix(keyMarker, ask);
    if (marked !== undefined) after = [bucket, keyMarker, -marked.sequence];
    else after = rolled === keyMarker ? [bucket, `${rolled}\u{10ffff}`] : closed(keyMarker);
  }
  if (ask.prefix !== '' && (after === undefined || isAfter(ask.prefix, String(after[1])))) after = [bucket, ask.prefix];
  let lastKey = marked === undefined ? undefined : keyMarker;
  let lastGiven: VersionPage['next'];
  for (;;) {
    const rows = await table.list({
      prefix: [bucket],
      ...(after === undefined ? {} : { after }),
      limit: Math.min(ask.limit + 1, pageMax),
    });
    let skipTo: string | undefined;
    for (const row of rows) {
      if (!row.key.startsWith(ask.prefix)) return page;
      if (skipTo !== undefined && row.key.startsWith(skipTo)) continue;
      if (page.versions.length + page.prefixes.length >= ask.limit) return ask.limit === 0 ? page : { ...page, next: lastGiven };
      skipTo = commonPrefix(row.key, ask);
      if (skipTo === undefined) {
        page.versions.push({ row, latest: row.key !== lastKey });
        lastGiven = { key: row.key, versionId: row.versionId };
        lastKey = row.key;
      } else {
        page.prefixes.push(skipTo);
        lastGiven = { key: skipTo };
      }
    }
    const end = rows.at(-1);
    if (end === undefined || rows.length < Math.min(ask.limit + 1, pageMax)) return page;
    after =
      skipTo !== undefined && end.key.startsWith(skipTo) ? [bucket, `${skipTo}\u{10ffff}`] : [bucket, end.key, -end.sequence];
  }
}

export const listChecks: AuthorisationsOf<S3> = {
  ListObjectsV2: async (input, ctx) => [await bucketCheck(ctx, input, undefined, listConditions(input))],
  ListObjects: async (input, ctx) => [await bucketCheck(ctx, input, undefined, listConditions(input))],
  ListObjectVersions: async (input, ctx) => [await bucketCheck(ctx, input, undefined, listConditions(input))],
};
