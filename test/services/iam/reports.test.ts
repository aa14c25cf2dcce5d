import type { IAM } from '@aws-sdk/client-iam';
import { expect, test } from 'vitest';
import { advanceClock, eventually, refused, startOwnCloud } from '../../support/cloud.ts';
import { allow, fromBase32, policy, rooted, totp, userWithKey } from './support.ts';

/** Rows of the latest report by user, each by column. */
async function readReport(iam: IAM): Promise<Map<string, Record<string, string>>> {
  const { Content } = await iam.getCredentialReport({});
  const [head = '', ...lines] = Buffer.from(Content ?? [])
    .toString()
    .split('\n');
  const columns = head.split(',');
  return new Map(
    lines.map((line) => {
      const values = line.split(',');
      return [values[0] ?? '', Object.fromEntries(columns.map((column, index) => [column, values[index] ?? '']))];
    }),
  );
}

test('IAM-041 the credential report has a row for root and for every user, with what they sign in and sign with', async () => {
  const root = rooted();
  const { account, iam } = root;
  await refused(iam.getCredentialReport({}), 'ReportNotPresent', undefined, 410);
  const ann = await userWithKey(root, 'ann');
  await iam.createUser({ UserName: 'bob' });
  await iam.createLoginProfile({ UserName: 'bob', Password: 'Secret-12345' });
  await iam.updateAccessKey({ UserName: 'ann', AccessKeyId: ann.key.AccessKeyId, Status: 'Inactive' });
  await iam.createAccessKey({ UserName: 'ann' });
  const { VirtualMFADevice: device } = await iam.createVirtualMFADevice({ VirtualMFADeviceName: 'bob' });
  const seed = fromBase32(Buffer.from(device?.Base32StringSeed ?? []).toString());
  await iam.enableMFADevice({
    UserName: 'bob',
    SerialNumber: device?.SerialNumber,
    AuthenticationCode1: totp(seed, -1),
    AuthenticationCode2: totp(seed, 0),
  });
  expect((await iam.generateCredentialReport({})).State).toBe('STARTED');
  expect((await iam.generateCredentialReport({})).State).toBe('COMPLETE');
  expect(await iam.getCredentialReport({})).toMatchObject({ ReportFormat: 'text/csv' });
  const report = await readReport(iam);
  expect([...report.keys()]).toEqual(['<root_account>', 'ann', 'bob']);
  expect(report.get('<root_account>')).toMatchObject({
    arn: `arn:aws:iam::${account.id}:root`,
    password_enabled: 'not_supported',
    mfa_active: 'false',
    access_key_1_active: 'false',
  });
  expect(report.get('ann')).toMatchObject({
    arn: `arn:aws:iam::${account.id}:user/ann`,
    password_enabled: 'false',
    password_last_used: 'N/A',
    mfa_active: 'false',
    access_key_1_active: 'false',
    access_key_2_active: 'true',
    access_key_2_last_used_date: 'N/A',
    cert_1_active: 'false',
    cert_1_last_rotated: 'N/A',
  });
  expect(report.get('ann')?.['access_key_1_last_rotated']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/);
  expect(report.get('bob')).toMatchObject({
    password_enabled: 'true',
    password_last_used: 'no_information',
    password_next_rotation: 'N/A',
    mfa_active: 'true',
    access_key_1_active: 'false',
  });
});

test('IAM-041 a report is kept for four hours', async () => {
  const cloud = await startOwnCloud();
  try {
    const { iam } = rooted(cloud.endpoint);
    await iam.generateCredentialReport({});
    await iam.createUser({ UserName: 'late' });
    await iam.generateCredentialReport({});
    expect([...(await readReport(iam)).keys()]).toEqual(['<root_account>']);
    await advanceClock(cloud.endpoint, 4 * 3_600_000);
    await refused(iam.getCredentialReport({}), 'ReportExpired', undefined, 410);
    await iam.generateCredentialReport({});
    expect([...(await readReport(iam)).keys()]).toEqual(['<root_account>', 'late']);
  } finally {
    await cloud.stop();
  }
}, 60_000);

test('IAM-042 last-accessed information lists the services granted, and those called with their time', async () => {
  const root = rooted();
  const { account, iam } = root;
  const ann = await userWithKey(root, 'ann');
  await iam.putUserPolicy({
    UserName: 'ann',
    PolicyName: 'p',
    PolicyDocument: policy(allow(['ec2:Describe*', 's3:*', 'iam:ListUsers'])),
  });
  const Arn = `arn:aws:iam::${account.id}:user/ann`;
  const report = async () => {
    const { JobId } = await iam.generateServiceLastAccessedDetails({ Arn });
    const answer = await iam.getServiceLastAccessedDetails({ JobId });
    expect(answer).toMatchObject({ JobStatus: 'COMPLETED', JobType: 'SERVICE_LEVEL', IsTruncated: false });
    return { JobId, services: new Map(answer.ServicesLastAccessed?.map((one) => [one.ServiceNamespace, one])) };
  };
  const before = await report();
  expect([...before.services.keys()]).toEqual(['ec2', 'iam', 's3']);
  expect(before.services.get('s3')?.ServiceName).toMatch(/S3/);
  expect(before.services.get('ec2')).toMatchObject({ TotalAuthenticatedEntities: 0 });
  expect(before.services.get('ec2')?.LastAuthenticated).toBeUndefined();
  await ann.ec2.describeVpcs({});
  const after = await eventually(
    async () => {
      const found = await report();
      expect(found.services.get('ec2')?.LastAuthenticated).toBeDefined();
      return found;
    },
    { why: 'the record of calls is written in batches' },
  );
  expect(after.services.get('ec2')).toMatchObject({
    LastAuthenticatedEntity: Arn,
    LastAuthenticatedRegion: 'us-east-1',
    TotalAuthenticatedEntities: 1,
  });
  expect(after.services.get('s3')?.LastAuthenticated).toBeUndefined();
  const entities = await iam.getServiceLastAccessedDetailsWithEntities({ JobId: after.JobId, ServiceNamespace: 'ec2' });
  expect(entities.EntityDetailsList).toMatchObject([{ EntityInfo: { Arn, Name: 'ann', Type: 'USER' } }]);
  // The first report stays as it was.
  const old = await iam.getServiceLastAccessedDetails({ JobId: before.JobId });
  expect(old.ServicesLastAccessed?.every(({ LastAuthenticated }) => LastAuthenticated === undefined)).toBe(true);
  const grants = await iam.listPoliciesGrantingServiceAccess({ Arn, ServiceNamespaces: ['s3', 'sqs'] });
  expect(grants.PoliciesGrantingServiceAccess).toEqual([
    { ServiceNamespace: 's3', Policies: [{ PolicyName: 'p', PolicyType: 'INLINE', EntityType: 'USER', EntityName: 'ann' }] },
    { ServiceNamespace: 'sqs', Policies: [] },
  ]);
});

test('IAM-042 reports of what is not there are refused', async () => {
  const { account, iam } = rooted();
  await refused(
    iam.generateServiceLastAccessedDetails({ Arn: `arn:aws:iam::${account.id}:user/none` }),
    'NoSuchEntity',
    undefined,
    404,
  );
  await refused(iam.generateServiceLastAccessedDetails({ Arn: 'arn:aws:s3:::some-bucket-here' }), 'InvalidInput', undefined, 400);
  await refused(
    iam.getServiceLastAccessedDetails({ JobId: '00000000-0000-4000-8000-000000000000' }),
    'NoSuchEntity',
    undefined,
    404,
  );
  await refused(
    iam.generateServiceLastAccessedDetails({ Arn: `arn:aws:iam::${account.id}:user/none`, Granularity: 'ACTION_LEVEL' }),
    'NotImplemented',
    undefined,
    501,
  );
});

test('the whole account is described in one list, in pages and by kind', async () => {
  const { account, iam } = rooted();
  await iam.createUser({ UserName: 'u', Tags: [{ Key: 'a', Value: 'b' }] });
  await iam.createGroup({ GroupName: 'g' });
  await iam.addUserToGroup({ GroupName: 'g', UserName: 'u' });
  await iam.putGroupPolicy({ GroupName: 'g', PolicyName: 'gp', PolicyDocument: policy(allow('s3:*')) });
  await iam.createRole({
    RoleName: 'r',
    AssumeRolePolicyDocument: policy({
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${account.id}:user/u` },
      Action: 'sts:AssumeRole',
    }),
  });
  const { Policy: made } = await iam.createPolicy({ PolicyName: 'm', PolicyDocument: policy(allow('ec2:*')) });
  await iam.attachRolePolicy({ RoleName: 'r', PolicyArn: made?.Arn });
  await iam.attachUserPolicy({ UserName: 'u', PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' });
  const all = await iam.getAccountAuthorizationDetails({});
  expect(all.UserDetailList).toMatchObject([{ UserName: 'u', GroupList: ['g'], Tags: [{ Key: 'a', Value: 'b' }] }]);
  expect(all.GroupDetailList?.[0]?.GroupPolicyList?.map(({ PolicyName }) => PolicyName)).toEqual(['gp']);
  expect(decodeURIComponent(all.RoleDetailList?.[0]?.AssumeRolePolicyDocument ?? '')).toContain(
    `arn:aws:iam::${account.id}:user/u`,
  );
  expect(all.Policies?.map(({ PolicyName, AttachmentCount }) => [PolicyName, AttachmentCount])).toEqual([
    ['m', 1],
    ['AdministratorAccess', 1],
  ]);
  const roles = await iam.getAccountAuthorizationDetails({ Filter: ['Role'] });
  expect([roles.UserDetailList, roles.GroupDetailList, roles.Policies]).toEqual([[], [], []]);
  expect(roles.RoleDetailList).toHaveLength(1);
  const first = await iam.getAccountAuthorizationDetails({ MaxItems: 2 });
  expect([first.UserDetailList?.length, first.GroupDetailList?.length, first.RoleDetailList?.length]).toEqual([1, 1, 0]);
  const next = await iam.getAccountAuthorizationDetails({ MaxItems: 2, Marker: first.Marker });
  expect([next.RoleDetailList?.length, next.Policies?.length, next.IsTruncated]).toEqual([1, 1, true]);
  await refused(iam.getAccountAuthorizationDetails({ Filter: ['Nothing' as 'Role'] }), 'ValidationError', undefined, 400);
});
