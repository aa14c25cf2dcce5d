import { KMS } from '@aws-sdk/client-kms';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { eventually, refused } from '../../support/cloud.ts';
import { allow, policy, rooted, userWithKey } from '../iam/support.ts';
import { makeTopic, messaging, openQueue, subscribedQueue, take } from './support.ts';

test('a topic under a key of KMS asks its publishers for the right to it, and delivers what they published', async () => {
  const root = rooted();
  const { account } = root;
  const all = { account, sns: new SNS(account.config()), sqs: new SQS(account.config()) };
  const kms = new KMS(account.config());
  const { KeyMetadata } = await kms.createKey({});
  const key = KeyMetadata?.Arn ?? '';
  const TopicArn = await makeTopic(all.sns, 'secrets', { KmsMasterKeyId: key });
  expect((await all.sns.getTopicAttributes({ TopicArn })).Attributes).toMatchObject({ KmsMasterKeyId: key });
  const { url } = await subscribedQueue(all, TopicArn, 'inbox', { RawMessageDelivery: 'true' });
  const user = await userWithKey(root, 'publisher');
  const own = new SNS(account.configFor(user.key));
  const grant = (...statements: ReturnType<typeof allow>[]) =>
    root.iam.putUserPolicy({ UserName: user.name, PolicyName: 'p', PolicyDocument: policy(...statements) });
  await grant(allow('sns:Publish', TopicArn));
  await refused(own.publish({ TopicArn, Message: 'm' }), 'KMSAccessDenied', /kms:GenerateDataKey/);
  await grant(allow('sns:Publish', TopicArn), allow('kms:GenerateDataKey', key));
  await refused(own.publish({ TopicArn, Message: 'm' }), 'KMSAccessDenied', /kms:Decrypt/);
  await grant(allow('sns:Publish', TopicArn), allow(['kms:GenerateDataKey', 'kms:Decrypt'], key));
  await own.publish({ TopicArn, Message: 'secret' });
  await all.sns.publishBatch({ TopicArn, PublishBatchRequestEntries: [{ Id: 'a', Message: 'also secret' }] });
  expect((await take(all.sqs, url, 2)).sort()).toEqual(['also secret', 'secret']);
});

test('a disabled or missing key stops publishing; the key behind AWS’s alias is there at once', async () => {
  const all = messaging();
  const kms = new KMS(all.account.config());
  const { KeyMetadata } = await kms.createKey({});
  await kms.disableKey({ KeyId: KeyMetadata?.KeyId });
  const disabled = await makeTopic(all.sns, 'disabled', { KmsMasterKeyId: KeyMetadata?.KeyId ?? '' });
  await refused(all.sns.publish({ TopicArn: disabled, Message: 'm' }), 'KMSDisabled', /is disabled/);
  const missing = await makeTopic(all.sns, 'missing', { KmsMasterKeyId: 'alias/nobody' });
  await refused(all.sns.publish({ TopicArn: missing, Message: 'm' }), 'KMSNotFound', /alias\/nobody is not found/);
  const managed = await makeTopic(all.sns, 'managed', { KmsMasterKeyId: 'alias/aws/sns' });
  const { url } = await subscribedQueue(all, managed, 'inbox', { RawMessageDelivery: 'true' });
  await all.sns.publish({ TopicArn: managed, Message: 'm' });
  expect(await take(all.sqs, url)).toEqual(['m']);
});

test('SNS fills a queue under a key only where the key’s policy lets SNS', async () => {
  const all = messaging();
  const kms = new KMS(all.account.config());
  const { KeyMetadata } = await kms.createKey({});
  const key = KeyMetadata?.Arn ?? '';
  const TopicArn = await makeTopic(all.sns);
  const letters = await openQueue(all.sqs, TopicArn, 'letters');
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: letters.arn });
  const { url } = await subscribedQueue(
    all,
    TopicArn,
    'inbox',
    { RawMessageDelivery: 'true', RedrivePolicy },
    { KmsMasterKeyId: key },
  );
  await all.sns.publish({ TopicArn, Message: 'refused' });
  expect(await take(all.sqs, letters.url)).toEqual(['refused']);
  const Statement = [
    { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${all.account.id}:root` }, Action: 'kms:*', Resource: '*' },
    {
      Effect: 'Allow',
      Principal: { Service: 'sns.amazonaws.com' },
      Action: ['kms:GenerateDataKey*', 'kms:Decrypt'],
      Resource: '*',
      Condition: { ArnEquals: { 'aws:SourceArn': TopicArn } },
    },
  ];
  await kms.putKeyPolicy({ KeyId: key, Policy: JSON.stringify({ Version: '2012-10-17', Statement }) });
  await all.sns.publish({ TopicArn, Message: 'taken' });
  expect(await eventually(() => take(all.sqs, url), { why: 'the message is in the queue' })).toEqual(['taken']);
});
