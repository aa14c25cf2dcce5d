/** Imports of objects in S3 into new tables. */
import { gzipSync } from 'node:zlib';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import type { ImportTableCommandInput } from '@aws-sdk/client-dynamodb';
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, PutUserPolicyCommand } from '@aws-sdk/client-iam';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { S3 } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { freshDynamo, makeTable } from './support-tables.ts';

describe('ImportTable', () => {
  const { account, dynamo } = freshDynamo();
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const bucket = `imports-${account.id}`;
  let count = 0;

  beforeAll(async () => {
    await s3.createBucket({ Bucket: bucket });
  });

  const request = (changes: Partial<ImportTableCommandInput> = {}): ImportTableCommandInput => {
    count += 1;
    return {
      S3BucketSource: { S3Bucket: bucket },
      InputFormat: 'DYNAMODB_JSON',
      ...changes,
      TableCreationParameters: {
        TableName: `imported-${count}`,
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        BillingMode: 'PAY_PER_REQUEST',
        ...changes.TableCreationParameters,
      },
    };
  };

  const ended = (ImportArn: string | undefined) =>
    eventually(
      async () => {
        const { ImportTableDescription: found } = await dynamo.describeImport({ ImportArn });
        expect(found!.ImportStatus).not.toBe('IN_PROGRESS');
        return found!;
      },
      { why: 'the import ends', timeoutMs: 20_000 },
    );

  /** Imports these objects, under a prefix of their own. */
  const run = async (objects: Readonly<Record<string, string | Uint8Array>>, changes: Partial<ImportTableCommandInput> = {}) => {
    const prefix = `case-${count}/`;
    for (const [name, Body] of Object.entries(objects)) await s3.putObject({ Bucket: bucket, Key: prefix + name, Body });
    const input = request({ S3BucketSource: { S3Bucket: bucket, S3KeyPrefix: prefix }, ...changes });
    const { ImportTableDescription: begun } = await dynamo.importTable(input);
    const end = await ended(begun!.ImportArn);
    return { name: input.TableCreationParameters!.TableName!, begun: begun!, end };
  };

  const all = async (TableName: string) =>
    (await dynamo.scan({ TableName })).Items!.sort((a, b) => a['id']!.S!.localeCompare(b['id']!.S!));

  it('makes a table of what an export wrote, values of every type, and says what it did', async () => {
    const source = await makeTable(dynamo, {
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    });
    const item = {
      ...{ id: { S: 'all "quoted" {braces} \\' }, n: { N: '-1.5' }, b: { B: new Uint8Array([0, 255]) }, yes: { BOOL: true } },
      ...{ none: { NULL: true as const }, ss: { SS: ['a'] }, bs: { BS: [new Uint8Array([1])] }, empty: { S: '' } },
      deep: { M: { l: { L: [{ B: new Uint8Array([120]) }, { S: 'ä😀' }] } } },
    };
    await dynamo.updateContinuousBackups({
      TableName: source,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
    await dynamo.putItem({ TableName: source, Item: item });
    const TableArn = (await dynamo.describeTable({ TableName: source })).Table!.TableArn!;
    const { ExportDescription } = await dynamo.exportTableToPointInTime({ TableArn, S3Bucket: bucket, S3Prefix: 'exported' });
    const folder = await eventually(
      async () => {
        const found = await dynamo.describeExport({ ExportArn: ExportDescription!.ExportArn });
        expect(found.ExportDescription!.ExportStatus).toBe('COMPLETED');
        return found.ExportDescription!.ExportManifest!.replace('manifest-summary.json', 'data/');
      },
      { why: 'the export ends' },
    );
    const input = request({ S3BucketSource: { S3Bucket: bucket, S3KeyPrefix: folder }, InputCompressionType: 'GZIP' });
    const { ImportTableDescription: begun } = await dynamo.importTable(input);
    expect(begun).toMatchObject({
      ...{
        ImportStatus: 'IN_PROGRESS',
        ProcessedItemCount: 0,
        ImportedItemCount: 0,
        ErrorCount: 0,
        InputCompressionType: 'GZIP',
      },
      ...{ TableCreationParameters: input.TableCreationParameters, S3BucketSource: input.S3BucketSource },
      CloudWatchLogGroupArn: `arn:aws:logs:us-east-1:${account.id}:log-group:/aws-dynamodb/imports:*`,
    });
    expect(begun!.ImportArn).toMatch(new RegExp(`^${begun!.TableArn}/import/`));
    expect([begun!.EndTime, begun!.ProcessedSizeBytes, begun!.FailureCode]).toEqual([undefined, undefined, undefined]);
    const end = await ended(begun!.ImportArn);
    expect(end).toMatchObject({ ImportStatus: 'COMPLETED', ProcessedItemCount: 1, ImportedItemCount: 1, ErrorCount: 0 });
    const name = input.TableCreationParameters!.TableName!;
    expect(await all(name)).toEqual([item]);
    const { Table } = await dynamo.describeTable({ TableName: name });
    expect(Table).toMatchObject({ TableStatus: 'ACTIVE', TableId: begun!.TableId });
    await refused(dynamo.importTable(input), 'ResourceInUseException', `Table already exists: ${name}`);
  });

  it('reads values without line breaks between them, several objects, and counts unpacked bytes', async () => {
    const text = '{"Item":{"id":{"S":"a"}}}\n\n   \n{"Item":{"id":{"S":"b"}}}{"Item":{"id":{"S":"a"},"v":{"N":"2"}}}';
    const plain = await run({ 'one.json': text, empty: '' });
    expect(plain.end).toMatchObject({ ImportStatus: 'COMPLETED', ImportedItemCount: 3, ProcessedSizeBytes: text.length });
    expect(plain.end.InputCompressionType).toBe('NONE');
    expect(await all(plain.name)).toEqual([{ id: { S: 'a' }, v: { N: '2' } }, { id: { S: 'b' } }]);
    const packed = await run({ 'one.json': gzipSync(text) }, { InputCompressionType: 'GZIP' });
    expect(packed.end).toMatchObject({ ImportStatus: 'COMPLETED', ProcessedSizeBytes: text.length });
    const zstd = 'KLUv/QRYvQEA9AJ7Ikl0ZW0iOnsiaWQiOnsiUyI6InoxIn0sIm4iOnsiTiI6IjEifX19CjIifX19CgEAYZ8qA4slhjQ=';
    const other = await run({ 'one.json': Buffer.from(zstd, 'base64') }, { InputCompressionType: 'ZSTD' });
    expect(await all(other.name)).toEqual([{ id: { S: 'z1' }, n: { N: '1' } }, { id: { S: 'z2' } }]);
    const nothing = await run({});
    expect(nothing.end).toMatchObject({ ImportStatus: 'COMPLETED', ProcessedItemCount: 0 });
    expect(await all(nothing.name)).toEqual([]);
  });

  it('reads CSV by its header, keys by their types and all else as strings, into indexes too', async () => {
    const csv = 'id,score,note,b\r\n1,10,"with, comma and ""quotes""",x\n2,9.5,,y\n3,many,,z\n4,1,a,b,c\n5,7\n';
    const creation = {
      TableName: 'scores',
      AttributeDefinitions: [
        { AttributeName: 'id', AttributeType: 'S' as const },
        { AttributeName: 'score', AttributeType: 'N' as const },
      ],
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' as const }],
      GlobalSecondaryIndexes: [
        {
          IndexName: 'by-score',
          KeySchema: [{ AttributeName: 'score', KeyType: 'HASH' as const }],
          Projection: { ProjectionType: 'ALL' as const },
        },
      ],
    };
    const { end } = await run({ 'a.csv': csv }, { InputFormat: 'CSV', TableCreationParameters: creation });
    expect(end).toMatchObject({
      ImportStatus: 'FAILED',
      FailureCode: 'ItemValidationError',
      ErrorCount: 2,
      ImportedItemCount: 3,
    });
    expect(await all('scores')).toEqual([
      { id: { S: '1' }, score: { N: '10' }, note: { S: 'with, comma and "quotes"' }, b: { S: 'x' } },
      { id: { S: '2' }, score: { N: '9.5' }, note: { S: '' }, b: { S: 'y' } },
      { id: { S: '5' }, score: { N: '7' } },
    ]);
    const found = await dynamo.query({
      ...{ TableName: 'scores', IndexName: 'by-score', KeyConditionExpression: 'score = :s' },
      ExpressionAttributeValues: { ':s': { N: '10' } },
    });
    expect(found.Count).toBe(1);
    const InputFormatOptions = { Csv: { Delimiter: ';', HeaderList: ['id', 'v'] } };
    const named = await run({ 'b.csv': 'x;1\ny;2\n' }, { InputFormat: 'CSV', InputFormatOptions });
    expect(named.end).toMatchObject({ ImportStatus: 'COMPLETED', InputFormatOptions });
    expect(await all(named.name)).toEqual([
      { id: { S: 'x' }, v: { S: '1' } },
      { id: { S: 'y' }, v: { S: '2' } },
    ]);
  });

  it('counts and logs what is no item, and keeps the others', async () => {
    const bad = {
      'a-good': '{"Item":{"id":{"S":"good"}}}\n',
      'b-no-item': '{"Other":{"id":{"S":"x"}}}\n{"Item":{"id":{"S":"never read"}}}\n',
      'c-no-key': '{"Item":{"v":{"S":"x"}}}\n{"Item":{"id":{"S":"after it"}}}\n',
      'd-type': '{"Item":{"id":{"N":"1"}}}\n',
      'e-broken': '{"Item": ',
      'f-unnamed': '{"Item":{"id":{"S":"x"},"":{"S":"v"}}}',
    };
    const { name, end } = await run(bad);
    expect(end).toMatchObject({
      ...{
        ImportStatus: 'FAILED',
        FailureCode: 'ItemValidationError',
        ProcessedItemCount: 7,
        ImportedItemCount: 2,
        ErrorCount: 5,
      },
      FailureMessage: 'Some of the items failed validation checks. Please check CloudWatch error logs for more details.',
    });
    expect((await all(name)).map(({ id }) => id!.S)).toEqual(['after it', 'good']);
    const logs = new CloudWatchLogs(account.config());
    const events = await eventually(
      async () => {
        const found = await logs.getLogEvents({
          ...{ logGroupName: '/aws-dynamodb/imports', startFromHead: true },
          logStreamName: `${end.ImportArn!.split('/').at(-1)}/error`,
        });
        expect(found.events).toHaveLength(5);
        return found.events!.map(({ message }) => JSON.parse(message!) as Record<string, unknown>);
      },
      { why: 'the errors are in the log' },
    );
    const key = end.S3BucketSource!.S3KeyPrefix;
    expect(events[1]).toEqual({
      itemS3Pointers: [{ bucket, key: `${key}c-no-key`, itemIndex: 0 }],
      importArn: end.ImportArn,
      errorMessages: ['One or more parameter values were invalid: Missing the key id in the item'],
    });
    const packed = await run({ 'not.gz': 'plain' }, { InputCompressionType: 'GZIP' });
    expect(packed.end).toMatchObject({ ImportStatus: 'FAILED', ErrorCount: 1, ImportedItemCount: 0 });
  });

  it('leaves no table behind when the bucket is not there or may not be read', async () => {
    const input = request({ S3BucketSource: { S3Bucket: `none-${account.id}` } });
    const { ImportTableDescription } = await dynamo.importTable(input);
    const end = await ended(ImportTableDescription!.ImportArn);
    expect(end).toMatchObject({
      ...{ ImportStatus: 'FAILED', FailureCode: 'S3NoSuchBucket', FailureMessage: 'The specified bucket does not exist' },
      ...{ ProcessedItemCount: 0, ErrorCount: 0 },
    });
    await refused(dynamo.describeTable({ TableName: input.TableCreationParameters!.TableName! }), 'ResourceNotFoundException');
    const iam = new IAMClient(account.config());
    await iam.send(new CreateUserCommand({ UserName: 'importer' }));
    const statement = { Effect: 'Allow', Action: ['dynamodb:ImportTable', 's3:ListBucket'], Resource: '*' };
    const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
    await iam.send(new PutUserPolicyCommand({ UserName: 'importer', PolicyName: 'p', PolicyDocument }));
    const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'importer' }));
    const credentials = { accessKeyId: AccessKey!.AccessKeyId!, secretAccessKey: AccessKey!.SecretAccessKey! };
    const user = new DynamoDB({ ...account.config(), credentials });
    await s3.putObject({ Bucket: bucket, Key: 'secret/x', Body: '{"Item":{"id":{"S":"secret"}}}' });
    const secret = await user.importTable(request({ S3BucketSource: { S3Bucket: bucket, S3KeyPrefix: 'secret/' } }));
    const refusal = await ended(secret.ImportTableDescription!.ImportArn);
    expect(refusal).toMatchObject({ ImportStatus: 'FAILED', FailureCode: expect.stringMatching(/^S3(AccessDenied|Forbidden)/) });
    await refused(user.describeImport({ ImportArn: secret.ImportTableDescription!.ImportArn }), 'AccessDeniedException');
  });

  it('refuses what cannot be imported', async () => {
    const wrong = async (changes: Partial<ImportTableCommandInput>, message: string | RegExp) =>
      refused(dynamo.importTable(request(changes)), 'ValidationException', message);
    await wrong(
      { InputFormat: 'XML' as never },
      "1 validation error detected: Value 'XML' at 'inputFormat' failed to satisfy constraint: Member must satisfy enum value set: [ION, CSV, DYNAMODB_JSON]",
    );
    await wrong(
      { InputCompressionType: 'BZIP2' as never },
      "1 validation error detected: Value 'BZIP2' at 'inputCompressionType' failed to satisfy constraint: Member must satisfy enum value set: [GZIP, ZSTD, NONE]",
    );
    await wrong({ S3BucketSource: { S3Bucket: '-nope!' } }, /s3BucketSource.s3Bucket/);
    await wrong({ S3BucketSource: { S3Bucket: bucket, S3KeyPrefix: 'p'.repeat(1025) } }, /s3BucketSource.s3KeyPrefix/);
    await wrong({ ClientToken: 'a$b' }, /clientToken/);
    await wrong(
      { InputFormatOptions: { Csv: { Delimiter: ',' } } },
      'InputFormatOptions cannot be given for the InputFormat DYNAMODB_JSON',
    );
    await wrong({ InputFormat: 'CSV', InputFormatOptions: { Csv: { Delimiter: '#' } } }, /inputFormatOptions.csv.delimiter/);
    await wrong(
      { TableCreationParameters: { ...request().TableCreationParameters!, BillingMode: 'PROVISIONED' } },
      'One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED',
    );
    await refused(dynamo.importTable(request({ InputFormat: 'ION' })), 'NotImplemented', /InputFormat ION/);
    const arn = `arn:aws:dynamodb:us-east-1:${account.id}:table`;
    await refused(dynamo.describeImport({ ImportArn: `${arn}/x/import/01658528578619-c4d4e311` }), 'ValidationException');
    await refused(dynamo.describeImport({ ImportArn: `${arn}/xxx/import/01658528578619-c4d4e311` }), 'ImportNotFoundException');
    await refused(dynamo.listImports({ PageSize: 26 }), 'ValidationException', /pageSize/);
    await refused(dynamo.listImports({ NextToken: '0'.repeat(112) }), 'ValidationException', 'Invalid NextToken');
  });

  it('lists imports by page and by table', async () => {
    const { ImportSummaryList: first, NextToken } = await dynamo.listImports({ PageSize: 2 });
    expect(first).toHaveLength(2);
    const { ImportSummaryList: second } = await dynamo.listImports({ PageSize: 2, NextToken });
    const arns = [...first!, ...second!].map(({ ImportArn }) => ImportArn);
    expect(new Set(arns).size).toBe(4);
    const { ImportSummaryList: of } = await dynamo.listImports({ TableArn: first![0]!.TableArn });
    expect(of!.map(({ ImportArn }) => ImportArn)).toEqual([arns[0]]);
    expect(Object.keys(of![0]!).sort()).toEqual(
      [
        'CloudWatchLogGroupArn',
        'EndTime',
        'ImportArn',
        'ImportStatus',
        'InputFormat',
        'S3BucketSource',
        'StartTime',
        'TableArn',
      ].sort(),
    );
  });
});
