/** What tests of load balancers share: a site of two zones with web servers that say who they are and what they got, and clients of its nodes. */
import net, { type Socket } from 'node:net';
import { join } from 'node:path';
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateTargetGroupCommand,
  type CreateTargetGroupCommandInput,
  DescribeLoadBalancersCommand,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
  type LoadBalancer,
  RegisterTargetsCommand,
} from '@aws-sdk/client-elastic-load-balancing-v2';
import { AuthorizeSecurityGroupIngressCommand, DescribeNetworkInterfacesCommand } from '@aws-sdk/client-ec2';
import { expect, inject } from 'vitest';
import { eventually } from '../../support/cloud.ts';
import { base64, Lab, type Network } from '../ec2/support.ts';

/**
 * User data of a web server on port 80 and 8080: answers any path with JSON of who it is and what it got. `/health` answers the status that stands in
 * `/status`, which `/set?500` writes; `/slow?3` takes that many seconds; `/cookie?MYAPP=1` sets a cookie; an upgrade to `echo` gives every byte back,
 * one to `websocket` every short text in capitals. On port 8088 the answer is what came, byte for byte as hexadecimal, and from whom.
 */
export const serverScript = (name: string): string => `#!/bin/bash
cat > /server.js <<'END'
const http = require('http');
let status = 200;
const log = [];
const speak = (request, socket) => {
  const accept = require('crypto').createHash('sha1')
    .update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.on('error', () => {});
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n');
  socket.on('data', (frame) => {
    if ((frame[0] & 15) === 8) return socket.end(Buffer.from([136, 0]));
    const text = Buffer.from(frame.subarray(6)).map((byte, at) => byte ^ frame[2 + at % 4]).toString().toUpperCase();
    socket.write(Buffer.concat([Buffer.from([129, text.length]), Buffer.from(text)]));
  });
};
require('net').createServer((socket) => {
  socket.on('error', () => {});
  socket.once('data', (bytes) => {
    const body = JSON.stringify({ peer: socket.remoteAddress, bytes: bytes.toString('hex') });
    socket.end('HTTP/1.1 200 OK\\r\\nContent-Length: ' + body.length + '\\r\\nConnection: close\\r\\n\\r\\n' + body);
  });
}).listen(8088, '0.0.0.0');
const serve = (port) => {
  const server = http.createServer((request, response) => {
    const [path, query = ''] = request.url.split('?');
    log.push(port + ' ' + request.method + ' ' + request.url + ' ' + (request.headers['user-agent'] || ''));
    if (path === '/health') return response.writeHead(status).end('health');
    if (path === '/set') { status = Number(query); return response.end('set'); }
    if (path === '/log') return response.end(JSON.stringify(log));
    if (path === '/status') return response.writeHead(Number(query)).end();
    if (path === '/chunks') { response.write('one'); setTimeout(() => response.end('two'), 20); return; }
    if (path === '/garbage') return request.socket.end('this is no answer\\r\\n\\r\\n');
    if (path === '/hang-up') return request.socket.destroy();
    if (path === '/cookie') response.setHeader('set-cookie', query + '; Path=/');
    let body = 0;
    request.on('data', (part) => { body += part.length; });
    request.on('end', () => setTimeout(() => response.end(JSON.stringify({
      name: ${JSON.stringify(name)}, port, method: request.method, url: request.url, headers: request.headers,
      peer: request.socket.remoteAddress, body })), path === '/slow' ? Number(query) * 1000 : 0));
  });
  server.keepAliveTimeout = 60000;
  server.on('upgrade', (request, socket) => {
    if (request.headers.upgrade === 'websocket') return speak(request, socket);
    socket.write('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: echo\\r\\nConnection: Upgrade\\r\\n\\r\\n');
    socket.pipe(socket);
  });
  server.listen(port, '0.0.0.0');
};
serve(80);
serve(8080);
END
${process.execPath.startsWith('/usr/') ? process.execPath : 'node'} /server.js > /var/log/server.log 2>&1 &
`;

export interface Answer {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** Every Set-Cookie, as sent. */
  cookies: readonly string[];
  body: string;
}

/** What a server of the site says of a request. */
export interface Echo {
  name: string;
  port: number;
  method: string;
  url: string;
  headers: Record<string, string>;
  peer: string;
  body: number;
}

/** A connection to a public address inside the cloud; rejects with the code when it is refused or nobody answers. */
export function connectInside(address: string, port: number, data: string = inject('data')): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(join(data, 'forward.sock'));
    socket.once('error', reject);
    // Read and not listened to: what the other side said at once, in the same piece, waits for whoever listens later.
    const take = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes === null) return;
      socket.off('readable', take);
      const end = bytes.indexOf('\n');
      const line = bytes.subarray(0, end).toString();
      if (line !== 'ok') {
        socket.destroy();
        reject(new Error(line));
        return;
      }
      socket.off('error', reject);
      socket.on('error', () => {});
      if (bytes.length > end + 1) socket.unshift(bytes.subarray(end + 1));
      resolve(socket);
    };
    socket.on('readable', take);
    socket.write(`${address}:${port}\n`);
  });
}

/** Everything that comes until the other side closes, or until `done` says that it is enough. */
export function readAll(socket: Socket, done: (text: string) => boolean = () => false, timeoutMs = 15_000): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`Nothing more came. So far: ${text}`));
    }, timeoutMs);
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (done(text)) end();
    });
    socket.on('close', end);
    socket.on('end', end);
  });
}

/** An answer taken apart; chunks are left in the body. */
export function parseAnswer(text: string): Answer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [line = '', ...lines] = head.split('\r\n');
  const pairs = lines.map(
    (each) => [each.slice(0, each.indexOf(':')).toLowerCase(), each.slice(each.indexOf(':') + 1).trim()] as const,
  );
  return {
    status: Number(line.split(' ')[1] ?? 0),
    headers: Object.fromEntries(pairs),
    cookies: pairs.filter(([name]) => name === 'set-cookie').map(([, value]) => value),
    body: rest.join('\r\n\r\n'),
  };
}

/** Writes bytes as they are to an address and reads until the connection closes. */
export async function raw(address: string, port: number, bytes: string, data?: string): Promise<Answer & { text: string }> {
  const socket = await connectInside(address, port, data);
  socket.write(bytes, 'latin1');
  const text = await readAll(socket);
  return { ...parseAnswer(text), text };
}

/** A request on a connection of its own. */
export function get(
  address: string,
  path: string,
  {
    port = 80,
    headers = {},
    method = 'GET',
    body = '',
    data,
  }: { port?: number; headers?: Record<string, string>; method?: string; body?: string; data?: string } = {},
): Promise<Answer & { text: string }> {
  const lines = Object.entries({ host: 'site.example.com', connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const length = body === '' ? '' : `content-length: ${body.length}\r\n`;
  return raw(address, port, `${method} ${path} HTTP/1.1\r\n${lines.join('')}${length}\r\n${body}`, data);
}

export async function echo(address: string, path = '/', options: Parameters<typeof get>[2] = {}): Promise<Echo> {
  const answer = await get(address, path, options);
  expect(answer).toMatchObject({ status: 200 });
  return JSON.parse(answer.body) as Echo;
}

/** A VPC with two public subnets in two zones, a group for load balancers and one for servers that only the first may reach. */
export class Site {
  readonly lab: Lab;
  readonly elb: ElasticLoadBalancingV2Client;
  network!: Network;
  subnets: string[] = [];
  balancerGroup = '';
  serverGroup = '';

  readonly data: string | undefined;

  /** In the shared cloud, or in one of its own: by its endpoint and data folder. */
  constructor(endpoint?: string, data?: string) {
    this.data = data;
    this.lab = new Lab(endpoint);
    this.elb = new ElasticLoadBalancingV2Client(this.lab.account.config(endpoint === undefined ? {} : { endpoint }));
  }

  async build(prefix = '10.0'): Promise<void> {
    const { lab } = this;
    this.network = await lab.network(prefix);
    this.subnets = [this.network.subnetId, await lab.subnet(this.network.vpcId, `${prefix}.2.0/24`, 'us-east-1b', true)];
    this.balancerGroup = await lab.group(this.network.vpcId, 'balancer');
    this.serverGroup = await lab.group(this.network.vpcId, 'server');
    await lab.allow(this.balancerGroup, 'tcp', 1, 65_535, '0.0.0.0/0');
    await lab.ec2.send(
      new AuthorizeSecurityGroupIngressCommand({
        GroupId: this.serverGroup,
        IpPermissions: [{ IpProtocol: 'tcp', FromPort: 1, ToPort: 65_535, UserIdGroupPairs: [{ GroupId: this.balancerGroup }] }],
      }),
    );
  }

  /** A web server in a subnet, by its number or id; resolves when the instance runs. */
  async server(name: string, subnet: number | string = 0): Promise<string> {
    const id = await this.lab.launch({
      SubnetId: typeof subnet === 'string' ? subnet : this.subnets[subnet]!,
      SecurityGroupIds: [this.serverGroup],
      UserData: base64(serverScript(name)),
    });
    await this.lab.inState(id, 'running');
    return id;
  }

  async group(
    name: string,
    input: Partial<CreateTargetGroupCommandInput> = {},
    targets: readonly string[] = [],
  ): Promise<string> {
    const made = await this.elb.send(
      new CreateTargetGroupCommand({
        Name: name,
        Protocol: 'HTTP',
        Port: 80,
        VpcId: this.network.vpcId,
        HealthCheckPath: '/health',
        HealthCheckIntervalSeconds: 5,
        HealthCheckTimeoutSeconds: 2,
        HealthyThresholdCount: 2,
        ...input,
      }),
    );
    const arn = made.TargetGroups![0]!.TargetGroupArn!;
    if (targets.length > 0)
      await this.elb.send(new RegisterTargetsCommand({ TargetGroupArn: arn, Targets: targets.map((Id) => ({ Id })) }));
    return arn;
  }

  async balancer(name: string, input: object = {}): Promise<LoadBalancer> {
    const made = await this.elb.send(
      new CreateLoadBalancerCommand({ Name: name, Subnets: this.subnets, SecurityGroups: [this.balancerGroup], ...input }),
    );
    expect(made.LoadBalancers![0]!.State?.Code).toBe('provisioning');
    return this.active(made.LoadBalancers![0]!.LoadBalancerArn!);
  }

  active(arn: string): Promise<LoadBalancer> {
    return eventually(
      async () => {
        const found = await this.elb.send(new DescribeLoadBalancersCommand({ LoadBalancerArns: [arn] }));
        expect(found.LoadBalancers![0]!.State?.Code).toBe('active');
        return found.LoadBalancers![0]!;
      },
      { why: 'the load balancer is active', timeoutMs: 30_000 },
    );
  }

  /** Waits until a new listener of the node takes connections. */
  async listens(address: string, port: number): Promise<void> {
    await eventually(async () => (await connectInside(address, port, this.data)).destroy(), {
      why: `${address} listens on ${port}`,
    });
  }

  /** A listener that forwards to a group, on which all nodes listen. */
  async forward(balancer: string, group: string, port = 80, protocol: 'HTTP' | 'TCP' | 'UDP' = 'HTTP'): Promise<string> {
    const made = await this.elb.send(
      new CreateListenerCommand({
        LoadBalancerArn: balancer,
        Protocol: protocol,
        Port: port,
        DefaultActions: [{ Type: 'forward', TargetGroupArn: group }],
      }),
    );
    if (protocol !== 'UDP')
      for (const address of Object.values(await this.nodes(balancer))) if (address !== '') await this.listens(address, port);
    return made.Listeners![0]!.ListenerArn!;
  }

  /** Public addresses of a load balancer's nodes, by zone. */
  async nodes(arn: string): Promise<Record<string, string>> {
    const part = arn.split(':loadbalancer/')[1]!;
    const found = await this.lab.ec2.send(
      new DescribeNetworkInterfacesCommand({ Filters: [{ Name: 'description', Values: [`ELB ${part}`] }] }),
    );
    return Object.fromEntries(found.NetworkInterfaces!.map((card) => [card.AvailabilityZone!, card.Association?.PublicIp ?? '']));
  }

  async health(group: string): Promise<Record<string, string>> {
    const found = await this.elb.send(new DescribeTargetHealthCommand({ TargetGroupArn: group }));
    return Object.fromEntries(
      found.TargetHealthDescriptions!.map(({ Target, TargetHealth }) => [`${Target!.Id}:${Target!.Port}`, TargetHealth!.State!]),
    );
  }

  /** Waits until all targets of a group are in this state. */
  async all(group: string, state: string, timeoutMs = 40_000): Promise<void> {
    await eventually(
      async () => {
        const states = Object.values(await this.health(group));
        expect(states.length).toBeGreaterThan(0);
        expect([...new Set(states)]).toEqual([state]);
      },
      { why: `all targets are ${state}`, timeoutMs },
    );
  }
}
