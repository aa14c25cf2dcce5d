/** Who may tag: a deny that names a resource counts, and tagging at creation is a right of its own. */
import { CreateTagsCommand, CreateVpcCommand, EC2Client } from '@aws-sdk/client-ec2';
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, PutUserPolicyCommand } from '@aws-sdk/client-iam';
import { expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';

async function userWith(statements: readonly object[]): Promise<EC2Client> {
  const account = freshAccount();
  const iam = new IAMClient(account.config());
  await iam.send(new CreateUserCommand({ UserName: 'tagger' }));
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: statements });
  await iam.send(new PutUserPolicyCommand({ UserName: 'tagger', PolicyName: 'p', PolicyDocument }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'tagger' }));
  return new EC2Client(account.configFor(AccessKey ?? {}));
}

const tagged = new CreateVpcCommand({
  CidrBlock: '10.0.0.0/16',
  TagSpecifications: [{ ResourceType: 'vpc', Tags: [{ Key: 'team', Value: 'a' }] }],
});

test('creating with tags needs ec2:CreateTags, for that operation', async () => {
  const create = { Effect: 'Allow', Action: 'ec2:CreateVpc', Resource: '*' };
  const without = await userWith([create]);
  await refused(
    without.send(tagged),
    'UnauthorizedOperation',
    /ec2:CreateTags on resource: arn:aws:ec2:us-east-1:\d{12}:vpc\/\*/,
  );
  await without.send(new CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
  const condition = { StringEquals: { 'ec2:CreateAction': 'CreateVpc' } };
  const allowed = await userWith([create, { Effect: 'Allow', Action: 'ec2:CreateTags', Resource: '*', Condition: condition }]);
  expect((await allowed.send(tagged)).Vpc?.Tags).toEqual([{ Key: 'team', Value: 'a' }]);
});

test('a deny on some resources holds for CreateTags', async () => {
  const ec2 = await userWith([
    { Effect: 'Allow', Action: 'ec2:*', Resource: '*' },
    { Effect: 'Deny', Action: 'ec2:CreateTags', Resource: 'arn:aws:ec2:*:*:vpc/*' },
  ]);
  const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: '10.0.0.0/16' }));
  const tags = new CreateTagsCommand({ Resources: [Vpc?.VpcId ?? ''], Tags: [{ Key: 'team', Value: 'b' }] });
  await refused(ec2.send(tags), 'UnauthorizedOperation', /with an explicit deny in an identity-based policy/);
});
