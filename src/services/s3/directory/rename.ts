/** RenameObject: another key for the same bytes, at once and whole ("Renaming objects in directory buckets"). */
import type { S3 } from '@aws-sdk/client-s3';
import type { AuthorisationsOf, HandlersOf } from '../../../kernel/service.ts';
import { objectCheck } from '../access/checks.ts';
import { invalidArgument, methodNotAllowed, noSuchKey, preconditionFailed } from '../errors.ts';
import { currentVersion, requireBucket } from '../lookup.ts';
import { checkReadCondition } from '../objects/get.ts';
import { moveVersion } from '../objects/commit.ts';
import { checkKey } from '../rules.ts';

/** The key in `x-amz-rename-source`, URL-encoded. Throws InvalidArgument. */
function readSource(header = ''): string {
  try {
    const key = decodeURIComponent(header);
    if (key !== '') return key;
  } catch {
    // Refused below.
  }
  throw invalidArgument('The rename source must be the URL-encoded key of an object', 'x-amz-rename-source', header);
}

export const renameHandlers: HandlersOf<S3> = {
  /** Throws NoSuchKey for a source that is not there, PreconditionFailed, InvalidArgument for a source that is the destination. */
  async RenameObject(input, ctx) {
    const bucket = await requireBucket(ctx, input);
    if (bucket.zone === undefined) throw methodNotAllowed('RenameObject', 'OBJECT');
    const {
      Key: key = '',
      DestinationIfMatch,
      DestinationIfNoneMatch,
      DestinationIfModifiedSince,
      DestinationIfUnmodifiedSince,
    } = input;
    const source = readSource(input.RenameSource);
    checkKey(key);
    if (source === key)
      throw invalidArgument('The source and the destination of a rename must differ', 'x-amz-rename-source', source);
    await ctx.transact(async (tx) => {
      const from = await currentVersion(tx, bucket.name, source);
      if (from === undefined) throw noSuchKey(source);
      const { SourceIfMatch, SourceIfNoneMatch, SourceIfModifiedSince, SourceIfUnmodifiedSince } = input;
      checkReadCondition(
        {
          IfMatch: SourceIfMatch,
          IfNoneMatch: SourceIfNoneMatch,
          IfModifiedSince: SourceIfModifiedSince,
          IfUnmodifiedSince: SourceIfUnmodifiedSince,
        },
        from,
      );
      const to = await currentVersion(tx, bucket.name, key);
      if (to === undefined && DestinationIfMatch !== undefined) throw noSuchKey(key);
      if (to !== undefined) {
        if (DestinationIfNoneMatch === '*') throw preconditionFailed('If-None-Match');
        checkReadCondition(
          {
            IfMatch: DestinationIfMatch,
            IfNoneMatch: DestinationIfNoneMatch,
            IfModifiedSince: DestinationIfModifiedSince,
            IfUnmodifiedSince: DestinationIfUnmodifiedSince,
          },
          to,
        );
      }
      await moveVersion(tx, from, key, to);
    });
    return {};
  },
};

export const renameChecks: AuthorisationsOf<S3> = { RenameObject: async (input, ctx) => [await objectCheck(ctx, input)] };
