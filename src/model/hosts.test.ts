import { expect, test } from 'vitest';
import { readHost } from './hosts.ts';
import { loadIndex } from './load.ts';

test.each([
  ['127.0.0.1:4566', [], undefined],
  ['localhost:4566', [], undefined],
  ['[::1]:4566', [], undefined],
  ['sts.us-east-1.amazonaws.com', ['sts'], undefined],
  ['sts.us-east-1.localhost:4566', ['sts'], undefined],
  ['STS.localhost.localstack.cloud', ['sts'], undefined],
  ['iam.amazonaws.com', ['iam'], undefined],
  ['mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com', ['s3'], 'mfzwi23gnjvgw.mrap'],
  ['mfzwi23gnjvgw.mrap.accesspoint.s3-global.localhost:4566', ['s3'], 'mfzwi23gnjvgw.mrap'],
  ['api.ecr.eu-west-1.localhost', ['ecr'], undefined],
  ['streams.dynamodb.eu-west-1.amazonaws.com', ['dynamodb-streams'], undefined],
  ['elasticloadbalancing.us-gov-west-1.amazonaws.com', ['elastic-load-balancing', 'elastic-load-balancing-v2'], undefined],
  ['s3.localhost:4566', ['s3'], undefined],
  ['my.bucket.s3.us-east-1.amazonaws.com', ['s3'], 'my.bucket'],
  ['my-bucket.s3.dualstack.eu-west-1.amazonaws.com', ['s3'], 'my-bucket'],
  ['my-bucket.s3-eu-west-1.amazonaws.com', ['s3'], 'my-bucket'],
  ['my-bucket.s3.localhost.localstack.cloud:4566', ['s3'], 'my-bucket'],
  ['my-bucket.localhost:4566', [], 'my-bucket'],
  ['123456789012.s3-control.us-east-1.amazonaws.com', ['s3-control'], '123456789012'],
  ['vpce-0a1b2c3d-9c8d7e6f.sqs.us-east-1.vpce.amazonaws.com', ['sqs'], undefined],
  ['bucket.vpce-0a1b2c3d-9c8d7e6f.s3.us-east-1.vpce.amazonaws.com', ['s3'], undefined],
  ['mine.bucket.vpce-0a1b2c3d-9c8d7e6f.s3.us-east-1.vpce.amazonaws.com', ['s3'], 'mine'],
  ['example.com', [], undefined],
  ['', [], undefined],
])('%s', async (host, services, prefix) => {
  const found = readHost(await loadIndex(), host);
  expect([found.services, found.prefix]).toEqual([services, prefix]);
});
