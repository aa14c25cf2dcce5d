import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { arnOf, bodies, makeQueue, queues, receive } from './support.ts';

test('SQS-008 a FIFO queue keeps each group’s order, one after the other', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs.fifo', { FifoQueue: 'true' });
  const send = (group: string, n: number) =>
    sqs.sendMessage({ QueueUrl, MessageBody: `${group}${n}`, MessageGroupId: group, MessageDeduplicationId: `${group}${n}` });
  const numbers: string[] = [];
  for (const n of [1, 2, 3]) for (const group of ['a', 'b']) numbers.push((await send(group, n)).SequenceNumber ?? '');
  expect(numbers).toEqual([...numbers].sort());
  expect(numbers[0]).toMatch(/^\d{20}$/);
  const one = async () => (await receive(sqs, QueueUrl, { MaxNumberOfMessages: 1 }))[0];
  const first = await one();
  const second = await one();
  expect([first?.Body, second?.Body]).toEqual(['a1', 'b1']);
  // Both groups are in flight, so nothing more comes until one is deleted.
  expect(await one()).toBeUndefined();
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: second?.ReceiptHandle });
  expect((await one())?.Body).toBe('b2');
  await sqs.changeMessageVisibility({ QueueUrl, ReceiptHandle: first?.ReceiptHandle, VisibilityTimeout: 0 });
  const all = await receive(sqs, QueueUrl);
  expect(all.map(({ Body }) => Body)).toEqual(['a1', 'a2', 'a3']);
  expect(all[0]?.Attributes).toMatchObject({ MessageGroupId: 'a', MessageDeduplicationId: 'a1', SequenceNumber: numbers[0] });
  await refused(
    sqs.createQueue({ QueueName: 'jobs', Attributes: { FifoQueue: 'true' } }),
    'InvalidParameterValue',
    'The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.',
  );
});

test('a group that is freed wakes the consumer that waits for it', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
  for (const MessageBody of ['1', '2']) await sqs.sendMessage({ QueueUrl, MessageBody, MessageGroupId: 'g' });
  const [first] = await receive(sqs, QueueUrl, { MaxNumberOfMessages: 1 });
  const waiting = receive(sqs, QueueUrl, { WaitTimeSeconds: 20 });
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: first?.ReceiptHandle });
  expect((await waiting).map(({ Body }) => Body)).toEqual(['2']);
});

test('the same receive attempt gets the same messages again', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
  for (const MessageBody of ['1', '2']) await sqs.sendMessage({ QueueUrl, MessageBody, MessageGroupId: 'g' });
  const attempt = (id: string) => receive(sqs, QueueUrl, { ReceiveRequestAttemptId: id });
  const first = await attempt('one');
  expect(first).toHaveLength(2);
  expect(await attempt('two')).toEqual([]);
  expect(await attempt('one')).toEqual(first);
  await sqs.deleteMessage({ QueueUrl, ReceiptHandle: first[0]?.ReceiptHandle });
  expect(await attempt('one')).toEqual([]);
});

test('deduplication by content and by group', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs.fifo', {
    FifoQueue: 'true',
    ContentBasedDeduplication: 'true',
    DeduplicationScope: 'messageGroup',
    FifoThroughputLimit: 'perMessageGroupId',
  });
  const send = (MessageGroupId: string, MessageBody: string) => sqs.sendMessage({ QueueUrl, MessageBody, MessageGroupId });
  const [first, repeated, other] = [await send('a', 'x'), await send('a', 'x'), await send('b', 'x')];
  expect(repeated.MessageId).toBe(first.MessageId);
  expect(repeated.SequenceNumber).toBe(first.SequenceNumber);
  expect(other.MessageId).not.toBe(first.MessageId);
  expect(await bodies(sqs, QueueUrl)).toEqual(['x', 'x']);
});

test('SQS-010 a FIFO queue takes 300 calls a second, more in batches and in high-throughput mode', {
  timeout: 60_000,
}, async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'slow.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
  let number = 0;
  const send = (url: string) =>
    sqs.sendMessage({ QueueUrl: url, MessageBody: String(number++), MessageGroupId: String(number % 50) });
  // 600 calls at once: about half of them come too early for a second's worth of 300.
  const burst = async (url: string) => {
    const began = performance.now();
    const results = await Promise.allSettled(Array.from({ length: 900 }, () => send(url)));
    const seconds = (performance.now() - began) / 1000;
    const errors = results.flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : []));
    return { passed: results.length - errors.length, seconds, errors };
  };
  const { passed, seconds, errors } = await burst(QueueUrl);
  expect(passed).toBeLessThanOrEqual(300 + Math.ceil(seconds * 300) + 1);
  if (seconds < 1.9) expect(errors.length).toBeGreaterThan(0);
  for (const error of errors) expect([error.name, error.message]).toEqual(['RequestThrottled', 'Request is throttled.']);
  const fast = await makeQueue(sqs, 'fast.fifo', {
    FifoQueue: 'true',
    ContentBasedDeduplication: 'true',
    DeduplicationScope: 'messageGroup',
    FifoThroughputLimit: 'perMessageGroupId',
  });
  expect((await burst(fast)).errors).toEqual([]);
  // Batches of ten: 300 calls carry 3,000 messages.
  const batched = await makeQueue(sqs, 'batched.fifo', { FifoQueue: 'true', ContentBasedDeduplication: 'true' });
  const batches = await Promise.all(
    Array.from({ length: 300 }, () =>
      sqs.sendMessageBatch({
        QueueUrl: batched,
        Entries: Array.from({ length: 10 }, (_, i) => ({
          Id: String(i),
          MessageBody: String(number++),
          MessageGroupId: String(i),
        })),
      }),
    ),
  );
  expect(batches.reduce((sum, { Successful = [] }) => sum + Successful.length, 0)).toBe(3000);
});

test('SQS-012 the dead-letter queue of a FIFO queue is FIFO too', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs.fifo', { FifoQueue: 'true' });
  const target = await arnOf(sqs, await makeQueue(sqs, 'letters'));
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: target, maxReceiveCount: 3 });
  await refused(
    sqs.setQueueAttributes({ QueueUrl, Attributes: { RedrivePolicy } }),
    'InvalidParameterValue',
    `Value ${RedrivePolicy} for parameter RedrivePolicy is invalid. Reason: Dead-letter queue must be same type of queue as the source.`,
  );
  const fifo = await arnOf(sqs, await makeQueue(sqs, 'letters.fifo', { FifoQueue: 'true' }));
  await sqs.setQueueAttributes({
    QueueUrl,
    Attributes: { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: fifo, maxReceiveCount: 3 }) },
  });
});

test('what a FIFO queue needs is asked for in AWS’s words', async () => {
  const { sqs } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs.fifo', { FifoQueue: 'true' });
  const send = (more: object) => sqs.sendMessage({ QueueUrl, MessageBody: 'm', ...more });
  await refused(send({}), 'MissingParameter', 'The request must contain the parameter MessageGroupId.');
  await refused(
    send({ MessageGroupId: 'g' }),
    'InvalidParameterValue',
    'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
  );
  await refused(
    send({ MessageGroupId: 'g', MessageDeduplicationId: 'd', DelaySeconds: 2 }),
    'InvalidParameterValue',
    'Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.',
  );
  await refused(
    send({ MessageGroupId: 'with space' }),
    'InvalidParameterValue',
    /^Value with space for parameter MessageGroupId/,
  );
  const batch = (...entries: object[]) =>
    sqs.sendMessageBatch({ QueueUrl, Entries: entries.map((entry, i) => ({ Id: String(i), MessageBody: 'm', ...entry })) });
  const whole = { MessageGroupId: 'g', MessageDeduplicationId: 'd' };
  await refused(
    batch(whole, { MessageDeduplicationId: 'e' }),
    'InvalidParameterValue',
    'The request must contain the parameter MessageGroupId.',
  );
  await refused(batch(whole, { MessageGroupId: 'g' }), 'InvalidParameterValue', /MessageDeduplicationId provided explicitly$/);
  expect(await receive(sqs, QueueUrl)).toEqual([]);
  await refused(
    sqs.createQueue({ QueueName: 'x.fifo' }),
    'InvalidParameterValue',
    'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
  );
  for (const [name, value] of Object.entries({
    FifoQueue: 'false',
    ContentBasedDeduplication: 'true',
    DeduplicationScope: 'queue',
  }))
    await refused(
      sqs.createQueue({ QueueName: 'plain', Attributes: { [name]: value } }),
      'InvalidAttributeName',
      `Unknown Attribute ${name}.`,
    );
});
