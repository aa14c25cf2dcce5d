import { SQS } from '@aws-sdk/client-sqs';
import { expect, inject, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { sendSigned } from '../../support/raw.ts';
import { allow, policy, rooted, userWithKey } from '../iam/support.ts';
import { arnOf, bodies, counts, makeQueue, queues, receive } from './support.ts';

test('SQS-011 a message received too often goes to the dead-letter queue, and a move task brings it back', async () => {
  const { sqs } = queues();
  const letters = await makeQueue(sqs, 'letters');
  const lettersArn = await arnOf(sqs, letters);
  const QueueUrl = await makeQueue(sqs, 'jobs', {
    VisibilityTimeout: '0',
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: lettersArn, maxReceiveCount: 2 }),
  });
  const { MessageId } = await sqs.sendMessage({ QueueUrl, MessageBody: 'poison' });
  expect(await bodies(sqs, QueueUrl)).toEqual(['poison']);
  expect(await bodies(sqs, QueueUrl)).toEqual(['poison']);
  expect(await bodies(sqs, QueueUrl)).toEqual([]);
  const [letter] = await receive(sqs, letters, { VisibilityTimeout: 0 });
  expect(letter).toMatchObject({ MessageId, Body: 'poison' });
  expect(letter?.Attributes?.DeadLetterQueueSourceArn).toBe(await arnOf(sqs, QueueUrl));
  expect((await sqs.listDeadLetterSourceQueues({ QueueUrl: letters })).queueUrls).toEqual([QueueUrl]);
  await sqs.startMessageMoveTask({ SourceArn: lettersArn });
  await eventually(
    async () => {
      const { Results: [task] = [] } = await sqs.listMessageMoveTasks({ SourceArn: lettersArn });
      expect(task).toMatchObject({
        Status: 'COMPLETED',
        ApproximateNumberOfMessagesMoved: 1,
        ApproximateNumberOfMessagesToMove: 1,
      });
    },
    { why: 'the task ends' },
  );
  expect(await counts(sqs, letters)).toEqual([0, 0, 0]);
  const [back] = await receive(sqs, QueueUrl);
  expect(back?.Body).toBe('poison');
  expect(back?.Attributes?.ApproximateReceiveCount).toBe('1');
  // A redriven message is a new one.
  expect(back?.MessageId).not.toBe(MessageId);
});

test('redrive policies are refused in AWS’s words', async () => {
  const { sqs, account } = queues();
  const QueueUrl = await makeQueue(sqs);
  const arn = (name: string): string => `arn:aws:sqs:us-east-1:${account.id}:${name}`;
  const set = async (redrive: object, reason: string): Promise<void> => {
    const RedrivePolicy = JSON.stringify(redrive);
    await refused(
      sqs.setQueueAttributes({ QueueUrl, Attributes: { RedrivePolicy } }),
      'InvalidParameterValue',
      `Value ${RedrivePolicy} for parameter RedrivePolicy is invalid. Reason: ${reason}`,
    );
  };
  await set({ deadLetterTargetArn: 'dummy', maxReceiveCount: 42 }, 'Invalid value for deadLetterTargetArn.');
  await set(
    { deadLetterTargetArn: arn('x'), maxReceiveCount: 1, more: true },
    'Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn].',
  );
  const allow = async (policy: object, reason: string): Promise<void> => {
    const RedriveAllowPolicy = JSON.stringify(policy);
    await refused(
      sqs.setQueueAttributes({ QueueUrl, Attributes: { RedriveAllowPolicy } }),
      'InvalidParameterValue',
      `Value ${RedriveAllowPolicy} for parameter RedriveAllowPolicy is invalid. Reason: Amazon SQS can't create the redrive allow policy${reason}`,
    );
  };
  await allow({ redrivePermission: 'some' }, ', as it’s in an unsupported format.');
  await allow(
    { redrivePermission: 'denyAll', sourceQueueArns: [arn('x')] },
    '. To specify one or more source queue ARNs, you must set redrivePermission to byQueue.',
  );
  await allow(
    { redrivePermission: 'byQueue' },
    '. When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values.',
  );
  await allow(
    { redrivePermission: 'byQueue', sourceQueueArns: Array.from({ length: 11 }, (_, i) => arn(`q${i}`)) },
    '. The maximum number of source queue ARNs you can specify is 10.',
  );
  await set({ maxReceiveCount: 42 }, 'Redrive policy does not contain mandatory attribute: deadLetterTargetArn.');
  await set({ deadLetterTargetArn: arn('x') }, 'Redrive policy does not contain mandatory attribute: maxReceiveCount.');
  await set(
    { deadLetterTargetArn: arn('x'), maxReceiveCount: 1001 },
    'Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive.',
  );
  await set({ deadLetterTargetArn: arn('x'), maxReceiveCount: 1 }, 'Dead letter target does not exist.');
  await makeQueue(sqs, 'closed', { RedriveAllowPolicy: '{"redrivePermission":"denyAll"}' });
  await set(
    { deadLetterTargetArn: arn('closed'), maxReceiveCount: 1 },
    'Queue does not allow the source queue to use it as a dead-letter queue.',
  );
  const RedriveAllowPolicy = JSON.stringify({ redrivePermission: 'byQueue', sourceQueueArns: [arn('jobs')] });
  await makeQueue(sqs, 'open', { RedriveAllowPolicy });
  await sqs.setQueueAttributes({
    QueueUrl,
    Attributes: { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn('open'), maxReceiveCount: 1 }) },
  });
  await refused(
    sqs.startMessageMoveTask({ SourceArn: arn('closed') }),
    'InvalidParameterValue',
    'Source queue must be configured as a Dead Letter Queue.',
  );
  await refused(
    sqs.startMessageMoveTask({ SourceArn: arn('nobody') }),
    'ResourceNotFoundException',
    "The resource that you specified for the SourceArn parameter doesn't exist.",
    404,
  );
});

test('a queue is made once: again with the same attributes, not with others', async () => {
  const { sqs, account } = queues();
  const QueueUrl = await makeQueue(sqs, 'jobs', { DelaySeconds: '5' });
  expect(QueueUrl).toBe(`${inject('endpoint')}/${account.id}/jobs`);
  expect(await makeQueue(sqs, 'jobs', { DelaySeconds: '5' })).toBe(QueueUrl);
  expect(await makeQueue(sqs, 'jobs')).toBe(QueueUrl);
  await refused(
    makeQueue(sqs, 'jobs', { DelaySeconds: '6' }),
    'QueueNameExists',
    'A queue already exists with the same name and a different value for attribute DelaySeconds',
  );
  expect((await sqs.getQueueUrl({ QueueName: 'jobs' })).QueueUrl).toBe(QueueUrl);
  await refused(sqs.getQueueUrl({ QueueName: 'nobody' }), 'QueueDoesNotExist', 'The specified queue does not exist.');
  for (const call of [sqs.createQueue({ QueueName: '' }), sqs.getQueueUrl({ QueueName: '' })])
    await refused(call, 'InvalidParameterValue', 'Value for parameter QueueName is invalid. Reason: Must specify a queue name.');
  for (const QueueName of ['with space', 'x'.repeat(81)])
    await refused(
      sqs.createQueue({ QueueName }),
      'InvalidParameterValue',
      'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
    );
  await refused(makeQueue(sqs, 'other', { Colour: 'red' }), 'InvalidAttributeName', 'Unknown Attribute Colour.');
  await refused(
    sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['Colour' as never] }),
    'InvalidAttributeName',
    'Unknown Attribute Colour.',
  );
  await refused(sqs.getQueueAttributes({ QueueUrl: 'jobs', AttributeNames: ['All'] }), 'InvalidAddress', /jobs/, 404);
});

test('queues are listed in pages', async () => {
  const { sqs } = queues();
  expect((await sqs.listQueues({})).QueueUrls).toBeUndefined();
  for (const name of ['a-1', 'a-2', 'a-3', 'b-1']) await makeQueue(sqs, name);
  const names = (urls: readonly string[] = []) => urls.map((url) => url.slice(url.lastIndexOf('/') + 1));
  const first = await sqs.listQueues({ QueueNamePrefix: 'a-', MaxResults: 2 });
  expect(names(first.QueueUrls)).toEqual(['a-1', 'a-2']);
  const rest = await sqs.listQueues({ QueueNamePrefix: 'a-', MaxResults: 2, NextToken: first.NextToken });
  expect([names(rest.QueueUrls), rest.NextToken]).toEqual([['a-3'], undefined]);
  expect(names((await sqs.listQueues({})).QueueUrls)).toHaveLength(4);
  await refused(sqs.listQueues({ MaxResults: 2, NextToken: 'nonsense' }), 'InvalidParameterValue');
});

test('tags come and go', async () => {
  const { sqs } = queues();
  const { QueueUrl } = await sqs.createQueue({ QueueName: 'jobs', tags: { team: 'web' } });
  await sqs.tagQueue({ QueueUrl, Tags: { team: 'core', stage: 'test' } });
  await sqs.untagQueue({ QueueUrl, TagKeys: ['stage', 'nothing'] });
  expect((await sqs.listQueueTags({ QueueUrl })).Tags).toEqual({ team: 'core' });
  const many = Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, 'v']));
  await refused(sqs.tagQueue({ QueueUrl, Tags: many }), 'InvalidParameterValue', 'Too many tags added for queue jobs.');
});

test('another account sends when the queue’s policy lets it, and not otherwise', async () => {
  const { sqs, account } = queues();
  const other = queues();
  const QueueUrl = await makeQueue(sqs);
  const arn = await arnOf(sqs, QueueUrl);
  await refused(
    other.sqs.sendMessage({ QueueUrl, MessageBody: 'm' }),
    'AccessDenied',
    `User: arn:aws:iam::${other.account.id}:root is not authorized to perform: sqs:sendmessage on resource: ${arn} because no resource-based policy allows the sqs:sendmessage action`,
    403,
  );
  await sqs.addPermission({ QueueUrl, Label: 'guests', AWSAccountIds: [other.account.id], Actions: ['SendMessage'] });
  await other.sqs.sendMessage({ QueueUrl, MessageBody: 'from next door' });
  expect(await bodies(sqs, QueueUrl)).toEqual(['from next door']);
  await refused(receive(other.sqs, QueueUrl), 'AccessDenied');
  await refused(other.sqs.deleteQueue({ QueueUrl }), 'AccessDenied');
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['Policy'] });
  expect(JSON.parse(Attributes?.Policy ?? '')).toEqual({
    Version: '2008-10-17',
    Id: `${arn}/SQSDefaultPolicy`,
    Statement: [
      {
        Sid: 'guests',
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${other.account.id}:root` },
        Action: 'SQS:SendMessage',
        Resource: arn,
      },
    ],
  });
  const add = (Label: string, Actions: string[], AWSAccountIds = [account.id]) =>
    sqs.addPermission({ QueueUrl, Label, AWSAccountIds, Actions });
  await refused(
    add('guests', ['*']),
    'InvalidParameterValue',
    'Value guests for parameter Label is invalid. Reason: Already exists.',
  );
  await refused(
    add('more', ['DeleteQueue']),
    'InvalidParameterValue',
    'Value SQS:DeleteQueue for parameter ActionName is invalid. Reason: Only the queue owner is allowed to invoke this action.',
  );
  await refused(
    add('more', ['Dance']),
    'InvalidParameterValue',
    'Value SQS:Dance for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions.',
  );
  await refused(
    add(
      'more',
      Array.from({ length: 8 }, () => 'SendMessage'),
    ),
    'OverLimit',
    '8 Actions were found, maximum allowed is 7.',
  );
  await sqs.removePermission({ QueueUrl, Label: 'guests' });
  await refused(other.sqs.sendMessage({ QueueUrl, MessageBody: 'm' }), 'AccessDenied');
  await refused(
    sqs.removePermission({ QueueUrl, Label: 'guests' }),
    'InvalidParameterValue',
    "Value guests for parameter Label is invalid. Reason: can't find label.",
  );
});

test('a user needs the right to the action, on the queue', async () => {
  const root = rooted();
  const sqs = new SQS(root.account.config());
  const QueueUrl = await makeQueue(sqs);
  const arn = await arnOf(sqs, QueueUrl);
  const user = await userWithKey(root, 'worker');
  const own = new SQS(root.account.configFor(user.key));
  await refused(own.sendMessage({ QueueUrl, MessageBody: 'm' }), 'AccessDenied');
  await root.iam.putUserPolicy({ UserName: user.name, PolicyName: 'p', PolicyDocument: policy(allow('sqs:SendMessage', arn)) });
  await own.sendMessage({ QueueUrl, MessageBody: 'm' });
  await own.sendMessageBatch({ QueueUrl, Entries: [{ Id: 'a', MessageBody: 'm' }] });
  await refused(own.receiveMessage({ QueueUrl }), 'AccessDenied');
  await refused(own.createQueue({ QueueName: 'other' }), 'AccessDenied');
});

test('the query protocol of older clients is answered with its own codes', async () => {
  const { sqs, account } = queues();
  const QueueUrl = await makeQueue(sqs);
  const ask = (parameters: Record<string, string>) =>
    sendSigned({
      service: 'sqs',
      account: account.id,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ Version: '2012-11-05', ...parameters }).toString(),
    });
  const sent = await ask({
    Action: 'SendMessage',
    QueueUrl,
    MessageBody: 'old style',
    'MessageAttribute.1.Name': 'a',
    'MessageAttribute.1.Value.DataType': 'String',
    'MessageAttribute.1.Value.StringValue': 'x',
  });
  expect([sent.status, sent.body]).toEqual([200, expect.stringContaining('<MD5OfMessageAttributes>')]);
  const received = (await ask({ Action: 'ReceiveMessage', QueueUrl, 'AttributeName.1': 'All' })).body;
  expect(received).toContain('<Body>old style</Body>');
  expect(received).toContain('<Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>');
  const missing = await ask({ Action: 'GetQueueUrl', QueueName: 'nobody' });
  expect([missing.status, missing.body]).toEqual([
    400,
    expect.stringContaining('<Code>AWS.SimpleQueueService.NonExistentQueue</Code>'),
  ]);
});
