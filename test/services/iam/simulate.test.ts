import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { allow, deny, policy, rooted, userWithKey } from './support.ts';

test('the simulator decides as the cloud does, resource by resource', async () => {
  const { iam } = rooted();
  const answer = await iam.simulateCustomPolicy({
    PolicyInputList: [policy(allow('s3:GetObject', 'arn:aws:s3:::b1/*'), deny('s3:GetObject', 'arn:aws:s3:::b1/secret'))],
    ActionNames: ['s3:GetObject', 's3:PutObject'],
    ResourceArns: ['arn:aws:s3:::b1/a', 'arn:aws:s3:::b1/secret', 'arn:aws:s3:::b2/a'],
  });
  expect(answer.EvaluationResults?.map((one) => [one.EvalActionName, one.EvalResourceName, one.EvalDecision])).toEqual([
    ['s3:GetObject', 'arn:aws:s3:::b1/a', 'allowed'],
    ['s3:GetObject', 'arn:aws:s3:::b1/secret', 'explicitDeny'],
    ['s3:GetObject', 'arn:aws:s3:::b2/a', 'implicitDeny'],
    ['s3:PutObject', 'arn:aws:s3:::b1/a', 'implicitDeny'],
    ['s3:PutObject', 'arn:aws:s3:::b1/secret', 'implicitDeny'],
    ['s3:PutObject', 'arn:aws:s3:::b2/a', 'implicitDeny'],
  ]);
  const [first] = answer.EvaluationResults ?? [];
  expect(first?.MatchedStatements).toMatchObject([{ SourcePolicyId: 'PolicyInputList.1', StartPosition: { Line: 1 } }]);
});

test('the simulator tells what a condition misses, and takes it', async () => {
  const { iam } = rooted();
  const PolicyInputList = [
    policy(
      allow('ec2:StopInstances', '*', { Condition: { StringEquals: { 'aws:ResourceTag/team': '${aws:PrincipalTag/team}' } } }),
    ),
  ];
  const ask = async (...values: string[]) => {
    const ContextEntries = ['aws:ResourceTag/team', 'aws:PrincipalTag/team']
      .slice(0, values.length)
      .map((ContextKeyName, index) => ({
        ContextKeyName,
        ContextKeyType: 'string' as const,
        ContextKeyValues: [values[index] ?? ''],
      }));
    const { EvaluationResults } = await iam.simulateCustomPolicy({
      PolicyInputList,
      ActionNames: ['ec2:StopInstances'],
      ContextEntries,
    });
    return EvaluationResults?.[0];
  };
  const bare = await ask();
  expect(bare?.EvalDecision).toBe('implicitDeny');
  expect([...(bare?.MissingContextValues ?? [])].sort()).toEqual(['aws:PrincipalTag/team', 'aws:ResourceTag/team']);
  expect((await ask('blue', 'red'))?.EvalDecision).toBe('implicitDeny');
  expect((await ask('blue', 'blue'))?.EvalDecision).toBe('allowed');
  const { ContextKeyNames } = await iam.getContextKeysForCustomPolicy({ PolicyInputList });
  expect([...(ContextKeyNames ?? [])].sort()).toEqual(['aws:PrincipalTag/team', 'aws:ResourceTag/team']);
});

test('the policies of a principal are simulated with its groups and its boundary, and the cloud decides alike', async () => {
  const root = rooted();
  const { account, iam } = root;
  const ann = await userWithKey(root, 'ann');
  await iam.createGroup({ GroupName: 'g' });
  await iam.addUserToGroup({ GroupName: 'g', UserName: 'ann' });
  await iam.putGroupPolicy({
    GroupName: 'g',
    PolicyName: 'gp',
    PolicyDocument: policy(allow(['iam:ListUsers', 'iam:ListGroups'])),
  });
  const { Policy: bound } = await iam.createPolicy({ PolicyName: 'b', PolicyDocument: policy(allow('iam:ListUsers')) });
  await iam.putUserPermissionsBoundary({ UserName: 'ann', PermissionsBoundary: bound?.Arn });
  const PolicySourceArn = `arn:aws:iam::${account.id}:user/ann`;
  const { EvaluationResults: results = [] } = await iam.simulatePrincipalPolicy({
    PolicySourceArn,
    ActionNames: ['iam:ListUsers', 'iam:ListGroups', 'iam:ListRoles'],
  });
  expect(results.map(({ EvalDecision }) => EvalDecision)).toEqual(['allowed', 'implicitDeny', 'implicitDeny']);
  expect(results.map((one) => one.PermissionsBoundaryDecisionDetail?.AllowedByPermissionsBoundary)).toEqual([true, false, false]);
  expect(results[0]?.MatchedStatements?.map(({ SourcePolicyId }) => SourcePolicyId)).toContain('group_g_gp');
  await ann.iam.listUsers({});
  await refused(ann.iam.listGroups({}), 'AccessDenied', /because no permissions boundary allows/, 403);
  const more = await iam.simulatePrincipalPolicy({
    PolicySourceArn,
    PolicyInputList: [policy(deny('iam:ListUsers'))],
    ActionNames: ['iam:ListUsers'],
  });
  expect(more.EvaluationResults?.[0]?.EvalDecision).toBe('explicitDeny');
});

test('results come in pages', async () => {
  const { iam } = rooted();
  const input = { PolicyInputList: [policy(allow('s3:*'))], ActionNames: ['s3:GetObject', 'ec2:RunInstances', 's3:PutObject'] };
  const first = await iam.simulateCustomPolicy({ ...input, MaxItems: 2 });
  expect(first.EvaluationResults).toHaveLength(2);
  expect(first.IsTruncated).toBe(true);
  const rest = await iam.simulateCustomPolicy({ ...input, MaxItems: 2, Marker: first.Marker });
  expect(rest.EvaluationResults?.map(({ EvalActionName }) => EvalActionName)).toEqual(['s3:PutObject']);
});

test('a resource policy of another account must allow too', async () => {
  const { account, iam } = rooted();
  const CallerArn = `arn:aws:iam::${account.id}:user/ann`;
  const ask = async (Principal: unknown) => {
    const { EvaluationResults } = await iam.simulateCustomPolicy({
      PolicyInputList: [policy(allow('s3:GetObject'))],
      ActionNames: ['s3:GetObject'],
      ResourceArns: ['arn:aws:s3:::b/k'],
      CallerArn,
      ResourceOwner: 'arn:aws:iam::999988887777:root',
      ResourcePolicy: policy({ ...allow('s3:GetObject', 'arn:aws:s3:::b/*'), Principal }),
    });
    return EvaluationResults?.[0]?.EvalDecision;
  };
  expect(await ask({ AWS: '111122223333' })).toBe('implicitDeny');
  expect(await ask({ AWS: account.id })).toBe('allowed');
});

test('what cannot be simulated is refused', async () => {
  const { account, iam } = rooted();
  const good = { PolicyInputList: [policy(allow('s3:*'))], ActionNames: ['s3:GetObject'] };
  await refused(iam.simulateCustomPolicy({ ...good, PolicyInputList: ['{'] }), 'InvalidInput', undefined, 400);
  await refused(iam.simulateCustomPolicy({ ...good, ActionNames: ['s3:*'] }), 'InvalidInput', undefined, 400);
  await refused(iam.simulateCustomPolicy({ ...good, ResourceArns: ['bucket'] }), 'InvalidInput', undefined, 400);
  await refused(
    iam.simulateCustomPolicy({ ...good, ResourcePolicy: policy({ ...allow('s3:*'), Principal: '*' }) }),
    'InvalidInput',
    'CallerArn is required when ResourcePolicy is specified.',
    400,
  );
  await refused(
    iam.simulatePrincipalPolicy({ PolicySourceArn: `arn:aws:iam::${account.id}:user/none`, ActionNames: ['s3:GetObject'] }),
    'NoSuchEntity',
    undefined,
    404,
  );
  await refused(
    iam.simulatePrincipalPolicy({ PolicySourceArn: `arn:aws:iam::${account.id}:policy/x`, ActionNames: ['s3:GetObject'] }),
    'InvalidInput',
    undefined,
    400,
  );
});
