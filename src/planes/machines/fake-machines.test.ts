import { expect, test } from 'vitest';
import { FakeMachines } from './fake-machines.ts';
import type { MachineSpec, MachineStatus } from './types.ts';

function machine(change: Partial<MachineSpec> = {}): MachineSpec {
  return {
    ...{ key: 'a', image: 'host', rootVolume: 'vol-a', hostname: 'a', vcpus: 1, memoryMiB: 512, running: true, bootNumber: 1 },
    ...{ user: 'ec2-user', authorizedKeys: [], ports: [] },
    ...change,
  };
}

test('starts, keeps running, reboots, stops', async () => {
  let now = 1;
  const fake = new FakeMachines({ now: () => now++ });
  expect(await fake.ensureMachine(machine())).toMatchObject({ state: 'running', startedAt: 1 });
  expect(await fake.ensureMachine(machine())).toMatchObject({ startedAt: 1 });
  expect(await fake.ensureMachine(machine({ bootNumber: 2 }))).toMatchObject({ startedAt: 2 });
  expect(await fake.ensureMachine(machine({ bootNumber: 2, running: false }))).toMatchObject({
    state: 'stopped',
    memoryBytes: 0,
  });
  expect(fake.calls.map((call) => call.verb)).toEqual(Array(4).fill('ensureMachine'));
});

test('in step mode a start waits for the step', async () => {
  const fake = new FakeMachines({ mode: 'step' });
  const started = fake.ensureMachine(machine());
  expect((await fake.status('a'))?.state).toBe('starting');
  await fake.step();
  expect((await started).state).toBe('running');
});

test('what ends by itself is told, and stays down until asked anew', async () => {
  const fake = new FakeMachines();
  const told: MachineStatus[] = [];
  fake.onChange((status) => told.push(status));
  await fake.ensureMachine(machine());
  fake.endByItself('a', 'poweroff');
  expect(told).toMatchObject([{ state: 'stopped', stoppedFromInside: true }]);
  expect((await fake.ensureMachine(machine())).state).toBe('stopped');
  expect((await fake.ensureMachine(machine({ bootNumber: 2 }))).state).toBe('running');
});

test('misbehaves when told', async () => {
  const fake = new FakeMachines();
  fake.misbehave('a', { startError: 'no room' });
  expect(await fake.ensureMachine(machine())).toMatchObject({ state: 'failed', reason: 'no room' });
  fake.misbehave('a', { ignore: true });
  expect((await fake.ensureMachine(machine())).state).toBe('failed');
  fake.misbehave('a', { endAfterStart: 'killed' });
  expect(await fake.ensureMachine(machine())).toMatchObject({ state: 'failed', reason: 'Its init was killed.' });
});

test('images come from volumes; user data runs once for each volume', async () => {
  const fake = new FakeMachines();
  const text = async () => Buffer.from(await fake.console('a')).toString();
  await expect(fake.freeze('vol-a', 'golden')).rejects.toThrow('no root volume');
  await fake.ensureMachine(machine({ userData: Buffer.from('#!') }));
  expect(await text()).toBe('user data ran\n');
  await fake.ensureMachine(machine({ userData: Buffer.from('#!'), bootNumber: 2 }));
  expect(await text()).toBe('');
  await expect(fake.removeVolume('vol-a')).rejects.toThrow('in use');
  await fake.freeze('vol-a', 'golden');
  expect((await fake.ensureMachine(machine({ key: 'b', rootVolume: 'vol-b', image: 'golden' }))).state).toBe('running');
  expect(await fake.ensureMachine(machine({ key: 'c', rootVolume: 'vol-c', image: 'none' }))).toMatchObject({ state: 'failed' });
});
