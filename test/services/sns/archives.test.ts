import { expect, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { makeTopic, messaging, subscribedQueue, take } from './support.ts';

const wrong = 'InvalidParameter';

test('a FIFO topic with an archive replays it in order to who asks, then goes on with what is new', async () => {
  const all = messaging();
  const { sns, sqs } = all;
  const TopicArn = await makeTopic(sns, 'orders.fifo', {
    FifoTopic: 'true',
    ContentBasedDeduplication: 'true',
    ArchivePolicy: '{"MessageRetentionPeriod":"30"}',
  });
  const { Attributes = {} } = await sns.getTopicAttributes({ TopicArn });
  expect(Attributes['ArchivePolicy']).toBe('{"MessageRetentionPeriod":"30"}');
  const StartingPoint = Attributes['BeginningArchiveTime'];
  expect(StartingPoint).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
  const publish = (Message: string) => sns.publish({ TopicArn, Message, MessageGroupId: 'g' });
  const ids: (string | undefined)[] = [];
  for (let n = 0; n < 60; n++) ids.push((await publish(`order ${n}`)).MessageId);
  const fifo = { FifoQueue: 'true' };
  const ReplayPolicy = JSON.stringify({ PointType: 'Timestamp', StartingPoint });
  const late = await subscribedQueue(all, TopicArn, 'late.fifo', { ReplayPolicy }, fifo);
  const found = (await take(sqs, late.url, 60)).map((body) => JSON.parse(body));
  expect(found.map(({ Message }) => Message)).toEqual(Array.from({ length: 60 }, (_, n) => `order ${n}`));
  expect(found.map(({ MessageId, Replayed }) => [MessageId, Replayed])).toEqual(ids.map((id) => [id, 'true']));
  await eventually(
    async () => {
      const { Attributes: shown } = await sns.getSubscriptionAttributes({ SubscriptionArn: late.subscription });
      expect(shown).toMatchObject({ ReplayPolicy, ReplayStatus: 'Completed' });
    },
    { why: 'the replay is complete' },
  );
  await publish('order 60');
  const [fresh = ''] = await take(sqs, late.url);
  expect([JSON.parse(fresh).Message, JSON.parse(fresh).Replayed]).toEqual(['order 60', undefined]);
});

test('a replay keeps to its end and to the filter; archives bind their topic', async () => {
  const all = messaging();
  const { sns, sqs } = all;
  const TopicArn = await makeTopic(sns, 'orders.fifo', { FifoTopic: 'true', ContentBasedDeduplication: 'true' });
  const set = (AttributeName: string, AttributeValue: string) =>
    sns.setTopicAttributes({ TopicArn, AttributeName, AttributeValue });
  const plain = await subscribedQueue(all, TopicArn, 'plain.fifo', {}, { FifoQueue: 'true' });
  const replay = (more: object) =>
    sns.setSubscriptionAttributes({
      SubscriptionArn: plain.subscription,
      AttributeName: 'ReplayPolicy',
      AttributeValue: JSON.stringify({ PointType: 'Timestamp', StartingPoint: new Date().toISOString(), ...more }),
    });
  await refused(replay({}), wrong, 'Invalid parameter: ReplayPolicy: Topic does not have an ArchivePolicy');
  await set('ArchivePolicy', '{"MessageRetentionPeriod":1}');
  const publish = (Message: string, kind: string) =>
    sns.publish({
      TopicArn,
      Message,
      MessageGroupId: 'g',
      MessageAttributes: { kind: { DataType: 'String', StringValue: kind } },
    });
  await publish('small 1', 'small');
  await publish('big 1', 'big');
  expect(await take(sqs, plain.url, 2)).toHaveLength(2);
  const end = Math.ceil((Date.now() + 1) / 1000) * 1000;
  const EndingPoint = new Date(end).toISOString();
  await eventually(() => expect(Date.now()).toBeGreaterThan(end + 500), { why: 'the end is past' });
  await publish('small 2', 'small');
  const { Attributes } = await sns.getTopicAttributes({ TopicArn });
  const StartingPoint = Attributes?.['BeginningArchiveTime'];
  const ReplayPolicy = JSON.stringify({ PointType: 'Timestamp', StartingPoint, EndingPoint });
  const filtered = await subscribedQueue(
    all,
    TopicArn,
    'small.fifo',
    { ReplayPolicy, FilterPolicy: '{"kind":["small"]}' },
    { FifoQueue: 'true' },
  );
  await publish('small 3', 'small');
  expect((await take(sqs, filtered.url, 2)).map((body) => JSON.parse(body).Message).sort()).toEqual(['small 1', 'small 3']);
  await refused(replay({ PointType: 'Sequence' }), wrong, 'Invalid parameter: ReplayPolicy: Invalid PointType');
  await refused(
    replay({ StartingPoint: '2001-01-01T00:00:00Z' }),
    wrong,
    'Invalid parameter: ReplayPolicy: Invalid StartingPoint value',
  );
  await refused(replay({ EndingPoint: 'soon' }), wrong, 'Invalid parameter: ReplayPolicy: Invalid EndingPoint value');
  await refused(set('ArchivePolicy', '{'), wrong, 'Invalid parameter: ArchivePolicy: Unable to parse JSON');
  await refused(set('ArchivePolicy', '{"days":1}'), wrong, 'Invalid parameter: ArchivePolicy: JSON is missing required fields');
  await refused(
    set('ArchivePolicy', '{"MessageRetentionPeriod":366}'),
    wrong,
    'Invalid parameter: ArchivePolicy: Invalid MessageRetentionPeriod value',
  );
  const standard = await makeTopic(sns, 'standard');
  await refused(
    sns.setTopicAttributes({ TopicArn: standard, AttributeName: 'ArchivePolicy', AttributeValue: '{}' }),
    wrong,
    'Invalid parameter: AttributeName',
  );
  await refused(sns.deleteTopic({ TopicArn }), 'InvalidState', 'Invalid state: Cannot delete a topic with an ArchivePolicy');
  await set('ArchivePolicy', '{}');
  await sns.deleteTopic({ TopicArn });
});
