/** What tests of DAX share: a VPC over three zones, a role, tables, clusters, and the official client inside an instance. */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { CreateTableCommand, DynamoDBClient, type KeySchemaElement } from '@aws-sdk/client-dynamodb';
import {
  type Cluster,
  CreateClusterCommand,
  type CreateClusterRequest,
  CreateSubnetGroupCommand,
  DAXClient,
  DescribeClustersCommand,
} from '@aws-sdk/client-dax';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { build } from 'esbuild';
import { expect, inject } from 'vitest';
import { eventually } from '../../support/cloud.ts';
import { base64, Lab } from '../ec2/support.ts';
import { connectInside, parseAnswer, readAll } from '../elastic-load-balancing-v2/support.ts';

export interface Performed {
  output?: Record<string, unknown>;
  error?: { name: string; code: string; message: string; reasons?: { Code?: string; Item?: unknown }[] };
  /** Microseconds that the faster tenth of the calls stayed below, as the client saw them, and calls in a second. */
  micros: number;
  perSecond: number;
}

interface Call {
  operation: string;
  input: object;
  endpoint?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  times?: number;
  warm?: number;
  parallel?: number;
}

/** Where the gateway is from inside. */
const insideEndpoint = 'http://198.18.0.1:4566';
const zones = ['us-east-1a', 'us-east-1b', 'us-east-1c'];

/** Characters beyond ASCII as escapes of JSON: what carries it counts characters. */
const ascii = (json: string): string =>
  json.replace(/[\u0080-\uffff]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);

export class DaxLab {
  readonly lab: Lab;
  readonly dax: DAXClient;
  readonly dynamodb: DynamoDBClient;
  readonly iam: IAMClient;
  readonly data: string | undefined;
  group = '';
  roleArn = '';
  subnets: string[] = [];
  address = '';

  /** In the shared cloud, or in one of its own: by its endpoint and data folder, and what stood there before it was started again. */
  constructor(endpoint?: string, data?: string, before?: DaxLab) {
    this.lab = new Lab(endpoint, before?.lab.account);
    if (before !== undefined) Object.assign(this, { group: before.group, subnets: before.subnets, roleArn: before.roleArn });
    this.data = data;
    const config = this.lab.account.config(endpoint === undefined ? {} : { endpoint });
    this.dax = new DAXClient(config);
    this.dynamodb = new DynamoDBClient(config);
    this.iam = new IAMClient(config);
  }

  /** A VPC with a subnet in each of three zones, a subnet group `here`, a group that lets clients in, and a role that may do all to tables. */
  async build(prefix: string): Promise<void> {
    const { lab } = this;
    const network = await lab.network(prefix);
    const more = zones.slice(1).map((zone, index) => lab.subnet(network.vpcId, `${prefix}.${index + 2}.0/24`, zone, true));
    this.subnets = [network.subnetId, ...(await Promise.all(more))];
    this.group = network.groupId;
    for (const port of [8080, 8111, 9111]) await lab.allow(this.group, 'tcp', port, port, '0.0.0.0/0');
    await this.dax.send(new CreateSubnetGroupCommand({ SubnetGroupName: 'here', SubnetIds: this.subnets }));
    this.roleArn = await this.role('dax-role', ['dynamodb:*']);
  }

  async role(name: string, actions: readonly string[], service = 'dax.amazonaws.com'): Promise<string> {
    const trust = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' }],
    };
    const made = await this.iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: JSON.stringify(trust) }));
    const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }] };
    await this.iam.send(new PutRolePolicyCommand({ RoleName: name, PolicyName: 'p', PolicyDocument: JSON.stringify(policy) }));
    return made.Role!.Arn!;
  }

  /** A table with a partition key `id` (S), and a sort key of this type when there is one. */
  async table(name: string, sort?: 'S' | 'N' | 'B'): Promise<void> {
    const schema: KeySchemaElement[] = [{ AttributeName: 'id', KeyType: 'HASH' }];
    if (sort !== undefined) schema.push({ AttributeName: 'at', KeyType: 'RANGE' });
    await this.dynamodb.send(
      new CreateTableCommand({
        TableName: name,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: schema,
        AttributeDefinitions: [
          { AttributeName: 'id', AttributeType: 'S' },
          ...(sort === undefined ? [] : [{ AttributeName: 'at', AttributeType: sort }]),
        ],
      }),
    );
  }

  async cluster(name: string, input: Partial<CreateClusterRequest> = {}): Promise<Cluster> {
    const made = await this.dax.send(
      new CreateClusterCommand({
        ...{ ClusterName: name, NodeType: 'dax.r5.large', ReplicationFactor: 1, IamRoleArn: this.roleArn },
        ...{ SubnetGroupName: 'here', SecurityGroupIds: [this.group], ...input },
      }),
    );
    expect(made.Cluster).toMatchObject({ Status: 'creating', Nodes: [] });
    return this.available(name);
  }

  available(name: string): Promise<Cluster> {
    return eventually(
      async () => {
        const { Clusters } = await this.dax.send(new DescribeClustersCommand({ ClusterNames: [name] }));
        expect(Clusters![0]!.Status).toBe('available');
        return Clusters![0]!;
      },
      { why: `the cluster ${name} is available`, timeoutMs: 40_000 },
    );
  }

  /** Kills the process of the node with this address outright, as a machine that loses its power. */
  async killNode(address: string): Promise<void> {
    process.kill(Number(await this.processOf(address)), 'SIGKILL');
  }

  /** Milliseconds of processor that the node with this address has taken. */
  async processorMillis(address: string): Promise<number> {
    const stat = await readFile(`/proc/${await this.processOf(address)}/stat`, 'utf8');
    const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number);
    return (user! + system!) * 10;
  }

  private async processOf(address: string): Promise<string> {
    const read = (pid: string, file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
      if ((await read(pid, 'cmdline')).split('\0').includes('cache-node'))
        if ((await read(pid, 'net/fib_trie')).includes(`-- ${address}\n`)) return pid;
    throw new Error(`No process is the node ${address}.`);
  }

  /** An instance in the first zone that serves the official client; `perform` uses it. */
  async client(endpoint: string): Promise<void> {
    const { lab } = this;
    const s3 = new S3Client({
      ...lab.account.config(lab.endpoint === undefined ? {} : { endpoint: lab.endpoint }),
      forcePathStyle: true,
    });
    const bundle = await build({
      ...{ entryPoints: [path.join(import.meta.dirname, 'client-program.cjs')], bundle: true, platform: 'node', write: false },
      ...{ minify: true, logLevel: 'error', target: 'node20' },
    });
    const where = { Bucket: `dax-${lab.account.id}`, Key: 'client.cjs' };
    await s3.send(new CreateBucketCommand({ Bucket: where.Bucket }));
    await s3.send(new PutObjectCommand({ ...where, Body: bundle.outputFiles[0]!.contents }));
    const inside = new S3Client({ ...lab.account.config({ endpoint: insideEndpoint }), forcePathStyle: true });
    const url = await getSignedUrl(inside, new GetObjectCommand(where));
    const config = JSON.stringify({ endpoint, credentials: { accessKeyId: lab.account.id, secretAccessKey: 'test' } });
    const ca = await readFile(path.join(this.data ?? inject('data'), 'ca.pem'), 'utf8').catch(() => '');
    const node = process.execPath.startsWith('/usr/') ? process.execPath : 'node';
    const script = `#!/bin/bash
echo '${config}' > /dax.json
cat > /ca.pem <<'END'
${ca}
END
curl -s -o /client.cjs '${url}'
NODE_EXTRA_CA_CERTS=/ca.pem ${node} /client.cjs > /var/log/client.log 2>&1 &
`;
    const id = await lab.launch({ SubnetId: this.subnets[0]!, SecurityGroupIds: [this.group], UserData: base64(script) });
    this.address = (await lab.inState(id, 'running')).PublicIpAddress!;
    await eventually(() => this.perform({ operation: 'none', input: {} }), { why: 'the client serves', timeoutMs: 30_000 });
  }

  async perform(call: Call): Promise<Performed> {
    const body = ascii(JSON.stringify(call));
    const socket = await connectInside(this.address, 8080, this.data);
    socket.write(`POST / HTTP/1.1\r\nhost: client\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    const answer = parseAnswer(await readAll(socket, () => false, 40_000));
    return JSON.parse(answer.body) as Performed;
  }

  /** The output; throws the client's error. */
  async ok(operation: string, input: object, more: Partial<Call> = {}): Promise<Record<string, unknown>> {
    const { output, error } = await this.perform({ operation, input, ...more });
    if (error !== undefined) throw new Error(`${operation}: ${error.name} ${error.code} ${error.message}`);
    return output!;
  }
}
