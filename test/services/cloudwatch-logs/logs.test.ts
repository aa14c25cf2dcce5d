import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { IAM } from '@aws-sdk/client-iam';
import { describe, expect, onTestFinished, test } from 'vitest';
import { advanceClock, freshAccount, refused, startOwnCloud } from '../../support/cloud.ts';
import { allow, policy, rooted, userWithKey } from '../iam/support.ts';

function logs(account = freshAccount()): CloudWatchLogs {
  return new CloudWatchLogs(account.config());
}

async function stream(client: CloudWatchLogs, logGroupName: string, ...names: string[]): Promise<void> {
  await client.createLogGroup({ logGroupName });
  for (const logStreamName of names) await client.createLogStream({ logGroupName, logStreamName });
}

const lines = (...messages: string[]) => {
  const now = Date.now();
  return messages.map((message, index) => ({ timestamp: now - messages.length + index, message }));
};

describe('groups and streams', () => {
  test('LOGS-001 a group holds the lines of its streams', async () => {
    const client = logs();
    await stream(client, 'app', 'one');
    await client.putLogEvents({ logGroupName: 'app', logStreamName: 'one', logEvents: lines('first', 'second') });
    const { events } = await client.getLogEvents({ logGroupName: 'app', logStreamName: 'one', startFromHead: true });
    expect(events?.map(({ message }) => message)).toEqual(['first', 'second']);
    await refused(
      client.createLogGroup({ logGroupName: 'app' }),
      'ResourceAlreadyExistsException',
      'The specified log group already exists',
    );
    await refused(
      client.createLogStream({ logGroupName: 'app', logStreamName: 'one' }),
      'ResourceAlreadyExistsException',
      'The specified log stream already exists',
    );
    await refused(
      client.createLogStream({ logGroupName: 'none', logStreamName: 'one' }),
      'ResourceNotFoundException',
      'The specified log group does not exist.',
    );
    await refused(
      client.getLogEvents({ logGroupName: 'app', logStreamName: 'none' }),
      'ResourceNotFoundException',
      'The specified log stream does not exist.',
    );
    await refused(
      client.createLogGroup({ logGroupName: 'a b' }),
      'InvalidParameterException',
      "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
    );
  });

  test('LOGS-002 each source has its stream, and reads only its own lines, in order', async () => {
    const client = logs();
    await stream(client, 'web', 'i-1', 'i-2');
    for (const logStreamName of ['i-1', 'i-2'])
      await client.putLogEvents({
        logGroupName: 'web',
        logStreamName,
        logEvents: lines(`${logStreamName} a`, `${logStreamName} b`),
      });
    const { logStreams } = await client.describeLogStreams({ logGroupName: 'web' });
    expect(logStreams?.map(({ logStreamName }) => logStreamName)).toEqual(['i-1', 'i-2']);
    for (const logStreamName of ['i-1', 'i-2']) {
      const { events } = await client.getLogEvents({ logGroupName: 'web', logStreamName });
      expect(events?.map(({ message }) => message)).toEqual([`${logStreamName} a`, `${logStreamName} b`]);
    }
  });

  test('a group made again under its name does not show what its namesake held', async () => {
    const client = logs();
    await stream(client, 'g', 's');
    await client.putLogEvents({ logGroupName: 'g', logStreamName: 's', logEvents: lines('old') });
    await client.deleteLogGroup({ logGroupName: 'g' });
    await refused(client.describeLogStreams({ logGroupName: 'g' }), 'ResourceNotFoundException');
    await stream(client, 'g', 's');
    expect((await client.getLogEvents({ logGroupName: 'g', logStreamName: 's' })).events).toEqual([]);
    expect((await client.filterLogEvents({ logGroupName: 'g' })).events).toEqual([]);
  });

  test('groups and streams are listed in pages, by prefix and by last event', async () => {
    const client = logs();
    await stream(client, 'a/1', 's1', 's2', 's3');
    await client.createLogGroup({ logGroupName: 'a/2' });
    await client.createLogGroup({ logGroupName: 'b' });
    const first = await client.describeLogGroups({ limit: 2 });
    expect(first.logGroups?.map(({ logGroupName }) => logGroupName)).toEqual(['a/1', 'a/2']);
    const second = await client.describeLogGroups({ limit: 2, nextToken: first.nextToken });
    expect(second.logGroups?.map(({ logGroupName }) => logGroupName)).toEqual(['b']);
    expect(second.nextToken).toBeUndefined();
    expect((await client.describeLogGroups({ logGroupNamePrefix: 'a/' })).logGroups).toHaveLength(2);
    expect((await client.describeLogGroups({ logGroupNamePattern: '/2' })).logGroups).toHaveLength(1);
    const now = Date.now();
    for (const [logStreamName, timestamp] of [
      ['s2', now - 10],
      ['s1', now - 5],
    ] as const)
      await client.putLogEvents({ logGroupName: 'a/1', logStreamName, logEvents: [{ timestamp, message: 'x' }] });
    const order = await client.describeLogStreams({ logGroupName: 'a/1', orderBy: 'LastEventTime', descending: true, limit: 2 });
    expect(order.logStreams?.map(({ logStreamName }) => logStreamName)).toEqual(['s1', 's2']);
    const rest = await client.describeLogStreams({
      logGroupName: 'a/1',
      orderBy: 'LastEventTime',
      descending: true,
      nextToken: order.nextToken,
    });
    expect(rest.logStreams?.map(({ logStreamName }) => logStreamName)).toEqual(['s3']);
    await refused(
      client.describeLogStreams({ logGroupName: 'a/1', orderBy: 'LastEventTime', logStreamNamePrefix: 's' }),
      'InvalidParameterException',
      'Cannot order by LastEventTime with a logStreamNamePrefix.',
    );
    await refused(
      client.describeLogGroups({ nextToken: 'none' }),
      'InvalidParameterException',
      'The specified nextToken is invalid.',
    );
  });

  test('groups have tags and protection', async () => {
    const account = freshAccount();
    const client = logs(account);
    await client.createLogGroup({ logGroupName: 'g', tags: { team: 'a' } });
    const resourceArn = `arn:aws:logs:us-east-1:${account.id}:log-group:g`;
    await client.tagResource({ resourceArn, tags: { stage: 'x' } });
    await client.untagResource({ resourceArn, tagKeys: ['team'] });
    expect((await client.listTagsForResource({ resourceArn })).tags).toEqual({ stage: 'x' });
    await client.putLogGroupDeletionProtection({ logGroupIdentifier: 'g', deletionProtectionEnabled: true });
    await refused(client.deleteLogGroup({ logGroupName: 'g' }), 'ValidationException');
    await client.putLogGroupDeletionProtection({ logGroupIdentifier: 'g', deletionProtectionEnabled: false });
    await client.deleteLogGroup({ logGroupName: 'g' });
    await refused(client.listTagsForResource({ resourceArn }), 'ResourceNotFoundException');
  });
});

describe('events', () => {
  test('batches that break the rules are refused, and events out of time told apart', async () => {
    const client = logs();
    await stream(client, 'g', 's');
    const put = (logEvents: { timestamp: number; message: string }[]) =>
      client.putLogEvents({ logGroupName: 'g', logStreamName: 's', logEvents });
    const now = Date.now();
    await refused(
      put([
        { timestamp: now, message: 'b' },
        { timestamp: now - 1, message: 'a' },
      ]),
      'InvalidParameterException',
      'Log events in a single PutLogEvents request must be in chronological order.',
    );
    await refused(
      put([
        { timestamp: now - 90_000_000, message: 'a' },
        { timestamp: now, message: 'b' },
      ]),
      'InvalidParameterException',
      'The batch of log events in a single PutLogEvents request cannot span more than 24 hours.',
    );
    await refused(
      put([{ timestamp: now, message: 'x'.repeat(1_048_577) }]),
      'InvalidParameterException',
      /^Upload too large: 1048603 bytes/,
    );
    const day = 86_400_000;
    const { rejectedLogEventsInfo } = await put([
      { timestamp: now - 14 * day - 3_600_000, message: 'too old' },
      { timestamp: now - 14 * day + 3_600_000, message: 'kept' },
    ]);
    expect(rejectedLogEventsInfo).toEqual({ tooOldLogEventEndIndex: 1 });
    expect((await put([{ timestamp: now + 3 * 3_600_000, message: 'too new' }])).rejectedLogEventsInfo).toEqual({
      tooNewLogEventStartIndex: 0,
    });
    expect((await client.filterLogEvents({ logGroupName: 'g' })).events?.map(({ message }) => message)).toEqual(['kept']);
  });

  test('a stream is read in both directions, page by page', async () => {
    const client = logs();
    await stream(client, 'g', 's');
    const messages = Array.from({ length: 7 }, (_, index) => `line ${index}`);
    await client.putLogEvents({ logGroupName: 'g', logStreamName: 's', logEvents: lines(...messages) });
    const read = async (options: object) => {
      const answer = await client.getLogEvents({ logGroupName: 'g', logStreamName: 's', limit: 3, ...options });
      return { ...answer, lines: answer.events?.map(({ message }) => message) };
    };
    const head = await read({ startFromHead: true });
    expect(head.lines).toEqual(['line 0', 'line 1', 'line 2']);
    const next = await read({ nextToken: head.nextForwardToken });
    expect(next.lines).toEqual(['line 3', 'line 4', 'line 5']);
    const last = await read({ nextToken: next.nextForwardToken });
    expect(last.lines).toEqual(['line 6']);
    const end = await read({ nextToken: last.nextForwardToken });
    expect(end.lines).toEqual([]);
    expect(end.nextForwardToken).toBe(last.nextForwardToken);
    expect((await read({ nextToken: next.nextBackwardToken })).lines).toEqual(['line 0', 'line 1', 'line 2']);
    const tail = await read({});
    expect(tail.lines).toEqual(['line 4', 'line 5', 'line 6']);
    expect((await read({ nextToken: tail.nextBackwardToken })).lines).toEqual(['line 1', 'line 2', 'line 3']);
    await refused(read({ nextToken: 'f/none' }), 'InvalidParameterException', 'The specified nextToken is invalid.');
  });

  test('LOGS-004 a pattern searches all streams of a group', async () => {
    const client = logs();
    await stream(client, 'g', 'a', 'b');
    const now = Date.now();
    const put = (logStreamName: string, timestamp: number, message: string) =>
      client.putLogEvents({ logGroupName: 'g', logStreamName, logEvents: [{ timestamp, message }] });
    await put('a', now - 5, 'ERROR one');
    await put('b', now - 4, 'ERROR two');
    await put('a', now - 3, 'fine');
    await put('b', now - 2, '{"level":"ERROR","n":3}');
    const search = async (filterPattern: string, more: object = {}) =>
      (await client.filterLogEvents({ logGroupName: 'g', filterPattern, ...more })).events?.map(
        ({ logStreamName, message }) => `${logStreamName} ${message}`,
      );
    expect(await search('ERROR')).toEqual(['a ERROR one', 'b ERROR two', 'b {"level":"ERROR","n":3}']);
    expect(await search('ERROR -two', { logStreamNames: ['b'] })).toEqual(['b {"level":"ERROR","n":3}']);
    expect(await search('{ $.level = "ERR*" && $.n >= 3 }')).toEqual(['b {"level":"ERROR","n":3}']);
    expect(await search('ERROR', { endTime: now - 5 })).toEqual(['a ERROR one']);
    const page = await client.filterLogEvents({ logGroupName: 'g', filterPattern: 'ERROR', limit: 1 });
    const rest = await client.filterLogEvents({ logGroupName: 'g', filterPattern: 'ERROR', nextToken: page.nextToken });
    expect(rest.events?.map(({ message }) => message)).toEqual(['ERROR two', '{"level":"ERROR","n":3}']);
    await refused(
      client.filterLogEvents({ logGroupName: 'g', filterPattern: '{ broken' }),
      'InvalidParameterException',
      'Invalid filter pattern',
    );
  });
});

test('LOGS-003 lines are kept for ever unless the group has a retention', async () => {
  const cloud = await startOwnCloud();
  onTestFinished(async () => void (await cloud.stop()));
  const client = new CloudWatchLogs(freshAccount(cloud.endpoint).config());
  await stream(client, 'g', 's');
  expect((await client.describeLogGroups({})).logGroups?.[0]).not.toHaveProperty('retentionInDays');
  await client.putLogEvents({ logGroupName: 'g', logStreamName: 's', logEvents: lines('old') });
  await refused(
    client.putRetentionPolicy({ logGroupName: 'g', retentionInDays: 8 }),
    'InvalidParameterException',
    /'8' at 'retentionInDays'/,
  );
  await client.putRetentionPolicy({ logGroupName: 'g', retentionInDays: 7 });
  expect((await client.describeLogGroups({})).logGroups?.[0]).toMatchObject({ retentionInDays: 7, storedBytes: 29 });
  await advanceClock(cloud.endpoint, 6 * 86_400_000);
  expect((await client.filterLogEvents({ logGroupName: 'g' })).events).toHaveLength(1);
  await advanceClock(cloud.endpoint, 86_400_000 + 3_600_000);
  expect((await client.filterLogEvents({ logGroupName: 'g' })).events).toEqual([]);
  expect((await client.describeLogGroups({})).logGroups?.[0]?.storedBytes).toBe(0);
});

test('LOGS-005 access is given by group', async () => {
  const root = rooted();
  const client = new CloudWatchLogs(root.account.config());
  for (const name of ['open', 'shut']) {
    await stream(client, name, 's');
    await client.putLogEvents({ logGroupName: name, logStreamName: 's', logEvents: lines('x') });
  }
  const ann = await userWithKey(root, 'ann');
  const document = policy({
    ...allow('logs:*'),
    Resource: `arn:aws:logs:us-east-1:${root.account.id}:log-group:open:*`,
  });
  await new IAM(root.account.config()).putUserPolicy({ UserName: 'ann', PolicyName: 'p', PolicyDocument: document });
  const hers = new CloudWatchLogs(root.account.configFor(ann.key));
  expect((await hers.getLogEvents({ logGroupName: 'open', logStreamName: 's' })).events).toHaveLength(1);
  expect((await hers.filterLogEvents({ logGroupName: 'open' })).events).toHaveLength(1);
  await refused(
    hers.filterLogEvents({ logGroupName: 'shut' }),
    'AccessDeniedException',
    `User: arn:aws:iam::${root.account.id}:user/ann is not authorized to perform: logs:FilterLogEvents on resource: arn:aws:logs:us-east-1:${root.account.id}:log-group:shut:log-stream: because no identity-based policy allows the logs:FilterLogEvents action`,
  );
  await refused(hers.getLogEvents({ logGroupName: 'shut', logStreamName: 's' }), 'AccessDeniedException');
  await refused(hers.deleteLogGroup({ logGroupName: 'shut' }), 'AccessDeniedException');
});

describe('filters', () => {
  test('metric filters are kept, tried out and refused when they cannot be', async () => {
    const client = logs();
    await client.createLogGroup({ logGroupName: 'g' });
    const transformation = { metricName: 'Errors', metricNamespace: 'App', metricValue: '1' };
    const put = (change: object) =>
      client.putMetricFilter({
        logGroupName: 'g',
        filterName: 'f',
        filterPattern: 'ERROR',
        metricTransformations: [{ ...transformation, ...change }],
      });
    await put({ defaultValue: 0 });
    const { metricFilters } = await client.describeMetricFilters({ logGroupName: 'g' });
    expect(metricFilters).toMatchObject([
      { filterName: 'f', filterPattern: 'ERROR', metricTransformations: [{ ...transformation, defaultValue: 0, unit: 'None' }] },
    ]);
    expect((await client.describeLogGroups({})).logGroups?.[0]?.metricFilterCount).toBe(1);
    await refused(
      put({ defaultValue: 0, dimensions: { ip: '$ip' } }),
      'InvalidParameterException',
      'Invalid metric transformation: dimensions and default value are mutually exclusive properties.',
    );
    await refused(
      client.putMetricFilter({
        logGroupName: 'g',
        filterName: 'f',
        filterPattern: '[a',
        metricTransformations: [transformation],
      }),
      'InvalidParameterException',
      'Invalid filter pattern',
    );
    const { matches } = await client.testMetricFilter({
      filterPattern: '[ip, ..., bytes > 5]',
      logEventMessages: ['1.1.1.1 x 4', '1.1.1.2 x 6'],
    });
    expect(matches).toEqual([{ eventNumber: 2, eventMessage: '1.1.1.2 x 6', extractedValues: { $ip: '1.1.1.2', $bytes: '6' } }]);
    await client.deleteMetricFilter({ logGroupName: 'g', filterName: 'f' });
    await refused(
      client.deleteMetricFilter({ logGroupName: 'g', filterName: 'f' }),
      'ResourceNotFoundException',
      'The specified metric filter does not exist.',
    );
  });

  test('resource policies', async () => {
    const client = logs();
    const policyDocument = policy({
      Effect: 'Allow',
      Principal: { Service: 'route53.amazonaws.com' },
      Action: 'logs:PutLogEvents',
      Resource: '*',
    } as never);
    await client.putResourcePolicy({ policyName: 'dns', policyDocument });
    expect((await client.describeResourcePolicies({})).resourcePolicies).toMatchObject([{ policyName: 'dns', policyDocument }]);
    await refused(client.putResourcePolicy({ policyName: 'x', policyDocument: '{' }), 'InvalidParameterException');
    await client.deleteResourcePolicy({ policyName: 'dns' });
    await refused(client.deleteResourcePolicy({ policyName: 'dns' }), 'ResourceNotFoundException');
  });
});
