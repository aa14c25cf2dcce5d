import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { advanceClock, startOwnCloud } from '../../support/cloud.ts';
import { makeQueue, queues, receive } from './support.ts';

/** What clients know: what was acknowledged, and what they asked for without hearing the answer. */
interface Record {
  sent: Set<string>;
  deleted: Set<string>;
  maybeDeleted: Set<string>;
}

const groups = 8;

/** Sends until the cloud is gone. */
async function produce(sqs: SQS, QueueUrl: string, fifo: boolean, producer: number, { sent }: Record): Promise<void> {
  for (let n = 0; ; n++) {
    const bodies = Array.from({ length: 5 }, (_, i) => `${producer % groups}/${String(n * 5 + i).padStart(6, '0')}`);
    const Entries = bodies.map((MessageBody, i) => ({
      Id: String(i),
      MessageBody,
      ...(fifo ? { MessageGroupId: String(producer % groups), MessageDeduplicationId: MessageBody.replace('/', '-') } : {}),
    }));
    try {
      const { Successful = [] } = await sqs.sendMessageBatch({ QueueUrl, Entries });
      for (const { Id } of Successful) sent.add(bodies[Number(Id)]!);
    } catch {
      return;
    }
  }
}

/** Receives and deletes until the cloud is gone. */
async function consume(sqs: SQS, QueueUrl: string, { deleted, maybeDeleted }: Record): Promise<void> {
  for (;;) {
    try {
      for (const { Body = '', ReceiptHandle } of await receive(sqs, QueueUrl, { WaitTimeSeconds: 1, MaxNumberOfMessages: 5 })) {
        maybeDeleted.add(Body);
        await sqs.deleteMessage({ QueueUrl, ReceiptHandle });
        deleted.add(Body);
      }
    } catch {
      return;
    }
  }
}

/** Everything that is left, in the order in which it comes. */
async function drain(sqs: SQS, QueueUrl: string): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const messages = await receive(sqs, QueueUrl);
    if (messages.length === 0) return found;
    for (const { Body = '' } of messages) found.push(Body);
    await sqs.deleteMessageBatch({
      QueueUrl,
      Entries: messages.map(({ ReceiptHandle }, i) => ({ Id: String(i), ReceiptHandle })),
    });
  }
}

test.each([false, true])(
  'kill -9 under load loses no message and brings none back (FIFO: %s)',
  { timeout: 90_000 },
  async (fifo) => {
    const first = await startOwnCloud();
    const { sqs, account } = queues(first.endpoint);
    const fast = { FifoQueue: 'true', DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId' };
    const QueueUrl = await makeQueue(sqs, fifo ? 'jobs.fifo' : 'jobs', fifo ? fast : {});
    const record: Record = { sent: new Set(), deleted: new Set(), maybeDeleted: new Set() };
    const producers = Array.from({ length: groups }, (_, i) => produce(sqs, QueueUrl, fifo, i, record));
    const consumers = Array.from({ length: 4 }, () => consume(sqs, QueueUrl, record));
    while (record.sent.size < 800 || record.deleted.size < 100) await receive(sqs, QueueUrl, { VisibilityTimeout: 0 });
    await first.kill();
    await Promise.all([...producers, ...consumers]);
    const second = await startOwnCloud({ data: first.data });
    const again = new SQS(account.config({ endpoint: second.endpoint }));
    const url = QueueUrl.replace(first.endpoint, second.endpoint);
    await advanceClock(second.endpoint, 31_000);
    const left = await drain(again, url);
    expect(new Set(left).size, 'each message once').toBe(left.length);
    for (const body of left) expect(record.deleted.has(body), `${body} came back after its delete`).toBe(false);
    const there = new Set(left);
    for (const body of record.sent) {
      if (!there.has(body)) expect(record.maybeDeleted.has(body), `${body} is lost`).toBe(true);
    }
    if (fifo) {
      for (let group = 0; group < groups; group++) {
        const ofGroup = left.filter((body) => body.startsWith(`${group}/`));
        expect(ofGroup).toEqual([...ofGroup].sort());
      }
    }
    expect(await second.stop()).not.toContain('by a bug of Pilvi');
  },
);
