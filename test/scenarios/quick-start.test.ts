/** Servers that are ready sooner: from a golden image, configured at their first boot, with volumes made of snapshots. */
import { AuthorizeSecurityGroupIngressCommand, EC2, type Instance } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused } from '../support/cloud.ts';
import { fetchInside } from '../support/inside.ts';
import { agentAtEachBoot, agentScript, base64, Lab, type Network } from '../services/ec2/support.ts';

const refusal = machinesRefused();
const lab = new Lab();
const ec2 = new EC2(lab.account.config());
let net: Network;
let builder: Instance;
let golden: string;

/**
 * Installs the application: its dependencies take a while, its service starts at every boot. It answers `/` with `ready`, and `/items` with what the database, whose
 * URL stands in /etc/app.conf, says.
 */
const install = `mkdir -p /opt/app /etc/systemd/system
for i in $(seq 12); do tar cf - /etc 2> /dev/null | gzip -9 > /opt/app/dependency; done
cat > /opt/app/server.py <<'END'
import http.server, urllib.request
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'ready'
        if self.path == '/items':
            url = open('/etc/app.conf').read().strip()
            body = urllib.request.urlopen(url, data=b'SELECT name FROM items ORDER BY name', timeout=2).read()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(('0.0.0.0', 8080), App).serve_forever()
END
cat > /etc/systemd/system/app.service <<'END'
[Unit]
Description=The application
[Service]
ExecStart=/usr/bin/env python3 /opt/app/server.py
[Install]
WantedBy=multi-user.target
END
systemctl enable app
`;

/** A database with one table, which answers SQL that is posted to it. */
const database = `cat > /database.py <<'END'
import http.server, sqlite3
rows = sqlite3.connect(':memory:', check_same_thread=False)
rows.execute('CREATE TABLE items (name TEXT)')
rows.executemany('INSERT INTO items VALUES (?)', [('cup',), ('tea',)])
class Database(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        query = self.rfile.read(int(self.headers['content-length'])).decode()
        body = ' '.join(name for name, in rows.execute(query)).encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
http.server.HTTPServer(('0.0.0.0', 5432), Database).serve_forever()
END
python3 /database.py > /dev/null 2>&1 &
`;

beforeEach((context) => context.skip(refusal !== undefined, refusal));

beforeAll(async () => {
  if (refusal !== undefined) return;
  net = await lab.network('10.93');
  for (const port of [8080, 5432])
    await ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: net.groupId,
        IpPermissions: [{ IpProtocol: 'tcp', FromPort: port, ToPort: port, IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
      }),
    );
  builder = await lab.launchAgent(placed(), `${agentScript}${database}${install}touch /installed\n`);
  await eventually(() => lab.run(builder.PublicIpAddress!, 'test -e /installed'), { timeoutMs: 30_000, why: 'it is installed' });
  const { ImageId = '' } = await ec2.createImage({ InstanceId: builder.InstanceId!, Name: 'golden', NoReboot: true });
  await eventually(async () => expect((await ec2.describeImages({ ImageIds: [ImageId] })).Images?.[0]?.State).toBe('available'), {
    timeoutMs: 30_000,
    why: 'the golden image is there',
  });
  golden = ImageId;
}, 60_000);
afterAll(async () => {
  if (refusal !== undefined) return;
  const { Reservations = [] } = await ec2.describeInstances({});
  const ids = Reservations.flatMap(({ Instances = [] }) => Instances.map(({ InstanceId }) => InstanceId!));
  await ec2.terminateInstances({ InstanceIds: ids });
});

const placed = () => ({ SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] });

async function answer(address: string, path: string): Promise<string> {
  const got = await fetchInside(address, 8080, path);
  if (typeof got === 'string') throw new Error(got);
  expect(got.status).toBe(200);
  return got.body;
}

/** Milliseconds from the launch to the first answer of the application. */
async function untilReady(input: Parameters<Lab['launch']>[0]): Promise<number> {
  const began = performance.now();
  const { PublicIpAddress } = await lab.inState(await lab.launch({ ...placed(), ...input }), 'running');
  await eventually(async () => expect(await answer(PublicIpAddress!, '/')).toBe('ready'), {
    timeoutMs: 30_000,
    why: 'the application answers',
  });
  return performance.now() - began;
}

test('SCN-038 from a golden image an application serves at once, sooner than one that installs itself', async () => {
  const plain = await untilReady({ UserData: base64(`#!/bin/sh\n${install}systemctl start app\n`) });
  const fast = await untilReady({ ImageId: golden });
  console.log(`ready after ${Math.round(fast)} ms from the golden image, ${Math.round(plain)} ms by installation`);
  expect(fast).toBeLessThan(plain * 0.7);
}, 60_000);

test('SCN-039 user data gives a server of the golden image its settings, as root and at its first boot only', async () => {
  const settings = `#!/bin/bash
echo http://${builder.PrivateIpAddress}:5432/ > /etc/app.conf
echo run >> /counter
id -un > /runner
`;
  const id = await lab.launch({
    ...placed(),
    ImageId: golden,
    UserData: base64(settings + agentScript.replace('#!/bin/bash', '')),
  });
  const first = await lab.inState(id, 'running');
  await eventually(async () => expect(await answer(first.PublicIpAddress!, '/items')).toBe('cup tea'), {
    timeoutMs: 30_000,
    why: 'the application finds its database',
  });
  await eventually(async () => expect(await lab.run(first.PublicIpAddress!, 'cat /runner; wc -l < /counter')).toBe('root\n1'), {
    why: 'the script has run',
  });
  await ec2.stopInstances({ InstanceIds: [id] });
  await lab.inState(id, 'stopped');
  await ec2.startInstances({ InstanceIds: [id] });
  const second = await lab.inState(id, 'running');
  await eventually(async () => expect(await answer(second.PublicIpAddress!, '/items')).toBe('cup tea'), {
    timeoutMs: 30_000,
    why: 'the application is back by itself',
  });
  // The agent came with the script, which did not run again: what it wrote is read from a copy of the disk.
  const { SnapshotId = '' } = await rootSnapshot(second);
  const { ImageId = '' } = await ec2.registerImage({
    Name: 'look',
    RootDeviceName: '/dev/xvda',
    BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId } }],
  });
  const look = await lab.launchAgent({ ...placed(), ImageId }, agentAtEachBoot);
  expect(await lab.run(look.PublicIpAddress!, 'wc -l < /counter')).toBe('1');
}, 90_000);

async function completed(SnapshotId: string): Promise<void> {
  await eventually(
    async () => expect((await ec2.describeSnapshots({ SnapshotIds: [SnapshotId] })).Snapshots?.[0]?.State).toBe('completed'),
    { timeoutMs: 30_000, why: 'the snapshot is completed' },
  );
}

async function rootSnapshot(instance: Instance) {
  const VolumeId = instance.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === instance.RootDeviceName)?.Ebs?.VolumeId;
  const made = await ec2.createSnapshot({ VolumeId });
  await completed(made.SnapshotId!);
  return made;
}

test('SCN-041 a volume made of a snapshot is formatted and filled, in another zone too; a new one is neither', async () => {
  const subnet = await lab.subnet(net.vpcId, '10.93.2.0/24', 'us-east-1b', true);
  const other = await lab.launchAgent({ SubnetId: subnet, SecurityGroupIds: [net.groupId] });
  const attach = async (where: Instance, Device: string, input: object) => {
    const { VolumeId = '' } = await ec2.createVolume({ AvailabilityZone: where.Placement!.AvailabilityZone!, ...input });
    await eventually(() => ec2.attachVolume({ VolumeId, Device, InstanceId: where.InstanceId! }), { why: 'it is attached' });
    await eventually(() => lab.run(where.PublicIpAddress!, `test -b ${Device}`), { why: `${Device} is there` });
    return VolumeId;
  };
  const source = await attach(builder, '/dev/sdf', { Size: 1 });
  await lab.run(
    builder.PublicIpAddress!,
    'mkfs.ext4 -q /dev/sdf && mkdir -p /data && mount /dev/sdf /data && seq 1000 > /data/rows && echo kept > /data/file && sync',
  );
  const { SnapshotId = '' } = await ec2.createSnapshot({ VolumeId: source });
  await completed(SnapshotId);
  await attach(other, '/dev/sdg', { SnapshotId });
  await attach(other, '/dev/sdh', { Size: 1 });
  const at = other.PublicIpAddress!;
  expect(await lab.run(at, 'mkdir -p /data /new; mount /dev/sdg /data && cat /data/file && wc -l < /data/rows')).toBe(
    'kept\n1000',
  );
  await expect(lab.run(at, 'mount /dev/sdh /new')).rejects.toThrow(/wrong fs type|bad superblock/);
  expect(await lab.run(at, 'mkfs.ext4 -q /dev/sdh && mount /dev/sdh /new && ls /new')).toBe('lost+found');
}, 60_000);
