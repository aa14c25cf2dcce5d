import { EC2 } from '@aws-sdk/client-ec2';
import { Lambda } from '@aws-sdk/client-lambda';
import { S3 } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { freshAccount, machinesRefused, refused } from '../../support/cloud.ts';
import { ask, serverless } from './support.ts';
import { zipOf } from '../../support/zip.ts';

const echo = 'export const handler = async (event) => ({ got: event });';
const version = (text: string): string => `export const handler = async () => '${text}';`;

test('LMB-001 a handler runs without any machine', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const { account, make, call } = await serverless();
  await make('echo', echo);
  expect(await call('echo', { a: 1 })).toMatchObject({
    status: 200,
    error: undefined,
    body: { got: { a: 1 } },
    version: '$LATEST',
  });
  const { Reservations } = await new EC2(account.config()).describeInstances({});
  expect(Reservations).toEqual([]);
});

test('LMB-003 code comes as an archive or from a bucket, and stays what it was when it was given', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const { account, lambda, role, make, call, settled } = await serverless();
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const Bucket = `code-${account.id}`;
  await s3.createBucket({ Bucket });
  const put = (text: string) => s3.putObject({ Bucket, Key: 'f.zip', Body: zipOf({ 'index.mjs': version(text) }) });
  await put('one');
  await lambda.createFunction({
    FunctionName: 'stored',
    Runtime: 'nodejs20.x',
    Handler: 'index.handler',
    Role: role,
    Code: { S3Bucket: Bucket, S3Key: 'f.zip' },
  });
  await settled('stored');
  expect((await call('stored')).body).toBe('one');
  await put('two');
  expect((await call('stored')).body).toBe('one');
  const before = await lambda.getFunction({ FunctionName: 'stored' });
  await lambda.updateFunctionCode({ FunctionName: 'stored', S3Bucket: Bucket, S3Key: 'f.zip' });
  await settled('stored');
  expect((await call('stored')).body).toBe('two');
  const { Configuration, Code } = await lambda.getFunction({ FunctionName: 'stored' });
  expect(Configuration?.CodeSha256).not.toBe(before.Configuration?.CodeSha256);
  expect((await ask(Code?.Location ?? '')).headers['content-length']).toBe(String(Configuration?.CodeSize));
  expect((await ask((Code?.Location ?? '').replace(/ticket=.{8}/, 'ticket=AAAAAAAA'))).status).toBe(403);
  await refused(
    lambda.updateFunctionCode({ FunctionName: 'stored', S3Bucket: Bucket, S3Key: 'none.zip' }),
    'InvalidParameterValueException',
    'Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.',
  );
  await make('direct', version('direct'));
  await refused(
    lambda.updateFunctionCode({ FunctionName: 'direct', ZipFile: Buffer.alloc(52_428_801) }),
    'RequestEntityTooLargeException',
    'Request must be smaller than 70167211 bytes for the UpdateFunctionCode operation',
    413,
  );
});

test('archives that are none, lead out of their folder or hide more than they say are refused', async () => {
  const { lambda, role } = await serverless();
  const create = (ZipFile: Buffer) =>
    lambda.createFunction({
      FunctionName: 'bad',
      Runtime: 'nodejs20.x',
      Handler: 'index.handler',
      Role: role,
      Code: { ZipFile },
    });
  const unreadable = 'Could not unzip uploaded file. Please check your file, then try to upload again.';
  await refused(create(Buffer.from('no archive')), 'InvalidParameterValueException', unreadable, 400);
  await refused(create(zipOf({ '../../etc/evil': 'x' })), 'InvalidParameterValueException', unreadable);
  await refused(create(zipOf({ '/etc/evil': 'x' })), 'InvalidParameterValueException', unreadable);
  await refused(create(zipOf({ link: '/etc/passwd' }, { link: 0o120777 })), 'InvalidParameterValueException', unreadable);
  await refused(create(zipOf({ link: '../../x' }, { link: 0o120777 })), 'InvalidParameterValueException', unreadable);
  const bomb = zipOf({ big: 'x' });
  // The directory says that 300 MB were compressed.
  const directory = bomb.indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
  bomb.writeUInt16LE(8, directory + 10);
  bomb.writeUInt32LE(300_000_000, directory + 24);
  await refused(create(bomb), 'InvalidParameterValueException', 'Unzipped size must be smaller than 262144000 bytes');
});

test('LMB-004 memory and timeout have defaults, and calls obey their changes', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const { lambda, make, call, settled } = await serverless();
  await make(
    'plain',
    'export const handler = async (e, c) => { await new Promise((r) => setTimeout(r, e.wait ?? 0)); return [c.memoryLimitInMB, process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE]; };',
  );
  const { MemorySize, Timeout } = await lambda.getFunctionConfiguration({ FunctionName: 'plain' });
  expect([MemorySize, Timeout]).toEqual([128, 3]);
  expect((await call('plain')).body).toEqual(['128', '128']);
  const changed = await lambda.updateFunctionConfiguration({ FunctionName: 'plain', MemorySize: 256, Timeout: 1 });
  expect(changed.LastUpdateStatus).toBe('InProgress');
  await refused(
    lambda.updateFunctionConfiguration({ FunctionName: 'plain', Timeout: 2 }),
    'ResourceConflictException',
    /An update is in progress for resource/,
    409,
  );
  await settled('plain');
  expect((await call('plain')).body).toEqual(['256', '256']);
  expect(await call('plain', { wait: 1500 })).toMatchObject({
    error: 'Unhandled',
    body: { errorMessage: expect.stringContaining('Task timed out after 1.00 seconds') },
  });
});

test('LMB-005 memory is from 128 to 10,240 MB', async () => {
  const { lambda, role } = await serverless();
  const create = (FunctionName: string, MemorySize: number) =>
    lambda.createFunction({
      FunctionName,
      MemorySize,
      Runtime: 'nodejs20.x',
      Handler: 'index.handler',
      Role: role,
      Code: { ZipFile: zipOf({ 'index.mjs': echo }) },
    });
  for (const size of [128, 1769, 10_240]) expect((await create(`m${size}`, size)).MemorySize).toBe(size);
  await refused(
    create('small', 127),
    'ValidationException',
    "1 validation error detected: Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128",
    400,
  );
  await refused(
    create('large', 10_241),
    'ValidationException',
    "1 validation error detected: Value '10241' at 'memorySize' failed to satisfy constraint: Member must have value less than or equal to 10240",
  );
});

test('what cannot be created says why', async () => {
  const { account, lambda, role, make } = await serverless();
  const create = (more: object) =>
    lambda.createFunction({
      FunctionName: 'odd',
      Runtime: 'nodejs20.x',
      Handler: 'index.handler',
      Role: role,
      Code: { ZipFile: zipOf({ 'index.mjs': echo }) },
      ...more,
    });
  const invalid = 'InvalidParameterValueException';
  await refused(create({ Runtime: 'cobol1.x' }), invalid, /^Value cobol1\.x at 'runtime' failed to satisfy constraint/);
  await refused(
    create({ Role: `arn:aws:iam::${account.id}:role/none` }),
    invalid,
    'The role defined for the function cannot be assumed by Lambda.',
  );
  await refused(create({ Role: 'admin' }), 'ValidationException', /Value 'admin' at 'role' failed to satisfy constraint/);
  await refused(create({ Timeout: 901 }), 'ValidationException', /less than or equal to 900/);
  await refused(
    create({ Environment: { Variables: { AWS_REGION: 'x' } } }),
    invalid,
    /Reserved keys used in this request: AWS_REGION/,
  );
  await refused(create({ Environment: { Variables: { '1a': 'x' } } }), 'ValidationException');
  await refused(create({ Environment: { Variables: { AAA: 'x'.repeat(4097) } } }), invalid, /exceeded the 4KB limit/);
  await refused(create({ PackageType: 'Image' }), 'NotImplemented', undefined, 501);
  await refused(create({ FunctionName: 'a b' }), 'ValidationException', /Value 'a b' at 'functionName'/);
  await make('taken', echo);
  await refused(create({ FunctionName: 'taken' }), 'ResourceConflictException', 'Function already exist: taken', 409);
  const missing = `Function not found: arn:aws:lambda:us-east-1:${account.id}:function:none`;
  await refused(lambda.getFunction({ FunctionName: 'none' }), 'ResourceNotFoundException', missing, 404);
  await refused(lambda.invoke({ FunctionName: 'none' }), 'ResourceNotFoundException', missing);
  await refused(lambda.deleteFunction({ FunctionName: 'none' }), 'ResourceNotFoundException', missing);
});

test('versions stay, aliases lead to them and share calls between two', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const { lambda, arnOf, make, call, settled } = await serverless();
  await make('app', version('one'));
  const one = await lambda.publishVersion({ FunctionName: 'app' });
  expect([one.Version, one.FunctionArn]).toEqual(['1', `${arnOf('app')}:1`]);
  expect((await lambda.publishVersion({ FunctionName: 'app' })).Version).toBe('1');
  await lambda.updateFunctionCode({ FunctionName: 'app', ZipFile: zipOf({ 'index.mjs': version('two') }) });
  await settled('app');
  await refused(
    lambda.publishVersion({ FunctionName: 'app', CodeSha256: one.CodeSha256 }),
    'InvalidParameterValueException',
    /is different from current CodeSHA256/,
  );
  expect((await lambda.publishVersion({ FunctionName: 'app' })).Version).toBe('2');
  await lambda.createAlias({ FunctionName: 'app', Name: 'live', FunctionVersion: '1' });
  expect(await call('app:live')).toMatchObject({ body: 'one', version: '1' });
  expect(await call('app')).toMatchObject({ body: 'two', version: '$LATEST' });
  await lambda.updateAlias({ FunctionName: 'app', Name: 'live', RoutingConfig: { AdditionalVersionWeights: { '2': 1 } } });
  expect(await call('app', {}, { Qualifier: 'live' })).toMatchObject({ body: 'two', version: '2' });
  const { Versions = [] } = await lambda.listVersionsByFunction({ FunctionName: 'app' });
  expect(Versions.map(({ Version }) => Version)).toEqual(['$LATEST', '1', '2']);
  await refused(
    lambda.deleteFunction({ FunctionName: 'app', Qualifier: '2' }),
    'ResourceConflictException',
    /aliases reference it: \[live\]/,
  );
  await refused(
    lambda.getAlias({ FunctionName: 'app', Name: 'none' }),
    'ResourceNotFoundException',
    `Cannot find alias arn: ${arnOf('app')}:none`,
  );
  await refused(lambda.createAlias({ FunctionName: 'app', Name: '123', FunctionVersion: '1' }), 'ValidationException');
  await refused(
    lambda.createAlias({ FunctionName: 'app', Name: 'live', FunctionVersion: '1' }),
    'ResourceConflictException',
    `Alias already exists: ${arnOf('app')}:live`,
  );
  await refused(
    lambda.invoke({ FunctionName: 'app', Qualifier: '9' }),
    'ResourceNotFoundException',
    `Function not found: ${arnOf('app')}:9`,
  );
  await refused(
    lambda.updateAlias({ FunctionName: 'app', Name: 'live', Description: 'x', RevisionId: 'old' }),
    'PreconditionFailedException',
    undefined,
    412,
  );
});

test('other accounts and services call a function only when its policy lets them', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const { lambda, arnOf, make } = await serverless();
  await make('shared', echo);
  const other = freshAccount();
  const stranger = new Lambda(other.config());
  const FunctionName = arnOf('shared');
  await refused(
    stranger.invoke({ FunctionName }),
    'AccessDeniedException',
    /because no resource-based policy allows the lambda:InvokeFunction action/,
  );
  const { Statement = '' } = await lambda.addPermission({
    FunctionName: 'shared',
    StatementId: 'other',
    Action: 'lambda:InvokeFunction',
    Principal: other.id,
  });
  expect(JSON.parse(Statement)).toEqual({
    Sid: 'other',
    Effect: 'Allow',
    Principal: { AWS: `arn:aws:iam::${other.id}:root` },
    Action: 'lambda:InvokeFunction',
    Resource: FunctionName,
  });
  expect(Buffer.from((await stranger.invoke({ FunctionName, Payload: '1' })).Payload ?? '').toString()).toBe('{"got":1}');
  await refused(
    lambda.addPermission({ FunctionName: 'shared', StatementId: 'other', Action: 'lambda:InvokeFunction', Principal: other.id }),
    'ResourceConflictException',
    'The statement id (other) provided already exists. Please provide a new statement id, or remove the existing statement.',
  );
  await lambda.removePermission({ FunctionName: 'shared', StatementId: 'other' });
  await refused(stranger.invoke({ FunctionName }), 'AccessDeniedException');
  await refused(
    lambda.getPolicy({ FunctionName: 'shared' }),
    'ResourceNotFoundException',
    'The resource you requested does not exist.',
    404,
  );
  await refused(
    lambda.removePermission({ FunctionName: 'shared', StatementId: 'other' }),
    'ResourceNotFoundException',
    'No policy is associated with the given resource.',
  );
});
