import { type AttributeValue, DynamoDB } from '@aws-sdk/client-dynamodb';
import { IAM } from '@aws-sdk/client-iam';
import { expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { makeTable } from './support-tables.ts';

const s = (S: string): AttributeValue => ({ S });

async function userWith(account: ReturnType<typeof freshAccount>, statements: readonly unknown[]): Promise<DynamoDB> {
  const iam = new IAM(account.config());
  await iam.createUser({ UserName: 'ann' });
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: statements });
  await iam.putUserPolicy({ UserName: 'ann', PolicyName: 'p', PolicyDocument });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'ann' });
  return new DynamoDB(account.configFor(AccessKey!));
}

test('a policy on leading keys and attributes lets a user see only its own', async () => {
  const account = freshAccount();
  const root = new DynamoDB(account.config());
  const TableName = await makeTable(root);
  const arn = `arn:aws:dynamodb:us-east-1:${account.id}:table/${TableName}`;
  const ann = await userWith(account, [
    {
      Effect: 'Allow',
      Action: ['dynamodb:GetItem', 'dynamodb:Query', 'dynamodb:PutItem', 'dynamodb:BatchGetItem'],
      Resource: arn,
      Condition: {
        'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['ann'], 'dynamodb:Attributes': ['pk', 'sk', 'open'] },
        StringEqualsIfExists: { 'dynamodb:Select': 'SPECIFIC_ATTRIBUTES', 'dynamodb:ReturnValues': 'NONE' },
      },
    },
  ]);
  for (const pk of ['ann', 'bob'])
    await root.putItem({ TableName, Item: { pk: s(pk), sk: { N: '1' }, open: s('o'), secret: s('x') } });
  const key = (pk: string) => ({ pk: s(pk), sk: { N: '1' } });
  const ProjectionExpression = 'pk, sk, #o';
  const ExpressionAttributeNames = { '#o': 'open' };
  const get = (pk: string) => ann.getItem({ TableName, Key: key(pk), ProjectionExpression, ExpressionAttributeNames });
  expect((await get('ann')).Item).toEqual({ ...key('ann'), open: s('o') });
  const denied = `User: arn:aws:iam::${account.id}:user/ann is not authorized to perform: dynamodb:GetItem on resource: ${arn} because no identity-based policy allows the dynamodb:GetItem action`;
  await refused(get('bob'), 'AccessDeniedException', denied);
  await refused(ann.getItem({ TableName, Key: key('ann') }), 'AccessDeniedException', denied);
  await refused(ann.getItem({ TableName, Key: key('ann'), ProjectionExpression: 'secret' }), 'AccessDeniedException', denied);
  const query = (pk: string) =>
    ann.query({
      TableName,
      KeyConditionExpression: 'pk = :p',
      ExpressionAttributeValues: { ':p': s(pk) },
      ProjectionExpression,
      ExpressionAttributeNames,
    });
  expect((await query('ann')).Count).toBe(1);
  await refused(query('bob'), 'AccessDeniedException');
  await ann.putItem({ TableName, Item: { ...key('ann'), open: s('p') } });
  await refused(ann.putItem({ TableName, Item: { ...key('ann'), secret: s('p') } }), 'AccessDeniedException');
  await refused(ann.scan({ TableName }), 'AccessDeniedException');
});

test('a resource policy opens a table to another account, by ARN', async () => {
  const owner = freshAccount();
  const other = freshAccount();
  const root = new DynamoDB(owner.config());
  const TableName = await makeTable(root);
  const ResourceArn = `arn:aws:dynamodb:us-east-1:${owner.id}:table/${TableName}`;
  const stranger = new DynamoDB(other.config());
  const get = () => stranger.getItem({ TableName: ResourceArn, Key: { pk: s('a'), sk: { N: '1' } } });
  await root.putItem({ TableName, Item: { pk: s('a'), sk: { N: '1' } } });
  await refused(get(), 'AccessDeniedException');
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${other.id}:root` }, Action: 'dynamodb:GetItem', Resource: ResourceArn },
    ],
  });
  await root.putResourcePolicy({ ResourceArn, Policy });
  expect((await get()).Item).toEqual({ pk: s('a'), sk: { N: '1' } });
  await refused(stranger.putItem({ TableName: ResourceArn, Item: { pk: s('a'), sk: { N: '1' } } }), 'AccessDeniedException');
  expect((await root.getResourcePolicy({ ResourceArn })).Policy).toBe(Policy);
  await root.deleteResourcePolicy({ ResourceArn });
  await refused(
    root.getResourcePolicy({ ResourceArn }),
    'PolicyNotFoundException',
    `Resource-based policy not found for the provided ResourceArn: ${ResourceArn}`,
  );
  await refused(get(), 'AccessDeniedException');
});
