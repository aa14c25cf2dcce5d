import { expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { rooted } from './support.ts';

const trust = (more: Record<string, unknown>): string =>
  JSON.stringify({
    Version: '2012-10-17',
    ...more,
    Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  });

test('IAM-014 a resource-based policy may carry an Id, which comes back unchanged', async () => {
  const { iam } = rooted();
  const read = async (RoleName: string) =>
    decodeURIComponent((await iam.getRole({ RoleName })).Role?.AssumeRolePolicyDocument ?? '');
  await iam.createRole({ RoleName: 'with', AssumeRolePolicyDocument: trust({ Id: 'trust of the machines' }) });
  await iam.createRole({ RoleName: 'without', AssumeRolePolicyDocument: trust({}) });
  expect(JSON.parse(await read('with'))).toMatchObject({ Id: 'trust of the machines' });
  expect(JSON.parse(await read('without'))).not.toHaveProperty('Id');
  await refused(
    iam.createRole({ RoleName: 'odd', AssumeRolePolicyDocument: trust({ Id: { a: 1 } }) }),
    'MalformedPolicyDocumentException',
    undefined,
    400,
  );
});
