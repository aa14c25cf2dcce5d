import { KMS } from '@aws-sdk/client-kms';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, policy, rooted, userWithKey } from '../iam/support.ts';
import { arnOf, bodies, makeQueue, receive } from './support.ts';

test('SQS encrypts with a key of KMS, under the rights of who sends and receives', async () => {
  const root = rooted();
  const sqs = new SQS(root.account.config());
  const kms = new KMS(root.account.config());
  const { KeyMetadata } = await kms.createKey({});
  const key = KeyMetadata?.Arn ?? '';
  const QueueUrl = await makeQueue(sqs, 'jobs', { KmsMasterKeyId: key, VisibilityTimeout: '0' });
  const { Attributes } = await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['All'] });
  expect(Attributes).toMatchObject({ KmsMasterKeyId: key, KmsDataKeyReusePeriodSeconds: '300', SqsManagedSseEnabled: 'false' });
  await sqs.sendMessage({ QueueUrl, MessageBody: 'secret' });
  expect(await bodies(sqs, QueueUrl)).toEqual(['secret']);
  const user = await userWithKey(root, 'worker');
  const own = new SQS(root.account.configFor(user.key));
  const grant = (...statements: ReturnType<typeof allow>[]) =>
    root.iam.putUserPolicy({ UserName: user.name, PolicyName: 'p', PolicyDocument: policy(...statements) });
  await grant(allow('sqs:*'));
  await refused(own.receiveMessage({ QueueUrl }), 'KmsAccessDenied', /kms:Decrypt/);
  await refused(own.sendMessage({ QueueUrl, MessageBody: 'm' }), 'KmsAccessDenied', /kms:GenerateDataKey/);
  await grant(allow('sqs:*'), allow(['kms:Decrypt', 'kms:GenerateDataKey'], key));
  await own.sendMessage({ QueueUrl, MessageBody: 'also secret' });
  expect((await bodies(own, QueueUrl)).sort()).toEqual(['also secret', 'secret']);
});

test('a disabled or missing key stops a queue; both kinds of encryption exclude each other', async () => {
  const root = rooted();
  const sqs = new SQS(root.account.config());
  const kms = new KMS(root.account.config());
  const { KeyMetadata } = await kms.createKey({});
  await kms.disableKey({ KeyId: KeyMetadata?.KeyId });
  const disabled = await makeQueue(sqs, 'disabled', { KmsMasterKeyId: KeyMetadata?.KeyId ?? '' });
  await refused(sqs.sendMessage({ QueueUrl: disabled, MessageBody: 'm' }), 'KmsDisabled');
  const missing = await makeQueue(sqs, 'missing', { KmsMasterKeyId: 'alias/nobody' });
  await refused(sqs.sendMessage({ QueueUrl: missing, MessageBody: 'm' }), 'KmsNotFound');
  const managed = await makeQueue(sqs, 'managed', { KmsMasterKeyId: 'alias/aws/sqs' });
  await sqs.sendMessage({ QueueUrl: managed, MessageBody: 'm' });
  expect(await bodies(sqs, managed)).toEqual(['m']);
  await refused(
    sqs.setQueueAttributes({ QueueUrl: managed, Attributes: { SqsManagedSseEnabled: 'true', KmsMasterKeyId: 'alias/aws/sqs' } }),
    'InvalidAttributeName',
    'You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.',
  );
});

test('an encrypted message can be read in its dead-letter queue', async () => {
  const root = rooted();
  const sqs = new SQS(root.account.config());
  for (const Attributes of [{ SqsManagedSseEnabled: 'true' }, { KmsMasterKeyId: 'alias/aws/sqs' }]) {
    const kind = Object.keys(Attributes)[0] ?? '';
    const letters = await makeQueue(sqs, `letters-${kind}`);
    const QueueUrl = await makeQueue(sqs, `jobs-${kind}`, {
      ...(Attributes as unknown as Record<string, string>),
      VisibilityTimeout: '0',
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: await arnOf(sqs, letters), maxReceiveCount: 1 }),
    });
    await sqs.sendMessage({ QueueUrl, MessageBody: 'secret' });
    await receive(sqs, QueueUrl);
    expect(await receive(sqs, QueueUrl)).toEqual([]);
    expect(await bodies(sqs, letters)).toEqual(['secret']);
  }
});
