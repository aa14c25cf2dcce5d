/** Tags of batch jobs ("Controlling access and labeling jobs using tags"). */
import type { S3Tag } from '@aws-sdk/client-s3-control';
import type { Check } from '../../../kernel/service.ts';
import { AwsError } from '../../../kernel/errors.ts';

/** "You can associate up to 50 tags with a job." */
const tagsMax = 50;

/** Throws TooManyTagsException, InvalidTag. */
export function readJobTags(tags: readonly S3Tag[]): Record<string, string> {
  if (tags.length > tagsMax) throw new AwsError('TooManyTagsException', `A job can have at most ${tagsMax} tags.`);
  const read: Record<string, string> = {};
  for (const { Key: key = '', Value: value = '' } of tags) {
    if (key === '' || key.length > 128 || key.toLowerCase().startsWith('aws:'))
      throw new AwsError('InvalidTag', 'The TagKey you have provided is invalid');
    if (value.length > 256) throw new AwsError('InvalidTag', 'The TagValue you have provided is invalid');
    if (Object.hasOwn(read, key)) throw new AwsError('InvalidTag', 'Cannot provide multiple Tags with the same key');
    read[key] = value;
  }
  return read;
}

/** What policies may ask of the tags that a request brings. */
export function requestConditions(tags: readonly S3Tag[] = []): NonNullable<Check['conditions']> {
  const given = tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value] as const);
  return { ...Object.fromEntries(given), ...(tags.length === 0 ? {} : { 'aws:TagKeys': tags.map(({ Key = '' }) => Key) }) };
}

/** What policies may ask of the tags that a job has. */
export function resourceConditions(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`aws:ResourceTag/${key}`, value]));
}
