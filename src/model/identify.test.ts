import { describe, expect, test } from 'vitest';
import type { WireRequest } from './types.ts';
import { identify, loadIndex, parseInput } from './wire.ts';

interface Given {
  method?: string;
  url?: string;
  headers?: Record<string, string>;
  body?: string;
  /** Name in the credential scope. */
  signed?: string;
  host?: string;
}

function requestOf({ method = 'POST', url = '/', headers = {}, body = '', signed }: Given): WireRequest {
  const [path = '/', query = ''] = url.split('?');
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/${signed}/aws4_request, SignedHeaders=host, Signature=0`;
  return {
    method,
    path,
    query: [...new URLSearchParams(query)],
    headers: signed === undefined ? headers : { authorization, ...headers },
    body: Buffer.from(body),
  };
}

const form = { 'content-type': 'application/x-www-form-urlencoded' };

async function find(given: Given): Promise<string> {
  const found = await identify(await loadIndex(), { request: requestOf(given), host: given.host ?? 'localhost:4566' });
  if (found === undefined) return 'nothing';
  if ('unknownOperation' in found) return `${found.service?.name ?? '?'} ${found.protocol} unknown ${found.unknownOperation}`;
  return `${found.service.name} ${found.operation.name} ${found.protocol}`;
}

describe('RPC requests', () => {
  test.each<[string, Given, string]>([
    [
      'signed query body',
      { signed: 'iam', headers: form, body: 'Action=ListUsers&Version=2010-05-08' },
      'iam ListUsers awsQuery',
    ],
    [
      'query string',
      { method: 'GET', signed: 'sts', url: '/?Action=GetCallerIdentity&Version=2011-06-15' },
      'sts GetCallerIdentity awsQuery',
    ],
    [
      'presigned query string',
      {
        method: 'GET',
        url: '/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Credential=AKIA%2F20260101%2Fus-east-1%2Fsts%2Faws4_request',
      },
      'sts GetCallerIdentity awsQuery',
    ],
    [
      'unsigned, by version',
      { headers: form, body: 'Action=AssumeRoleWithWebIdentity&Version=2011-06-15' },
      'sts AssumeRoleWithWebIdentity awsQuery',
    ],
    [
      'unsigned, without version, by host',
      { headers: form, body: 'Action=GetCallerIdentity', host: 'sts.localhost' },
      'sts GetCallerIdentity awsQuery',
    ],
    [
      'a form without a content type',
      { signed: 'sts', body: 'Action=GetCallerIdentity&Version=2011-06-15' },
      'sts GetCallerIdentity awsQuery',
    ],
    [
      'charset beside the content type',
      {
        signed: 'ec2',
        headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
        body: 'Action=DescribeVpcs&Version=2016-11-15',
      },
      'ec2 DescribeVpcs ec2Query',
    ],
    [
      'parameters before the action',
      { signed: 'ec2', headers: form, body: 'VpcId.1=vpc-1&Action=DescribeVpcs&Version=2016-11-15' },
      'ec2 DescribeVpcs ec2Query',
    ],
    [
      'the older load balancers by version',
      { signed: 'elasticloadbalancing', headers: form, body: 'Action=DescribeLoadBalancers&Version=2012-06-01' },
      'elastic-load-balancing DescribeLoadBalancers awsQuery',
    ],
    [
      'the newer load balancers by version',
      { signed: 'elasticloadbalancing', headers: form, body: 'Action=DescribeLoadBalancers&Version=2015-12-01' },
      'elastic-load-balancing-v2 DescribeLoadBalancers awsQuery',
    ],
    [
      'RDS before Neptune and DocumentDB',
      { signed: 'rds', headers: form, body: 'Action=DescribeDBClusters&Version=2014-10-31' },
      'rds DescribeDBClusters awsQuery',
    ],
    [
      'SQS by JSON',
      { signed: 'sqs', headers: { 'x-amz-target': 'AmazonSQS.SendMessage', 'content-type': 'application/x-amz-json-1.0' } },
      'sqs SendMessage awsJson1_0',
    ],
    [
      'SQS by query on a queue URL',
      { signed: 'sqs', url: '/000000000000/q', headers: form, body: 'Action=SendMessage&Version=2012-11-05' },
      'sqs SendMessage awsQuery',
    ],
    [
      'DynamoDB by target',
      {
        signed: 'dynamodb',
        headers: { 'x-amz-target': 'DynamoDB_20120810.GetItem', 'content-type': 'application/x-amz-json-1.0' },
      },
      'dynamodb GetItem awsJson1_0',
    ],
    [
      'DynamoDB Streams by target',
      {
        signed: 'dynamodb',
        headers: { 'x-amz-target': 'DynamoDBStreams_20120810.ListStreams', 'content-type': 'application/x-amz-json-1.0' },
      },
      'dynamodb-streams ListStreams awsJson1_0',
    ],
    [
      "botocore's target of CloudTrail",
      {
        signed: 'cloudtrail',
        headers: {
          'x-amz-target': 'com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.ListTrails',
          'content-type': 'application/x-amz-json-1.1',
        },
      },
      'cloudtrail ListTrails awsJson1_1',
    ],
    [
      'CBOR by path',
      {
        signed: 'monitoring',
        url: '/service/GraniteServiceVersion20100801/operation/ListMetrics',
        headers: { 'smithy-protocol': 'rpc-v2-cbor' },
      },
      'cloudwatch ListMetrics rpcv2Cbor',
    ],
  ])('%s', async (_name, given, expected) => {
    expect(await find(given)).toBe(expected);
  });

  test.each<[string, Given, string]>([
    [
      'an action the service does not have',
      { signed: 'iam', headers: form, body: 'Action=FlyAway&Version=2010-05-08' },
      'iam awsQuery unknown FlyAway',
    ],
    [
      'an action of EC2',
      { signed: 'ec2', headers: form, body: 'Action=FlyAway&Version=2016-11-15' },
      'ec2 ec2Query unknown FlyAway',
    ],
    ['an action of no service', { headers: form, body: 'Action=FlyAway&Version=1999-01-01' }, '? awsQuery unknown FlyAway'],
    [
      'a target of a known service',
      { headers: { 'x-amz-target': 'TrentService.Fly', 'content-type': 'application/x-amz-json-1.1' } },
      'kms awsJson1_1 unknown Fly',
    ],
    ['a target of no service', { headers: { 'x-amz-target': 'Nobody.Fly' } }, '? awsJson1_1 unknown Fly'],
    ['a target without a dot', { headers: { 'x-amz-target': 'Fly' } }, '? awsJson1_1 unknown Fly'],
    [
      'names that objects have by nature',
      { headers: { 'x-amz-target': 'TrentService.constructor' } },
      'kms awsJson1_1 unknown constructor',
    ],
    [
      'a CBOR path of no service',
      { url: '/service/X/operation/Y', headers: { 'smithy-protocol': 'rpc-v2-cbor' } },
      '? rpcv2Cbor unknown Y',
    ],
    ['no CBOR path', { url: '/x', headers: { 'smithy-protocol': 'rpc-v2-cbor' } }, '? rpcv2Cbor unknown POST /x'],
    [
      'a signed request to an RPC service that asks for nothing',
      { method: 'GET', signed: 'sts', url: '/x' },
      'sts awsQuery unknown GET /x',
    ],
    ['a signing name of no service', { method: 'GET', signed: 'nobody', url: '/x' }, 'nothing'],
  ])('refuses %s', async (_name, given, expected) => {
    expect(await find(given)).toBe(expected);
  });
});

describe('REST requests', () => {
  test.each<[string, string, string, string]>([
    ['lambda', 'GET', '/2015-03-31/functions', 'lambda ListFunctions restJson1'],
    ['lambda', 'GET', '/2015-03-31/functions/', 'lambda ListFunctions restJson1'],
    ['lambda', 'POST', '/2015-03-31/functions/f/invocations', 'lambda Invoke restJson1'],
    ['lambda', 'GET', '/2015-03-31/nothing', 'lambda restJson1 unknown GET /2015-03-31/nothing'],
    ['lambda', 'BREW', '/2015-03-31/functions', 'lambda restJson1 unknown BREW /2015-03-31/functions'],
    ['apigateway', 'GET', '/restapis', 'api-gateway GetRestApis restJson1'],
    ['apigateway', 'GET', '/v2/apis', 'apigatewayv2 GetApis restJson1'],
    ['execute-api', 'POST', '/prod/@connections/abc%3D', 'apigatewaymanagementapi PostToConnection restJson1'],
    ['execute-api', 'POST', '/@connections/abc', 'apigatewaymanagementapi PostToConnection restJson1'],
    ['route53', 'GET', '/2013-04-01/hostedzone/Z1/rrset', 'route-53 ListResourceRecordSets restXml'],
    ['backup', 'GET', '/tags/arn%3Aaws%3Abackup', 'backup ListTags restJson1'],
  ])('%s %s %s', async (signed, method, url, expected) => {
    expect(await find({ signed, method, url })).toBe(expected);
  });
});

describe('S3', () => {
  test.each<[string, string, Record<string, string>, string]>([
    ['GET', '/', {}, 'ListBuckets'],
    ['GET', '/?x-id=ListDirectoryBuckets', {}, 'ListDirectoryBuckets'],
    ['GET', '/?max-directory-buckets=3', {}, 'ListDirectoryBuckets'],
    ['PUT', '/b', {}, 'CreateBucket'],
    ['PUT', '/b/', {}, 'CreateBucket'],
    ['HEAD', '/b', {}, 'HeadBucket'],
    ['GET', '/b', {}, 'ListObjects'],
    ['GET', '/b?list-type=2&prefix=x', {}, 'ListObjectsV2'],
    ['GET', '/b?versions', {}, 'ListObjectVersions'],
    ['GET', '/b?location', {}, 'GetBucketLocation'],
    ['GET', '/b?policy', {}, 'GetBucketPolicy'],
    ['GET', '/b?policyStatus', {}, 'GetBucketPolicyStatus'],
    ['GET', '/b?uploads', {}, 'ListMultipartUploads'],
    ['GET', '/b?inventory', {}, 'ListBucketInventoryConfigurations'],
    ['GET', '/b?inventory&id=1', {}, 'GetBucketInventoryConfiguration'],
    ['POST', '/b?delete', {}, 'DeleteObjects'],
    ['PUT', '/b/k', {}, 'PutObject'],
    ['PUT', '/b/k?x-id=PutObject', {}, 'PutObject'],
    ['PUT', '/b/k', { 'x-amz-copy-source': '/b/a' }, 'CopyObject'],
    ['PUT', '/b/k?partNumber=1&uploadId=u', {}, 'UploadPart'],
    ['PUT', '/b/k?partNumber=1&uploadId=u', { 'x-amz-copy-source': '/b/a' }, 'UploadPartCopy'],
    ['PUT', '/b/k?tagging', {}, 'PutObjectTagging'],
    ['GET', '/b/k', {}, 'GetObject'],
    ['GET', '/b/a/deep/key/', {}, 'GetObject'],
    ['GET', '/b//leading', {}, 'GetObject'],
    ['GET', '/b/k?uploadId=u', {}, 'ListParts'],
    ['GET', '/b/k?partNumber=2', {}, 'GetObject'],
    ['GET', '/b/k?acl', {}, 'GetObjectAcl'],
    ['GET', '/b/k?attributes', { 'x-amz-object-attributes': 'ETag' }, 'GetObjectAttributes'],
    ['HEAD', '/b/k', {}, 'HeadObject'],
    ['POST', '/b/k?uploads', {}, 'CreateMultipartUpload'],
    ['POST', '/b/k?uploadId=u', {}, 'CompleteMultipartUpload'],
    ['DELETE', '/b/k', {}, 'DeleteObject'],
    ['DELETE', '/b/k?uploadId=u', {}, 'AbortMultipartUpload'],
    ['DELETE', '/b?cors', {}, 'DeleteBucketCors'],
  ])('%s %s %j', async (method, url, headers, operation) => {
    expect(await find({ signed: 's3', method, url, headers })).toBe(`s3 ${operation} restXml`);
    expect(await find({ method, url, headers })).toBe(`s3 ${operation} restXml`);
  });

  test.each([
    ['my.bucket.s3.us-east-1.localhost:4566', undefined],
    ['my.bucket.localhost:4566', 's3'],
  ])('bucket from the host %s', async (host, signed) => {
    const request = requestOf({ method: 'GET', url: '/a%20b/c', ...(signed !== undefined && { signed }) });
    const found = await identify(await loadIndex(), { request, host });
    if (found === undefined || 'unknownOperation' in found) throw new Error('not identified');
    expect(found.operation.name).toBe('GetObject');
    expect(parseInput(found.protocol, found.operation, request)).toEqual({ Bucket: 'my.bucket', Key: 'a b/c' });
  });

  test('a bucket called like a service', async () => {
    const request = requestOf({ method: 'GET', url: '/k', signed: 's3' });
    await identify(await loadIndex(), { request, host: 'sts.localhost:4566' });
    expect(request.hostPrefix).toBe('sts');
  });

  test('S3 Control by its header', async () => {
    const given = { signed: 's3', method: 'GET', url: '/v20180820/configuration/publicAccessBlock' };
    expect(await find({ ...given, headers: { 'x-amz-account-id': '000000000000' } })).toBe(
      's3-control GetPublicAccessBlock restXml',
    );
    expect(await find(given)).toBe('s3 GetObject restXml');
  });
});
