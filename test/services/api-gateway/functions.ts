/** Functions for tests of APIs: made from one file of source, with a role that may write logs. */
import { IAM } from '@aws-sdk/client-iam';
import { Lambda, type Runtime } from '@aws-sdk/client-lambda';
import { zipSync } from 'fflate';
import { eventually, type TestAccount } from '../../support/cloud.ts';

/** A role that a service may take, with rights. */
export async function role(
  account: TestAccount,
  service: string,
  Action: string | string[] = [],
  Resource: string | string[] = '*',
): Promise<string> {
  const iam = new IAM(account.config());
  const RoleName = `role-${Math.random().toString(36).slice(2)}`;
  const { Role } = await iam.createRole({
    RoleName,
    AssumeRolePolicyDocument: JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Principal: { Service: `${service}.amazonaws.com` }, Action: 'sts:AssumeRole' }],
    }),
  });
  if (Action.length > 0)
    await iam.putRolePolicy({
      RoleName,
      PolicyName: 'p',
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource }] }),
    });
  return Role?.Arn ?? '';
}

/** A function of Node with this source of `index.mjs`; resolves with its ARN when it is active. */
export async function makeFunction(
  account: TestAccount,
  source: string,
  FunctionName = `f-${Math.random().toString(36).slice(2)}`,
): Promise<string> {
  const lambda = new Lambda(account.config());
  const made = await lambda.createFunction({
    FunctionName,
    Runtime: 'nodejs20.x' as Runtime,
    Role: await role(account, 'lambda'),
    Handler: 'index.handler',
    Timeout: 20,
    Code: { ZipFile: zipSync({ 'index.mjs': Buffer.from(source) }) },
  });
  await eventually(
    async () => {
      const { Configuration } = await lambda.getFunction({ FunctionName });
      if (Configuration?.State !== 'Active') throw new Error(Configuration?.State);
    },
    { why: 'the function is active' },
  );
  return made.FunctionArn ?? '';
}

/** The address of a function in integrations and authorizers. */
export function functionUri(arn: string): string {
  return `arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${arn}/invocations`;
}
