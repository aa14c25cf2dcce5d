/** Security groups at the API: defaults, rules, refusals. What packets do is in traffic.test.ts and main-job.test.ts. */
import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  type AuthorizeSecurityGroupIngressCommandInput,
  CreateSecurityGroupCommand,
  DeleteSecurityGroupCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupsCommand,
  EC2Client,
  type IpPermission,
  ModifySecurityGroupRulesCommand,
  RevokeSecurityGroupIngressCommand,
} from '@aws-sdk/client-ec2';
import { beforeAll, describe, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { Lab } from './support.ts';

const lab = new Lab();
const { ec2 } = lab;
let vpcId = '';
beforeAll(async () => {
  vpcId = await lab.vpc('10.80.0.0/16');
});

const web = (peer: Partial<IpPermission>): IpPermission => ({ IpProtocol: 'tcp', FromPort: 80, ToPort: 80, ...peer });
const open = web({ IpRanges: [{ CidrIp: '0.0.0.0/0' }] });
const allow = (GroupId: string, ...IpPermissions: IpPermission[]) =>
  ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions }));
const shown = async (id: string) => (await ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [id] }))).SecurityGroups![0]!;

test('SG-002 SG-003 a new group has no rule inwards and one outwards, to everywhere', async () => {
  const id = await lab.group(vpcId, 'fresh');
  expect(await shown(id)).toMatchObject({
    IpPermissions: [],
    IpPermissionsEgress: [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }],
  });
});

test('SG-005 rules can be listed, in sets and one by one', async () => {
  const id = await lab.group(vpcId, 'listed');
  await allow(id, open, { IpProtocol: 'icmp', FromPort: 8, ToPort: -1, IpRanges: [{ CidrIp: '10.0.0.0/8' }] });
  const rules = await ec2.send(new DescribeSecurityGroupRulesCommand({ Filters: [{ Name: 'group-id', Values: [id] }] }));
  const plain = rules.SecurityGroupRules!.map((rule) => [
    rule.IsEgress,
    rule.IpProtocol,
    rule.FromPort,
    rule.ToPort,
    rule.CidrIpv4,
  ]);
  expect(plain).toHaveLength(3);
  expect(plain).toContainEqual([false, 'tcp', 80, 80, '0.0.0.0/0']);
  expect(plain).toContainEqual([false, 'icmp', 8, -1, '10.0.0.0/8']);
  expect(plain).toContainEqual([true, '-1', -1, -1, '0.0.0.0/0']);
  expect((await shown(id)).IpPermissions).toHaveLength(2);
});

test('a peer is a block of either version or a group', async () => {
  const id = await lab.group(vpcId, 'peers');
  const other = await lab.group(vpcId, 'other');
  await allow(
    id,
    web({ IpRanges: [{ CidrIp: '203.0.113.7/32', Description: 'office' }] }),
    web({ Ipv6Ranges: [{ CidrIpv6: '::/0' }] }),
    web({ UserIdGroupPairs: [{ GroupId: other }] }),
  );
  const [set] = (await shown(id)).IpPermissions!;
  expect(set).toMatchObject({
    IpRanges: [{ CidrIp: '203.0.113.7/32', Description: 'office' }],
    Ipv6Ranges: [{ CidrIpv6: '::/0' }],
    UserIdGroupPairs: [{ GroupId: other, UserId: lab.account.id }],
  });
  await refused(
    allow(id, web({ PrefixListIds: [{ PrefixListId: 'pl-0123456789abcdef0' }] })),
    'InvalidPrefixListID.NotFound',
    "The prefix list ID 'pl-0123456789abcdef0' does not exist",
  );
});

describe('what a rule cannot be', () => {
  let id = '';
  beforeAll(async () => {
    id = await lab.group(vpcId, 'refusing');
    await allow(id, open);
  });
  const cases: [string, Omit<AuthorizeSecurityGroupIngressCommandInput, 'GroupId'>, string, string | RegExp][] = [
    [
      'the same again',
      { IpPermissions: [open] },
      'InvalidPermission.Duplicate',
      'the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists',
    ],
    [
      'of an unknown protocol',
      { IpPermissions: [{ ...open, IpProtocol: 'carrier-pigeon' }] },
      'InvalidParameterValue',
      "Invalid value 'carrier-pigeon' for IP protocol. Unknown protocol.",
    ],
    [
      'for a port past 65535',
      { IpPermissions: [{ ...open, ToPort: 70_000 }] },
      'InvalidParameterValue',
      'TCP/UDP port (70000) out of range',
    ],
    [
      'for ports in the wrong order',
      { IpPermissions: [{ ...open, FromPort: 90, ToPort: 80 }] },
      'InvalidParameterValue',
      'Invalid TCP/UDP port range (90:80)',
    ],
    [
      'without ports',
      { IpPermissions: [{ IpProtocol: 'tcp', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }] },
      'InvalidParameterValue',
      "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
    ],
    [
      'for a block that is none',
      { IpPermissions: [web({ IpRanges: [{ CidrIp: '10.0.0.0/33' }] })] },
      'InvalidParameterValue',
      'CIDR block 10.0.0.0/33 is malformed',
    ],
    [
      'with a description in Greek',
      { IpPermissions: [web({ IpRanges: [{ CidrIp: '10.0.0.0/8', Description: 'ναι' }] })] },
      'InvalidParameterValue',
      /^Invalid rule description\./,
    ],
    ['empty', {}, 'MissingParameter', 'The request must contain the parameter ipPermissions'],
  ];
  test.each(cases)('%s', async (_what, input, code, message) => {
    await refused(ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId: id, ...input })), code, message);
  });

  test('SG-004 nor a denial: revoking what is not there is refused, and rules only ever allow', async () => {
    await refused(
      ec2.send(
        new RevokeSecurityGroupIngressCommand({
          GroupId: id,
          IpPermissions: [{ ...open, FromPort: 443, ToPort: 443 }],
        }),
      ),
      'InvalidPermission.NotFound',
      'The specified rule does not exist in this security group.',
    );
    expect((await shown(id)).IpPermissions).toHaveLength(1);
  });

  test('one of more than sixty in a direction', async () => {
    const many = await lab.group(vpcId, 'many');
    const ports = Array.from({ length: 60 }, (_one, index) => ({ ...open, FromPort: index + 1, ToPort: index + 1 }));
    await allow(many, ...ports);
    await refused(
      allow(many, { ...open, FromPort: 61, ToPort: 61 }),
      'RulesPerSecurityGroupLimitExceeded',
      'The maximum number of rules per security group has been reached.',
    );
    await ec2.send(
      new AuthorizeSecurityGroupEgressCommand({ GroupId: many, IpPermissions: [{ ...open, FromPort: 61, ToPort: 61 }] }),
    );
  });
});

test('a rule is changed and revoked by its id', async () => {
  const id = await lab.group(vpcId, 'changed');
  const [rule] = (await allow(id, open)).SecurityGroupRules!;
  const change = (SecurityGroupRuleId: string) =>
    ec2.send(
      new ModifySecurityGroupRulesCommand({
        GroupId: id,
        SecurityGroupRules: [
          { SecurityGroupRuleId, SecurityGroupRule: { IpProtocol: 'tcp', FromPort: 443, ToPort: 443, CidrIpv4: '10.0.0.0/8' } },
        ],
      }),
    );
  await change(rule!.SecurityGroupRuleId!);
  expect((await shown(id)).IpPermissions).toMatchObject([{ FromPort: 443, IpRanges: [{ CidrIp: '10.0.0.0/8' }] }]);
  await refused(
    change('sgr-0123456789abcdef0'),
    'InvalidSecurityGroupRuleId.NotFound',
    "The security group rule ID 'sgr-0123456789abcdef0' does not exist",
  );
  await ec2.send(new RevokeSecurityGroupIngressCommand({ GroupId: id, SecurityGroupRuleIds: [rule!.SecurityGroupRuleId!] }));
  expect((await shown(id)).IpPermissions).toEqual([]);
});

test('SG-016 groups refer to each other and to themselves; one that another names cannot be deleted', async () => {
  const [a, b] = [await lab.group(vpcId, 'a'), await lab.group(vpcId, 'b')];
  await allow(a, web({ UserIdGroupPairs: [{ GroupId: b }] }), web({ UserIdGroupPairs: [{ GroupId: a }] }));
  await allow(b, web({ UserIdGroupPairs: [{ GroupId: a }] }));
  const remove = (GroupId: string) => ec2.send(new DeleteSecurityGroupCommand({ GroupId }));
  await refused(remove(b), 'DependencyViolation', `resource ${b} has a dependent object`, 400);
  await ec2.send(
    new RevokeSecurityGroupIngressCommand({ GroupId: a, IpPermissions: [web({ UserIdGroupPairs: [{ GroupId: b }] })] }),
  );
  await remove(b);
  await remove(a);
  await refused(remove(a), 'InvalidGroup.NotFound', `The security group '${a}' does not exist`);
});

test('names are unique in a VPC, the default group stays, and an id means nothing in another Region', async () => {
  const create = (GroupName: string) => ec2.send(new CreateSecurityGroupCommand({ GroupName, Description: 'x', VpcId: vpcId }));
  await create('twice');
  await refused(create('twice'), 'InvalidGroup.Duplicate', `The security group 'twice' already exists for VPC '${vpcId}'`);
  await refused(create('default'), 'InvalidParameterValue', 'Cannot use reserved security group name: default');
  await refused(
    create('sg-mine'),
    'InvalidParameterValue',
    'Value (sg-mine) for parameter GroupName is invalid. Group names may not be in the format sg-*.',
  );
  const { SecurityGroups } = await ec2.send(
    new DescribeSecurityGroupsCommand({
      Filters: [
        { Name: 'vpc-id', Values: [vpcId] },
        { Name: 'group-name', Values: ['default'] },
      ],
    }),
  );
  const id = SecurityGroups![0]!.GroupId!;
  await refused(
    ec2.send(new DeleteSecurityGroupCommand({ GroupId: id })),
    'CannotDelete',
    `the specified group: "${id}" name: "default" cannot be deleted by a user`,
  );
  const abroad = new EC2Client(lab.account.config({ region: 'eu-west-1' }));
  await refused(
    abroad.send(new DescribeSecurityGroupsCommand({ GroupIds: [id] })),
    'InvalidGroup.NotFound',
    `The security group '${id}' does not exist`,
  );
});
