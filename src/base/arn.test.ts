import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatArn, parseArn } from './arn.ts';

test.each([
  ['arn:aws:iam::123456789012:user/path/Bob', { service: 'iam', region: '', account: '123456789012', resource: 'user/path/Bob' }],
  ['arn:aws:s3:::bucket/a:b/c', { service: 's3', region: '', account: '', resource: 'bucket/a:b/c' }],
  [
    'arn:aws:iam::aws:policy/AdministratorAccess',
    { service: 'iam', region: '', account: 'aws', resource: 'policy/AdministratorAccess' },
  ],
  [
    'arn:aws:sns:eu-north-1:000000000000:topic:sub',
    { service: 'sns', region: 'eu-north-1', account: '000000000000', resource: 'topic:sub' },
  ],
])('%s has its parts, and they make it again', (text, parts) => {
  expect(parseArn(text)).toEqual({ partition: 'aws', ...parts });
  expect(formatArn(parts)).toBe(text);
});

test.each([
  '',
  'arn',
  'arn:aws:s3:::',
  'arn:aws::eu-north-1:123456789012:x',
  'arn:aws:iam::12345:user/x',
  'arn:azure:iam::123456789012:user/x',
  'arn:aws:IAM::123456789012:user/x',
  'arn:aws:iam:EU:123456789012:x',
  ' arn:aws:s3:::bucket',
  'ARN:aws:s3:::bucket',
  `arn:aws:s3:::${'x'.repeat(2048)}`,
])('%j is no ARN', (text) => expect(parseArn(text)).toBeUndefined());

test('text and parts are inverse', () => {
  const arn = fc.record({
    partition: fc.constantFrom('aws', 'aws-cn', 'aws-us-gov'),
    service: fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/),
    region: fc.constantFrom('', 'us-east-1'),
    account: fc.constantFrom('', 'aws', '123456789012'),
    resource: fc.string({ minLength: 1, maxLength: 40 }),
  });
  fc.assert(
    fc.property(arn, (parts) => {
      expect(parseArn(formatArn(parts))).toEqual(parts);
    }),
  );
});

test.each([
  { service: '', resource: 'x' },
  { service: 's3', resource: '' },
  { service: 'sqs', account: '1:2', resource: 'x' },
  { service: 'sqs:x', resource: 'y' },
  { service: 'sqs', account: '1', resource: 'x' },
])('parts that make no ARN are refused: %j', (parts) => expect(() => formatArn(parts)).toThrow(TypeError));
