/** A site whose servers keep uploaded pictures on volumes of their own: right with one server, wrong with two. */
import { EC2 } from '@aws-sdk/client-ec2';
import { ElasticLoadBalancingV2 } from '@aws-sdk/client-elastic-load-balancing-v2';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { eventually, machinesRefused, type OwnCloud, refused, startOwnCloud } from '../support/cloud.ts';
import { base64 } from '../services/ec2/support.ts';
import { get, Site } from '../services/elastic-load-balancing-v2/support.ts';

const refusal = machinesRefused();
let cloud: OwnCloud;
let site: Site;
let ec2: EC2;
let elb: ElasticLoadBalancingV2;
let group: string;
let nodes: string[];

/** At each boot: the volume is mounted (and formatted when it is empty), and the server keeps there what is posted to it. */
const server = `#cloud-config
write_files:
- path: /server.js
  content: |
    const fs = require('fs');
    require('http').createServer((request, response) => {
      const file = '/uploads' + request.url;
      if (request.url === '/') return response.end('up');
      if (request.method !== 'POST')
        return fs.existsSync(file) ? fs.createReadStream(file).pipe(response) : response.writeHead(404).end();
      request.pipe(fs.createWriteStream(file)).on('finish', () => { fs.closeSync(fs.openSync(file, 'r')); response.end(); });
    }).listen(80, '0.0.0.0');
bootcmd:
- mkdir -p /uploads
- blkid /dev/sdf || mkfs.ext4 -q /dev/sdf
- mount /dev/sdf /uploads
- sh -c 'until [ -e /server.js ]; do sleep 0.1; done; exec node /server.js' > /var/log/server.log 2>&1 &
`;

beforeEach((context) => context.skip(refusal !== undefined, refusal));

beforeAll(async () => {
  if (refusal !== undefined) return;
  cloud = await startOwnCloud();
  site = new Site(cloud.endpoint, cloud.data);
  ec2 = new EC2(site.lab.account.config());
  elb = new ElasticLoadBalancingV2(site.lab.account.config());
  await site.build('10.94');
  group = await site.group('uploads', { HealthCheckPath: '/' });
  const { LoadBalancerArn = '' } = await site.balancer('uploads');
  await site.forward(LoadBalancerArn, group);
  nodes = Object.values(await site.nodes(LoadBalancerArn));
}, 60_000);
afterAll(async () => void (await cloud?.stop()));

/** A server with a volume of its own, in service. */
async function join(subnet: number): Promise<string> {
  const id = await site.lab.launch({
    SubnetId: site.subnets[subnet]!,
    SecurityGroupIds: [site.serverGroup],
    UserData: base64(server),
    BlockDeviceMappings: [{ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1, VolumeType: 'gp3', DeleteOnTermination: false } }],
  });
  await site.lab.inState(id, 'running');
  await elb.registerTargets({ TargetGroupArn: group, Targets: [{ Id: id }] });
  await site.all(group, 'healthy');
  return id;
}

const ask = (turn: number, path: string, more: object = {}) =>
  get(nodes[turn % nodes.length]!, path, { ...more, data: cloud.data });
const volumeOf = async (id: string): Promise<string> => {
  const { BlockDeviceMappings = [] } = await site.lab.instance(id);
  return BlockDeviceMappings.find(({ DeviceName }) => DeviceName === '/dev/sdf')!.Ebs!.VolumeId!;
};
const picture = Array.from({ length: 5000 }, (_, at) => String.fromCharCode(33 + ((at * 7) % 90))).join('');

test('SCN-035 SCN-036 pictures on a volume are found again with one server, and half of the time with two', async () => {
  const first = await join(0);
  expect((await ask(0, '/cat.png', { method: 'POST', body: picture })).status).toBe(200);
  for (let turn = 0; turn < 4; turn += 1) expect((await ask(turn, '/cat.png')).body).toContain(picture);
  await ec2.stopInstances({ InstanceIds: [first] });
  await site.lab.inState(first, 'stopped');
  await ec2.startInstances({ InstanceIds: [first] });
  await site.lab.inState(first, 'running');
  await eventually(async () => expect((await ask(0, '/cat.png')).body).toContain(picture), {
    timeoutMs: 40_000,
    why: 'the picture is there after a stop',
  });
  await site.all(group, 'healthy');

  const second = await join(1);
  const statuses = async (path: string) => {
    const seen: number[] = [];
    for (let turn = 0; turn < 20; turn += 1) seen.push((await ask(turn, path)).status);
    return seen.filter((status) => status === 404).length;
  };
  expect((await ask(0, '/dog.png', { method: 'POST', body: picture })).status).toBe(200);
  for (const path of ['/cat.png', '/dog.png']) {
    const missing = await statuses(path);
    expect(missing).toBeGreaterThanOrEqual(5);
    expect(missing).toBeLessThanOrEqual(15);
  }
  // A volume is of one zone: it cannot be given to the other server, attached or not.
  const VolumeId = await volumeOf(first);
  await ec2.terminateInstances({ InstanceIds: [first] });
  await site.lab.inState(first, 'terminated');
  await refused(
    ec2.attachVolume({ VolumeId, InstanceId: second, Device: '/dev/sdg' }),
    'InvalidVolume.ZoneMismatch',
    /is not in the same availability zone as instance/,
  );
}, 90_000);
