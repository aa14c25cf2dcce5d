import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { bodies, counts, makeQueue, queues, receive } from './support.ts';

const second = 1000;
const day = 86_400 * second;

// Moves time, so in a cloud of its own.
let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
});
afterAll(async () => {
  expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
});

const advance = (millis: number) => advanceClock(cloud.endpoint, millis);

test('SQS-002 a message goes when its retention ends: 4 days, or up to 14', async () => {
  const { sqs } = queues(cloud.endpoint);
  const QueueUrl = await makeQueue(sqs);
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['MessageRetentionPeriod'] });
  expect(Attributes).toEqual({ MessageRetentionPeriod: '345600' });
  await refused(
    makeQueue(sqs, 'longer', { MessageRetentionPeriod: '1209601' }),
    'InvalidAttributeValue',
    'Invalid value for the parameter MessageRetentionPeriod.',
  );
  const long = await makeQueue(sqs, 'long', { MessageRetentionPeriod: '1209600' });
  for (const url of [QueueUrl, long]) await sqs.sendMessage({ QueueUrl: url, MessageBody: 'old' });
  await advance(4 * day - 60 * second);
  expect(await counts(sqs, QueueUrl)).toEqual([1, 0, 0]);
  await advance(61 * second);
  expect([await counts(sqs, QueueUrl), await bodies(sqs, QueueUrl)]).toEqual([[0, 0, 0], []]);
  await advance(10 * day - 120 * second);
  expect(await counts(sqs, long)).toEqual([1, 0, 0]);
  await advance(121 * second);
  expect([await counts(sqs, long), await bodies(sqs, long)]).toEqual([[0, 0, 0], []]);
});

test('SQS-003 a received message is hidden for 30 seconds, or up to 12 hours', async () => {
  const { sqs } = queues(cloud.endpoint);
  const QueueUrl = await makeQueue(sqs);
  await sqs.sendMessage({ QueueUrl, MessageBody: 'work' });
  expect(await receive(sqs, QueueUrl)).toHaveLength(1);
  expect(await receive(sqs, QueueUrl)).toEqual([]);
  await advance(20 * second);
  expect(await receive(sqs, QueueUrl)).toEqual([]);
  await advance(10 * second);
  const [again] = await receive(sqs, QueueUrl);
  expect(again?.Attributes?.ApproximateReceiveCount).toBe('2');
  await makeQueue(sqs, 'long', { VisibilityTimeout: '43200' });
  await refused(
    makeQueue(sqs, 'longer', { VisibilityTimeout: '43201' }),
    'InvalidAttributeValue',
    'Invalid value for the parameter VisibilityTimeout.',
  );
  await advance(3600 * second);
  const [third] = await receive(sqs, QueueUrl, { VisibilityTimeout: 43_200 });
  await advance(3600 * second);
  await refused(
    sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle: third?.ReceiptHandle, VisibilityTimeout: 43_200 }),
    'InvalidParameterValue',
    'Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]',
  );
});

test('SQS-005 long polling waits for a message, for up to 20 seconds', async () => {
  const { sqs } = queues(cloud.endpoint);
  const QueueUrl = await makeQueue(sqs);
  const began = performance.now();
  const waiting = receive(sqs, QueueUrl, { WaitTimeSeconds: 20 });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'news' });
  expect((await waiting).map(({ Body }) => Body)).toEqual(['news']);
  expect(performance.now() - began).toBeLessThan(10_000);
  let done = false;
  const empty = receive(sqs, QueueUrl, { WaitTimeSeconds: 20 }).finally(() => {
    done = true;
  });
  await eventually(() => counts(sqs, QueueUrl), { why: 'the poll has begun' });
  await advance(15 * second);
  expect(done).toBe(false);
  await advance(6 * second);
  expect(await empty).toEqual([]);
  await refused(
    receive(sqs, QueueUrl, { WaitTimeSeconds: 21 }),
    'InvalidParameterValue',
    'Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.',
  );
});

test('SQS-009 a FIFO queue drops a repeated deduplication id for five minutes', async () => {
  const { sqs } = queues(cloud.endpoint);
  const QueueUrl = await makeQueue(sqs, 'jobs.fifo', { FifoQueue: 'true' });
  const send = () => sqs.sendMessage({ QueueUrl, MessageBody: 'once', MessageGroupId: 'g', MessageDeduplicationId: 'same' });
  const [first, repeated] = [await send(), await send()];
  expect(repeated.MessageId).toBe(first.MessageId);
  const [message, ...others] = await receive(sqs, QueueUrl);
  expect([message?.Body, others]).toEqual(['once', []]);
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: message?.ReceiptHandle });
  await advance(290 * second);
  await send();
  expect(await receive(sqs, QueueUrl)).toEqual([]);
  await advance(11 * second);
  const fresh = await send();
  expect((await receive(sqs, QueueUrl)).map(({ MessageId }) => MessageId)).toEqual([fresh.MessageId]);
});

test('a FIFO consumer that is too late cannot delete', async () => {
  const { sqs } = queues(cloud.endpoint);
  const QueueUrl = await makeQueue(sqs, 'jobs.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'work', MessageGroupId: 'g' });
  const [message] = await receive(sqs, QueueUrl);
  await advance(31 * second);
  await refused(
    sqs.deleteMessage({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }),
    'InvalidParameterValue',
    `Value ${message?.ReceiptHandle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
  );
  expect(await bodies(sqs, QueueUrl)).toEqual(['work']);
});

test('delays hold messages back, of one message or of the queue', async () => {
  const { sqs } = queues(cloud.endpoint);
  const QueueUrl = await makeQueue(sqs, 'jobs', { DelaySeconds: '900' });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'queue’s' });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'own', DelaySeconds: 60 });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'none', DelaySeconds: 0 });
  expect(await counts(sqs, QueueUrl)).toEqual([1, 0, 2]);
  expect(await bodies(sqs, QueueUrl)).toEqual(['none']);
  await advance(60 * second);
  expect(await bodies(sqs, QueueUrl)).toContain('own');
  await advance(841 * second);
  expect(await bodies(sqs, QueueUrl)).toContain('queue’s');
});

test('a deleted queue’s name rests for 60 seconds; a queue is purged once in 60 seconds', async () => {
  const { sqs } = queues(cloud.endpoint);
  const QueueUrl = await makeQueue(sqs);
  await sqs.sendMessage({ QueueUrl, MessageBody: 'gone' });
  await sqs.purgeQueue({ QueueUrl });
  expect([await counts(sqs, QueueUrl), await bodies(sqs, QueueUrl)]).toEqual([[0, 0, 0], []]);
  await refused(
    sqs.purgeQueue({ QueueUrl }),
    'PurgeQueueInProgress',
    'Only one PurgeQueue operation on jobs is allowed every 60 seconds.',
    403,
  );
  await advance(61 * second);
  await sqs.purgeQueue({ QueueUrl });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'gone too' });
  await sqs.deleteQueue({ QueueUrl });
  await refused(sqs.sendMessage({ QueueUrl, MessageBody: 'm' }), 'QueueDoesNotExist', 'The specified queue does not exist.');
  await refused(
    makeQueue(sqs),
    'QueueDeletedRecently',
    'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
  );
  await advance(61 * second);
  await makeQueue(sqs);
  expect(await counts(sqs, QueueUrl)).toEqual([0, 0, 0]);
});

test('a redrive with a speed takes its time, and can be cancelled', async () => {
  const { sqs, account } = queues(cloud.endpoint);
  const letters = await makeQueue(sqs, 'letters');
  const SourceArn = `arn:aws:sqs:us-east-1:${account.id}:letters`;
  await makeQueue(sqs, 'jobs', { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: SourceArn, maxReceiveCount: 1 }) });
  const target = await makeQueue(sqs, 'elsewhere');
  for (let n = 0; n < 8; n++) await sqs.sendMessage({ QueueUrl: letters, MessageBody: String(n) });
  const { TaskHandle } = await sqs.startMessageMoveTask({
    SourceArn,
    DestinationArn: `arn:aws:sqs:us-east-1:${account.id}:elsewhere`,
    MaxNumberOfMessagesPerSecond: 1,
  });
  await refused(
    sqs.startMessageMoveTask({ SourceArn }),
    'InvalidParameterValue',
    'There is already a task running. Only one active task is allowed for a source queue arn at a given time.',
  );
  await advance(second);
  const [moved = 0] = await counts(sqs, target);
  expect(moved).toBeGreaterThanOrEqual(2);
  expect(moved).toBeLessThan(8);
  await sqs.cancelMessageMoveTask({ TaskHandle });
  await advance(5 * second);
  const { Results: [task] = [] } = await sqs.listMessageMoveTasks({ SourceArn });
  expect(task).toMatchObject({ Status: 'CANCELLED', MaxNumberOfMessagesPerSecond: 1, ApproximateNumberOfMessagesToMove: 8 });
  expect((await counts(sqs, target))[0]).toBe(task?.ApproximateNumberOfMessagesMoved);
  await refused(
    sqs.cancelMessageMoveTask({ TaskHandle: 'nonsense' }),
    'InvalidParameterValue',
    'Value for parameter TaskHandle is invalid.',
  );
});
