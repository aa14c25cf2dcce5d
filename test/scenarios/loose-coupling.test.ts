/** A shop taken apart: a web tier behind a load balancer puts orders on a queue, workers take them, a topic tells that they are done. */
import { EC2 } from '@aws-sdk/client-ec2';
import { IAM } from '@aws-sdk/client-iam';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { expect, onTestFinished, test } from 'vitest';
import { eventually, machinesRefused, startOwnCloud } from '../support/cloud.ts';
import { base64 } from '../services/ec2/support.ts';
import { get, Site } from '../services/elastic-load-balancing-v2/support.ts';
import { makeTopic, subscribedQueue } from '../services/sns/support.ts';
import { counts, makeQueue, receive } from '../services/sqs/support.ts';
import { instanceClient } from './instance-client.ts';

const call = `const queue = (operation, input) => aws('sqs',
  { 'x-amz-target': 'AmazonSQS.' + operation, 'content-type': 'application/x-amz-json-1.0' }, JSON.stringify(input));`;

/** POST /order?ID puts an order on the queue and answers 202. */
const web = (QueueUrl: string) => `${instanceClient}${call}
http.createServer((request, response) => {
  const [path, order] = request.url.split('?');
  if (path !== '/order') return response.end('shop');
  queue('SendMessage', { QueueUrl: '${QueueUrl}', MessageBody: order })
    .then(() => response.writeHead(202).end(), (error) => response.writeHead(503).end(error.message));
}).listen(80, '0.0.0.0');
`;

/** Takes orders one by one, tells the topic, and only then deletes. */
const worker = (QueueUrl: string, TopicArn: string) => `${instanceClient}${call}
const form = { 'content-type': 'application/x-www-form-urlencoded' };
(async () => {
  for (;;) {
    try {
      const { Messages = [] } = JSON.parse(await queue('ReceiveMessage', { QueueUrl: '${QueueUrl}', WaitTimeSeconds: 5 }));
      for (const { Body, ReceiptHandle } of Messages) {
        await aws('sns', form, new URLSearchParams({ Action: 'Publish', Version: '2010-03-31', TopicArn: '${TopicArn}', Message: Body }).toString());
        await queue('DeleteMessage', { QueueUrl: '${QueueUrl}', ReceiptHandle });
      }
    } catch (error) {
      console.log(error.message);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
})();
`;

/** User data that runs a program at every boot. */
const atBoot = (program: string): string => {
  const script = `cat > /program.js <<'END'\n${program}END\nnode /program.js > /var/log/program.log 2>&1 &`;
  return base64(`#cloud-config\nbootcmd:\n  - |\n${script.replaceAll(/^/gm, '    ')}\n`);
};

async function makeProfile(iam: IAM): Promise<void> {
  const document = (Statement: object) => JSON.stringify({ Version: '2012-10-17', Statement: [Statement] });
  const trust = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' };
  const may = {
    Effect: 'Allow',
    Action: ['sqs:SendMessage', 'sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sns:Publish'],
    Resource: '*',
  };
  await iam.createRole({ RoleName: 'shop', AssumeRolePolicyDocument: document(trust) });
  await iam.putRolePolicy({ RoleName: 'shop', PolicyName: 'messages', PolicyDocument: document(may) });
  await iam.createInstanceProfile({ InstanceProfileName: 'shop' });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: 'shop', RoleName: 'shop' });
}

test('SCN-052 with queue, topic and load balancer between its parts a shop takes orders while all workers are away, and loses none', {
  timeout: 150_000,
}, async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const cloud = await startOwnCloud();
  onTestFinished(async () => {
    expect(await cloud.stop()).not.toContain('by a bug of Pilvi');
  });
  const site = new Site(cloud.endpoint, cloud.data);
  const { account } = site.lab;
  const [ec2, sns, sqs] = [new EC2(account.config()), new SNS(account.config()), new SQS(account.config())];
  await Promise.all([site.build('10.93'), makeProfile(new IAM(account.config()))]);
  // A path is enough of a queue's URL, whoever reads it where.
  await makeQueue(sqs, 'orders', { VisibilityTimeout: '5' });
  const orders = `https://sqs.us-east-1.amazonaws.com/${account.id}/orders`;
  const TopicArn = await makeTopic(sns, 'done');
  const done = await subscribedQueue({ account, sns, sqs }, TopicArn, 'done', { RawMessageDelivery: 'true' });
  const launch = (tier: string, program: string, subnet: number) =>
    site.lab.launch({
      SubnetId: site.subnets[subnet],
      SecurityGroupIds: [site.serverGroup],
      IamInstanceProfile: { Name: 'shop' },
      UserData: atBoot(program),
      TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'tier', Value: tier }] }],
    });
  const servers = await Promise.all([0, 1].map((zone) => launch('web', web(orders), zone)));
  const workers = await Promise.all([0, 1].map((zone) => launch('worker', worker(orders, TopicArn), zone)));
  for (const id of [...servers, ...workers]) await site.lab.inState(id, 'running');
  const group = await site.group('web', { HealthCheckPath: '/' }, servers);
  const balancer = await site.balancer('shop');
  await site.forward(balancer.LoadBalancerArn!, group);
  const nodes = Object.values(await site.nodes(balancer.LoadBalancerArn!));
  await site.all(group, 'healthy');

  /** Orders of visitors who each ask a node in turn; all are accepted. */
  const order = async (prefix: string, count: number): Promise<string[]> => {
    const ids = Array.from({ length: count }, (_, n) => `${prefix}-${n}`);
    for (const [n, id] of ids.entries()) {
      const { status, body } = await get(nodes[n % nodes.length]!, `/order?${id}`, { method: 'POST', data: cloud.data });
      expect([status, body.replaceAll(/^0\s*/g, '')], id).toEqual([202, '']);
    }
    return ids;
  };
  const told = new Set<string>();
  const allTold = (ids: readonly string[]) =>
    eventually(
      async () => {
        for (const { Body = '', ReceiptHandle } of await receive(sqs, done.url)) {
          told.add(Body);
          await sqs.deleteMessage({ QueueUrl: done.url, ReceiptHandle });
        }
        expect(ids.filter((id) => !told.has(id))).toEqual([]);
      },
      { why: 'every order is done', timeoutMs: 40_000 },
    );
  await allTold(await order('with-workers', 10));

  const early = order('while-they-stop', 15);
  await ec2.stopInstances({ InstanceIds: workers });
  for (const id of workers) await site.lab.inState(id, 'stopped');
  const accepted = [...(await early), ...(await order('without-workers', 20))];
  const [visible, flying] = await counts(sqs, orders);
  expect(visible + flying, 'the queue has grown').toBeGreaterThanOrEqual(20);
  expect([...told].filter((id) => id.startsWith('without'))).toEqual([]);

  await ec2.startInstances({ InstanceIds: workers });
  await allTold(accepted);
  await eventually(async () => expect(await counts(sqs, orders)).toEqual([0, 0, 0]), {
    why: 'the queue is empty',
    timeoutMs: 20_000,
  });
});
