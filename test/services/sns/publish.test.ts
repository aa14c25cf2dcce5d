import { execFile } from 'node:child_process';
import { createVerify, X509Certificate } from 'node:crypto';
import { promisify } from 'node:util';
import { SNS } from '@aws-sdk/client-sns';
import { expect, inject, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { allow, policy, rooted, userWithKey } from '../iam/support.ts';
import { makeQueue, receive } from '../sqs/support.ts';
import { makeTopic, messaging, openQueue, outbox, subscribedQueue, take } from './support.ts';

test('SNS-001 subscribers receive what is published, and nothing after they have left', async () => {
  const all = messaging();
  const { sns, sqs, account } = all;
  const TopicArn = await makeTopic(sns);
  expect(TopicArn).toBe(`arn:aws:sns:us-east-1:${account.id}:news`);
  const { url, subscription } = await subscribedQueue(all, TopicArn);
  const { MessageId } = await sns.publish({ TopicArn, Message: 'hello', Subject: 'Greeting' });
  const [body = ''] = await take(sqs, url);
  expect(JSON.parse(body)).toMatchObject({ Type: 'Notification', MessageId, TopicArn, Subject: 'Greeting', Message: 'hello' });
  await sns.unsubscribe({ SubscriptionArn: subscription });
  const other = await subscribedQueue(all, TopicArn, 'other');
  await sns.publish({ TopicArn, Message: 'later' });
  expect(await take(sqs, other.url)).toHaveLength(1);
  expect(await receive(sqs, url)).toEqual([]);
});

test('SNS-005 one topic feeds several queues, but none whose policy does not let it', async () => {
  const all = messaging();
  const { sns, sqs } = all;
  const TopicArn = await makeTopic(sns);
  const queues = [];
  for (const name of ['one', 'two', 'three']) queues.push(await subscribedQueue(all, TopicArn, name));
  const closed = await makeQueue(sqs, 'closed');
  await sns.subscribe({ TopicArn, Protocol: 'sqs', Endpoint: queues[0]!.arn.replace(/one$/, 'closed') });
  await sns.publish({ TopicArn, Message: 'to all' });
  for (const { url } of queues) expect((await take(sqs, url)).map((body) => JSON.parse(body).Message)).toEqual(['to all']);
  expect(await receive(sqs, closed)).toEqual([]);
  for (const { url } of queues) expect(await receive(sqs, url)).toEqual([]);
});

test('a notification is signed, and its certificate verifies', async () => {
  for (const version of ['1', '2']) {
    const all = messaging();
    const TopicArn = await makeTopic(all.sns, 'news', { SignatureVersion: version });
    const { url } = await subscribedQueue(all, TopicArn);
    await all.sns.publish({ TopicArn, Message: 'signed' });
    const [body = ''] = await take(all.sqs, url);
    const message = JSON.parse(body) as Record<string, string>;
    const address = new URL(message['SigningCertURL'] ?? '');
    expect([address.hostname, address.port]).toEqual(['sns.us-east-1.localhost', new URL(inject('endpoint')).port]);
    const { stdout: pem } = await promisify(execFile)('curl', ['-sf', address.href]);
    const text = ['Message', 'MessageId', 'Timestamp', 'TopicArn', 'Type'].map((name) => `${name}\n${message[name]}\n`).join('');
    const verify = (signed: string) =>
      createVerify(version === '1' ? 'RSA-SHA1' : 'RSA-SHA256')
        .update(signed)
        .verify(new X509Certificate(pem).publicKey, message['Signature'] ?? '', 'base64');
    expect(message['SignatureVersion']).toBe(version);
    expect([verify(text), verify(`${text}x`)]).toEqual([true, false]);
  }
});

test('raw delivery sends the message alone, attributes as attributes', async () => {
  const all = messaging();
  const TopicArn = await makeTopic(all.sns);
  const { url } = await subscribedQueue(all, TopicArn, 'raw', { RawMessageDelivery: 'true' });
  await all.sns.publish({
    TopicArn,
    Message: 'bare',
    MessageAttributes: { colour: { DataType: 'String', StringValue: 'red' } },
  });
  const [message] = await receive(all.sqs, url, { WaitTimeSeconds: 5 });
  expect([message?.Body, message?.MessageAttributes]).toEqual(['bare', { colour: { DataType: 'String', StringValue: 'red' } }]);
});

test('filter policies on attributes and bodies choose who gets what', async () => {
  const all = messaging();
  const { sns, sqs } = all;
  const TopicArn = await makeTopic(sns);
  const filtered = (name: string, filter: object, FilterPolicyScope = 'MessageAttributes') =>
    subscribedQueue(all, TopicArn, name, {
      FilterPolicy: JSON.stringify(filter),
      FilterPolicyScope,
      RawMessageDelivery: 'true',
    });
  const everything = await subscribedQueue(all, TopicArn, 'everything', { RawMessageDelivery: 'true' });
  const cheap = await filtered('cheap', { price: [{ numeric: ['<', 10] }], store: [{ 'anything-but': 'closed' }] });
  const tagged = await filtered('tagged', { tags: ['b', { prefix: 'x' }] });
  const body = await filtered('body', { order: { country: [{ 'equals-ignore-case': 'fi' }] } }, 'MessageBody');
  const publish = (Message: string, attributes: Record<string, [string, string]> = {}) =>
    sns.publish({
      TopicArn,
      Message,
      MessageAttributes: Object.fromEntries(
        Object.entries(attributes).map(([name, [DataType, StringValue]]) => [name, { DataType, StringValue }]),
      ),
    });
  await publish('1', { price: ['Number', '5'], store: ['String', 'open'] });
  await publish('2', { price: ['Number', '50'], store: ['String', 'open'] });
  await publish('3', { tags: ['String.Array', '["a","b"]'] });
  await publish('{"order":{"country":"FI"}}');
  await publish('{"order":{"country":"SE"}}');
  expect((await take(sqs, everything.url, 5)).sort()).toEqual(
    ['1', '2', '3', '{"order":{"country":"FI"}}', '{"order":{"country":"SE"}}'].sort(),
  );
  expect(await take(sqs, cheap.url)).toEqual(['1']);
  expect(await take(sqs, tagged.url)).toEqual(['3']);
  expect(await take(sqs, body.url)).toEqual(['{"order":{"country":"FI"}}']);
  for (const { url } of [cheap, tagged, body]) expect(await receive(sqs, url)).toEqual([]);
  const set = (FilterPolicy: string) =>
    sns.setSubscriptionAttributes({
      SubscriptionArn: cheap.subscription,
      AttributeName: 'FilterPolicy',
      AttributeValue: FilterPolicy,
    });
  await refused(
    set('{"key":[{"wrong-operator":true}]}'),
    'InvalidParameter',
    'Invalid parameter: Attributes Reason: FilterPolicy: Unrecognized match type wrong-operator\n at [Source: (String)"{"key":[{"wrong-operator":true}]}"; line: 1, column: 31]',
  );
  await refused(set('nonsense'), 'InvalidParameter', 'Invalid parameter: FilterPolicy: failed to parse JSON.');
  await refused(
    set('{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}'),
    'InvalidParameter',
    'Invalid parameter: FilterPolicy: Filter policy can not have more than 5 keys',
  );
});

test('letters and text messages reach the outbox, each in its own words, after confirmation', async () => {
  const all = messaging();
  const { sns, sqs, account } = all;
  const TopicArn = await makeTopic(sns);
  const { url } = await subscribedQueue(all, TopicArn);
  const not = await subscribedQueue(all, TopicArn, 'not', { FilterPolicy: '{"never":["x"]}' });
  await sns.subscribe({ TopicArn, Protocol: 'sms', Endpoint: '+358401234567' });
  for (const Protocol of ['email', 'email-json'])
    expect((await sns.subscribe({ TopicArn, Protocol, Endpoint: `${Protocol}@example.com` })).SubscriptionArn).toBe(
      'pending confirmation',
    );
  const asked = await outbox(account);
  expect(asked.map(({ to, subject }) => [to, subject])).toEqual([
    ['email@example.com', 'AWS Notification - Subscription Confirmation'],
    ['email-json@example.com', 'AWS Notification - Subscription Confirmation'],
  ]);
  for (const { body } of asked) {
    const Token = /Token=([0-9a-f]{256})/.exec(body)?.[1] ?? '';
    await sns.confirmSubscription({ TopicArn, Token });
  }
  await sns.publish({
    TopicArn,
    Message: JSON.stringify({ default: 'plain', sms: 'short', email: 'long' }),
    MessageStructure: 'json',
  });
  const letters = await eventually(
    async () => {
      const sent = (await outbox(account)).slice(2);
      expect(sent).toHaveLength(3);
      return sent;
    },
    { why: 'the letters are in the outbox' },
  );
  const bodyTo = (to: string): string => letters.find((letter) => letter.to === to)?.body ?? '';
  expect(bodyTo('+358401234567')).toBe('short');
  expect(bodyTo('email@example.com')).toMatch(/^long\n/);
  expect(JSON.parse(bodyTo('email-json@example.com'))).toMatchObject({ Message: 'plain', Type: 'Notification' });
  expect((await take(sqs, url)).map((body) => JSON.parse(body).Message)).toEqual(['plain']);
  expect(await receive(sqs, not.url)).toEqual([]);
  await refused(
    sns.subscribe({ TopicArn, Protocol: 'pigeon', Endpoint: 'x' }),
    'InvalidParameter',
    'Invalid parameter: Amazon SNS does not support this protocol string: pigeon',
  );
  await refused(sns.confirmSubscription({ TopicArn, Token: 'wrong' }), 'InvalidParameter', 'Invalid parameter: Token');
});

test('a FIFO topic keeps order and drops repeated messages', async () => {
  const all = messaging();
  const { sns, sqs } = all;
  const TopicArn = await makeTopic(sns, 'news.fifo', { FifoTopic: 'true', ContentBasedDeduplication: 'true' });
  const { url } = await subscribedQueue(all, TopicArn, 'in.fifo', { RawMessageDelivery: 'true' }, { FifoQueue: 'true' });
  const sent = [];
  for (const n of [1, 2, 2, 3]) sent.push(await sns.publish({ TopicArn, Message: String(n), MessageGroupId: 'g' }));
  expect(sent[1]?.MessageId).toBe(sent[2]?.MessageId);
  expect(await take(sqs, url, 3)).toEqual(['1', '2', '3']);
  await refused(
    sns.publish({ TopicArn, Message: 'x' }),
    'InvalidParameter',
    'Invalid parameter: The MessageGroupId parameter is required for FIFO topics',
  );
  await refused(
    sns.createTopic({ Name: 'bad', Attributes: { FifoTopic: 'true' } }),
    'InvalidParameter',
    /^Invalid parameter: Topic Name Reason: Fifo Topic names must end with .fifo/,
  );
  const standard = await makeTopic(sns);
  await refused(
    sns.subscribe({
      TopicArn: standard,
      Protocol: 'sqs',
      Endpoint: (await openQueue(sqs, standard, 'x.fifo', { FifoQueue: 'true' })).arn,
    }),
    'InvalidParameter',
    'Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics',
  );
});

test('a batch answers for each entry', async () => {
  const all = messaging();
  const { sns, sqs } = all;
  const TopicArn = await makeTopic(sns);
  const { url } = await subscribedQueue(all, TopicArn, 'inbox', { RawMessageDelivery: 'true' });
  const batch = (...entries: { Id: string; Message: string; Subject?: string }[]) =>
    sns.publishBatch({ TopicArn, PublishBatchRequestEntries: entries });
  const { Successful, Failed } = await batch(
    { Id: 'a', Message: 'one' },
    { Id: 'b', Message: 'two', Subject: 'line\nbreak' },
    { Id: 'c', Message: 'three' },
  );
  expect(Successful?.map(({ Id }) => Id)).toEqual(['a', 'c']);
  expect(Failed).toEqual([{ Id: 'b', Code: 'InvalidParameter', Message: 'Invalid parameter: Subject', SenderFault: true }]);
  expect((await take(sqs, url, 2)).sort()).toEqual(['one', 'three']);
  await refused(batch(), 'EmptyBatchRequest');
  await refused(batch({ Id: 'a', Message: 'x' }, { Id: 'a', Message: 'y' }), 'BatchEntryIdsNotDistinct');
  await refused(batch({ Id: 'a b', Message: 'x' }), 'InvalidBatchEntryId');
});

test('publishing is refused in AWS’s words', async () => {
  const { sns, account } = messaging();
  const TopicArn = await makeTopic(sns);
  const send = (more: object) => sns.publish({ TopicArn, Message: 'm', ...more });
  const wrong = 'InvalidParameter';
  await refused(send({ Message: '' }), wrong, 'Invalid parameter: Empty message');
  await refused(send({ Message: 'x'.repeat(262_145) }), wrong, 'Invalid parameter: Message too long');
  await refused(send({ Subject: 'x'.repeat(101) }), wrong, 'Invalid parameter: Subject');
  await refused(
    send({ Message: 'no json', MessageStructure: 'json' }),
    wrong,
    'Invalid parameter: Message Structure - JSON message body failed to parse',
  );
  await refused(
    send({ Message: '{"sqs":"x"}', MessageStructure: 'json' }),
    wrong,
    'Invalid parameter: Message Structure - No default entry in JSON message body',
  );
  await refused(send({ MessageAttributes: { a: { DataType: 'Text', StringValue: 'x' } } }), 'ParameterValueInvalid');
  await refused(sns.publish({ TopicArn: `${TopicArn}x`, Message: 'm' }), 'NotFound', 'Topic does not exist', 404);
  await refused(
    sns.publish({ TopicArn: 'nonsense', Message: 'm' }),
    wrong,
    'Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1',
  );
  await refused(sns.createTopic({ Name: 'with space' }), wrong, 'Invalid parameter: Topic Name');
  await refused(
    sns.getTopicAttributes({ TopicArn: `arn:aws:sns:us-east-1:${account.id}:nobody` }),
    'NotFound',
    'Topic does not exist',
    404,
  );
});

test('rights: a user’s policy, and another account by the topic’s policy', async () => {
  const root = rooted();
  const own = new SNS(root.account.config());
  const TopicArn = await makeTopic(own);
  const user = await userWithKey(root, 'writer');
  const sns = new SNS(root.account.configFor(user.key));
  await refused(sns.publish({ TopicArn, Message: 'm' }), 'AuthorizationError');
  await root.iam.putUserPolicy({ UserName: user.name, PolicyName: 'p', PolicyDocument: policy(allow('sns:Publish', TopicArn)) });
  await sns.publish({ TopicArn, Message: 'm' });
  await refused(sns.deleteTopic({ TopicArn }), 'AuthorizationError');
  const other = messaging();
  await refused(other.sns.publish({ TopicArn, Message: 'm' }), 'AuthorizationError');
  await own.addPermission({ TopicArn, Label: 'guests', AWSAccountId: [other.account.id], ActionName: ['Publish'] });
  await other.sns.publish({ TopicArn, Message: 'm' });
  await own.removePermission({ TopicArn, Label: 'guests' });
  await refused(other.sns.publish({ TopicArn, Message: 'm' }), 'AuthorizationError');
});

test('topics and subscriptions are described, listed and tagged', async () => {
  const all = messaging();
  const { sns, account } = all;
  const TopicArn = await makeTopic(sns, 'news', { DisplayName: 'News' });
  expect(await makeTopic(sns)).toBe(TopicArn);
  const { subscription, arn } = await subscribedQueue(all, TopicArn);
  const { Attributes } = await sns.getTopicAttributes({ TopicArn });
  expect(Attributes).toMatchObject({
    Owner: account.id,
    DisplayName: 'News',
    SubscriptionsConfirmed: '1',
    SubscriptionsPending: '0',
  });
  expect((await sns.listTopics({})).Topics).toEqual([{ TopicArn }]);
  expect((await sns.listSubscriptionsByTopic({ TopicArn })).Subscriptions).toEqual([
    { SubscriptionArn: subscription, Owner: account.id, Protocol: 'sqs', Endpoint: arn, TopicArn },
  ]);
  expect((await sns.getSubscriptionAttributes({ SubscriptionArn: subscription })).Attributes).toMatchObject({
    PendingConfirmation: 'false',
    RawMessageDelivery: 'false',
    Protocol: 'sqs',
  });
  await sns.tagResource({ ResourceArn: TopicArn, Tags: [{ Key: 'team', Value: 'web' }] });
  expect((await sns.listTagsForResource({ ResourceArn: TopicArn })).Tags).toEqual([{ Key: 'team', Value: 'web' }]);
  await sns.untagResource({ ResourceArn: TopicArn, TagKeys: ['team'] });
  expect((await sns.listTagsForResource({ ResourceArn: TopicArn })).Tags).toEqual([]);
  await sns.deleteTopic({ TopicArn });
  await sns.deleteTopic({ TopicArn });
  await refused(sns.getSubscriptionAttributes({ SubscriptionArn: subscription }), 'NotFound', 'Subscription does not exist', 404);
});
