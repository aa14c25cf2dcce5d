/**
 * Instances under random histories: launches, stops, starts, reboots, terminations and machines that die, on the planes' twins, with a
 * restart of the cloud (everything in memory and on the planes gone, rows kept) between any two steps. A kill is test/scenarios/crash.test.ts. After each history the planes must be what the rows say.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  EC2Client,
  type Instance,
  RebootInstancesCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Cloud, startCloud } from '../../src/boot.ts';
import { FakeFabric } from '../../src/planes/fabric/fake-fabric.ts';
import { FakeMachines } from '../../src/planes/machines/fake-machines.ts';
import { AbsentVolumes } from '../../src/planes/volumes/absent-volumes.ts';
import { AbsentFunctions } from '../../src/planes/functions/absent-functions.ts';
import { AbsentCaches } from '../../src/planes/caches/absent-caches.ts';
import { AbsentDials } from '../../src/planes/dials/absent-dials.ts';
import { AbsentProxy } from '../../src/planes/proxy/absent-proxy.ts';

type Step =
  | { kind: 'launch' }
  | { kind: 'restart' }
  | { kind: 'stop' | 'start' | 'reboot' | 'terminate' | 'die' | 'refuse'; pick: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('launch' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'stop' as const,
        'start' as const,
        'reboot' as const,
        'terminate' as const,
        'die' as const,
        'refuse' as const,
      ),
      pick: fc.nat(20),
    }),
  },
);

/** A cloud in this process on twins of the planes. */
class World {
  readonly #data: string;
  #cloud: Cloud | undefined;
  fabric = new FakeFabric();
  machines = new FakeMachines();
  ec2 = new EC2Client({});
  #imageId = '';
  /** What each instance should become. */
  readonly wanted = new Map<string, 'running' | 'stopped' | 'terminated'>();

  constructor(data: string) {
    this.#data = data;
  }

  async open(): Promise<void> {
    this.fabric = new FakeFabric();
    this.machines = new FakeMachines();
    const { fabric, machines } = this;
    this.#cloud = await startCloud({
      data: this.#data,
      listen: { host: '127.0.0.1', port: 0 },
      planes: async () => ({
        fabric,
        machines,
        volumes: new AbsentVolumes('There is no host.'),
        proxy: new AbsentProxy('There is no host.'),
        caches: new AbsentCaches('There is no host.'),
        dials: new AbsentDials('There is no host.'),
        functions: new AbsentFunctions('There is no host.'),
      }),
      validateOutput: true,
      strictImages: true,
      newAccounts: false,
      log: (level, message, details) => {
        if (level === 'error' && !message.includes('will try again')) throw new Error(`${message} ${JSON.stringify(details)}`);
      },
    });
    this.ec2 = new EC2Client({
      endpoint: `http://127.0.0.1:${this.#cloud.port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: '123456789012', secretAccessKey: 'test' },
      maxAttempts: 1,
    });
    this.#imageId = (await this.ec2.send(new DescribeImagesCommand({}))).Images?.[0]?.ImageId ?? '';
  }

  async close(): Promise<void> {
    this.ec2.destroy();
    await this.#cloud?.close();
  }

  async instances(): Promise<Instance[]> {
    const { Reservations = [] } = await this.ec2.send(new DescribeInstancesCommand({}));
    return Reservations.flatMap(({ Instances = [] }) => Instances);
  }

  async take(step: Step): Promise<void> {
    if (step.kind === 'restart') {
      await this.close();
      return this.open();
    }
    if (step.kind === 'launch') {
      const made = await this.ec2.send(
        new RunInstancesCommand({ ImageId: this.#imageId, InstanceType: 't3.nano', MinCount: 1, MaxCount: 1 }),
      );
      this.wanted.set(made.Instances?.[0]?.InstanceId ?? '', 'running');
      return;
    }
    const ids = [...this.wanted.keys()];
    const id = ids[step.pick % Math.max(ids.length, 1)];
    if (id !== undefined) await this.#act(step.kind, id);
  }

  async #act(kind: Exclude<Step['kind'], 'launch' | 'restart'>, id: string): Promise<void> {
    const InstanceIds = [id];
    if (kind === 'refuse') return this.machines.misbehave(id, { startError: 'told to fail' });
    if (kind === 'die') {
      const running = (await this.machines.status(id))?.state === 'running';
      this.machines.endByItself(id, 'poweroff');
      if (running && this.wanted.get(id) === 'running') this.wanted.set(id, 'stopped');
      return;
    }
    const commands = {
      stop: () => this.ec2.send(new StopInstancesCommand({ InstanceIds })),
      start: () => this.ec2.send(new StartInstancesCommand({ InstanceIds })),
      reboot: () => this.ec2.send(new RebootInstancesCommand({ InstanceIds })),
      terminate: () => this.ec2.send(new TerminateInstancesCommand({ InstanceIds })),
    };
    const refused = await commands[kind]().then(
      () => false,
      (error: Error) => {
        expect(error.name).toBe('IncorrectInstanceState');
        return true;
      },
    );
    if (refused || this.wanted.get(id) === 'terminated' || kind === 'reboot') return;
    this.wanted.set(id, kind === 'stop' ? 'stopped' : kind === 'start' ? 'running' : 'terminated');
  }

  /** The planes as the rows say, and the rows as asked for. Throws while they are not. */
  async check(): Promise<void> {
    const found = await this.instances();
    for (const [id, wanted] of this.wanted)
      expect({ id, state: found.find((one) => one.InstanceId === id)?.State?.Name }).toEqual({ id, state: wanted });
    const live = found.filter((one) => one.State?.Name !== 'terminated');
    expect((await this.machines.machines()).filter((key) => !live.some((one) => one.InstanceId === key))).toEqual([]);
    for (const one of live) {
      const state = (await this.machines.status(one.InstanceId ?? ''))?.state;
      expect({ id: one.InstanceId, runs: state === 'running' }).toEqual({
        id: one.InstanceId,
        runs: one.State?.Name === 'running',
      });
    }
    const attached = live.filter((one) => one.State?.Name === 'running').map((one) => one.InstanceId);
    const ports = (
      await Promise.all((await this.fabric.networks()).map(async (key) => this.fabric.specOf(key)?.ports ?? []))
    ).flat();
    expect(ports.flatMap((port) => port.attachment?.machine ?? []).sort()).toEqual(attached.sort());
  }

  async settle(): Promise<void> {
    const deadline = performance.now() + 8_000;
    for (;;) {
      try {
        return await this.check();
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }
}

test('after any history, also with restarts, machines and networks are what the rows say', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 3, maxLength: 14 }), async (history) => {
      const data = await mkdtemp(path.join(tmpdir(), 'pilvi-sim-'));
      const world = new World(data);
      await world.open();
      for (const step of history) await world.take(step);
      await world.settle();
      await world.close();
      await rm(data, { recursive: true, force: true });
    }),
    { numRuns: 15, seed: 20_261_120 },
  );
});
