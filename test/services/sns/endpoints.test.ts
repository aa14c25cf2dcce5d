import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { beforeEach, expect, inject, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { base64, Lab } from '../ec2/support.ts';
import { makeTopic, outbox, subscribedQueue, take } from './support.ts';

/** An endpoint on an instance: GET tells what was POSTed, as lines of JSON; GET of /get/URL tells what it finds there itself; POST to /fail answers 500 for the first `n` times of `/fail/n`. */
const script = `#!/bin/bash
cat > /endpoint.py <<'END'
import http.server, json, ssl, urllib.parse, urllib.request
anybody = ssl._create_unverified_context()
seen = []
class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith('/get/'):
            body = urllib.request.urlopen(urllib.parse.unquote(self.path[5:]), context=anybody).read()
        else:
            body = '\\n'.join(json.dumps(one) for one in seen).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length'])).decode()
        kind = self.headers['x-amz-sns-message-type']
        earlier = sum(1 for one in seen if one['path'] == self.path and one['type'] == kind)
        seen.append({'path': self.path, 'type': kind, 'body': body, 'raw': self.headers['x-amz-sns-rawdelivery']})
        failing = kind == 'Notification' and self.path.startswith('/fail/') and earlier < int(self.path[6:])
        self.send_response(500 if failing else 403 if self.path == '/closed' and kind == 'Notification' else 200)
        self.send_header('content-length', '0')
        self.end_headers()
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(('0.0.0.0', 80), Endpoint).serve_forever()
END
python3 /endpoint.py > /dev/null 2>&1 &
`;

interface Seen {
  path: string;
  type: string;
  body: string;
  raw: string | null;
}

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));

/** An instance with the endpoint, in an account with clients for messages. */
async function withEndpoint(prefix: string) {
  const lab = new Lab();
  const { subnetId, groupId } = await lab.network(prefix);
  const id = await lab.launch({ SubnetId: subnetId, SecurityGroupIds: [groupId], UserData: base64(script) });
  const { PublicIpAddress: address = '' } = await lab.inState(id, 'running');
  const seen = async (): Promise<Seen[]> => {
    const answer = await fetchInside(address, 80);
    if (typeof answer === 'string') throw new Error(answer);
    return answer.body === '' ? [] : answer.body.split('\n').map((line) => JSON.parse(line) as Seen);
  };
  await eventually(seen, { why: 'the endpoint answers', timeoutMs: 25_000 });
  const { account } = lab;
  /** What the instance finds at a URL. */
  const get = async (url: string): Promise<string> => {
    const answer = await fetchInside(address, 80, `/get/${encodeURIComponent(url)}`);
    return typeof answer === 'string' ? answer : answer.body;
  };
  return { account, address, seen, get, sns: new SNS(account.config()), sqs: new SQS(account.config()) };
}

test('SNS-003 SNS-004 an endpoint confirms first; then each of five protocols gets a message once', {
  timeout: 90_000,
}, async () => {
  const all = await withEndpoint('10.61');
  const { sns, sqs, account, address, seen } = all;
  const TopicArn = await makeTopic(sns);
  const { url } = await subscribedQueue(all, TopicArn);
  const filtered = await subscribedQueue(all, TopicArn, 'filtered', { FilterPolicy: '{"never":["x"]}' });
  await sns.subscribe({ TopicArn, Protocol: 'http', Endpoint: `http://${address}/hook` });
  const [confirmation] = await eventually(
    async () => {
      const found = await seen();
      expect(found).toHaveLength(1);
      return found;
    },
    { why: 'the endpoint is asked to confirm' },
  );
  const asked = JSON.parse(confirmation?.body ?? '') as { Type: string; Token: string; SubscribeURL: string };
  expect([confirmation?.type, asked.Type]).toEqual(['SubscriptionConfirmation', 'SubscriptionConfirmation']);
  await sns.publish({ TopicArn, Message: 'too early' });
  expect(await take(sqs, url)).toHaveLength(1);
  expect(await seen()).toHaveLength(1);
  await sns.subscribe({ TopicArn, Protocol: 'sms', Endpoint: '+358401234567' });
  for (const Protocol of ['email', 'email-json'])
    await sns.subscribe({ TopicArn, Protocol, Endpoint: `${Protocol}@example.com` });
  for (const { body } of await outbox(account))
    await sns.confirmSubscription({ TopicArn, Token: /Token=([0-9a-f]{256})/.exec(body)?.[1] });
  await sns.confirmSubscription({ TopicArn, Token: asked.Token });
  await sns.publish({ TopicArn, Message: 'to everybody' });
  const [, note] = await eventually(
    async () => {
      const found = await seen();
      expect(found).toHaveLength(2);
      return found;
    },
    { why: 'the endpoint gets the message' },
  );
  expect([note?.type, JSON.parse(note?.body ?? '').Message]).toEqual(['Notification', 'to everybody']);
  expect((await take(sqs, url)).map((body) => JSON.parse(body).Message)).toEqual(['to everybody']);
  await eventually(async () => expect((await outbox(account)).slice(2)).toHaveLength(3), { why: 'three letters are out' });
  expect(
    (await outbox(account))
      .slice(2)
      .map(({ to }) => to)
      .sort(),
  ).toEqual(['+358401234567', 'email-json@example.com', 'email@example.com']);
  expect(await seen()).toHaveLength(2);
  const { Attributes } = await sqs.getQueueAttributes({
    QueueUrl: filtered.url,
    AttributeNames: ['ApproximateNumberOfMessages'],
  });
  expect(Attributes).toEqual({ ApproximateNumberOfMessages: '0' });
});

test('an endpoint that fails is tried again, one that refuses loses the message to the dead-letter queue', {
  timeout: 90_000,
}, async () => {
  const all = await withEndpoint('10.62');
  const { sns, sqs, address, seen } = all;
  const TopicArn = await makeTopic(sns);
  const letters = await subscribedQueue(all, TopicArn, 'letters', { FilterPolicy: '{"never":["x"]}' });
  const DeliveryPolicy = JSON.stringify({
    healthyRetryPolicy: { minDelayTarget: 1, maxDelayTarget: 1, numRetries: 3, numNoDelayRetries: 2 },
  });
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: letters.arn });
  for (const path of ['/fail/2', '/closed']) {
    await sns.subscribe({
      TopicArn,
      Protocol: 'http',
      Endpoint: `http://${address}${path}`,
      Attributes: { DeliveryPolicy, RedrivePolicy, RawMessageDelivery: 'true' },
    });
    const asked = await eventually(
      async () => {
        const found = (await seen()).find((one) => one.path === path);
        expect(found).toBeDefined();
        return found;
      },
      { why: 'the endpoint is asked to confirm' },
    );
    await sns.confirmSubscription({ TopicArn, Token: JSON.parse(asked?.body ?? '').Token });
  }
  await sns.publish({ TopicArn, Message: 'again and again' });
  const notes = async (path: string) => (await seen()).filter((one) => one.path === path && one.type === 'Notification');
  await eventually(async () => expect(await notes('/fail/2')).toHaveLength(3), { why: 'the third attempt is taken' });
  expect((await notes('/fail/2')).map(({ body, raw }) => [body, raw])).toEqual(
    Array.from({ length: 3 }, () => ['again and again', 'true']),
  );
  expect(await take(sqs, letters.url)).toEqual(['again and again']);
  expect(await notes('/closed')).toHaveLength(1);
});

test('addresses in messages lead to the cloud from inside, and from the host where the host reads them; a link ends a subscription', {
  timeout: 90_000,
}, async () => {
  const all = await withEndpoint('10.63');
  const { sns, sqs, address, seen, get } = all;
  const TopicArn = await makeTopic(sns);
  const { url, subscription } = await subscribedQueue(all, TopicArn);
  await sns.subscribe({ TopicArn, Protocol: 'http', Endpoint: `http://${address}/hook` });
  const posted = (type: string) =>
    eventually(
      async () => {
        const found = (await seen()).find((one) => one.type === type);
        expect(found).toBeDefined();
        return JSON.parse(found?.body ?? '') as Record<string, string>;
      },
      { why: `the endpoint gets a ${type}` },
    );
  const asked = await posted('SubscriptionConfirmation');
  expect(asked['SubscribeURL']).toMatch(/^https:\/\/sns\.us-east-1\.amazonaws\.com\/\?Action=ConfirmSubscription&/);
  expect(await get(asked['SubscribeURL'] ?? '')).toContain('<ConfirmSubscriptionResult');
  await sns.publish({ TopicArn, Message: 'hello' });
  const note = await posted('Notification');
  expect(note['SigningCertURL']).toMatch(
    /^https:\/\/sns\.us-east-1\.amazonaws\.com\/SimpleNotificationService-[0-9a-f]{32}\.pem$/,
  );
  const certificate = await get(note['SigningCertURL'] ?? '');
  expect(certificate).toMatch(/^-----BEGIN CERTIFICATE-----/);
  const [body = ''] = await take(sqs, url);
  const queued = JSON.parse(body) as Record<string, string>;
  const curl = async (link = '') => (await promisify(execFile)('curl', ['-s', link])).stdout;
  expect(await get(queued['SigningCertURL'] ?? '')).toBe(certificate);
  expect(await curl(queued['SigningCertURL'])).toBe(certificate);
  expect(await curl(queued['UnsubscribeURL'])).toContain('<UnsubscribeResponse');
  await refused(sns.getSubscriptionAttributes({ SubscriptionArn: subscription }), 'NotFound');
  expect(await get(note['UnsubscribeURL'] ?? '')).toContain('<UnsubscribeResponse');
  expect((await sns.listSubscriptionsByTopic({ TopicArn })).Subscriptions).toEqual([]);
});

test('AuthenticateOnUnsubscribe keeps the link from ending a subscription', async () => {
  const { account } = new Lab();
  const sns = new SNS(account.config());
  const TopicArn = await makeTopic(sns);
  await sns.subscribe({ TopicArn, Protocol: 'email', Endpoint: 'a@example.com' });
  const [letter] = await outbox(account);
  const Token = /Token=([0-9a-f]{256})/.exec(letter?.body ?? '')?.[1];
  const { SubscriptionArn = '' } = await sns.confirmSubscription({ TopicArn, Token, AuthenticateOnUnsubscribe: 'true' });
  const link = `${inject('endpoint')}/?Action=Unsubscribe&Version=2010-03-31&SubscriptionArn=${SubscriptionArn}`;
  const answer = await fetch(link);
  expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('<Code>AuthorizationError</Code>')]);
  await sns.unsubscribe({ SubscriptionArn });
  expect((await sns.listSubscriptionsByTopic({ TopicArn })).Subscriptions).toEqual([]);
});
