/** Every protocol of subscribers, HTTPS and functions among them. In a cloud of its own, for its certificate authority. */
import { Lambda } from '@aws-sdk/client-lambda';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, onTestFinished, test } from 'vitest';
import { eventually, machinesRefused, refused, startOwnCloud } from '../../support/cloud.ts';
import { secureServer } from '../../support/secure-server.ts';
import { serverless } from '../lambda/support.ts';
import { makeTopic, outbox, subscribedQueue, take } from './support.ts';

test('SNS-002 queues, functions and phones get a message at once, letters and endpoints of both kinds after confirmation', {
  timeout: 120_000,
}, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const cloud = await startOwnCloud();
  onTestFinished(async () => {
    expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
  });
  const { lab, address, seen } = await secureServer(cloud, '10.67');
  const { account } = lab;
  const [sns, sqs] = [new SNS(account.config()), new SQS(account.config())];
  const { make, logOf } = await serverless(account);
  const TopicArn = await makeTopic(sns);
  const { url } = await subscribedQueue({ account, sns, sqs }, TopicArn);
  const functionArn = await make('hear', 'export const handler = async (e) => console.log(e.Records[0].Sns.Message);');
  await new Lambda(account.config()).addPermission({
    FunctionName: 'hear',
    StatementId: 'sns',
    Action: 'lambda:InvokeFunction',
    Principal: 'sns.amazonaws.com',
    SourceArn: TopicArn,
  });
  await sns.subscribe({ TopicArn, Protocol: 'lambda', Endpoint: functionArn });
  await sns.subscribe({ TopicArn, Protocol: 'sms', Endpoint: '+358401234567' });
  for (const Protocol of ['email', 'email-json'])
    await sns.subscribe({ TopicArn, Protocol, Endpoint: `${Protocol}@example.com` });
  for (const protocol of ['http', 'https'])
    await sns.subscribe({ TopicArn, Protocol: protocol, Endpoint: `${protocol}://${address}/${protocol}` });
  await refused(sns.subscribe({ TopicArn, Protocol: 'carrier-pigeon', Endpoint: 'x' }), 'InvalidParameter');
  await refused(sns.subscribe({ TopicArn, Protocol: 'https', Endpoint: `http://${address}/` }), 'InvalidParameter');
  const asked = await eventually(
    async () => {
      const found = await seen();
      expect(found.map(({ path, secure }) => [path, secure]).sort()).toEqual([
        ['/http', false],
        ['/https', true],
      ]);
      return found;
    },
    { why: 'both endpoints are asked to confirm' },
  );
  const confirmations = await outbox(account, cloud.endpoint);
  const heard = async () => (await logOf('hear').catch(() => [])).flat().join('');

  await sns.publish({ TopicArn, Message: 'before confirmation' });
  expect((await take(sqs, url)).map((body) => JSON.parse(body).Message)).toEqual(['before confirmation']);
  await eventually(async () => expect(await heard()).toContain('before confirmation'), {
    why: 'the function is called',
    timeoutMs: 30_000,
  });
  const letters = async () => (await outbox(account, cloud.endpoint)).slice(confirmations.length).map(({ to }) => to);
  await eventually(async () => expect(await letters()).toEqual(['+358401234567']), { why: 'the text message is out' });
  expect(await seen()).toHaveLength(2);

  for (const { body } of confirmations)
    await sns.confirmSubscription({ TopicArn, Token: /Token=([0-9a-f]{256})/.exec(body)?.[1] });
  for (const { body } of asked) await sns.confirmSubscription({ TopicArn, Token: (JSON.parse(body) as { Token: string }).Token });
  await sns.publish({ TopicArn, Message: 'to everybody' });
  const posted = await eventually(
    async () => {
      const found = (await seen()).slice(2);
      expect(found).toHaveLength(2);
      return found;
    },
    { why: 'both endpoints get the message' },
  );
  expect(posted.map(({ path, body }) => [path, (JSON.parse(body) as { Message: string }).Message]).sort()).toEqual([
    ['/http', 'to everybody'],
    ['/https', 'to everybody'],
  ]);
  expect((await take(sqs, url)).map((body) => JSON.parse(body).Message)).toEqual(['to everybody']);
  await eventually(async () => expect(await heard()).toContain('to everybody'), { why: 'the function is called again' });
  const addresses = ['+358401234567', '+358401234567', 'email-json@example.com', 'email@example.com'];
  await eventually(async () => expect((await letters()).sort()).toEqual(addresses), { why: 'letters are out' });
});
