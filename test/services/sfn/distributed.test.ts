import { S3 } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { ended, type Flows, flows, historyOf, machineOf, only, roleFor, runOnce } from './support.ts';

let all: Flows & { s3: S3 };
let role: string;
let Bucket: string;

beforeAll(async () => {
  const own = flows();
  all = { ...own, s3: new S3({ ...own.account.config(), forcePathStyle: true }) };
  role = await roleFor(all, ['s3:*', 'states:*']);
  Bucket = `map-${all.account.id}`;
  await all.s3.createBucket({ Bucket });
});

const double = { Type: 'Pass', Parameters: { 'twice.$': 'States.MathAdd($.n, $.n)' }, End: true };
const processor = (state: object = double, ExecutionType = 'STANDARD') => ({
  ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType },
  StartAt: 'Work',
  States: { Work: state },
});
const map = (more: object = {}) => only({ Type: 'Map', ItemProcessor: processor(), Label: 'Each', ...more });
const reader = (Key: string, ReaderConfig: object) => ({
  Resource: 'arn:aws:states:::s3:getObject',
  ReaderConfig,
  Parameters: { Bucket, Key },
});

test('each item of a distributed Map is an execution of its own', async () => {
  const arn = await machineOf(all, role, map({ MaxConcurrency: 3 }));
  const run = await runOnce(
    all,
    arn,
    [1, 2, 3, 4, 5].map((n) => ({ n })),
  );
  expect(run).toMatchObject({ status: 'SUCCEEDED', output: [2, 4, 6, 8, 10].map((twice) => ({ twice })) });
  const { mapRuns = [] } = await all.sfn.listMapRuns({ executionArn: run.arn });
  const mapRunArn = mapRuns[0]?.mapRunArn ?? '';
  const name = arn.split(':').at(-1);
  expect(mapRunArn).toMatch(new RegExp(`^arn:aws:states:us-east-1:${all.account.id}:mapRun:${name}/Each:[0-9a-f-]{36}$`));
  expect(await all.sfn.describeMapRun({ mapRunArn })).toMatchObject({
    executionArn: run.arn,
    status: 'SUCCEEDED',
    maxConcurrency: 3,
    itemCounts: { total: 5, succeeded: 5, failed: 0 },
    executionCounts: { total: 5, succeeded: 5 },
  });
  const { executions = [] } = await all.sfn.listExecutions({ mapRunArn });
  expect(executions).toHaveLength(5);
  const child = await all.sfn.describeExecution({ executionArn: executions[0]?.executionArn });
  expect(child).toMatchObject({ status: 'SUCCEEDED', mapRunArn, stateMachineArn: `${arn}/Each` });
  const types = (await historyOf(all, run.arn)).map(({ type }) => type);
  expect(types).toEqual([
    'ExecutionStarted',
    'MapStateEntered',
    'MapStateStarted',
    'MapRunStarted',
    'MapRunSucceeded',
    'MapStateSucceeded',
    'MapStateExited',
    'ExecutionSucceeded',
  ]);
  await refused(all.sfn.describeMapRun({ mapRunArn: `${mapRunArn}x` }), 'ResourceNotFound');
  await refused(
    all.sfn.updateMapRun({ mapRunArn }),
    'ValidationException',
    'At least one of MaxConcurrency, ToleratedFailurePercentage or ToleratedFailureCount must be specified.',
  );
});

describe('items are read from S3', () => {
  test.each([
    [
      'a.csv',
      'n,text\n1,"a ""b"", c"\n2,"two\nlines"\n',
      { InputType: 'CSV', CSVHeaderLocation: 'FIRST_ROW' },
      [
        { n: '1', text: 'a "b", c' },
        { n: '2', text: 'two\nlines' },
      ],
    ],
    [
      'b.csv',
      '1|x\n2|y\n',
      { InputType: 'CSV', CSVHeaderLocation: 'GIVEN', CSVHeaders: ['n', 'l'], CSVDelimiter: 'PIPE', MaxItems: 1 },
      [{ n: '1', l: 'x' }],
    ],
    ['c.json', '[{"n":1},2]', { InputType: 'JSON' }, [{ n: 1 }, 2]],
    ['d.jsonl', '{"n":1}\n{"n":2}\n', { InputType: 'JSONL' }, [{ n: 1 }, { n: 2 }]],
  ])('as %s', async (Key, Body, config, items) => {
    await all.s3.putObject({ Bucket, Key, Body });
    const definition = map({ ItemReader: reader(Key, config), ItemProcessor: processor({ Type: 'Pass', End: true }, 'EXPRESS') });
    expect(await runOnce(all, await machineOf(all, role, definition))).toMatchObject({ status: 'SUCCEEDED', output: items });
  });

  test('as the list of objects, in batches, with what all batches share', async () => {
    for (const n of [1, 2, 3]) await all.s3.putObject({ Bucket, Key: `list/${n}`, Body: 'x'.repeat(n) });
    const definition = map({
      ItemReader: { Resource: 'arn:aws:states:::s3:listObjectsV2', Parameters: { Bucket, Prefix: 'list/' } },
      ItemSelector: { 'key.$': '$$.Map.Item.Value.Key', 'size.$': '$$.Map.Item.Value.Size' },
      ItemBatcher: { MaxItemsPerBatch: 2, BatchInput: { 'run.$': '$.id' } },
      ItemProcessor: processor({
        Type: 'Pass',
        Parameters: { 'keys.$': '$.Items[*].key', 'run.$': '$.BatchInput.run' },
        End: true,
      }),
    });
    const run = await runOnce(all, await machineOf(all, role, definition), { id: 'r1' });
    expect(run.output).toEqual([
      { keys: ['list/1', 'list/2'], run: 'r1' },
      { keys: ['list/3'], run: 'r1' },
    ]);
    const { mapRuns = [] } = await all.sfn.listMapRuns({ executionArn: run.arn });
    expect(await all.sfn.describeMapRun({ mapRunArn: mapRuns[0]?.mapRunArn })).toMatchObject({
      itemCounts: { total: 3 },
      executionCounts: { total: 2 },
    });
  });

  test('what cannot be read fails the Map', async () => {
    const missing = await runOnce(all, await machineOf(all, role, map({ ItemReader: reader('none', { InputType: 'JSON' }) })));
    expect(missing).toMatchObject({
      status: 'FAILED',
      error: 'States.ItemReaderFailed',
      cause: expect.stringContaining('The specified key does not exist'),
    });
    await all.s3.putObject({ Bucket, Key: 'o.json', Body: '{}' });
    const wrong = await runOnce(all, await machineOf(all, role, map({ ItemReader: reader('o.json', { InputType: 'JSON' }) })));
    expect(wrong).toMatchObject({ error: 'States.ItemReaderFailed', cause: 'Attempting to map over non-iterable node.' });
  });
});

test('so many failures are tolerated and no more, and results are written to S3', async () => {
  const choosy = {
    ProcessorConfig: { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' },
    StartAt: 'Which',
    States: {
      Which: { Type: 'Choice', Choices: [{ Variable: '$', NumericGreaterThan: 8, Next: 'Bad' }], Default: 'Good' },
      Bad: { Type: 'Fail', Error: 'TooBig', Cause: 'no' },
      Good: { Type: 'Succeed' },
    },
  };
  const items = Array.from({ length: 10 }, (_none, at) => at);
  const strict = await runOnce(all, await machineOf(all, role, map({ ItemProcessor: choosy })), items);
  expect(strict).toMatchObject({
    status: 'FAILED',
    error: 'States.ExceedToleratedFailureThreshold',
    cause: 'The specified tolerated failure threshold was exceeded',
  });
  const { mapRuns: failed = [] } = await all.sfn.listMapRuns({ executionArn: strict.arn });
  expect(await all.sfn.describeMapRun({ mapRunArn: failed[0]?.mapRunArn })).toMatchObject({
    status: 'FAILED',
    itemCounts: { failed: 1 },
  });
  const ResultWriter = { Resource: 'arn:aws:states:::s3:putObject', Parameters: { Bucket, Prefix: 'out' } };
  const run = await runOnce(
    all,
    await machineOf(all, role, map({ ItemProcessor: choosy, ToleratedFailurePercentage: 10, ResultWriter })),
    items,
  );
  expect(run.status).toBe('SUCCEEDED');
  const { Key } = (run.output?.['ResultWriterDetails'] ?? {}) as { Key?: string };
  const read = async (key = ''): Promise<unknown> =>
    JSON.parse((await (await all.s3.getObject({ Bucket, Key: key })).Body?.transformToString()) ?? 'null');
  const manifest = (await read(Key)) as { MapRunArn: string; ResultFiles: Record<string, { Key: string; Size: number }[]> };
  expect(manifest.MapRunArn).toBe(run.output?.['MapRunArn']);
  const good = (await read(manifest.ResultFiles['SUCCEEDED']?.[0]?.Key)) as { Output: string; Status: string }[];
  expect(good.map(({ Output }) => Number(Output))).toEqual(items.slice(0, 9));
  expect(await read(manifest.ResultFiles['FAILED']?.[0]?.Key)).toMatchObject([{ Status: 'FAILED', Error: 'TooBig', Input: '9' }]);
});

test('stopping the execution stops the children of its Map', async () => {
  const slow = processor({ Type: 'Wait', Seconds: 900, End: true });
  const arn = await machineOf(all, role, map({ ItemProcessor: slow }));
  const { executionArn = '' } = await all.sfn.startExecution({ stateMachineArn: arn, input: '[1,2]' });
  const { eventually } = await import('../../support/cloud.ts');
  const running = () => all.sfn.listExecutions({ stateMachineArn: arn, statusFilter: 'RUNNING' });
  const mapRunArn = await eventually(
    async () => {
      const { mapRuns = [] } = await all.sfn.listMapRuns({ executionArn });
      const found = mapRuns[0]?.mapRunArn ?? '';
      expect((await all.sfn.describeMapRun({ mapRunArn: found })).itemCounts?.running).toBe(2);
      return found;
    },
    { why: 'both children run' },
  );
  await all.sfn.stopExecution({ executionArn });
  expect((await ended(all, executionArn)).status).toBe('ABORTED');
  await eventually(
    async () =>
      expect(await all.sfn.describeMapRun({ mapRunArn })).toMatchObject({ status: 'ABORTED', itemCounts: { aborted: 2 } }),
    { why: 'the run is aborted' },
  );
  expect((await running()).executions).toEqual([]);
});
