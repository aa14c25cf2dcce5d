import { type AttributeValue, DynamoDB } from '@aws-sdk/client-dynamodb';
import { S3 } from '@aws-sdk/client-s3';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { advanceClock, cloudTime, eventually, freshAccount, refused, startOwnCloud } from '../../support/cloud.ts';
import { freshDynamo, makeSimpleTable, makeTable } from './support-tables.ts';

const { account, dynamo } = freshDynamo();
const s = (S: string): AttributeValue => ({ S });

async function itemsOf(client: DynamoDB, TableName: string): Promise<string[]> {
  const { Items } = await client.scan({ TableName });
  return (Items ?? []).map(({ pk, v }) => `${pk?.S}=${v?.S}`).sort();
}

const whenActive = (client: DynamoDB, TableName: string) =>
  eventually(async () => expect((await client.describeTable({ TableName })).Table?.TableStatus).toBe('ACTIVE'), {
    why: `${TableName} becomes active`,
  });

test('a global index is added to a table with items, filled, and taken away', async () => {
  const TableName = await makeTable(dynamo);
  for (let i = 0; i < 30; i++)
    await dynamo.putItem({ TableName, Item: { pk: s('a'), sk: { N: String(i) }, ...(i % 3 === 0 ? { tag: s('t') } : {}) } });
  await dynamo.putItem({ TableName, Item: { pk: s('a'), sk: { N: '99' }, tag: { N: '1' } } });
  const created = await dynamo.updateTable({
    TableName,
    AttributeDefinitions: [{ AttributeName: 'tag', AttributeType: 'S' }],
    GlobalSecondaryIndexUpdates: [
      {
        Create: {
          IndexName: 'by-tag',
          KeySchema: [{ AttributeName: 'tag', KeyType: 'HASH' }],
          Projection: { ProjectionType: 'ALL' },
        },
      },
    ],
  });
  expect(created.TableDescription?.GlobalSecondaryIndexes?.[0]).toMatchObject({ IndexStatus: 'CREATING', Backfilling: true });
  await eventually(
    async () => {
      const { Table } = await dynamo.describeTable({ TableName });
      expect(Table?.GlobalSecondaryIndexes?.[0]).toMatchObject({ IndexStatus: 'ACTIVE', ItemCount: 10 });
    },
    { why: 'the index is filled' },
  );
  const query = {
    TableName,
    IndexName: 'by-tag',
    KeyConditionExpression: 'tag = :t',
    ExpressionAttributeValues: { ':t': s('t') },
  };
  expect((await dynamo.query(query)).Count).toBe(10);
  await refused(
    dynamo.putItem({ TableName, Item: { pk: s('a'), sk: { N: '98' }, tag: { N: '1' } } }),
    'ValidationException',
    'One or more parameter values were invalid: Type mismatch for Index Key tag Expected: S Actual: N IndexName: by-tag',
  );
  await whenActive(dynamo, TableName);
  await dynamo.updateTable({ TableName, GlobalSecondaryIndexUpdates: [{ Delete: { IndexName: 'by-tag' } }] });
  await eventually(
    async () => expect((await dynamo.describeTable({ TableName })).Table?.GlobalSecondaryIndexes).toBeUndefined(),
    { why: 'the index goes' },
  );
  await refused(dynamo.query(query), 'ValidationException', 'The table does not have the specified index: by-tag');
});

test('a backup keeps what was, and is restored into a new table', async () => {
  const TableName = await makeSimpleTable(dynamo);
  await dynamo.putItem({ TableName, Item: { pk: s('a'), v: s('1') } });
  await dynamo.putItem({ TableName, Item: { pk: s('b'), v: s('1') } });
  const { BackupDetails } = await dynamo.createBackup({ TableName, BackupName: 'nightly' });
  const BackupArn = BackupDetails?.BackupArn ?? '';
  await dynamo.putItem({ TableName, Item: { pk: s('a'), v: s('2') } });
  await dynamo.deleteItem({ TableName, Key: { pk: s('b') } });
  await dynamo.putItem({ TableName, Item: { pk: s('c'), v: s('2') } });
  await eventually(
    async () => {
      const { BackupDescription } = await dynamo.describeBackup({ BackupArn });
      expect(BackupDescription).toMatchObject({
        BackupDetails: { BackupStatus: 'AVAILABLE', BackupName: 'nightly' },
        SourceTableDetails: { ItemCount: 2 },
      });
    },
    { why: 'the backup is made' },
  );
  await dynamo.restoreTableFromBackup({ BackupArn, TargetTableName: `${TableName}-old` });
  await whenActive(dynamo, `${TableName}-old`);
  expect(await itemsOf(dynamo, `${TableName}-old`)).toEqual(['a=1', 'b=1']);
  expect(await itemsOf(dynamo, TableName)).toEqual(['a=2', 'c=2']);
  await refused(
    dynamo.restoreTableFromBackup({ BackupArn, TargetTableName: TableName }),
    'TableAlreadyExistsException',
    `Table already exists: ${TableName}`,
  );
  expect((await dynamo.listBackups({ TableName })).BackupSummaries).toHaveLength(1);
  await dynamo.deleteBackup({ BackupArn });
  await refused(dynamo.describeBackup({ BackupArn }), 'BackupNotFoundException', `Backup not found: ${BackupArn}`);
});

test('DR-017 a table is restored as it was a second before a mistake, up to 35 days back', { timeout: 60_000 }, async () => {
  const cloud = await startOwnCloud();
  try {
    const client = new DynamoDB(freshAccount(cloud.endpoint).config());
    const TableName = await makeSimpleTable(client);
    const restore = (to: string, RestoreDateTime: Date) =>
      client.restoreTableToPointInTime({ SourceTableName: TableName, TargetTableName: to, RestoreDateTime });
    await refused(
      restore('none', new Date()),
      'PointInTimeRecoveryUnavailableException',
      `Point in time recovery is not enabled for table '${TableName}'`,
    );
    await client.updateContinuousBackups({
      TableName,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
    const put = (pk: string, v: string) => client.putItem({ TableName, Item: { pk: s(pk), v: s(v) } });
    await put('a', '1');
    await put('b', '1');
    await advanceClock(cloud.endpoint, 2000);
    const moment = new Date(await cloudTime(cloud.endpoint));
    await advanceClock(cloud.endpoint, 2000);
    await put('a', '2');
    await put('a', '3');
    await client.deleteItem({ TableName, Key: { pk: s('b') } });
    await put('c', '1');
    await restore('then', moment);
    await whenActive(client, 'then');
    expect(await itemsOf(client, 'then')).toEqual(['a=1', 'b=1']);
    await client.restoreTableToPointInTime({ SourceTableName: TableName, TargetTableName: 'now', UseLatestRestorableTime: true });
    await whenActive(client, 'now');
    expect(await itemsOf(client, 'now')).toEqual(['a=3', 'c=1']);
    await refused(restore('early', new Date(moment.getTime() - 86_400_000)), 'InvalidRestoreTimeException');
    const day = 86_400_000;
    await advanceClock(cloud.endpoint, 20 * day);
    const before = new Date(await cloudTime(cloud.endpoint));
    await advanceClock(cloud.endpoint, 1000);
    await client.deleteItem({ TableName, Key: { pk: s('c') } });
    await advanceClock(cloud.endpoint, 16 * day);
    await refused(restore('old', moment), 'InvalidRestoreTimeException', 'RestoreDateTime is too early');
    await restore('old', before);
    await whenActive(client, 'old');
    expect(await itemsOf(client, 'old')).toEqual(['a=3', 'c=1']);
    const { ContinuousBackupsDescription } = await client.describeContinuousBackups({ TableName });
    const { EarliestRestorableDateTime } = ContinuousBackupsDescription!.PointInTimeRecoveryDescription!;
    expect(Math.round(((await cloudTime(cloud.endpoint)) - EarliestRestorableDateTime!.getTime()) / day)).toBe(35);
  } finally {
    await cloud.stop();
  }
});

test('DDB-015 DDB-016 a global table is written in every Region, and the later writer wins everywhere', async () => {
  const TableName = await makeSimpleTable(dynamo);
  const tokyo = new DynamoDB(account.config({ region: 'ap-northeast-1' }));
  await dynamo.putItem({ TableName, Item: { pk: s('before'), v: s('1') } });
  const create = () => dynamo.updateTable({ TableName, ReplicaUpdates: [{ Create: { RegionName: 'ap-northeast-1' } }] });
  await create();
  await whenActive(tokyo, TableName);
  await whenActive(dynamo, TableName);
  expect((await dynamo.describeTable({ TableName })).Table).toMatchObject({
    GlobalTableVersion: '2019.11.21',
    Replicas: [{ RegionName: 'ap-northeast-1', ReplicaStatus: 'ACTIVE' }],
  });
  const { Table } = await tokyo.describeTable({ TableName });
  expect(Table).toMatchObject({ TableName, KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }] });
  await refused(create(), 'ValidationException', /already existed in the region: 'ap-northeast-1'/);
  await dynamo.putItem({ TableName, Item: { pk: s('here'), v: s('1') } });
  await tokyo.putItem({ TableName, Item: { pk: s('there'), v: s('1') } });
  const all = ['before=1', 'here=1', 'there=1'];
  for (const client of [dynamo, tokyo])
    await eventually(async () => expect(await itemsOf(client, TableName)).toEqual(all), { why: 'changes reach all Regions' });
  for (let round = 0; round < 20; round++) {
    const v = (where: string) => ({ pk: s('both'), v: s(`${where}${round}`) });
    await Promise.all([dynamo.putItem({ TableName, Item: v('us') }), tokyo.putItem({ TableName, Item: v('ap') })]);
  }
  // A write that is later for certain wins in both.
  await new Promise((resolve) => setImmediate(resolve));
  await eventually(
    async () => {
      const here = await itemsOf(dynamo, TableName);
      expect(here.some((item) => item.startsWith('both=') && item.endsWith('19'))).toBe(true);
      expect(await itemsOf(tokyo, TableName)).toEqual(here);
    },
    { why: 'all Regions agree' },
  );
  await tokyo.deleteItem({ TableName, Key: { pk: s('both') } });
  for (const client of [dynamo, tokyo])
    await eventually(async () => expect(await itemsOf(client, TableName)).toEqual(all), { why: 'the delete wins everywhere' });
  await dynamo.updateTable({ TableName, ReplicaUpdates: [{ Delete: { RegionName: 'ap-northeast-1' } }] });
  await eventually(() => refused(tokyo.describeTable({ TableName }), 'ResourceNotFoundException'), { why: 'the replica goes' });
});

test('a table is exported to a bucket as it was', async () => {
  const TableName = await makeSimpleTable(dynamo);
  const TableArn = `arn:aws:dynamodb:us-east-1:${account.id}:table/${TableName}`;
  const s3 = new S3({ ...account.config(), forcePathStyle: true });
  const S3Bucket = `export-${TableName}`;
  const start = () => dynamo.exportTableToPointInTime({ TableArn, S3Bucket, S3Prefix: 'out' });
  await refused(start(), 'PointInTimeRecoveryUnavailableException');
  const on = { PointInTimeRecoveryEnabled: true };
  await dynamo.updateContinuousBackups({ TableName, PointInTimeRecoverySpecification: on });
  await refused(start(), 'ValidationException', /^S3 error: NoSuchBucket/);
  await s3.createBucket({ Bucket: S3Bucket });
  await dynamo.putItem({ TableName, Item: { pk: s('a'), v: s('1') } });
  await dynamo.putItem({ TableName, Item: { pk: s('b'), bytes: { B: new Uint8Array([1]) } } });
  const { ExportDescription } = await start();
  await dynamo.deleteItem({ TableName, Key: { pk: s('a') } });
  const ExportArn = ExportDescription?.ExportArn ?? '';
  const done = await eventually(
    async () => {
      const { ExportDescription: shown } = await dynamo.describeExport({ ExportArn });
      expect(shown).toMatchObject({ ExportStatus: 'COMPLETED', ItemCount: 2 });
      return shown;
    },
    { why: 'the export is made' },
  );
  const read = async (Key: string) =>
    Buffer.from((await (await s3.getObject({ Bucket: S3Bucket, Key })).Body?.transformToByteArray()) ?? []);
  const summary = JSON.parse((await read(done?.ExportManifest ?? '')).toString()) as { manifestFilesS3Key: string };
  const file = JSON.parse((await read(summary.manifestFilesS3Key)).toString()) as { dataFileS3Key: string };
  const lines = gunzipSync(await read(file.dataFileS3Key))
    .toString()
    .trim()
    .split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown).sort()).toEqual(
    expect.arrayContaining([{ Item: { pk: s('a'), v: s('1') } }, { Item: { pk: s('b'), bytes: { B: 'AQ==' } } }]),
  );
});

test('an incremental export shows what each changed item was before a period and after it', { timeout: 60_000 }, async () => {
  const cloud = await startOwnCloud();
  try {
    const own = freshAccount(cloud.endpoint);
    const client = new DynamoDB(own.config());
    const s3 = new S3({ ...own.config(), forcePathStyle: true });
    const TableName = await makeSimpleTable(client);
    const on = { PointInTimeRecoveryEnabled: true };
    await client.updateContinuousBackups({ TableName, PointInTimeRecoverySpecification: on });
    await s3.createBucket({ Bucket: 'changes' });
    const { TableArn } = (await client.describeTable({ TableName })).Table!;
    const minute = 60_000;
    const now = async () => new Date(await cloudTime(cloud.endpoint));
    const put = (pk: string, v: string) => client.putItem({ TableName, Item: { pk: s(pk), v: s(v) } });
    const remove = (pk: string) => client.deleteItem({ TableName, Key: { pk: s(pk) } });
    const enabled = await now();
    for (const pk of ['changed', 'gone', 'same']) await put(pk, 'old');
    await advanceClock(cloud.endpoint, 20 * minute);
    const ExportFromTime = await now();
    await put('changed', 'between');
    await put('changed', 'new');
    await remove('gone');
    await put('came', '1');
    await put('passed', '1');
    await remove('passed');
    await advanceClock(cloud.endpoint, 20 * minute);
    const ExportToTime = await now();
    await put('changed', 'later');
    await advanceClock(cloud.endpoint, minute);
    const start = (more: object, ExportType: 'FULL_EXPORT' | 'INCREMENTAL_EXPORT' = 'INCREMENTAL_EXPORT') =>
      client.exportTableToPointInTime({
        ...{ TableArn, S3Bucket: 'changes', ExportType },
        IncrementalExportSpecification: { ExportFromTime, ExportToTime, ...more },
      });
    const linesOf = async (more: object) => {
      const { ExportDescription } = await start(more);
      expect(ExportDescription).toMatchObject({ ExportType: 'INCREMENTAL_EXPORT', ExportStatus: 'IN_PROGRESS' });
      const { ExportManifest } = await eventually(
        async () => {
          const { ExportDescription: shown } = await client.describeExport({ ExportArn: ExportDescription!.ExportArn });
          expect(shown).toMatchObject({ ExportStatus: 'COMPLETED', ItemCount: 3 });
          return shown!;
        },
        { why: 'the export is made' },
      );
      const read = async (Key: string) =>
        Buffer.from((await (await s3.getObject({ Bucket: 'changes', Key })).Body!.transformToByteArray()) ?? []);
      const summary = JSON.parse((await read(ExportManifest!)).toString()) as Record<string, string>;
      expect(summary).toMatchObject({ exportType: 'INCREMENTAL_EXPORT', exportFromTime: ExportFromTime.toISOString() });
      const { dataFileS3Key } = JSON.parse((await read(summary['manifestFilesS3Key']!)).toString()) as Record<string, string>;
      expect(dataFileS3Key).toMatch(/^AWSDynamoDB\/data\//);
      const text = gunzipSync(await read(dataFileS3Key!)).toString();
      const lines = text.trim().split('\n');
      return lines.map((line) => {
        const { Metadata, ...rest } = JSON.parse(line) as { Metadata: { WriteTimestampMicros: { N: string } } };
        expect(Number(Metadata.WriteTimestampMicros.N) / 1000).toBeGreaterThanOrEqual(ExportFromTime.getTime());
        return rest;
      });
    };
    const image = (pk: string, v: string) => ({ pk: s(pk), v: s(v) });
    const key = (pk: string) => ({ Keys: { pk: s(pk) } });
    expect(await linesOf({})).toEqual([
      { ...key('changed'), OldImage: image('changed', 'old'), NewImage: image('changed', 'new') },
      { ...key('gone'), OldImage: image('gone', 'old') },
      { ...key('came'), NewImage: image('came', '1') },
    ]);
    expect(await linesOf({ ExportViewType: 'NEW_IMAGE' })).toEqual([
      { ...key('changed'), NewImage: image('changed', 'new') },
      key('gone'),
      { ...key('came'), NewImage: image('came', '1') },
    ]);
    const early = new Date(enabled.getTime() - 60 * minute);
    await refused(start({ ExportFromTime: early }), 'InvalidExportTimeException', 'ExportFromTime is too early');
    await refused(
      start({ ExportToTime: new Date(ExportFromTime.getTime() + 14 * minute) }),
      'ValidationException',
      'Difference between ExportFromTime and ExportToTime is less than 15 minutes',
    );
    await refused(start({}, 'FULL_EXPORT'), 'ValidationException', /^IncrementalExportSpecification can be specified/);
  } finally {
    await cloud.stop();
  }
});
