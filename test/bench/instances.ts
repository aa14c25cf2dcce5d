/**
 * Instances as their users meet them: how soon many work, what an idle one weighs, how fast two of them talk with few and with many firewall rules, and what
 * a volume and its snapshots take. Everything is asked of the cloud by the official client and measured by the machines themselves, on their consoles.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  AttachVolumeCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  EC2Client,
  GetConsoleOutputCommand,
  type Instance,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { type Measurement, ourUrl, type Server, startServer } from './cloud.ts';

const lookMillis = 10;
const waitMillisMax = 120_000;
const crowds = [1, 20, 100] as const;
const rules = 60;
/** Seconds of one measurement of traffic. */
const trafficSeconds = 2;

type Add = (name: string, value: number, unit: string) => void;

/** Answers bytes sent to port 7001 by none, and those sent to port 7002 each by one. */
const listener = `import socket, threading
def serve(port, echo):
    server = socket.create_server(('', port))
    while True:
        peer = server.accept()[0]
        def talk(peer=peer):
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                data = peer.recv(1 << 20)
                if not data: return
                if echo: peer.send(data)
        threading.Thread(target=talk, daemon=True).start()
threading.Thread(target=serve, args=(7001, False)).start()
serve(7002, True)
`;

const talker = (address: string) => `import socket, time
def connect(port):
    while True:
        try: return socket.create_connection(('${address}', port), 1)
        except OSError: time.sleep(0.05)
peer = connect(7001); block = b'x' * (1 << 20); sent = 0; begin = time.time()
while time.time() - begin < ${trafficSeconds}: sent += peer.send(block)
print('result speed', sent / (time.time() - begin) / 1e6)
peer = connect(7002); peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1); rounds = 0; begin = time.time()
while time.time() - begin < ${trafficSeconds}: peer.send(b'x'); peer.recv(1); rounds += 1
print('result rounds', rounds / (time.time() - begin))
`;

const python = (program: string) => `#!/bin/sh\ncat > /bench.py <<'END'\n${program}END\npython3 -u /bench.py\n`;

/** Writes a GiB to the disk that comes, past the page cache, and says how fast. */
const diskWriter = `#!/bin/sh
until [ -b /dev/sdf ]; do sleep 0.05; done
begin=$(date +%s%N); dd if=/dev/urandom of=/dev/sdf bs=1M count=1024 oflag=direct 2> /dev/null; end=$(date +%s%N)
echo "result write $((1073741824000 / ((end - begin) / 1000)))e-3"
`;

class Bench {
  readonly #ec2: EC2Client;
  readonly #add: Add;

  constructor(server: Server, add: Add) {
    this.#add = add;
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    this.#ec2 = new EC2Client({ endpoint: server.url.origin, region: 'us-east-1', credentials });
  }

  async run(): Promise<void> {
    await this.#crowd(1, 'first, image built meanwhile');
    for (const count of crowds) await this.#crowd(count, count === 1 ? '1 instance' : `${count} instances, all`);
    await this.#traffic('1 rule', 1);
    await this.#traffic(`${rules} rules`, rules);
    await this.#volume();
    this.#ec2.destroy();
  }

  async #launch(userData: string, count = 1): Promise<Instance[]> {
    const images = await this.#ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }));
    const { Instances = [] } = await this.#ec2.send(
      new RunInstancesCommand({
        ImageId: images.Images?.[0]?.ImageId,
        InstanceType: count > 1 ? 't3.nano' : 'm5.large',
        MinCount: count,
        MaxCount: count,
        UserData: Buffer.from(userData).toString('base64'),
      }),
    );
    return Instances;
  }

  /** The rest of the first line on an instance's console that begins with these words. */
  #said(instance: Instance | undefined, words: string, pauseMillis = lookMillis): Promise<string> {
    return until(async () => {
      const { Output = '' } = await this.#ec2.send(new GetConsoleOutputCommand({ InstanceId: instance?.InstanceId ?? '' }));
      return new RegExp(`${words}(.*)`).exec(Buffer.from(Output, 'base64').toString())?.[1];
    }, pauseMillis);
  }

  async #end(instances: readonly Instance[]): Promise<void> {
    const InstanceIds = instances.map(({ InstanceId = '' }) => InstanceId);
    await this.#ec2.send(new TerminateInstancesCommand({ InstanceIds }));
    await until(async () => {
      const { Reservations = [] } = await this.#ec2.send(new DescribeInstancesCommand({ InstanceIds }));
      return Reservations.every((one) => one.Instances?.every(({ State }) => State?.Name === 'terminated')) || undefined;
    });
  }

  async #crowd(count: number, title: string): Promise<void> {
    const before = await freeMemory();
    const began = performance.now();
    const instances = await this.#launch('#!/bin/sh\necho result runs\n', count);
    // Looking at all of them all the time would take the processors that the machines need to boot.
    await Promise.all(instances.map((one) => this.#said(one, 'result runs', lookMillis * count)));
    this.#add(`RunInstances to user data running, ${title}`, performance.now() - began, 'ms');
    if (count > 20)
      this.#add(`memory of the host for each idle instance, of ${count}`, (before - (await freeMemory())) / count, 'MiB');
    const ending = performance.now();
    await this.#end(instances);
    if (count > 1) this.#add(`TerminateInstances to all terminated, ${count} instances`, performance.now() - ending, 'ms');
  }

  async #traffic(title: string, count: number): Promise<void> {
    const server = await this.#launch(python(listener));
    const [one] =
      (await this.#ec2.send(new DescribeInstancesCommand({ InstanceIds: [server[0]?.InstanceId ?? ''] }))).Reservations?.[0]
        ?.Instances ?? [];
    const GroupId = one?.SecurityGroups?.[0]?.GroupId ?? '';
    // The default group lets its members talk; what is added is looked at as well.
    const IpPermissions = Array.from({ length: count - 1 }, (_, index) => ({
      IpProtocol: 'tcp',
      FromPort: 20_000 + index,
      ToPort: 20_000 + index,
      IpRanges: [{ CidrIp: `10.${index}.0.0/16` }],
    }));
    if (count > 1) await this.#ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
    const client = await this.#launch(python(talker(one?.PrivateIpAddress ?? '')));
    this.#add(`one stream between two instances, ${title}`, Number(await this.#said(client[0], 'result speed ')), 'MB/s');
    this.#add(`round trips between two instances, ${title}`, Number(await this.#said(client[0], 'result rounds ')), '1/s');
    await this.#end([...server, ...client]);
  }

  async #volume(): Promise<void> {
    const writer = await this.#launch(diskWriter);
    await until(async () => {
      const found = await this.#ec2.send(new DescribeInstancesCommand({ InstanceIds: [writer[0]?.InstanceId ?? ''] }));
      return found.Reservations?.[0]?.Instances?.[0]?.State?.Name === 'running' || undefined;
    });
    const AvailabilityZone = writer[0]?.Placement?.AvailabilityZone;
    const gp3 = { AvailabilityZone, VolumeType: 'gp3', Throughput: 1000, Iops: 16_000 } as const;
    const { VolumeId = '' } = await this.#ec2.send(new CreateVolumeCommand({ ...gp3, Size: 32 }));
    await this.#available(VolumeId);
    await this.#ec2.send(new AttachVolumeCommand({ VolumeId, InstanceId: writer[0]?.InstanceId ?? '', Device: '/dev/sdf' }));
    this.#add('writing 1 GiB to a volume, direct', Number(await this.#said(writer[0], 'result write ')), 'MB/s');
    const began = performance.now();
    const { SnapshotId = '' } = await this.#ec2.send(new CreateSnapshotCommand({ VolumeId }));
    await until(async () => {
      const found = await this.#ec2.send(new DescribeSnapshotsCommand({ SnapshotIds: [SnapshotId] }));
      return found.Snapshots?.[0]?.State === 'completed' || undefined;
    });
    this.#add('snapshot of 1 GiB to completed', performance.now() - began, 'ms');
    const restoring = performance.now();
    const restored = await this.#ec2.send(new CreateVolumeCommand({ ...gp3, SnapshotId }));
    await this.#available(restored.VolumeId ?? '');
    this.#add('volume of a snapshot of 1 GiB to available', performance.now() - restoring, 'ms');
    await this.#end(writer);
  }

  #available(id: string): Promise<true> {
    return until(async () => {
      const found = await this.#ec2.send(new DescribeVolumesCommand({ VolumeIds: [id] }));
      return found.Volumes?.[0]?.State === 'available' || undefined;
    });
  }
}

/** Asks until there is an answer. Throws after two minutes. */
async function until<T>(ask: () => Promise<T | undefined>, pauseMillis = lookMillis): Promise<T> {
  const end = performance.now() + waitMillisMax;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`No answer in ${waitMillisMax} ms.`);
    await pause(pauseMillis);
  }
}

/** Memory that the host could still give, in MiB. */
async function freeMemory(): Promise<number> {
  return Number(/MemAvailable:\s+(\d+)/.exec(await readFile('/proc/meminfo', 'utf8'))?.[1]) / 1024;
}

/** Starts a cloud from dist/; `npm run bench` builds it. Throws where no machines run. */
export async function bench(): Promise<Measurement[]> {
  const results: Measurement[] = [];
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-'));
  const server = await startServer([process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data], ourUrl);
  try {
    await new Bench(server, (name, value, unit) => void results.push({ name, value, unit })).run();
  } finally {
    await server.stop();
    await rm(data, { recursive: true, force: true });
  }
  return results;
}
