/** GetObjectAttributes: what is known of an object, as much of it as was asked for. */
import type { GetObjectAttributesParts, S3 } from '@aws-sdk/client-s3';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { readChecks } from '../access/checks.ts';
import { describeChecksum, memberOf } from '../checksums.ts';
import { invalidArgument } from '../errors.ts';
import { requireBucket, requireVersion } from '../lookup.ts';
import { checkCustomerKey } from '../sealing.ts';
import type { VersionRow } from '../state.ts';

const known: ReadonlySet<string> = new Set(['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize']);
const pageMax = 1000;

/** Parts are told one by one only where they have checksums of their own; else only how many there are. */
function describeParts(row: VersionRow, marker: number, limit: number): GetObjectAttributesParts | undefined {
  if (row.multipart !== true) return undefined;
  const parts = row.contents ?? [];
  const { checksum } = row;
  if (checksum?.type !== 'COMPOSITE') return { TotalPartsCount: parts.length };
  const rest = parts.filter(({ number = 0 }) => number > marker);
  const page = rest.slice(0, limit);
  return {
    TotalPartsCount: parts.length,
    PartNumberMarker: String(marker),
    NextPartNumberMarker: String(page.at(-1)?.number ?? 0),
    MaxParts: limit,
    IsTruncated: rest.length > limit,
    Parts: page.map((part) => ({ PartNumber: part.number, Size: part.bytes, [memberOf(checksum.algorithm)]: part.checksum })),
  };
}

export const attributeHandlers: HandlersOf<S3> = {
  async GetObjectAttributes(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    const asked = input.ObjectAttributes ?? [];
    const unknown = asked.find((name) => !known.has(name));
    if (asked.length === 0 || unknown !== undefined) {
      throw invalidArgument('Invalid attribute name specified.', 'x-amz-object-attributes', unknown ?? '');
    }
    const row = await requireVersion(ctx, input);
    checkCustomerKey(row.seal, input);
    const wants = new Set<string>(asked);
    const limit = Math.min(input.MaxParts ?? pageMax, pageMax);
    const parts = wants.has('ObjectParts') ? describeParts(row, Number(input.PartNumberMarker ?? 0), limit) : undefined;
    return {
      LastModified: new Date(row.created),
      ...(bucket.versioning === undefined ? {} : { VersionId: row.versionId }),
      ...(wants.has('ETag') ? { ETag: row.etag } : {}),
      ...(wants.has('Checksum') && row.checksum !== undefined ? { Checksum: describeChecksum(row.checksum) } : {}),
      ...(parts === undefined ? {} : { ObjectParts: parts }),
      ...(wants.has('StorageClass') ? { StorageClass: row.storageClass as 'STANDARD' } : {}),
      ...(wants.has('ObjectSize') ? { ObjectSize: row.bytes } : {}),
    };
  },
};

export const attributeChecks: AuthorisationsOf<S3> = {
  GetObjectAttributes: async (input, ctx) => {
    const byId = input.VersionId !== undefined;
    const checks = await readChecks(ctx, input, byId ? 's3:GetObjectVersion' : 's3:GetObject');
    return [...checks, { ...checks[0]!, action: byId ? 's3:GetObjectVersionAttributes' : 's3:GetObjectAttributes' }];
  },
};
