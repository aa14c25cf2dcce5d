import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { KMS } from '@aws-sdk/client-kms';
import { expect, test } from 'vitest';
import { freshAccount, refused } from '../../support/cloud.ts';
import { makeSimpleTable } from './support-tables.ts';

test('a table is encrypted under the key that is named, or AWS’s own for DynamoDB', async () => {
  const account = freshAccount();
  const dynamo = new DynamoDB(account.config());
  const kms = new KMS(account.config());
  const { KeyMetadata } = await kms.createKey({});
  const KMSMasterKeyId = KeyMetadata?.KeyId;
  const described = async (TableName: string) => (await dynamo.describeTable({ TableName })).Table?.SSEDescription;
  const own = await makeSimpleTable(dynamo, { SSESpecification: { Enabled: true, SSEType: 'KMS', KMSMasterKeyId } });
  expect(await described(own)).toEqual({ Status: 'ENABLED', SSEType: 'KMS', KMSMasterKeyArn: KeyMetadata?.Arn });
  const managed = await makeSimpleTable(dynamo, { SSESpecification: { Enabled: true } });
  const { KeyMetadata: aws } = await kms.describeKey({ KeyId: 'alias/aws/dynamodb' });
  expect((await described(managed))?.KMSMasterKeyArn).toBe(aws?.Arn);
  expect(await described(await makeSimpleTable(dynamo))).toBeUndefined();
  await kms.disableKey({ KeyId: KMSMasterKeyId });
  const make = (KeyId: string | undefined) =>
    makeSimpleTable(dynamo, { SSESpecification: { Enabled: true, KMSMasterKeyId: KeyId } });
  await refused(make(KMSMasterKeyId), 'ValidationException', `KMS validation error: ${KeyMetadata?.Arn} is disabled.`);
  await refused(make('nothing'), 'ValidationException', 'KMS validation error: Invalid keyId nothing');
});
