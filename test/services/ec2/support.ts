/** What tests of EC2 share: an account with its client, small networks, and instances that answer on port 80 with what a command inside prints. */
import {
  AttachInternetGatewayCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateInternetGatewayCommand,
  CreateRouteCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeRouteTablesCommand,
  EC2Client,
  type Instance,
  ModifySubnetAttributeCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
} from '@aws-sdk/client-ec2';
import { expect } from 'vitest';
import { eventually, freshAccount, type TestAccount } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';

/** User data of an instance that runs, as root, whatever a GET of `/?COMMAND` on port 80 asks for. Appends a line to /boots, so its runs can be counted. */
export const agentScript = `#!/bin/bash
echo run >> /boots
cat > /agent.py <<'END'
import http.server, subprocess, urllib.parse
class Agent(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        command = urllib.parse.unquote(self.path.split('?', 1)[1])
        done = subprocess.run(['sh', '-c', command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.send_response(200 if done.returncode == 0 else 500)
        self.send_header('content-length', str(len(done.stdout)))
        self.end_headers()
        self.wfile.write(done.stdout)
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(('0.0.0.0', 80), Agent).serve_forever()
END
cat > /etc/rc.local <<'END'
#!/bin/sh
END
python3 /agent.py > /dev/null 2>&1 &
`;

/** The agent that also comes up at later boots, by cron's way of user data: a cloud-config bootcmd runs at each boot. */
export const agentAtEachBoot = `#cloud-config
write_files:
- path: /agent.py
  content: |
    import http.server, subprocess, urllib.parse
    class Agent(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            command = urllib.parse.unquote(self.path.split('?', 1)[1])
            done = subprocess.run(['sh', '-c', command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.send_response(200 if done.returncode == 0 else 500)
            self.send_header('content-length', str(len(done.stdout)))
            self.end_headers()
            self.wfile.write(done.stdout)
        def log_message(self, *words):
            pass
    http.server.ThreadingHTTPServer(('0.0.0.0', 80), Agent).serve_forever()
bootcmd:
- [ sh, -c, "if [ -e /agent.py ]; then python3 /agent.py > /dev/null 2>&1 & fi" ]
runcmd:
- [ sh, -c, "echo run >> /boots; python3 /agent.py > /dev/null 2>&1 &" ]
`;

export const base64 = (text: string): string => Buffer.from(text).toString('base64');

export interface Network {
  vpcId: string;
  subnetId: string;
  gatewayId: string;
  routeTableId: string;
  /** A group with TCP 80 and ICMP open to all. */
  groupId: string;
}

export class Lab {
  readonly account: TestAccount;
  readonly ec2: EC2Client;
  readonly endpoint: string | undefined;

  /** With a fresh account, or another lab's: a cloud that was started again has another port. */
  constructor(endpoint?: string, account?: TestAccount) {
    this.endpoint = endpoint;
    this.account = account ?? (endpoint === undefined ? freshAccount() : freshAccount(endpoint));
    this.ec2 = new EC2Client(this.account.config(endpoint === undefined ? {} : { endpoint }));
  }

  async image(ec2: EC2Client = this.ec2): Promise<string> {
    const found = await ec2.send(
      new DescribeImagesCommand({ Owners: ['amazon'], Filters: [{ Name: 'name', Values: ['al2023-ami-*'] }] }),
    );
    return found.Images![0]!.ImageId!;
  }

  async vpc(cidr: string): Promise<string> {
    return (await this.ec2.send(new CreateVpcCommand({ CidrBlock: cidr }))).Vpc!.VpcId!;
  }

  async subnet(vpcId: string, cidr: string, zone?: string, publicIp = false): Promise<string> {
    const made = await this.ec2.send(
      new CreateSubnetCommand({ VpcId: vpcId, CidrBlock: cidr, ...(zone === undefined ? {} : { AvailabilityZone: zone }) }),
    );
    const id = made.Subnet!.SubnetId!;
    if (publicIp) await this.ec2.send(new ModifySubnetAttributeCommand({ SubnetId: id, MapPublicIpOnLaunch: { Value: true } }));
    return id;
  }

  async group(vpcId: string, name: string): Promise<string> {
    return (await this.ec2.send(new CreateSecurityGroupCommand({ GroupName: name, Description: name, VpcId: vpcId }))).GroupId!;
  }

  async allow(groupId: string, protocol: string, from: number, to: number, peer: string): Promise<void> {
    const pair = peer.startsWith('sg-') ? { UserIdGroupPairs: [{ GroupId: peer }] } : { IpRanges: [{ CidrIp: peer }] };
    await this.ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: groupId,
        IpPermissions: [{ IpProtocol: protocol, FromPort: from, ToPort: to, ...pair }],
      }),
    );
  }

  async mainTable(vpcId: string): Promise<string> {
    const found = await this.ec2.send(
      new DescribeRouteTablesCommand({
        Filters: [
          { Name: 'vpc-id', Values: [vpcId] },
          { Name: 'association.main', Values: ['true'] },
        ],
      }),
    );
    return found.RouteTables![0]!.RouteTableId!;
  }

  /** A VPC with one public subnet: `prefix` is its first two octets, as `10.20`. */
  async network(prefix: string, zone = 'us-east-1a'): Promise<Network> {
    const vpcId = await this.vpc(`${prefix}.0.0/16`);
    const subnetId = await this.subnet(vpcId, `${prefix}.1.0/24`, zone, true);
    const gatewayId = (await this.ec2.send(new CreateInternetGatewayCommand({}))).InternetGateway!.InternetGatewayId!;
    await this.ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId: gatewayId, VpcId: vpcId }));
    const routeTableId = await this.mainTable(vpcId);
    await this.ec2.send(
      new CreateRouteCommand({ RouteTableId: routeTableId, DestinationCidrBlock: '0.0.0.0/0', GatewayId: gatewayId }),
    );
    const groupId = await this.group(vpcId, 'open');
    await this.allow(groupId, 'tcp', 80, 80, '0.0.0.0/0');
    await this.allow(groupId, 'icmp', -1, -1, '0.0.0.0/0');
    return { vpcId, subnetId, gatewayId, routeTableId, groupId };
  }

  /** Starts one instance; ImageId and t2.micro unless told. */
  async launch(input: Partial<RunInstancesCommandInput> = {}): Promise<string> {
    const started = await this.ec2.send(
      new RunInstancesCommand({
        ImageId: await this.image(),
        InstanceType: 't2.micro',
        MinCount: 1,
        MaxCount: 1,
        ...input,
      }),
    );
    return started.Instances![0]!.InstanceId!;
  }

  /** The same with the agent, resolving when it answers. */
  async launchAgent(input: Partial<RunInstancesCommandInput>, script = agentScript): Promise<Instance> {
    const id = await this.launch({ UserData: base64(script), ...input });
    const found = await this.inState(id, 'running');
    if (found.PublicIpAddress !== undefined) await this.answers(found.PublicIpAddress);
    return found;
  }

  async instance(id: string): Promise<Instance> {
    const found = await this.ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    return found.Reservations![0]!.Instances![0]!;
  }

  inState(id: string, name: string): Promise<Instance> {
    return eventually(
      async () => {
        const found = await this.instance(id);
        expect(found.State?.Name).toBe(name);
        return found;
      },
      { why: `${id} becomes ${name}`, timeoutMs: 25_000 },
    );
  }

  /** Waits until the agent at this public address answers. */
  async answers(address: string): Promise<void> {
    await eventually(async () => expect(await this.run(address, 'echo here')).toBe('here'), {
      why: `the agent at ${address} answers`,
      timeoutMs: 25_000,
    });
  }

  /** What a command inside prints, trimmed. Throws with the output when it fails, or the connection's error code. */
  async run(address: string, command: string): Promise<string> {
    const answer = await fetchInside(address, 80, `/?${encodeURIComponent(command)}`, ...(this.endpoint ? [this.endpoint] : []));
    if (typeof answer === 'string') throw new Error(answer);
    if (answer.status !== 200) throw new Error(`${command}: ${answer.status} ${answer.body}`);
    return answer.body.trim();
  }
}

/** Whether inside the instance at `address` an HTTP request for `url` succeeds: `open`, `closed` (refused) or `silent` (timed out). */
export async function reach(lab: Lab, address: string, url: string): Promise<'open' | 'closed' | 'silent'> {
  const code = await lab.run(address, `curl -s -o /dev/null -m 1 '${url}'; echo $?`);
  if (code === '0') return 'open';
  if (code === '7') return 'closed';
  if (code === '28') return 'silent';
  throw new Error(`curl ${url} ended with ${code}.`);
}
