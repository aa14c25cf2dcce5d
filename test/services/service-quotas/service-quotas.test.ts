/** Quotas are listed, raised on request, and what was raised holds for the service. */
import { EC2 } from '@aws-sdk/client-ec2';
import { ElasticLoadBalancing } from '@aws-sdk/client-elastic-load-balancing';
import { IAM } from '@aws-sdk/client-iam';
import { ServiceQuotas } from '@aws-sdk/client-service-quotas';
import { expect, test } from 'vitest';
import { eventually, freshAccount, refused } from '../../support/cloud.ts';

const elasticIps = { ServiceCode: 'ec2', QuotaCode: 'L-0263D0A3' };
const vpcs = { ServiceCode: 'vpc', QuotaCode: 'L-F678F1CE' };

function clients() {
  const account = freshAccount();
  return { account, ec2: new EC2(account.config()), quotas: new ServiceQuotas(account.config()) };
}

/** Asks for a new value and waits for the answer. */
async function raise(quotas: ServiceQuotas, quota: typeof vpcs, DesiredValue: number) {
  const { RequestedQuota: { Id, Status } = {} } = await quotas.requestServiceQuotaIncrease({ ...quota, DesiredValue });
  expect(Status).toBe('PENDING');
  return eventually(
    async () => {
      const { RequestedQuota } = await quotas.getRequestedServiceQuotaChange({ RequestId: Id });
      expect(RequestedQuota?.Status).not.toBe('PENDING');
      return RequestedQuota;
    },
    { why: 'the request is decided' },
  );
}

test('EIP-008 a sixth Elastic IP in a Region needs a higher quota, which is granted for that Region alone', async () => {
  const { account, ec2, quotas } = clients();
  const abroad = new EC2(account.config({ region: 'eu-west-1' }));
  for (const region of [ec2, abroad]) {
    for (let count = 0; count < 5; count += 1) await region.allocateAddress({});
    await refused(region.allocateAddress({}), 'AddressLimitExceeded', 'The maximum number of addresses has been reached.', 400);
  }
  const decided = await raise(quotas, elasticIps, 6);
  expect(decided).toMatchObject({ Status: 'APPROVED', DesiredValue: 6, QuotaName: 'EC2-VPC Elastic IPs' });
  expect((await quotas.getServiceQuota(elasticIps)).Quota).toMatchObject({ Value: 6, Adjustable: true, GlobalQuota: false });
  expect((await quotas.getAWSDefaultServiceQuota(elasticIps)).Quota?.Value).toBe(5);
  expect((await ec2.allocateAddress({})).PublicIp).toMatch(/^198\./);
  await refused(ec2.allocateAddress({}), 'AddressLimitExceeded');
  await refused(abroad.allocateAddress({}), 'AddressLimitExceeded');
  const { AccountAttributes = [] } = await ec2.describeAccountAttributes({});
  const shown = AccountAttributes.find(({ AttributeName }) => AttributeName === 'vpc-max-elastic-ips');
  expect(shown?.AttributeValues?.[0]?.AttributeValue).toBe('6');
});

test('quotas of other kinds are raised and hold too', async () => {
  const { account, ec2, quotas } = clients();
  for (let n = 1; n < 5; n += 1) await ec2.createVpc({ CidrBlock: `10.${n}.0.0/16` });
  await refused(ec2.createVpc({ CidrBlock: '10.5.0.0/16' }), 'VpcLimitExceeded');
  await raise(quotas, vpcs, 6);
  const { Vpc } = await ec2.createVpc({ CidrBlock: '10.5.0.0/16' });

  const groups = await Promise.all(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((GroupName) =>
      ec2.createSecurityGroup({ GroupName, Description: '-', VpcId: Vpc?.VpcId }),
    ),
  );
  const { Subnet } = await ec2.createSubnet({ VpcId: Vpc?.VpcId, CidrBlock: '10.5.1.0/24' });
  const six = { SubnetId: Subnet?.SubnetId, Groups: groups.map(({ GroupId = '' }) => GroupId) };
  await refused(ec2.createNetworkInterface(six), 'SecurityGroupsPerInterfaceLimitExceeded');
  const perInterface = { ServiceCode: 'vpc', QuotaCode: 'L-2AFB9258' };
  expect((await raise(quotas, perInterface, 17))?.Status).toBe('DENIED');
  await refused(ec2.createNetworkInterface(six), 'SecurityGroupsPerInterfaceLimitExceeded');
  expect((await raise(quotas, perInterface, 16))?.Status).toBe('APPROVED');
  expect((await ec2.createNetworkInterface(six)).NetworkInterface?.Groups).toHaveLength(6);

  const elb = new ElasticLoadBalancing(account.config());
  const balancer = (n: number) =>
    elb.createLoadBalancer({
      LoadBalancerName: `b${n}`,
      AvailabilityZones: ['us-east-1a'],
      Listeners: [{ Protocol: 'HTTP', LoadBalancerPort: 80, InstancePort: 80 }],
    });
  for (let n = 0; n < 20; n += 1) await balancer(n);
  await refused(balancer(20), 'TooManyLoadBalancers');
  await raise(quotas, { ServiceCode: 'elasticloadbalancing', QuotaCode: 'L-E9E9831D' }, 21);
  await balancer(20);
  for (let n = 0; n < 21; n += 1) await elb.deleteLoadBalancer({ LoadBalancerName: `b${n}` });
}, 40_000);

test('services, quotas and requests are listed by pages', async () => {
  const { account, quotas } = clients();
  const { Services = [] } = await quotas.listServices({});
  expect(Services.map(({ ServiceCode }) => ServiceCode)).toEqual(['ec2', 'elasticloadbalancing', 'vpc']);
  const first = await quotas.listServiceQuotas({ ServiceCode: 'vpc', MaxResults: 10 });
  const second = await quotas.listServiceQuotas({ ServiceCode: 'vpc', NextToken: first.NextToken });
  const codes = [...(first.Quotas ?? []), ...(second.Quotas ?? [])].map(({ QuotaCode }) => QuotaCode);
  expect(new Set(codes).size).toBe(codes.length);
  expect(codes).toContain(vpcs.QuotaCode);
  expect(first.Quotas).toHaveLength(10);
  expect(second.NextToken).toBeUndefined();
  expect((await quotas.listServiceQuotas({ ...vpcs })).Quotas).toEqual([
    expect.objectContaining({ QuotaArn: `arn:aws:servicequotas:us-east-1:${account.id}:vpc/L-F678F1CE`, Value: 5 }),
  ]);
  await raise(quotas, vpcs, 7);
  await raise(quotas, elasticIps, 7);
  const history = async (filter: object) =>
    (await quotas.listRequestedServiceQuotaChangeHistory(filter)).RequestedQuotas?.map(({ QuotaCode }) => QuotaCode);
  expect(await history({})).toEqual([vpcs.QuotaCode, elasticIps.QuotaCode]);
  expect(await history({ ServiceCode: 'vpc' })).toEqual([vpcs.QuotaCode]);
  expect(await history({ Status: 'PENDING' })).toEqual([]);
  const byQuota = await quotas.listRequestedServiceQuotaChangeHistoryByQuota(elasticIps);
  expect(byQuota.RequestedQuotas).toEqual([expect.objectContaining({ DesiredValue: 7, Status: 'APPROVED' })]);
  expect((await quotas.listAWSDefaultServiceQuotas({ ServiceCode: 'ec2' })).Quotas?.[0]?.Value).toBe(5);
});

test('what is not there, not more, or asked for twice is refused, and so are users without the right', async () => {
  const { account, quotas } = clients();
  const unknown = { ServiceCode: 'vpc', QuotaCode: 'L-00000000' };
  const words = 'The request failed because the specified quota L-00000000 does not exist for service vpc.';
  await refused(quotas.getServiceQuota(unknown), 'NoSuchResourceException', words, 400);
  await refused(quotas.requestServiceQuotaIncrease({ ...unknown, DesiredValue: 9 }), 'NoSuchResourceException', words);
  await refused(quotas.listServiceQuotas({ ServiceCode: 'nothing' }), 'NoSuchResourceException');
  await refused(quotas.getRequestedServiceQuotaChange({ RequestId: 'x' }), 'NoSuchResourceException');
  for (const DesiredValue of [5, 1, -1])
    await refused(
      quotas.requestServiceQuotaIncrease({ ...vpcs, DesiredValue }),
      'IllegalArgumentException',
      'You must provide a quota value greater than the current quota value',
      400,
    );
  await refused(quotas.listServices({ NextToken: 'x' }), 'InvalidPaginationTokenException');
  await quotas.requestServiceQuotaIncrease({ ...vpcs, DesiredValue: 6 });
  await refused(
    quotas.requestServiceQuotaIncrease({ ...vpcs, DesiredValue: 7 }),
    'ResourceAlreadyExistsException',
    'Only one open service quota increase request is allowed per quota.',
  );

  const iam = new IAM(account.config());
  await iam.createUser({ UserName: 'clerk' });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'clerk' });
  const allow = { Effect: 'Allow', Action: 'servicequotas:*', Resource: `arn:aws:servicequotas:*:*:ec2/*` };
  await iam.putUserPolicy({
    UserName: 'clerk',
    PolicyName: 'ec2',
    PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [allow] }),
  });
  const clerk = new ServiceQuotas(account.configFor({ ...AccessKey }));
  expect((await clerk.getServiceQuota(elasticIps)).Quota?.Value).toBe(5);
  await refused(clerk.getServiceQuota(vpcs), 'AccessDeniedException');
  await refused(clerk.requestServiceQuotaIncrease({ ...vpcs, DesiredValue: 9 }), 'AccessDeniedException');
});
