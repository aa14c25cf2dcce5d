/** An instance from inside: size, user data, metadata, role, life cycle. Commands run through an agent that its own user data starts. */
import { generateKeyPairSync } from 'node:crypto';
import {
  AllocateAddressCommand,
  AssociateAddressCommand,
  AssociateIamInstanceProfileCommand,
  AttachNetworkInterfaceCommand,
  CreateKeyPairCommand,
  CreateNetworkInterfaceCommand,
  DescribeAddressesCommand,
  DescribeIamInstanceProfileAssociationsCommand,
  DescribeInstanceStatusCommand,
  DescribeInstanceTypesCommand,
  DescribeKeyPairsCommand,
  DescribeVolumesCommand,
  DetachNetworkInterfaceCommand,
  DisassociateIamInstanceProfileCommand,
  ImportKeyPairCommand,
  type Instance,
  ModifyInstanceAttributeCommand,
  ModifyInstanceMetadataOptionsCommand,
  RebootInstancesCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import {
  AddRoleToInstanceProfileCommand,
  CreateInstanceProfileCommand,
  CreateRoleCommand,
  IAMClient,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused, refused } from '../../support/cloud.ts';
import { fetchInside } from '../../support/inside.ts';
import { agentAtEachBoot, base64, Lab, type Network } from './support.ts';

const slow = 120_000;
const lab = new Lab();
const { ec2 } = lab;
let net: Network;

beforeEach((context) => context.skip(machinesRefused() !== undefined, machinesRefused()));
beforeAll(async () => {
  if (machinesRefused() === undefined) net = await lab.network('10.30');
}, slow);

const placed = () => ({ SubnetId: net.subnetId, SecurityGroupIds: [net.groupId] });
const at = (instance: Instance) => instance.PublicIpAddress!;

describe('one instance', () => {
  let it: Instance;
  let publicKey = '';

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    const { KeyMaterial } = await ec2.send(new CreateKeyPairCommand({ KeyName: 'first' }));
    expect(KeyMaterial).toMatch(/^-----BEGIN RSA PRIVATE KEY-----/);
    const shown = await ec2.send(new DescribeKeyPairsCommand({ KeyNames: ['first'], IncludePublicKey: true }));
    publicKey = shown.KeyPairs![0]!.PublicKey!.trim();
    it = await lab.launchAgent({ ...placed(), InstanceType: 't2.medium', KeyName: 'first' }, agentAtEachBoot);
  }, slow);

  const imds = (path: string) =>
    lab.run(
      at(it),
      `t=$(curl -s -m 2 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token); curl -s -f -m 2 -H "X-aws-ec2-metadata-token: $t" http://169.254.169.254/latest/${path}`,
    );

  test('both status checks become ok and the web server answers', async () => {
    await eventually(
      async () => {
        const found = await ec2.send(new DescribeInstanceStatusCommand({ InstanceIds: [it.InstanceId!] }));
        expect(found.InstanceStatuses![0]).toMatchObject({ InstanceStatus: { Status: 'ok' }, SystemStatus: { Status: 'ok' } });
      },
      { why: 'status checks' },
    );
    expect(await fetchInside(at(it), 80, '/?echo%20served')).toMatchObject({ status: 200, body: 'served\n' });
  });

  test('EC2-009 vCPUs and memory inside are those of the type, as far as the host has them', async () => {
    const types = await ec2.send(new DescribeInstanceTypesCommand({ InstanceTypes: ['t2.medium'] }));
    const { VCpuInfo, MemoryInfo } = types.InstanceTypes![0]!;
    expect(Number(await lab.run(at(it), 'nproc'))).toBe(VCpuInfo!.DefaultVCpus);
    const memory = Number(await lab.run(at(it), "awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo"));
    expect(memory).toBeLessThanOrEqual(MemoryInfo!.SizeInMiB!);
    expect(memory).toBeGreaterThan(MemoryInfo!.SizeInMiB! * 0.9);
  });

  test('EC2-026 ENI-001 ENI-003 the metadata service tells the instance about itself', async () => {
    expect(await imds('meta-data/instance-id')).toBe(it.InstanceId);
    expect(await imds('meta-data/local-ipv4')).toBe(it.PrivateIpAddress);
    expect(await imds('meta-data/public-ipv4')).toBe(it.PublicIpAddress);
    expect(await imds('meta-data/placement/availability-zone')).toBe('us-east-1a');
    expect(await imds('user-data')).toBe(agentAtEachBoot.trim());
    expect(JSON.parse(await imds('dynamic/instance-identity/document'))).toMatchObject({
      accountId: lab.account.id,
      instanceType: 't2.medium',
    });
    const mac = await imds('meta-data/mac');
    expect(mac).toBe(it.NetworkInterfaces![0]!.MacAddress);
    expect(await lab.run(at(it), 'cat /sys/class/net/eth0/address')).toBe(mac);
    await expect(imds('meta-data/nothing')).rejects.toThrow('500');
  });

  test('EC2-027 with tokens required a request without one gets 401; with optional both get 200', async () => {
    const status = (extra = '') =>
      lab.run(at(it), `curl -s -o /dev/null -m 2 -w '%{http_code}' ${extra} http://169.254.169.254/latest/meta-data/instance-id`);
    const set = (HttpTokens: 'required' | 'optional') =>
      ec2.send(new ModifyInstanceMetadataOptionsCommand({ InstanceId: it.InstanceId!, HttpTokens }));
    await set('required');
    expect(await status()).toBe('401');
    expect(await status("-H 'X-aws-ec2-metadata-token: wrong'")).toBe('401');
    expect(await imds('meta-data/instance-id')).toBe(it.InstanceId);
    await set('optional');
    expect(await status()).toBe('200');
    expect(await imds('meta-data/instance-id')).toBe(it.InstanceId);
    const put = "curl -s -o /dev/null -m 2 -w '%{http_code}' -X PUT http://169.254.169.254/latest/api/token";
    expect(await lab.run(at(it), put)).toBe('400');
    expect(await lab.run(at(it), `${put} -H 'X-aws-ec2-metadata-token-ttl-seconds: 21601'`)).toBe('400');
    expect(await lab.run(at(it), `${put} -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' -H 'X-Forwarded-For: 1.2.3.4'`)).toBe(
      '403',
    );
  });

  test('EC2-029 the public half of the key is on the instance; the private half is never shown again', async () => {
    expect(await lab.run(at(it), 'cat /home/ec2-user/.ssh/authorized_keys')).toContain(publicKey.split(' ')[1]);
    const again = await ec2.send(new DescribeKeyPairsCommand({ KeyNames: ['first'] }));
    expect(JSON.stringify(again.KeyPairs)).not.toContain('PRIVATE');
    expect(again.KeyPairs![0]!.PublicKey).toBeUndefined();
    await refused(
      ec2.send(new CreateKeyPairCommand({ KeyName: 'first' })),
      'InvalidKeyPair.Duplicate',
      'The keypair already exists',
    );
    const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' });
    const imported = await ec2.send(new ImportKeyPairCommand({ KeyName: 'mine', PublicKeyMaterial: Buffer.from(pem) }));
    expect(imported.KeyFingerprint).toMatch(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
    await refused(
      ec2.send(new ImportKeyPairCommand({ KeyName: 'bad', PublicKeyMaterial: Buffer.from('ssh-rsa nonsense') })),
      'InvalidKey.Format',
      'Key is not in valid OpenSSH public key format',
    );
    await refused(
      ec2.send(new DescribeKeyPairsCommand({ KeyNames: ['absent'] })),
      'InvalidKeyPair.NotFound',
      "The key pair 'absent' does not exist",
    );
  });

  test(
    'ENI-002 ENI-007 ENI-009 EIP-006 a second interface is a second card, and takes its addresses to another instance',
    async () => {
      const made = await ec2.send(
        new CreateNetworkInterfaceCommand({ SubnetId: net.subnetId, Groups: [net.groupId], PrivateIpAddress: '10.30.1.77' }),
      );
      const card = made.NetworkInterface!;
      const { AllocationId, PublicIp } = await ec2.send(new AllocateAddressCommand({}));
      await ec2.send(new AssociateAddressCommand({ AllocationId, NetworkInterfaceId: card.NetworkInterfaceId }));
      const attach = (InstanceId: string) =>
        ec2.send(new AttachNetworkInterfaceCommand({ InstanceId, NetworkInterfaceId: card.NetworkInterfaceId!, DeviceIndex: 1 }));
      const first = await attach(it.InstanceId!);
      await eventually(async () => expect(await lab.run(at(it), 'cat /sys/class/net/eth1/address')).toBe(card.MacAddress), {
        why: 'the card appears in the guest',
      });
      await eventually(async () => expect(await lab.run(at(it), 'hostname -I')).toContain('10.30.1.77'), {
        why: 'the card has its address',
      });
      const holder = async () =>
        (await ec2.send(new DescribeAddressesCommand({ AllocationIds: [AllocationId!] }))).Addresses![0]!.InstanceId;
      expect(await holder()).toBe(it.InstanceId);
      expect(await eventually(() => lab.run(PublicIp!, 'hostname'), { why: 'its Elastic IP answers' })).toContain('ip-10-30-1-');
      await refused(
        ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: it.NetworkInterfaces![0]!.Attachment!.AttachmentId! })),
        'OperationNotPermitted',
        'The network interface at device index 0 cannot be detached.',
      );
      const other = await lab.launchAgent(placed());
      await refused(
        attach(other.InstanceId!),
        'InvalidNetworkInterface.InUse',
        `Interface: [${card.NetworkInterfaceId}] in use.`,
      );
      await ec2.send(new DetachNetworkInterfaceCommand({ AttachmentId: first.AttachmentId!, Force: true }));
      expect(await holder()).toBeUndefined();
      await attach(other.InstanceId!);
      expect(await holder()).toBe(other.InstanceId);
      await eventually(
        async () => expect(await lab.run(PublicIp!, 'hostname -I; cat /sys/class/net/eth1/address')).toContain(card.MacAddress),
        { why: 'the other instance answers on the same addresses' },
      );
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [other.InstanceId!] }));
      await lab.inState(other.InstanceId!, 'terminated');
      expect(await holder()).toBeUndefined();
    },
    slow,
  );

  test(
    'EC2-023 EC2-035 EIP-002 a reboot keeps state, addresses and disk, ends processes, and runs no user data again',
    async () => {
      await lab.run(at(it), 'echo kept > /kept; (sleep 987654 > /dev/null 2>&1 &)');
      expect(await lab.run(at(it), 'pgrep -f "sleep 98765[4]" | wc -l')).not.toBe('0');
      await ec2.send(new RebootInstancesCommand({ InstanceIds: [it.InstanceId!] }));
      expect((await lab.instance(it.InstanceId!)).State!.Name).toBe('running');
      await eventually(async () => expect(await lab.run(at(it), 'pgrep -f "sleep 98765[4]" | wc -l')).toBe('0'), {
        why: 'the reboot has happened',
        timeoutMs: 25_000,
      });
      const after = await lab.instance(it.InstanceId!);
      expect([after.PublicIpAddress, after.PrivateIpAddress]).toEqual([it.PublicIpAddress, it.PrivateIpAddress]);
      expect(await lab.run(at(it), 'cat /kept; cat /boots')).toBe('kept\nrun');
      expect(Number(await lab.run(at(it), 'cut -d. -f1 /proc/uptime'))).toBeLessThan(60);
    },
    slow,
  );

  test(
    'EC2-002 EC2-019 EC2-020 EC2-033 EC2-034 EC2-018 EIP-003 stopped, resized and started it is the same machine, bigger',
    async () => {
      const resize = (Value: string) =>
        ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: it.InstanceId!, InstanceType: { Value } }));
      await refused(
        resize('t2.micro'),
        'IncorrectInstanceState',
        `The instance '${it.InstanceId}' is not in the 'stopped' state.`,
      );
      const { AllocationId, PublicIp } = await ec2.send(new AllocateAddressCommand({}));
      await ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId: it.InstanceId! }));
      const volume = it.BlockDeviceMappings![0]!.Ebs!.VolumeId;
      const stop = await ec2.send(new StopInstancesCommand({ InstanceIds: [it.InstanceId!] }));
      expect(stop.StoppingInstances![0]).toMatchObject({
        PreviousState: { Code: 16, Name: 'running' },
        CurrentState: { Code: 64, Name: 'stopping' },
      });
      const stopped = await lab.inState(it.InstanceId!, 'stopped');
      expect(stopped.StateReason).toEqual({
        Code: 'Client.UserInitiatedShutdown',
        Message: 'Client.UserInitiatedShutdown: User initiated shutdown',
      });
      expect(await fetchInside(PublicIp!, 80)).toBe('ETIMEDOUT');
      await refused(resize('t9.huge'), 'InvalidParameterValue', "Invalid value 't9.huge' for InstanceType.");
      await refused(resize('t4g.micro'), 'InvalidParameterCombination', /architecture/);
      await refused(
        ec2.send(new RebootInstancesCommand({ InstanceIds: [it.InstanceId!] })),
        'IncorrectInstanceState',
        `The instance '${it.InstanceId}' is not in a state from which it can be rebooted.`,
      );
      await resize('t2.micro');
      const start = await ec2.send(new StartInstancesCommand({ InstanceIds: [it.InstanceId!] }));
      expect(start.StartingInstances![0]).toMatchObject({
        PreviousState: { Code: 80, Name: 'stopped' },
        CurrentState: { Code: 0, Name: 'pending' },
      });
      const after = await lab.inState(it.InstanceId!, 'running');
      expect(after).toMatchObject({ InstanceType: 't2.micro', PrivateIpAddress: it.PrivateIpAddress, PublicIpAddress: PublicIp });
      expect(after.BlockDeviceMappings![0]!.Ebs!.VolumeId).toBe(volume);
      await lab.answers(PublicIp!);
      expect(await lab.run(PublicIp!, 'cat /kept; cat /boots; nproc')).toBe('kept\nrun\n1');
      it = after;
    },
    slow,
  );

  test(
    'EC2-036 EBS-012 EIP-004 terminated it takes its root volume along, unless told to leave it',
    async () => {
      const volume = it.BlockDeviceMappings![0]!.Ebs!.VolumeId!;
      const volumes = (id: string) => ec2.send(new DescribeVolumesCommand({ VolumeIds: [id] }));
      expect((await volumes(volume)).Volumes![0]).toMatchObject({
        State: 'in-use',
        Size: 8,
        Attachments: [{ InstanceId: it.InstanceId, DeleteOnTermination: true, State: 'attached' }],
      });
      const protect = (Value: boolean) =>
        ec2.send(new ModifyInstanceAttributeCommand({ InstanceId: it.InstanceId!, DisableApiTermination: { Value } }));
      await protect(true);
      const end = (id: string) => ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
      await refused(
        end(it.InstanceId!),
        'OperationNotPermitted',
        `The instance '${it.InstanceId}' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again.`,
      );
      await protect(false);
      const keeper = await lab.launch({
        ...placed(),
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 12, DeleteOnTermination: false } }],
      });
      const kept = (await lab.inState(keeper, 'running')).BlockDeviceMappings![0]!.Ebs!.VolumeId!;
      const ending = await end(it.InstanceId!);
      expect(ending.TerminatingInstances![0]).toMatchObject({
        PreviousState: { Name: 'running' },
        CurrentState: { Code: 32, Name: 'shutting-down' },
      });
      await end(keeper);
      await Promise.all([lab.inState(it.InstanceId!, 'terminated'), lab.inState(keeper, 'terminated')]);
      await refused(volumes(volume), 'InvalidVolume.NotFound', `The volume '${volume}' does not exist.`);
      expect((await volumes(kept)).Volumes![0]).toMatchObject({ State: 'available', Size: 12, Attachments: [] });
      await refused(
        ec2.send(new StartInstancesCommand({ InstanceIds: [it.InstanceId!] })),
        'IncorrectInstanceState',
        `The instance '${it.InstanceId}' is not in a state from which it can be started.`,
      );
      const addresses = await ec2.send(new DescribeAddressesCommand({ Filters: [{ Name: 'public-ip', Values: [at(it)] }] }));
      expect(addresses.Addresses).toHaveLength(1);
      expect(addresses.Addresses![0]!.AssociationId).toBeUndefined();
    },
    slow,
  );
});

test(
  'EC2-025 an instance runs before its user data is done',
  async () => {
    const script = '#!/bin/bash\nsleep 6\nmkdir /w; cd /w; echo late > index.html; python3 -m http.server 80 &\n';
    const id = await lab.launch({ ...placed(), UserData: base64(script) });
    const { PublicIpAddress } = await lab.inState(id, 'running');
    expect(await fetchInside(PublicIpAddress!, 80)).toBe('ECONNREFUSED');
    await eventually(async () => expect(await fetchInside(PublicIpAddress!, 80)).toMatchObject({ body: 'late\n' }), {
      why: 'user data is done',
      timeoutMs: 25_000,
    });
  },
  slow,
);

describe('the role of an instance', () => {
  const iam = new IAMClient(lab.account.config());
  const trust = JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  });
  /** A client of the gateway written in Python's standard library: credentials from the metadata service, Signature Version 4, one query call. */
  const client = `import datetime, hashlib, hmac, json, sys, urllib.request, urllib.error
def imds(path, method='GET', **headers):
    request = urllib.request.Request('http://169.254.169.254/latest/' + path, method=method, headers={k.replace('_', '-'): v for k, v in headers.items()})
    return urllib.request.urlopen(request, timeout=2).read().decode()
token = imds('api/token', 'PUT', X_aws_ec2_metadata_token_ttl_seconds='60')
get = lambda path: imds('meta-data/' + path, X_aws_ec2_metadata_token=token)
role = get('iam/security-credentials/')
keys = json.loads(get('iam/security-credentials/' + role))
service, body = sys.argv[1], sys.argv[2]
now = datetime.datetime.utcnow().strftime('%Y%m%dT%H%M%SZ')
host, scope = '198.18.0.1:4566', now[:8] + '/us-east-1/' + service + '/aws4_request'
names = 'content-type;host;x-amz-date;x-amz-security-token'
kind = 'application/x-www-form-urlencoded'
canonical = '\\n'.join(['POST', '/', '', 'content-type:' + kind, 'host:' + host, 'x-amz-date:' + now, 'x-amz-security-token:' + keys['Token'], '', names, hashlib.sha256(body.encode()).hexdigest()])
text = '\\n'.join(['AWS4-HMAC-SHA256', now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
key = ('AWS4' + keys['SecretAccessKey']).encode()
for part in scope.split('/'):
    key = hmac.new(key, part.encode(), 'sha256').digest()
signature = hmac.new(key, text.encode(), 'sha256').hexdigest()
headers = {'content-type': kind, 'x-amz-date': now, 'x-amz-security-token': keys['Token'], 'authorization': 'AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s' % (keys['AccessKeyId'], scope, names, signature)}
try:
    print(urllib.request.urlopen(urllib.request.Request('http://' + host + '/', body.encode(), headers), timeout=2).read().decode())
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
`;
  let it: Instance;
  const call = (service: string, body: string) => lab.run(at(it), `python3 /client.py ${service} '${body}'`);
  const identity = 'Action=GetCallerIdentity&Version=2011-06-15';

  beforeAll(async () => {
    if (machinesRefused() !== undefined) return;
    await iam.send(new CreateRoleCommand({ RoleName: 'web', AssumeRolePolicyDocument: trust }));
    const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 'ec2:DescribeVpcs', Resource: '*' }] };
    await iam.send(new PutRolePolicyCommand({ RoleName: 'web', PolicyName: 'look', PolicyDocument: JSON.stringify(policy) }));
    await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'web' }));
    await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'web', RoleName: 'web' }));
    it = await lab.launchAgent({ ...placed(), IamInstanceProfile: { Name: 'web' } });
    await lab.run(at(it), `echo ${base64(client)} | base64 -d > /client.py`);
  }, slow);

  test('IAM-037 STS-004 a program on it calls with short-lived credentials and no stored key', async () => {
    expect(it.IamInstanceProfile!.Arn).toBe(`arn:aws:iam::${lab.account.id}:instance-profile/web`);
    expect(await lab.run(at(it), 'ls -d /root/.aws /home/*/.aws 2>&1 | grep -c "No such"')).not.toBe('0');
    expect(await call('sts', identity)).toContain(`<Arn>arn:aws:sts::${lab.account.id}:assumed-role/web/${it.InstanceId}</Arn>`);
    expect(await call('ec2', 'Action=DescribeVpcs&Version=2016-11-15')).toContain(net.vpcId);
  });

  test('IAM-037 what the role does not allow is denied', async () => {
    const answer = await call('ec2', 'Action=DescribeInstances&Version=2016-11-15');
    expect(answer).toMatch(/^403 /);
    expect(answer).toContain('<Code>UnauthorizedOperation</Code>');
    expect(answer).toContain(`arn:aws:sts::${lab.account.id}:assumed-role/web/${it.InstanceId}`);
  });

  test('the profile can be taken away and given again while it runs', async () => {
    const found = await ec2.send(
      new DescribeIamInstanceProfileAssociationsCommand({ Filters: [{ Name: 'instance-id', Values: [it.InstanceId!] }] }),
    );
    const [association] = found.IamInstanceProfileAssociations!;
    expect(association).toMatchObject({ State: 'associated', InstanceId: it.InstanceId });
    const give = () =>
      ec2.send(new AssociateIamInstanceProfileCommand({ InstanceId: it.InstanceId!, IamInstanceProfile: { Name: 'web' } }));
    await refused(give(), 'IncorrectState', `There is an existing association for instance ${it.InstanceId}`);
    const id = association!.AssociationId!;
    await ec2.send(new DisassociateIamInstanceProfileCommand({ AssociationId: id }));
    await expect(call('sts', identity)).rejects.toThrow('404');
    await refused(
      ec2.send(new DisassociateIamInstanceProfileCommand({ AssociationId: id })),
      'NoSuchAssociation',
      `An invalid association-id of '${id}' was given`,
    );
    await give();
    expect(await call('sts', identity)).toContain('assumed-role/web/');
    await refused(
      ec2.send(
        new RunInstancesCommand({
          ...{ ImageId: await lab.image(), MinCount: 1, MaxCount: 1, ...placed() },
          IamInstanceProfile: { Name: 'absent' },
        }),
      ),
      'InvalidParameterValue',
      'Value (absent) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name',
    );
  });
});
