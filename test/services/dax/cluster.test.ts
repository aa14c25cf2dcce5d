/** Clusters of several nodes, what they hold, and who may ask them. */
import { GetMetricStatisticsCommand, CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import {
  CreateParameterGroupCommand,
  DecreaseReplicationFactorCommand,
  DescribeEventsCommand,
  RebootNodeCommand,
  UpdateClusterCommand,
  UpdateParameterGroupCommand,
} from '@aws-sdk/client-dax';
import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { CreateAccessKeyCommand, CreateUserCommand, PutUserPolicyCommand } from '@aws-sdk/client-iam';
import { DescribeNetworkInterfacesCommand, DescribeSubnetsCommand } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { advanceClock, eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { DaxLab } from './support.ts';

describe('a cluster of three nodes', () => {
  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));
  const lab = new DaxLab();
  const table = 'things';
  const zones = ['us-east-1a', 'us-east-1b', 'us-east-1c'];

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    await lab.build('10.61');
    await lab.table(table);
    const cluster = await lab.cluster('web', { ReplicationFactor: 3, AvailabilityZones: zones });
    expect(cluster).toMatchObject({ TotalNodes: 3, ActiveNodes: 3, ClusterDiscoveryEndpoint: { Port: 8111 } });
    expect(cluster.Nodes!.map(({ AvailabilityZone }) => AvailabilityZone)).toEqual(zones);
    await lab.client(cluster.ClusterDiscoveryEndpoint!.URL!);
  }, 90_000);

  const put = (id: string, v: string) =>
    lab.dynamodb.send(new PutItemCommand({ TableName: table, Item: { id: { S: id }, v: { S: v } } }));

  const address = async (cluster: string) => {
    const Filters = [{ Name: 'description', Values: [`DAX ${cluster}`] }];
    const cards = await lab.lab.ec2.send(new DescribeNetworkInterfacesCommand({ Filters }));
    return cards.NetworkInterfaces![0]!.PrivateIpAddress!;
  };

  it('DAX-001 answers with what the table holds, writes to both, and goes on while nodes are killed, rebooted and removed', async () => {
    await put('a', 'from the table');
    expect(await lab.ok('get', { TableName: table, Key: { id: 'a' } })).toEqual({ Item: { id: 'a', v: 'from the table' } });
    await lab.ok('put', { TableName: table, Item: { id: 'b', v: 'through DAX' } });
    const read = await lab.dynamodb.send(new GetItemCommand({ TableName: table, Key: { id: { S: 'b' } } }));
    expect(read.Item).toEqual({ id: { S: 'b' }, v: { S: 'through DAX' } });
    // What the cache answers with is not the table's any more, whichever node is asked.
    await put('b', 'changed behind it');
    for (let turn = 0; turn < 9; turn += 1)
      expect((await lab.ok('get', { TableName: table, Key: { id: 'b' } }))['Item']).toMatchObject({ v: 'through DAX' });
    // Each node is killed while the client keeps idle connections to it, one of them the node that takes writes.
    const Filters = [{ Name: 'description', Values: ['DAX web'] }];
    const cards = await lab.lab.ec2.send(new DescribeNetworkInterfacesCommand({ Filters }));
    for (const card of cards.NetworkInterfaces!) {
      await lab.killNode(card.PrivateIpAddress!);
      for (let turn = 0; turn < 12; turn += 1) {
        expect((await lab.ok('get', { TableName: table, Key: { id: 'a' } }))['Item']).toMatchObject({ id: 'a' });
        await lab.ok('put', { TableName: table, Item: { id: `${card.Groups![0]!.GroupId}-${turn}`, v: 'x' } });
      }
    }
    const failed = await lab.dax.send(new DescribeEventsCommand({ SourceName: 'web', SourceType: 'CLUSTER' }));
    expect(failed.Events!.map(({ Message }) => Message)).toEqual(
      expect.arrayContaining(['a', 'b', 'c'].map((letter) => `Node web-${letter} failed and is being replaced.`)),
    );
    for (const NodeId of ['web-a', 'web-b', 'web-c']) {
      const rebooted = await lab.dax.send(new RebootNodeCommand({ ClusterName: 'web', NodeId }));
      expect(rebooted.Cluster!.Nodes!.find((node) => node.NodeId === NodeId)).toMatchObject({ NodeStatus: 'rebooting' });
      for (let turn = 0; turn < 10; turn += 1) {
        expect((await lab.ok('get', { TableName: table, Key: { id: 'a' } }))['Item']).toMatchObject({ id: 'a' });
        await lab.ok('put', { TableName: table, Item: { id: `${NodeId}-${turn}`, v: 'x' } });
      }
      await lab.available('web');
    }
    await lab.dax.send(
      new DecreaseReplicationFactorCommand({ ClusterName: 'web', NewReplicationFactor: 2, NodeIdsToRemove: ['web-a'] }),
    );
    for (let turn = 0; turn < 10; turn += 1) {
      expect((await lab.ok('get', { TableName: table, Key: { id: 'a' } }))['Item']).toMatchObject({ id: 'a' });
      await lab.ok('put', { TableName: table, Item: { id: `less-${turn}`, v: 'x' } });
    }
    expect((await lab.available('web')).Nodes!.map(({ NodeId }) => NodeId)).toEqual(['web-b', 'web-c']);
    await eventually(
      async () => {
        const cards = await lab.lab.ec2.send(
          new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'description', Values: ['DAX web'] }] }),
        );
        expect(cards.NetworkInterfaces!.map((card) => [card.RequesterManaged, card.InterfaceType])).toEqual([
          [true, 'interface'],
          [true, 'interface'],
        ]);
      },
      { why: 'the interface of the removed node is gone' },
    );
    const events = await lab.dax.send(new DescribeEventsCommand({ SourceName: 'web', SourceType: 'CLUSTER' }));
    expect(events.Events!.map(({ Message }) => Message)).toEqual(
      expect.arrayContaining(['Cluster created.', 'Rebooting node web-a.']),
    );
  }, 60_000);

  it('DAX-002 asks the table once for repeated reads, and always for consistent ones', async () => {
    await lab.cluster('one');
    const { Clusters } = { Clusters: [await lab.available('one')] };
    const endpoint = Clusters[0]!.ClusterDiscoveryEndpoint!.URL!;
    await put('c', '1');
    const read = async (ConsistentRead: boolean) => {
      const input = { TableName: table, Key: { id: 'c' }, ConsistentRead, ReturnConsumedCapacity: 'TOTAL' };
      const output = await lab.ok('get', input, { endpoint });
      return [(output['Item'] as { v: string }).v, (output['ConsumedCapacity'] as { CapacityUnits: number }).CapacityUnits];
    };
    expect(await read(false)).toEqual(['1', 0.5]);
    await put('c', '2');
    expect(await read(false)).toEqual(['1', 0]);
    expect(await read(true)).toEqual(['2', 1]);
    expect(await read(true)).toEqual(['2', 1]);
    // A consistent read leaves what is held as it was.
    expect(await read(false)).toEqual(['1', 0]);
  });

  it('holds that an item is not there, until it is written through DAX', async () => {
    const { ClusterDiscoveryEndpoint } = await lab.available('one');
    const endpoint = ClusterDiscoveryEndpoint!.URL!;
    const get = () => lab.ok('get', { TableName: table, Key: { id: 'late' } }, { endpoint });
    expect(await get()).toEqual({});
    await put('late', 'behind');
    expect(await get()).toEqual({});
    await lab.ok(
      'update',
      { TableName: table, Key: { id: 'late' }, UpdateExpression: 'SET v = :v', ExpressionAttributeValues: { ':v': 'now' } },
      { endpoint },
    );
    expect(await get()).toEqual({ Item: { id: 'late', v: 'now' } });
  });

  it('encrypts what clients send, with a certificate for the endpoint', { timeout: 60_000 }, async () => {
    const cluster = await lab.cluster('safe', { ClusterEndpointEncryptionType: 'TLS' });
    expect(cluster).toMatchObject({
      ClusterEndpointEncryptionType: 'TLS',
      ClusterDiscoveryEndpoint: { Port: 9111, URL: expect.stringMatching(/^daxs:/) },
    });
    await lab.client(cluster.ClusterDiscoveryEndpoint!.URL!);
    await put('d', 'secret');
    expect(await lab.ok('get', { TableName: table, Key: { id: 'd' } })).toEqual({ Item: { id: 'd', v: 'secret' } });
  });

  it('lets clients do what their policies say, and the role what its own say', { timeout: 60_000 }, async () => {
    const { ClusterDiscoveryEndpoint, ClusterArn } = await lab.available('one');
    const endpoint = ClusterDiscoveryEndpoint!.URL!;
    await lab.iam.send(new CreateUserCommand({ UserName: 'reader' }));
    const statement = { Effect: 'Allow', Action: 'dax:GetItem', Resource: ClusterArn };
    const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
    await lab.iam.send(new PutUserPolicyCommand({ UserName: 'reader', PolicyName: 'p', PolicyDocument }));
    const { AccessKey } = await lab.iam.send(new CreateAccessKeyCommand({ UserName: 'reader' }));
    const credentials = { accessKeyId: AccessKey!.AccessKeyId!, secretAccessKey: AccessKey!.SecretAccessKey! };
    await put('e', 'x');
    const get = { operation: 'get', input: { TableName: table, Key: { id: 'e' } }, endpoint };
    expect((await lab.perform({ ...get, credentials })).output).toEqual({ Item: { id: 'e', v: 'x' } });
    const put2 = await lab.perform({ operation: 'put', input: { TableName: table, Item: { id: 'e' } }, endpoint, credentials });
    expect(put2.error).toMatchObject({
      code: 'AccessDeniedException',
      message: expect.stringContaining(
        `arn:aws:iam::${lab.lab.account.id}:user/reader is not authorized to perform: dax:PutItem on resource: ${ClusterArn}`,
      ),
    });
    const query = { TableName: table, KeyConditionExpression: 'id = :i', ExpressionAttributeValues: { ':i': 'e' } };
    expect((await lab.perform({ operation: 'query', input: query, endpoint, credentials })).error).toMatchObject({
      code: 'AccessDeniedException',
    });
    const knock = async (input: object) => (await lab.ok('knock', { address: await address('one'), ...input }))['text'];
    expect(await knock({})).toContain('us-east-1a');
    expect(await knock({ secret: 'somebody else' })).toContain('The security token included in the request is invalid.');
    // Another protocol's name, a method of an unknown number, a value that is too deep.
    expect(await knock({ bytes: '6768656c6c6f313200f6a000' })).toBe('');
    expect(await knock({ bytes: '674a3779 6e653547 00 f6 a0 00 01 07'.replaceAll(' ', '') })).toBe('');
    expect(await knock({ bytes: '81'.repeat(100) })).toBe('');
    const poor = await lab.cluster('poor', { IamRoleArn: await lab.role('poor', ['dynamodb:DescribeTable']) });
    const refused = await lab.perform({ ...get, endpoint: poor.ClusterDiscoveryEndpoint!.URL! });
    expect(refused.error).toMatchObject({
      code: 'AccessDeniedException',
      message: expect.stringContaining('not authorized to perform: dynamodb:GetItem'),
    });
  });
});

describe('a cluster over time', () => {
  beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));
  let cloud: OwnCloud;
  let lab: DaxLab;

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    cloud = await startOwnCloud();
    lab = new DaxLab(cloud.endpoint, cloud.data);
    await lab.build('10.63');
    await lab.table('timed');
  }, 60_000);

  afterAll(async () => {
    await cloud?.stop();
  });

  const put = (v: string) => lab.dynamodb.send(new PutItemCommand({ TableName: 'timed', Item: { id: { S: 'k' }, v: { S: v } } }));
  const sum = async (Namespace: string, MetricName: string, dimensions: Record<string, string>): Promise<number> => {
    const cloudwatch = new CloudWatchClient(lab.lab.account.config({ endpoint: cloud.endpoint }));
    const state = (await (await fetch(`${cloud.endpoint}/_pilvi/clock`)).json()) as { time: string };
    const now = Date.parse(state.time);
    const found = await cloudwatch.send(
      new GetMetricStatisticsCommand({
        ...{ Namespace, MetricName, Period: 3600, Statistics: ['Sum'] },
        ...{ StartTime: new Date(now - 7_200_000), EndTime: new Date(now + 3_600_000) },
        Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
      }),
    );
    return found.Datapoints!.reduce((all, { Sum = 0 }) => all + Sum, 0);
  };

  it('answers reads that it holds within a millisecond, each node with a processor of its own', {
    timeout: 120_000,
  }, async () => {
    const cluster = await lab.cluster('fast', { ReplicationFactor: 2, AvailabilityZones: ['us-east-1a', 'us-east-1b'] });
    await lab.client(cluster.ClusterDiscoveryEndpoint!.URL!);
    await put('1');
    const get = { TableName: 'timed', Key: { id: 'k' } };
    // As the client sees it, which is more than the node takes. The faster tenth, of several rounds: others use the processors too.
    const rounds: number[] = [];
    while (rounds.length < 5 && !rounds.some((micros) => micros < 1000))
      rounds.push((await lab.perform({ operation: 'get', input: get, warm: 200, times: 1500 })).micros);
    expect(Math.min(...rounds)).toBeLessThan(1000);
    const cards = await lab.lab.ec2.send(
      new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'description', Values: ['DAX fast'] }] }),
    );
    const addresses = cards.NetworkInterfaces!.map((card) => card.PrivateIpAddress!);
    // What a node can answer follows from the processor that it takes for one answer, which other work on this machine leaves as it is.
    const flood = async (count: number) => {
      const used = async () => Promise.all(addresses.map((address) => lab.processorMillis(address)));
      const before = await used();
      const input = { addresses: addresses.slice(0, count), table: 'timed', key: 'k', seconds: 1 };
      const { perSecond } = await lab.perform({ operation: 'flood', input });
      const millis = (await used()).map((after, index) => after - before[index]!);
      return { millis, each: millis.reduce((sum, one) => sum + one, 0) / perSecond };
    };
    await flood(2);
    const one = await flood(1);
    const two = await flood(2);
    expect(Math.max(one.each, two.each)).toBeLessThan(1);
    expect(one.millis[1]).toBeLessThan(one.millis[0]! / 10);
    expect(Math.min(...two.millis)).toBeGreaterThan(Math.max(...two.millis) / 10);
    expect(two.each).toBeLessThan(one.each * 2);
    await advanceClock(cloud.endpoint, 120_000);
    await eventually(async () => expect(await sum('AWS/DAX', 'ItemCacheHits', { ClusterId: 'fast' })).toBeGreaterThan(1000), {
      why: 'hits are counted',
    });
    expect(await sum('AWS/DAX', 'CPUUtilization', { ClusterId: 'fast', NodeId: 'fast-a' })).toBeGreaterThan(0);
    expect(await sum('AWS/DAX', 'EstimatedDbSize', { ClusterId: 'fast', NodeId: 'fast-b' })).toBeGreaterThan(0);
    expect(await sum('AWS/DAX', 'FailedRequestCount', { ClusterId: 'fast' })).toBe(0);
    // Each node has asked the table once.
    const consumed = await eventually(
      async () => {
        const units = await sum('AWS/DynamoDB', 'ConsumedReadCapacityUnits', { TableName: 'timed' });
        expect(units).toBeGreaterThan(0);
        return units;
      },
      { why: 'the table counts what it gave' },
    );
    expect(consumed).toBeLessThanOrEqual(1);
  });

  it("holds items and answers for as long as the parameter group says, by the cloud's clock", { timeout: 60_000 }, async () => {
    await lab.dax.send(new CreateParameterGroupCommand({ ParameterGroupName: 'short' }));
    const ParameterNameValues = [
      { ParameterName: 'record-ttl-millis', ParameterValue: '60000' },
      { ParameterName: 'query-ttl-millis', ParameterValue: '600000' },
    ];
    await lab.dax.send(new UpdateParameterGroupCommand({ ParameterGroupName: 'short', ParameterNameValues }));
    const cluster = await lab.cluster('short', { ParameterGroupName: 'short' });
    const endpoint = cluster.ClusterDiscoveryEndpoint!.URL!;
    const read = async () => {
      const got = await lab.ok('get', { TableName: 'timed', Key: { id: 'k' } }, { endpoint });
      const scanned = await lab.ok('scan', { TableName: 'timed' }, { endpoint });
      return [(got['Item'] as { v: string }).v, (scanned['Items'] as { v: string }[])[0]!.v];
    };
    await put('first');
    expect(await read()).toEqual(['first', 'first']);
    await put('second');
    expect(await read()).toEqual(['first', 'first']);
    await advanceClock(cloud.endpoint, 61_000);
    expect(await read()).toEqual(['second', 'first']);
    await advanceClock(cloud.endpoint, 600_000);
    expect(await read()).toEqual(['second', 'second']);
    await refused(
      lab.dax.send(new UpdateParameterGroupCommand({ ParameterGroupName: 'short', ParameterNameValues })),
      'InvalidParameterGroupStateFault',
      'The parameter group short is in use by a cluster.',
    );
    // Nodes of another cluster read the group in its maintenance window, one by one.
    const now = Date.parse(((await (await fetch(`${cloud.endpoint}/_pilvi/clock`)).json()) as { time: string }).time);
    const moment = (millis: number) => {
      const text = new Date(millis).toUTCString();
      return `${text.slice(0, 3).toLowerCase()}:${text.slice(17, 22)}`;
    };
    const window = (from: number, to: number) => `${moment(now + from * 60_000)}-${moment(now + to * 60_000)}`;
    const update = { ClusterName: 'fast', ParameterGroupName: 'short' };
    const narrow = lab.dax.send(new UpdateClusterCommand({ ...update, PreferredMaintenanceWindow: window(60, 90) }));
    await refused(narrow, 'InvalidParameterValueException', `The maintenance window ${window(60, 90)} is not valid.`);
    await lab.dax.send(new UpdateClusterCommand({ ...update, PreferredMaintenanceWindow: window(60, 180) }));
    const waiting = async () => (await lab.available('fast')).ParameterGroup!.NodeIdsToReboot;
    expect(await waiting()).toEqual(['fast-a', 'fast-b']);
    await advanceClock(cloud.endpoint, 50 * 60_000);
    expect(await waiting()).toEqual(['fast-a', 'fast-b']);
    await advanceClock(cloud.endpoint, 11 * 60_000);
    await eventually(
      async () => {
        await advanceClock(cloud.endpoint, 60_000);
        expect(await waiting()).toEqual([]);
      },
      { why: 'both nodes were rebooted in the window' },
    );
  });

  it('lets in whom its security groups let in, and stands again after the cloud was killed', { timeout: 120_000 }, async () => {
    const closed = await lab.lab.group(
      (await lab.lab.ec2.send(new DescribeSubnetsCommand({ SubnetIds: lab.subnets }))).Subnets![0]!.VpcId!,
      'closed',
    );
    await lab.cluster('closed', { SecurityGroupIds: [closed] });
    const addressOf = async (cluster: string) => {
      const Filters = [{ Name: 'description', Values: [`DAX ${cluster}`] }];
      return (await lab.lab.ec2.send(new DescribeNetworkInterfacesCommand({ Filters }))).NetworkInterfaces![0]!.PrivateIpAddress!;
    };
    const reach = async (cluster: string) => (await lab.ok('reach', { address: await addressOf(cluster), millis: 1500 }))['text'];
    expect([await reach('short'), await reach('closed')]).toEqual(['open', 'silent']);
    const item = { id: 'kept', first: 1, second: 2 };
    const endpoint = (await lab.available('short')).ClusterDiscoveryEndpoint!.URL!;
    await lab.ok('put', { TableName: 'timed', Item: item }, { endpoint });
    await cloud.kill();
    cloud = await startOwnCloud({ data: cloud.data });
    lab = new DaxLab(cloud.endpoint, cloud.data, lab);
    await lab.available('short');
    await lab.client(endpoint);
    expect(await lab.ok('get', { TableName: 'timed', Key: { id: 'kept' } })).toEqual({ Item: item });
    await lab.ok('put', { TableName: 'timed', Item: { ...item, second: 3 } });
    expect(await lab.ok('get', { TableName: 'timed', Key: { id: 'kept' } })).toEqual({ Item: { ...item, second: 3 } });
  });
});
