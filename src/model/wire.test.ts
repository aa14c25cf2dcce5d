import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { CborWriter, parseCbor } from '../base/cbor.ts';
import type { OperationModel } from './service-model.ts';
import { ParseError, type Protocol, type Shape, type WireError, type WireRequest } from './types.ts';
import { loadModel, parseInput, serialiseError, serialiseOutput, validateOutput } from './wire.ts';

async function operationOf(service: string, name: string): Promise<OperationModel> {
  const operation = (await loadModel(service)).operation(name);
  if (operation === undefined) throw new Error(`${service} has no ${name}.`);
  return operation;
}

interface Given {
  method?: string;
  url?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

function requestOf({ method = 'POST', url = '/', headers = {}, body = '' }: Given): WireRequest {
  const [path = '/', query = ''] = url.split('?');
  return { method, path, query: [...new URLSearchParams(query)], headers, body: Buffer.from(body) };
}

async function parse(protocol: Protocol, service: string, name: string, given: Given): Promise<Shape> {
  return parseInput(protocol, await operationOf(service, name), requestOf(given));
}

async function refusal(protocol: Protocol, service: string, name: string, given: Given): Promise<string> {
  try {
    return `accepted: ${JSON.stringify(await parse(protocol, service, name, given))}`;
  } catch (cause) {
    if (!(cause instanceof ParseError)) throw cause;
    return `${cause.status} ${cause.code}: ${cause.message}`;
  }
}

const query = (service: string, name: string, body: string) =>
  refusal(service === 'ec2' ? 'ec2Query' : 'awsQuery', service, name, { body });

describe('query requests', () => {
  test('lists in their three forms, in the order of their numbers, with gaps', async () => {
    const wanted = {
      DBInstanceIdentifier: 'd',
      Filters: [
        { Name: 'b', Values: ['1'] },
        { Name: 'a', Values: ['2', '3'] },
      ],
    };
    const filters = (item: string) =>
      `DBInstanceIdentifier=d&Filters.${item}10.Name=a&Filters.${item}10.Values.${item === 'Filter.' ? 'Value.' : item}1=2&Filters.${item}10.Values.${item === 'Filter.' ? 'Value.' : item}2=3&Filters.${item}9.Name=b&Filters.${item}9.Values.${item === 'Filter.' ? 'Value.' : item}7=1`;
    for (const item of ['Filter.', 'member.', '']) {
      expect(await parse('awsQuery', 'rds', 'DescribeDBInstances', { body: filters(item) })).toEqual(wanted);
    }
  });

  test('an empty value is an empty list, a bare one a flat list of one', async () => {
    expect(await parse('awsQuery', 'iam', 'TagUser', { body: 'UserName=u&Tags=' })).toEqual({ UserName: 'u', Tags: [] });
    const input = await parse('awsQuery', 'sqs', 'GetQueueAttributes', { body: 'QueueUrl=q&AttributeName=All' });
    expect(input).toEqual({ QueueUrl: 'q', AttributeNames: ['All'] });
  });

  test('maps of user keys have no prototype', async () => {
    const body = 'QueueUrl=q&Attribute.1.Name=__proto__&Attribute.1.Value=x&Attribute.2.Name=constructor&Attribute.2.Value=y';
    const { Attributes } = (await parse('awsQuery', 'sqs', 'SetQueueAttributes', { body })) as {
      Attributes: Record<string, string>;
    };
    expect(Object.entries(Attributes)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect(Object.getPrototypeOf(Attributes)).toBeNull();
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  test('plus signs, percent signs and parameters of the signature', async () => {
    const body = 'Action=GetUser&Version=2010-05-08&UserName=a+b%2Bc%26&X-Amz-Signature=0&AWSAccessKeyId=k';
    expect(await parse('awsQuery', 'iam', 'GetUser', { body })).toEqual({ UserName: 'a b+c&' });
  });

  test.each<[string, string, string, string]>([
    [
      'iam',
      'GetRole',
      '',
      "400 ValidationError: 1 validation error detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null",
    ],
    [
      'iam',
      'CreateRole',
      'RoleName=&Tags.member.1.Key=k',
      "400 ValidationError: 2 validation errors detected: Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member must not be null; Value null at 'tags.1.member.value' failed to satisfy constraint: Member must not be null",
    ],
    ['ec2', 'CreateVpcPeeringConnection', '', '400 MissingParameter: The request must contain the parameter VpcId'],
    ['ec2', 'DescribeVpcs', 'Colour=red', '400 UnknownParameter: The parameter Colour is not recognized'],
    ['ec2', 'DescribeVpcs', 'Filter.1.Nmae=x', '400 UnknownParameter: The parameter Filter.1.Nmae is not recognized'],
    [
      'ec2',
      'DescribeVpcs',
      'MaxResults=many',
      "400 InvalidParameterValue: Invalid value 'many' for MaxResults. Expected: 'Integer'",
    ],
    [
      'ec2',
      'DescribeVpcs',
      'DryRun=perhaps',
      "400 InvalidParameterValue: Invalid value 'perhaps' for DryRun. Expected: 'Boolean'",
    ],
    ['ec2', 'DescribeVpcs', 'VpcId.x=y', '400 MalformedQueryString: The parameter VpcId.x is malformed.'],
    ['ec2', 'DescribeVpcs', 'VpcId.1.2=y', '400 MalformedQueryString: The parameter VpcId.1 is malformed.'],
    ['ec2', 'DescribeVpcs', 'VpcId.9999999999=y', '400 MalformedQueryString: The parameter VpcId.9999999999 is malformed.'],
    ['ec2', 'DescribeVpcs', 'NextToken=%zz', '400 MalformedQueryString: The query string contains a syntax error.'],
    ['sts', 'AssumeRole', 'RoleArn=a&RoleSessionName=s&DurationSeconds=1e3', '400 MalformedInput: For input string: "1e3"'],
    [
      'sts',
      'AssumeRole',
      'RoleArn=a&RoleSessionName=s&DurationSeconds=99999999999',
      '400 MalformedInput: For input string: "99999999999"',
    ],
    [
      'sts',
      'AssumeRole',
      'RoleArn=a&RoleSessionName=s&Tags.member.1=x',
      '400 MalformedInput: The parameter Tags.1 is malformed.',
    ],
    [
      'cloudformation',
      'CreateStack',
      'StackName=s&DisableRollback=maybe',
      '400 MalformedInput: boolean must follow xsd1.1 definition',
    ],
    [
      'cloudwatch',
      'GetMetricStatistics',
      'Namespace=n&MetricName=m&StartTime=yesterday',
      '400 MalformedInput: timestamp must follow ISO8601',
    ],
    [
      'cloudwatch',
      'PutMetricData',
      'Namespace=n&MetricData.member.2.Value=1&MetricData.member.5.Value=2',
      '400 MissingParameter: The parameter MetricData.member.1.MetricName is required.\nThe parameter MetricData.member.2.MetricName is required.',
    ],
    ['sqs', 'SendMessage', 'QueueUrl=q', '400 MissingParameter: The request must contain the parameter MessageBody.'],
    [
      'sqs',
      'SendMessage',
      'QueueUrl=q&MessageBody=b&MessageAttribute.1.Name=n',
      '400 MalformedInput: The parameter MessageAttribute.1 is malformed.',
    ],
  ])('%s:%s %s', async (service, name, body, expected) => {
    expect(await query(service, name, body)).toBe(expected);
  });

  test('names and numbers of parameters are bounded', async () => {
    expect(await query('iam', 'GetUser', 'a.'.repeat(100))).toMatch(
      /^400 MalformedInput: A parameter's name has more than 64 parts/,
    );
    expect(await query('ec2', 'DescribeVpcs', 'VpcId.1=x&'.repeat(100_001))).toBe(
      '400 RequestLimitExceeded: More than 100000 parameters.',
    );
  });
});

describe('JSON requests', () => {
  const json = (service: string, name: string, body: string) => refusal('awsJson1_0', service, name, { body });

  test('an empty body is an empty input, unknown members and nulls are skipped', async () => {
    expect(await parse('awsJson1_1', 'kms', 'ListKeys', {})).toEqual({});
    expect(
      await parse('awsJson1_1', 'kms', 'ListKeys', { body: '{"Limit":3,"Marker":null,"__type":"x","__proto__":{"a":1}}' }),
    ).toEqual({ Limit: 3 });
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });

  test('times as numbers and texts, blobs, numbers beyond numbers', async () => {
    const body = JSON.stringify({ FunctionName: 'f', Statistic: 1 });
    await expect(parse('awsJson1_1', 'kms', 'ListKeys', { body })).resolves.toEqual({});
    const logs = await parse('awsJson1_1', 'kinesis', 'GetShardIterator', {
      body: '{"StreamName":"s","ShardId":"0","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1.5e9}',
    });
    expect(logs['Timestamp']).toEqual(new Date(1_500_000_000_000));
    const records = await parse('awsJson1_1', 'kinesis', 'PutRecord', {
      body: '{"StreamName":"s","Data":"AP8=","PartitionKey":"p"}',
    });
    expect(records['Data']).toEqual(new Uint8Array([0, 255]));
  });

  const item = (value: string) => `{"TableName":"t","Item":{"k":${value}}}`;
  test.each<[string, string, string, string]>([
    ['dynamodb', 'PutItem', '{', '400 SerializationException: The body is not valid JSON.'],
    ['dynamodb', 'PutItem', '[]', '400 SerializationException: Start of list found where not expected'],
    ['dynamodb', 'PutItem', '"x"', '400 SerializationException: Unexpected value type in payload'],
    ['dynamodb', 'PutItem', '{"TableName":1}', '400 SerializationException: NUMBER_VALUE can not be converted to a String'],
    ['dynamodb', 'PutItem', '{"TableName":true}', '400 SerializationException: TRUE_VALUE can not be converted to a String'],
    [
      'dynamodb',
      'PutItem',
      '{"TableName":{}}',
      '400 SerializationException: Start of structure or map found where not expected.',
    ],
    ['dynamodb', 'PutItem', '{"TableName":"t","Item":"x"}', '400 SerializationException: Unexpected value type in payload'],
    ['dynamodb', 'PutItem', item('{"B":"a-b"}'), '400 SerializationException: Invalid base64 in a blob.'],
    ['dynamodb', 'PutItem', item('{"L":[null]}'), '400 SerializationException: A list may not hold null.'],
    [
      'dynamodb',
      'PutItem',
      item('{}'),
      '400 ValidationException: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes',
    ],
    [
      'dynamodb',
      'PutItem',
      item('{"S":"a","N":"1"}'),
      '400 ValidationException: Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes',
    ],
    [
      'dynamodb',
      'Scan',
      '{"TableName":"t","ExpressionAttributeValues":{":a":{"S":"x"},":b":{"L":[{}]}}}',
      '400 ValidationException: ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes for key :b',
    ],
    [
      'dynamodb',
      'Scan',
      '{"TableName":"t","Limit":1.5}',
      '400 SerializationException: NUMBER_VALUE can not be converted to an Integer',
    ],
    [
      'dynamodb',
      'Scan',
      '{"TableName":"t","Limit":"1"}',
      '400 SerializationException: STRING_VALUE can not be converted to an Integer',
    ],
    [
      'dynamodb',
      'Scan',
      '{"TableName":"t","Limit":99999999999}',
      '400 SerializationException: NUMBER_VALUE can not be converted to an Integer',
    ],
    [
      'dynamodb',
      'CreateTable',
      '{"TableName":"t","KeySchema":[{"KeyType":"HASH"}]}',
      "400 ValidationException: 1 validation error detected: Value null at 'keySchema.1.member.attributeName' failed to satisfy constraint: Member must not be null",
    ],
  ])('%s:%s %s', async (service, name, body, expected) => {
    expect(await json(service, name, body)).toBe(expected);
  });

  test('depth is bounded', async () => {
    expect(await json('dynamodb', 'PutItem', item(`${'{"L":['.repeat(200)}{"S":"x"}${']}'.repeat(200)}`))).toBe(
      '400 SerializationException: More than 128 levels deep.',
    );
    expect(await json('dynamodb', 'PutItem', '['.repeat(100_000))).toMatch(/^400 SerializationException/);
  });
});

describe('compressed bodies', () => {
  const headers = { 'content-encoding': 'gzip' };

  test('are unpacked in every RPC protocol', async () => {
    const json = gzipSync('{"Limit":3}');
    expect(await parse('awsJson1_1', 'kms', 'ListKeys', { headers, body: json })).toEqual({ Limit: 3 });
    expect(await parse('awsQuery', 'iam', 'GetUser', { headers, body: gzipSync('UserName=u') })).toEqual({ UserName: 'u' });
    expect(
      await parse('rpcv2Cbor', 'cloudwatch', 'ListMetrics', { headers, body: gzipSync(Buffer.from('bfff', 'hex')) }),
    ).toEqual({});
  });

  test('are refused when they are not compressed, or unpack to too much', async () => {
    expect(await refusal('awsJson1_1', 'kms', 'ListKeys', { headers, body: '{}' })).toBe(
      '400 SerializationException: The body is not compressed as its Content-Encoding says.',
    );
    const bomb = gzipSync(Buffer.alloc(17 * 1024 * 1024, 0x20));
    expect(await refusal('awsJson1_1', 'kms', 'ListKeys', { headers, body: bomb })).toBe(
      '413 RequestEntityTooLarge: The body unpacks to more than 16777216 bytes.',
    );
  });

  test('of objects stay as they are', async () => {
    const body = gzipSync('x');
    const input = await parse('restXml', 's3', 'PutObject', { method: 'PUT', url: '/b/k', headers, body });
    expect(input['Body']).toEqual(body);
  });
});

describe('REST requests', () => {
  test.each<[Protocol, string, string, Given, string]>([
    [
      'restXml',
      's3',
      'PutBucketTagging',
      { method: 'PUT', url: '/b?tagging', body: '<Tagging>' },
      '400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema',
    ],
    [
      'restXml',
      's3',
      'PutBucketTagging',
      { method: 'PUT', url: '/b?tagging', body: '<Tagging><Tags/></Tagging>' },
      '400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema',
    ],
    [
      'restXml',
      's3',
      'PutBucketTagging',
      { method: 'PUT', url: '/b?tagging' },
      '400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema',
    ],
    [
      'restXml',
      's3',
      'PutBucketTagging',
      { method: 'PUT', url: '/b?tagging', body: '<!DOCTYPE x><Tagging/>' },
      '400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema',
    ],
    [
      'restXml',
      's3',
      'ListObjectsV2',
      { method: 'GET', url: '/b?list-type=2&max-keys=many' },
      '400 InvalidArgument: Provided max-keys not an integer or within integer range',
    ],
    ['restXml', 's3', 'GetObject', { method: 'GET', url: '/b/%zz' }, "400 InvalidURI: Couldn't parse the specified URI."],
    [
      'restJson1',
      'lambda',
      'GetFunction',
      { method: 'GET', url: '/2015-03-31/functions/%zz' },
      "400 SerializationException: Couldn't parse the specified URI.",
    ],
    [
      'restJson1',
      'lambda',
      'ListFunctions',
      { method: 'GET', url: '/2015-03-31/functions?MaxItems=x' },
      '400 SerializationException: For input string: "x"',
    ],
    [
      'restJson1',
      'lambda',
      'CreateAlias',
      { url: '/2015-03-31/functions/f/aliases', body: '{"Name":[]}' },
      '400 SerializationException: Start of list found where not expected',
    ],
    [
      'restJson1',
      'lambda',
      'CreateAlias',
      { url: '/2015-03-31/functions/f/aliases', body: '{"Name":"n"}' },
      "400 ValidationException: 1 validation error detected: Value null at 'functionVersion' failed to satisfy constraint: Member must not be null",
    ],
  ])('%s %s:%s %j', async (protocol, service, name, given, expected) => {
    expect(await refusal(protocol, service, name, given)).toBe(expected);
  });

  test('a streaming payload is handed over as it is', async () => {
    const request = requestOf({ method: 'PUT', url: '/b/k', headers: { 'x-amz-meta-colour': 'red' }, body: 'x' });
    const operation = await operationOf('s3', 'PutObject');
    expect(parseInput('restXml', operation, request)).toEqual({
      Bucket: 'b',
      Key: 'k',
      Body: Buffer.from('x'),
      Metadata: { colour: 'red' },
    });
    const pieces = (async function* () {
      yield new Uint8Array(1);
    })();
    const stream = Object.assign(pieces, { bytes: 1, announcedTrailer: undefined, trailers: Promise.resolve({}) });
    expect(parseInput('restXml', operation, { ...request, stream })['Body']).toBe(stream);
  });
});

test('CBOR that ends too early, or is of other types, is refused', async () => {
  const writer = new CborWriter();
  writer.startMap();
  writer.text('Namespace');
  writer.number(1);
  writer.endMap();
  expect(await refusal('rpcv2Cbor', 'cloudwatch', 'ListMetrics', { body: writer.bytes() })).toBe(
    '400 SerializationException: NUMBER_VALUE can not be converted to a String',
  );
  expect(await refusal('rpcv2Cbor', 'cloudwatch', 'ListMetrics', { body: writer.bytes().subarray(0, 5) })).toMatch(
    /^400 SerializationException: A length beyond the end/,
  );
});

describe('answers', () => {
  test('awsQuery and ec2Query wrap their outputs as AWS does', async () => {
    const get = await operationOf('iam', 'GetUser');
    const user = { Path: '/', UserName: 'a<b', UserId: 'i', Arn: 'a', CreateDate: new Date(1000) };
    expect(serialiseOutput('awsQuery', get, { User: user }, 'r').body).toBe(
      '<GetUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><GetUserResult><User><Path>/</Path><UserName>a&lt;b</UserName><UserId>i</UserId><Arn>a</Arn><CreateDate>1970-01-01T00:00:01Z</CreateDate></User></GetUserResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetUserResponse>',
    );
    const remove = await operationOf('iam', 'DeleteUser');
    expect(serialiseOutput('awsQuery', remove, {}, 'r').body).toBe(
      '<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DeleteUserResponse>',
    );
    const tags = await operationOf('ec2', 'CreateTags');
    expect(serialiseOutput('ec2Query', tags, {}, 'r').body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<CreateTagsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><return>true</return></CreateTagsResponse>',
    );
  });

  test('S3 writes a location as the root itself, and headers that HTTP cannot hold encoded', async () => {
    const location = await operationOf('s3', 'GetBucketLocation');
    expect(serialiseOutput('restXml', location, { LocationConstraint: 'eu-west-1' }, 'r').body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-west-1</LocationConstraint>',
    );
    const head = await operationOf('s3', 'HeadObject');
    expect(serialiseOutput('restXml', head, { Metadata: { name: 'ü' } }, 'r').headers['x-amz-meta-name']).toBe(
      '=?UTF-8?B?w7w=?=',
    );
  });

  test('a value of a wrong type is a bug, not an answer', async () => {
    const get = await operationOf('iam', 'GetUser');
    expect(() => serialiseOutput('awsQuery', get, { User: { CreateDate: 'today' } }, 'r')).toThrow(TypeError);
    const table = await operationOf('dynamodb', 'DescribeTable');
    expect(() => serialiseOutput('awsJson1_0', table, { Table: { ItemCount: '1' } }, 'r')).toThrow(TypeError);
  });

  test('validateOutput names what the model does not allow', async () => {
    const get = await operationOf('iam', 'GetUser');
    const user = {
      Path: '/',
      UserName: 'u',
      UserId: 'i',
      Arn: 'a',
      CreateDate: 'now',
      Colour: 'red',
      Tags: [{ Key: 'k', Value: 1 }],
    };
    expect(validateOutput(get, { User: user })).toEqual([
      'GetUserResponse.User.CreateDate is no timestamp',
      'GetUserResponse.User has no member Colour',
      'GetUserResponse.User.Tags[0].Value is no string',
    ]);
    expect(validateOutput(get, {})).toEqual(['GetUserResponse.User is missing']);
    const item = await operationOf('dynamodb', 'GetItem');
    expect(validateOutput(item, { Item: { k: { S: 'a', N: '1' } } })).toEqual([
      'GetItemOutput.Item.k is a union and has 2 members',
    ]);
    expect(validateOutput(item, { Item: { k: { M: {} } } })).toEqual([]);
  });
});

describe('errors', () => {
  const error: WireError = { code: 'NoSuchEntity', message: 'a<b', status: 404, fault: 'client' };

  async function write(protocol: Protocol, service: string, name: string, given: WireError) {
    const operation = await operationOf(service, name);
    return serialiseError(protocol, operation.service, operation, given, 'r');
  }

  test('each protocol in its own form', async () => {
    expect((await write('awsQuery', 'iam', 'GetUser', error)).body).toBe(
      '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>a&lt;b</Message></Error><RequestId>r</RequestId></ErrorResponse>',
    );
    expect((await write('ec2Query', 'ec2', 'DescribeVpcs', { ...error, code: 'InvalidVpcID.NotFound' })).body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>a&lt;b</Message></Error></Errors><RequestID>r</RequestID></Response>',
    );
    expect((await write('restXml', 's3', 'GetObject', { ...error, code: 'NoSuchKey', members: { Key: 'k' } })).body).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>a&lt;b</Message><Key>k</Key><RequestId>r</RequestId><HostId>r</HostId></Error>',
    );
    expect((await write('restXml', 'route-53', 'GetHostedZone', { ...error, code: 'NoSuchHostedZone' })).body).toBe(
      '<?xml version="1.0"?>\n<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>NoSuchHostedZone</Code><Message>a&lt;b</Message></Error><RequestId>r</RequestId></ErrorResponse>',
    );
    const lambda = await write('restJson1', 'lambda', 'GetFunction', {
      ...error,
      code: 'ResourceNotFoundException',
      members: { Type: 'User' },
    });
    expect(lambda.body).toBe('{"Message":"a<b","Type":"User"}');
    expect(lambda.headers['x-amzn-errortype']).toBe('ResourceNotFoundException');
    expect((await write('awsJson1_1', 'kms', 'DescribeKey', { ...error, code: 'NotFoundException' })).body).toBe(
      '{"__type":"NotFoundException","message":"a<b"}',
    );
    expect((await write('awsJson1_0', 'dynamodb', 'GetItem', { ...error, code: 'ResourceNotFoundException' })).body).toBe(
      '{"__type":"com.amazonaws.dynamodb#ResourceNotFoundException","message":"a<b"}',
    );
  });

  test('by the code of the query protocol or the name of the shape; services that spoke query name its code beside', async () => {
    for (const code of ['QueueDoesNotExist', 'AWS.SimpleQueueService.NonExistentQueue']) {
      const json = await write('awsJson1_0', 'sqs', 'GetQueueUrl', { ...error, code });
      expect(json.body).toBe('{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"a<b"}');
      expect(json.headers['x-amzn-query-error']).toBe('AWS.SimpleQueueService.NonExistentQueue;Sender');
      expect((await write('awsQuery', 'sqs', 'GetQueueUrl', { ...error, code })).body).toContain(
        '<Code>AWS.SimpleQueueService.NonExistentQueue</Code>',
      );
    }
  });

  test('CBOR', async () => {
    const { body, headers } = await write('rpcv2Cbor', 'cloudwatch', 'ListMetrics', { ...error, code: 'InvalidParameterValue' });
    expect({ ...(parseCbor(body as Uint8Array, { depthMax: 4 }) as object) }).toEqual({
      __type: 'com.amazonaws.cloudwatch#InvalidParameterValueException',
      message: 'a<b',
    });
    expect(headers['x-amzn-query-error']).toBe('InvalidParameterValue;Sender');
  });

  test('a request that was not identified', () => {
    const { body, status } = serialiseError(
      'restJson1',
      undefined,
      undefined,
      { ...error, code: 'UnknownOperationException' },
      'r',
    );
    expect([status, body]).toEqual([404, '{"message":"a<b"}']);
  });
});
