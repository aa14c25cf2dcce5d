/** Pages of the console for dashboards, Auto Scaling groups and Classic Load Balancers. */
import { CloudWatch } from '@aws-sdk/client-cloudwatch';
import { ElasticLoadBalancing } from '@aws-sdk/client-elastic-load-balancing';
import { IAM } from '@aws-sdk/client-iam';
import { SFN } from '@aws-sdk/client-sfn';
import { SNS } from '@aws-sdk/client-sns';
import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  admin,
  advanceClock,
  eventually,
  freshAccount,
  type OwnCloud,
  refused,
  startOwnCloud,
  type TestAccount,
} from '../support/cloud.ts';
import { Scaling } from '../services/auto-scaling/support.ts';
import { Browser, password } from './browser.ts';

let cloud: OwnCloud;
beforeAll(async () => {
  cloud = await startOwnCloud();
}, 40_000);
afterAll(() => cloud.stop());

async function asRoot(account: TestAccount): Promise<Browser> {
  const browser = new Browser(cloud.endpoint);
  await browser.signInRoot(account.id);
  await browser.post('/mfa/skip', {});
  return browser;
}

/** A user of the console who may do what is named. */
async function asUser(account: TestAccount, ...Action: string[]): Promise<Browser> {
  const iam = new IAM(account.config());
  await iam.createUser({ UserName: 'ann' });
  await iam.createLoginProfile({ UserName: 'ann', Password: password });
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] });
  await iam.putUserPolicy({ UserName: 'ann', PolicyName: 'may', PolicyDocument });
  const browser = new Browser(cloud.endpoint);
  await browser.signIn(account.id, 'ann');
  return browser;
}

test('CW-007 a dashboard shows metrics of two services together, drawn over the last hours', async () => {
  const account = freshAccount(cloud.endpoint);
  const cloudwatch = new CloudWatch(account.config());
  const [sqs, sns] = [new SQS(account.config()), new SNS(account.config())];
  const { QueueUrl } = await sqs.createQueue({ QueueName: 'orders' });
  const { TopicArn } = await sns.createTopic({ Name: 'news' });
  // All within one minute.
  const { time } = (await admin('GET', 'clock', undefined, cloud.endpoint)) as { time: string };
  await advanceClock(cloud.endpoint, 61_000 - (Date.parse(time) % 60_000));
  for (let count = 0; count < 3; count += 1) await sqs.sendMessage({ QueueUrl, MessageBody: 'x' });
  for (let count = 0; count < 2; count += 1) await sns.publish({ TopicArn, Message: 'x' });
  await advanceClock(cloud.endpoint, 120_000);
  const properties = { region: 'us-east-1', stat: 'Sum', period: 60 };
  const body = {
    widgets: [
      { type: 'text', properties: { markdown: 'All of <our> site' } },
      {
        type: 'metric',
        properties: {
          ...properties,
          title: 'Orders & news',
          metrics: [
            ['AWS/SQS', 'NumberOfMessagesSent', 'QueueName', 'orders', { id: 'sent', label: 'sent' }],
            ['.', 'NumberOfMessagesReceived', '.', '.', { label: 'received' }],
            [{ expression: 'sent * 10', id: 'tenfold', label: 'tenfold' }],
          ],
        },
      },
      {
        type: 'metric',
        properties: {
          ...properties,
          metrics: [['AWS/SNS', 'NumberOfMessagesPublished', 'TopicName', 'news', { label: 'published' }]],
        },
      },
    ],
  };
  const DashboardBody = JSON.stringify(body);
  await cloudwatch.putDashboard({ DashboardName: 'site', DashboardBody });
  expect(JSON.parse((await cloudwatch.getDashboard({ DashboardName: 'site' })).DashboardBody!)).toEqual(body);
  const wrong = cloudwatch.putDashboard({ DashboardName: 'wrong', DashboardBody: '{"widgets": [' });
  await refused(wrong, 'InvalidParameterInput', undefined, 400);

  expect((await new Browser(cloud.endpoint).get('/cloudwatch/dashboard?name=site')).status).toBe(303);
  const browser = await asRoot(account);
  expect((await browser.get('/cloudwatch/dashboards')).text).toContain('/cloudwatch/dashboard?name=site">site</a>');
  await eventually(
    async () => {
      const { text } = await browser.get('/cloudwatch/dashboard?name=site');
      const drawn = Object.fromEntries(
        [...text.matchAll(/aria-label="([^":]+): ([^"]+)"/g)].map(([, name, words]) => [name, words]),
      );
      expect(drawn).toMatchObject({
        sent: expect.stringMatching(/^[12] points, greatest 3$/),
        tenfold: expect.stringMatching(/^[12] points, greatest 30$/),
        published: '1 points, greatest 2',
      });
      expect(Object.keys(drawn)).toContain('received');
      expect(text).toMatch(/<polyline [^>]*points="\d+,\d+/);
      expect(text).toContain('Orders &amp; news: sent, received, tenfold, from 0 to 30');
      expect(text).toContain('All of &lt;our&gt; site');
    },
    { why: 'both services have told their minute' },
  );
  const missing = await browser.get('/cloudwatch/dashboard?name=none');
  expect([missing.status, missing.text.includes('Dashboard none does not exist')]).toEqual([403, true]);
  const clerk = await asUser(account, 'cloudwatch:GetDashboard');
  const closed = await clerk.get('/cloudwatch/dashboard?name=site');
  expect(closed.text).toMatch(/AccessDenied[^<]*cloudwatch:GetMetricData/);
  expect(closed.text).not.toContain('polyline');
});

test('a Region that is chosen on one page stays chosen on the others, and each shows what is there', async () => {
  const account = freshAccount(cloud.endpoint);
  const [here, there] = [new SFN(account.config()), new SFN(account.config({ region: 'eu-west-1' }))];
  const { Arn: roleArn = '' } = (
    await new IAM(account.config()).createRole({
      RoleName: 'flow',
      AssumeRolePolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Principal: { Service: 'states.amazonaws.com' }, Action: 'sts:AssumeRole' }],
      }),
    })
  ).Role!;
  const definition = JSON.stringify({ StartAt: 'A', States: { A: { Type: 'Pass', End: true } } });
  await here.createStateMachine({ name: 'virginian', roleArn, definition });
  await there.createStateMachine({ name: 'irish', roleArn, definition });
  const browser = await asRoot(account);
  const paths = ['/ec2/instances', '/autoscaling/groups', '/elb/classic', '/states/machines'];
  for (const path of paths) {
    const { status, text } = await browser.get(`${path}?region=eu-west-1`);
    expect([status, text.includes('<option value="eu-west-1" selected>')]).toEqual([200, true]);
    expect(text).toContain(`<form method="get" action="/_pilvi/console${path}"><select name="region"`);
    for (const other of paths) expect(text).toContain(`href="/_pilvi/console${other}?region=eu-west-1"`);
  }
  const pages = [await browser.get('/states/machines'), await browser.get('/states/machines?region=eu-west-1')];
  expect(pages.map(({ text }) => ['virginian', 'irish'].filter((name) => text.includes(`>${name}</a>`)))).toEqual([
    ['virginian'],
    ['irish'],
  ]);
});

test('ASG-012 the desired capacity, by the API and on the page of groups, brings and takes instances', async (context) => {
  context.skip(cloud.limits.length > 0, cloud.limits[0] ?? '');
  const scaling = new Scaling(cloud.endpoint);
  await scaling.template();
  await scaling.group({ DesiredCapacity: 1, MaxSize: 4 });
  await scaling.settled(1);
  await scaling.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 3 });
  await scaling.settled(3);
  await scaling.asg.setDesiredCapacity({ AutoScalingGroupName: 'web', DesiredCapacity: 1 });
  await scaling.settled(1);

  const browser = await asRoot(scaling.account);
  expect((await browser.get('/autoscaling/groups')).text).toMatch(
    /<td>web<\/td><td>1 of 1 in service<\/td><td>0<\/td><td>4<\/td>/,
  );
  const set = (desired: number, who = browser) => who.post('/autoscaling/groups', { group: 'web', desired: String(desired) });
  expect((await set(3)).status).toBe(303);
  await scaling.settled(3);
  expect((await browser.get('/autoscaling/groups')).text).toContain('3 of 3 in service');
  const tooMany = await set(5);
  expect([tooMany.status, tooMany.text.includes('ValidationError: New SetDesiredCapacity value 5 is above max value 4')]).toEqual(
    [403, true],
  );
  await set(1);
  await scaling.settled(1);
  const clerk = await asUser(scaling.account, 'autoscaling:Describe*');
  expect((await clerk.get('/autoscaling/groups')).status).toBe(200);
  const denied = await set(2, clerk);
  expect([denied.status, denied.text.includes('AccessDenied')]).toEqual([403, true]);
  await scaling.asg.deleteAutoScalingGroup({ AutoScalingGroupName: 'web', ForceDelete: true });
}, 60_000);

test('CLB-006 cross-zone load balancing is off from the API and on from the console, whose form has it ticked', async () => {
  const account = freshAccount(cloud.endpoint);
  const elb = new ElasticLoadBalancing(account.config());
  const crossZone = async (LoadBalancerName: string) => {
    const { LoadBalancerAttributes } = await elb.describeLoadBalancerAttributes({ LoadBalancerName });
    return LoadBalancerAttributes?.CrossZoneLoadBalancing?.Enabled;
  };
  const Listeners = [{ Protocol: 'HTTP', LoadBalancerPort: 80, InstancePort: 80 }];
  await elb.createLoadBalancer({ LoadBalancerName: 'by-api', AvailabilityZones: ['us-east-1a', 'us-east-1b'], Listeners });
  expect(await crossZone('by-api')).toBe(false);
  await elb.modifyLoadBalancerAttributes({
    LoadBalancerName: 'by-api',
    LoadBalancerAttributes: { CrossZoneLoadBalancing: { Enabled: true } },
  });
  expect(await crossZone('by-api')).toBe(true);

  const browser = await asRoot(account);
  const { text } = await browser.get('/elb/classic');
  expect(text).toContain('<input type="checkbox" name="crosszone" value="on" checked>');
  expect(text).toContain('<td>by-api</td>');
  const zone = 'us-east-1a';
  const ticked = await browser.post('/elb/classic', { name: 'by-console', zone, port: '80', crosszone: 'on' });
  expect(ticked.status).toBe(303);
  expect(await crossZone('by-console')).toBe(true);
  expect((await browser.post('/elb/classic', { name: 'cleared', zone, port: '80' })).status).toBe(303);
  expect(await crossZone('cleared')).toBe(false);
  const again = await browser.post('/elb/classic', { name: 'by-console', zone: 'us-east-1b', port: '81' });
  expect([again.status, again.text.includes('DuplicateLoadBalancerName')]).toEqual([403, true]);
  const clerk = await asUser(account, 'elasticloadbalancing:Describe*', 'ec2:DescribeAvailabilityZones');
  const denied = await clerk.post('/elb/classic', { name: 'mine', zone, port: '80' });
  expect([denied.status, denied.text.includes('AccessDenied')]).toEqual([403, true]);
  for (const LoadBalancerName of ['by-api', 'by-console', 'cleared']) await elb.deleteLoadBalancer({ LoadBalancerName });
});
