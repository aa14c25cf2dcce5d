/** Spot Instances: the market, requests, interruptions with their notice. */
import { EventBridge } from '@aws-sdk/client-eventbridge';
import { EC2, type RunInstancesCommandInput } from '@aws-sdk/client-ec2';
import { SQS } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { Lab } from './support.ts';

const spot = (SpotOptions: NonNullable<RunInstancesCommandInput['InstanceMarketOptions']>['SpotOptions'] = {}) => ({
  InstanceMarketOptions: { MarketType: 'spot' as const, SpotOptions },
});
const stoppable = spot({ SpotInstanceType: 'persistent', InstanceInterruptionBehavior: 'stop' });

class Market extends Lab {
  readonly api: EC2;
  constructor(endpoint: string) {
    super(endpoint);
    this.api = new EC2(this.account.config({ endpoint }));
  }

  async request(id: string) {
    const { SpotInstanceRequests: found = [] } = await this.api.describeSpotInstanceRequests({ SpotInstanceRequestIds: [id] });
    return found[0]!;
  }

  async price(type: string, zone = 'us-east-1a'): Promise<string> {
    const now = (await admin('GET', 'health', undefined, this.endpoint!)) as { time: string };
    const { SpotPriceHistory: found = [] } = await this.api.describeSpotPriceHistory({
      InstanceTypes: [type as 't3.nano'],
      AvailabilityZone: zone,
      StartTime: new Date(now.time),
    });
    return found[0]?.SpotPrice ?? '';
  }

  interrupt(id: string, down = true): Promise<unknown> {
    return admin('POST', 'chaos/spot', { spot: id, down }, this.endpoint!);
  }
}

describe('Spot Instances', () => {
  let cloud: OwnCloud;
  beforeAll(async () => {
    cloud = await startOwnCloud();
  });
  afterAll(async () => void (await cloud.stop()));

  test('an interrupted instance learns of it two minutes before, in its metadata and on the bus, and then ends', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const lab = new Market(cloud.endpoint);
    const config = lab.account.config({ endpoint: cloud.endpoint });
    const [events, sqs] = [new EventBridge(config), new SQS(config)];
    const { QueueUrl = '' } = await sqs.createQueue({ QueueName: 'warnings' });
    const Arn = (await sqs.getQueueAttributes({ QueueUrl, AttributeNames: ['QueueArn'] })).Attributes?.['QueueArn'] ?? '';
    const statement = {
      Effect: 'Allow',
      Principal: { Service: 'events.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: Arn,
    };
    await sqs.setQueueAttributes({
      QueueUrl,
      Attributes: { Policy: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }) },
    });
    const kinds = ['EC2 Instance Rebalance Recommendation', 'EC2 Spot Instance Interruption Warning'];
    const EventPattern = JSON.stringify({ source: ['aws.ec2'], 'detail-type': kinds });
    await events.putRule({ Name: 'warnings', EventPattern });
    await events.putTargets({ Rule: 'warnings', Targets: [{ Id: '1', Arn }] });
    const network = await lab.network('10.81');
    const one = await lab.launchAgent({ SubnetId: network.subnetId, SecurityGroupIds: [network.groupId], ...spot() });
    const id = one.InstanceId ?? '';
    expect(one).toMatchObject({ InstanceLifecycle: 'spot', SpotInstanceRequestId: expect.stringMatching(/^sir-[a-z0-9]{8}$/) });
    expect(await lab.request(one.SpotInstanceRequestId ?? '')).toMatchObject({
      State: 'active',
      Status: { Code: 'fulfilled' },
      Type: 'one-time',
      InstanceId: id,
      InstanceInterruptionBehavior: 'terminate',
    });
    const read = (path: string) =>
      lab.run(
        one.PublicIpAddress!,
        `T=$(curl -sX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token); curl -s -o /tmp/o -w '%{http_code} ' -H "X-aws-ec2-metadata-token: $T" http://169.254.169.254/latest/meta-data/${path}; cat /tmp/o`,
      );
    expect(await read('spot/instance-action')).toMatch(/^404 /);
    expect(await read('instance-life-cycle')).toBe('200 spot');
    expect(await read('events/recommendations/rebalance')).toMatch(/^404 /);
    // A recommendation comes before the notice, or with it at the latest.
    await admin('POST', 'chaos/rebalance', { spot: id }, cloud.endpoint);
    expect(await read('events/recommendations/rebalance')).toMatch(/^200 \{"noticeTime":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"\}$/);
    expect(await read('spot/instance-action')).toMatch(/^404 /);
    const next = async () => {
      const { Messages: [message] = [] } = await sqs.receiveMessage({ QueueUrl, WaitTimeSeconds: 10 });
      return JSON.parse(message?.Body ?? '{}') as Record<string, unknown>;
    };
    expect(await next()).toMatchObject({ 'detail-type': kinds[0], detail: { 'instance-id': id } });
    await lab.interrupt(id);
    const notice = /^200 (\{.*\})$/.exec(await read('spot/instance-action'))?.[1] ?? '{}';
    const { action, time } = JSON.parse(notice) as { action: string; time: string };
    const { time: now } = (await admin('GET', 'health', undefined, cloud.endpoint)) as { time: string };
    expect(action).toBe('terminate');
    expect(Date.parse(time) - Date.parse(now)).toBeGreaterThan(60_000);
    expect(Date.parse(time) - Date.parse(now)).toBeLessThanOrEqual(120_000);
    expect(await next()).toMatchObject({ detail: { 'instance-id': id, 'instance-action': 'terminate' } });
    expect((await lab.request(one.SpotInstanceRequestId ?? '')).Status?.Code).toBe('marked-for-termination');
    expect((await lab.instance(id)).State?.Name).toBe('running');
    await advanceClock(cloud.endpoint, 121_000);
    expect((await lab.inState(id, 'terminated')).StateReason?.Code).toBe('Server.SpotInstanceTermination');
    expect(await lab.request(one.SpotInstanceRequestId ?? '')).toMatchObject({
      State: 'closed',
      Status: { Code: 'instance-terminated-no-capacity' },
    });
  });

  test('a Spot launch that is configured for hibernation hibernates when interrupted, and takes no other behaviour', async (context) => {
    context.skip(machinesRefused() !== undefined, machinesRefused());
    const lab = new Market(cloud.endpoint);
    const hibernation = {
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { Encrypted: true, VolumeSize: 8 } }],
      HibernationOptions: { Configured: true },
    };
    for (const InstanceInterruptionBehavior of ['stop', 'terminate'] as const)
      await refused(
        lab.launch({ ...hibernation, ...spot({ SpotInstanceType: 'persistent', InstanceInterruptionBehavior }) }),
        'InvalidParameterCombination',
        `The InstanceInterruptionBehavior '${InstanceInterruptionBehavior}' cannot be used when hibernation is configured. Use 'hibernate' or leave it out.`,
      );
    const id = await lab.launch({ ...hibernation, ...spot({ SpotInstanceType: 'persistent' }) });
    const one = await lab.inState(id, 'running');
    expect((await lab.request(one.SpotInstanceRequestId ?? '')).InstanceInterruptionBehavior).toBe('hibernate');
    await lab.interrupt(id);
    await lab.inState(id, 'stopped');
    await lab.interrupt(id, false);
    await lab.inState(id, 'running');
  });

  test('a persistent request stops its instance for an interruption, and lets it go on when capacity is back', async () => {
    const lab = new Market(cloud.endpoint);
    const id = await lab.launch({ ...stoppable });
    const { SpotInstanceRequestId: request = '' } = await lab.inState(id, 'running');
    await lab.interrupt(id);
    expect((await lab.request(request)).Status?.Code).toBe('marked-for-stop');
    await advanceClock(cloud.endpoint, 121_000);
    await lab.inState(id, 'stopped');
    expect(await lab.request(request)).toMatchObject({ State: 'disabled', Status: { Code: 'instance-stopped-no-capacity' } });
    await refused(lab.api.startInstances({ InstanceIds: [id] }), 'IncorrectSpotRequestState', /interrupted by Amazon EC2/);
    await lab.interrupt(id, false);
    await lab.inState(id, 'running');
    expect(await lab.request(request)).toMatchObject({ State: 'active', Status: { Code: 'fulfilled' } });
    await lab.api.stopInstances({ InstanceIds: [id] });
    await lab.inState(id, 'stopped');
    await lab.api.startInstances({ InstanceIds: [id] });
    await lab.inState(id, 'running');
    await lab.api.cancelSpotInstanceRequests({ SpotInstanceRequestIds: [request] });
    expect(await lab.request(request)).toMatchObject({
      State: 'cancelled',
      Status: { Code: 'request-canceled-and-instance-running' },
    });
    await lab.api.terminateInstances({ InstanceIds: [id] });
  });

  // Up to five days of the clock with an instance that is watched all the while.
  test('an instance ends when the price rises above its maximum', { timeout: 120_000 }, async () => {
    const lab = new Market(cloud.endpoint);
    const MaxPrice = await lab.price('t2.micro');
    await refused(
      lab.launch({ Placement: { AvailabilityZone: 'us-east-1a' }, ...spot({ MaxPrice: '0.0001' }) }),
      'SpotMaxPriceTooLow',
      `Your Spot request price of 0.0001 is lower than the minimum required Spot request fulfillment price of ${Number(MaxPrice)}.`,
    );
    const id = await lab.launch({ Placement: { AvailabilityZone: 'us-east-1a' }, ...spot({ MaxPrice }) });
    const { SpotInstanceRequestId: request = '' } = await lab.inState(id, 'running');
    for (let turn = 0; turn < 40 && (await lab.request(request)).State === 'active'; turn += 1)
      await advanceClock(cloud.endpoint, 3 * 3_600_000);
    expect(await lab.request(request)).toMatchObject({ State: 'closed', Status: { Code: 'instance-terminated-by-price' } });
    // An hour after its end an instance is not shown any more.
    const left = await lab.api.describeInstances({ Filters: [{ Name: 'instance-id', Values: [id] }] });
    const states = left.Reservations!.flatMap(({ Instances = [] }) => Instances.map(({ State }) => State?.Name));
    expect(['', 'terminated', 'shutting-down']).toContain(states.join());
  });

  test('requests wait for a price, are served when they can be, and refuse what is wrong', async () => {
    const lab = new Market(cloud.endpoint);
    const LaunchSpecification = { ImageId: await lab.image(), InstanceType: 't3.nano' as const };
    const ask = async (SpotPrice?: string) =>
      (await lab.api.requestSpotInstances({ LaunchSpecification, SpotPrice })).SpotInstanceRequests?.[0]?.SpotInstanceRequestId ??
      '';
    const poor = await ask('0.0001');
    await eventually(async () => expect((await lab.request(poor)).Status?.Code).toBe('price-too-low'), {
      why: 'the price is too low',
    });
    await lab.api.cancelSpotInstanceRequests({ SpotInstanceRequestIds: [poor] });
    expect(await lab.request(poor)).toMatchObject({ State: 'cancelled', Status: { Code: 'canceled-before-fulfillment' } });
    const served = await ask();
    const id = await eventually(
      async () => {
        const request = await lab.request(served);
        expect(request.State).toBe('active');
        return request.InstanceId ?? '';
      },
      { why: 'it is served' },
    );
    expect(await lab.inState(id, 'running')).toMatchObject({ InstanceLifecycle: 'spot', SpotInstanceRequestId: served });
    await refused(
      lab.api.stopInstances({ InstanceIds: [id] }),
      'UnsupportedOperation',
      `You can't stop the Spot Instance '${id}' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.`,
    );
    await lab.api.terminateInstances({ InstanceIds: [id] });
    await lab.inState(id, 'terminated');
    expect(await lab.request(served)).toMatchObject({ State: 'closed', Status: { Code: 'instance-terminated-by-user' } });
    await refused(
      lab.launch(spot({ SpotInstanceType: 'persistent' })),
      'InvalidParameterCombination',
      /Persistent Spot Instance requests are only supported/,
    );
    await refused(lab.launch(spot({ MaxPrice: 'cheap' })), 'InvalidParameterValue', "Invalid value 'cheap' for MaxPrice.");
    await refused(
      lab.request('sir-00000000'),
      'InvalidSpotInstanceRequestID.NotFound',
      "The spot instance request ID 'sir-00000000' does not exist",
    );
    await refused(
      lab.api.requestSpotInstances({}),
      'MissingParameter',
      'The request must contain the parameter LaunchSpecification',
    );
    await refused(
      lab.api.describeSpotPriceHistory({ InstanceTypes: ['t9.huge' as 't3.nano'] }),
      'InvalidParameterValue',
      'Invalid instance type: t9.huge',
    );
  });
});
