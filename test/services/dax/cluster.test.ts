import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { machinesRefused } from '../../support/cloud.ts';
import { DaxLab } from './support.ts';

const refusal = machinesRefused();

describe.skipIf(refusal !== undefined)('a cluster', () => {
  it('three nodes in three zones', { timeout: 120_000 }, async () => {
    const lab = new DaxLab();
    await lab.build('10.61');
    await lab.table('things');
    const cluster = await lab.cluster('web', {
      ReplicationFactor: 3,
      AvailabilityZones: ['us-east-1a', 'us-east-1b', 'us-east-1c'],
    });
    await lab.client(cluster.ClusterDiscoveryEndpoint!.URL!);
    await lab.dynamodb.send(
      new PutItemCommand({
        TableName: 'things',
        Item: { id: { S: 'a' }, n: { N: '1.5' }, l: { L: [{ S: 'x' }, { NULL: true }] } },
      }),
    );
    expect(await lab.ok('get', { TableName: 'things', Key: { id: 'a' } })).toEqual({ Item: { id: 'a', n: 1.5, l: ['x', null] } });
    await lab.ok('put', { TableName: 'things', Item: { id: 'b', v: 7 } });
    const read = await lab.dynamodb.send(new GetItemCommand({ TableName: 'things', Key: { id: { S: 'b' } } }));
    expect(read.Item).toEqual({ id: { S: 'b' }, v: { N: '7' } });
  });
});
