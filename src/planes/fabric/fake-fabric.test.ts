import { expect, test } from 'vitest';
import { FakeFabric } from './fake-fabric.ts';
import type { NetworkSpec } from './types.ts';

const spec: NetworkSpec = {
  key: 'net',
  cidrs: ['10.0.0.0/16'],
  subnets: [{ key: 'a', cidr: '10.0.1.0/24', zone: 'z1', routeTable: 'main' }],
  routeTables: [{ key: 'main', routes: [] }],
  ruleSets: [],
  gates: [],
  ports: [
    {
      key: 'port-1',
      subnet: 'a',
      mac: '02:00:00:00:00:01',
      addresses: [{ private: '10.0.1.10' }],
      ruleSets: [],
      sourceCheck: true,
      attachment: { machine: 'one', device: 'eth0' },
    },
  ],
  internet: false,
};

test('answers like the real one: networks, ports, who is behind an address', async () => {
  const fabric = new FakeFabric();
  await fabric.ensureNetwork(spec);
  fabric.setTraffic('port-1', { rxBytes: 7 });
  expect(await fabric.networks()).toEqual(['net']);
  const [status] = await fabric.portStatus('net');
  expect(status).toEqual({ key: 'port-1', serviceAddress: '100.64.0.1', rxBytes: 7, txBytes: 0, rxPackets: 0, txPackets: 0 });
  expect(fabric.identify('100.64.0.1')).toEqual({ network: 'net', port: 'port-1', machine: 'one' });
  await fabric.removeNetwork('net');
  expect(fabric.identify('100.64.0.1')).toBeUndefined();
  expect(fabric.calls.map(({ verb }) => verb)).toEqual(['ensureNetwork', 'removeNetwork']);
});

test('fails when told to, and then changes nothing', async () => {
  const fabric = new FakeFabric();
  fabric.failWhen((call) => (call.verb === 'ensureNetwork' ? new Error('no') : undefined));
  await expect(fabric.ensureNetwork(spec)).rejects.toThrow('no');
  expect(await fabric.networks()).toEqual([]);
  fabric.failWhen(undefined);
  await fabric.ensureNetwork(spec);
  expect(fabric.specOf('net')).toEqual(spec);
});

test('refuses a spec that Linux would be asked in vain', async () => {
  await expect(new FakeFabric().ensureNetwork({ ...spec, cidrs: [] })).rejects.toThrow('no block');
});

test('keeps faults until they end', async () => {
  const fabric = new FakeFabric();
  await fabric.setFault({ kind: 'path', from: 'a', to: 'b' }, true);
  await fabric.setFault({ kind: 'zone', zone: 'z1' }, true);
  expect(fabric.faults()).toHaveLength(2);
  await fabric.setFault({ kind: 'path', from: 'b', to: 'a' }, false);
  expect(fabric.faults()).toEqual([{ kind: 'zone', zone: 'z1' }]);
});
