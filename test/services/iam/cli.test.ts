import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { freshAccount } from '../../support/cloud.ts';

const present = (program: string, ...args: string[]): boolean => spawnSync(program, args, { stdio: 'ignore' }).status === 0;
const cli = present('aws', '--version');
const boto = present('python3', '-c', 'import boto3');

describe('aws CLI', { timeout: 120_000 }, () => {
  const account = freshAccount();
  let home = '';
  beforeEach((context) => context.skip(!cli, 'There is no aws program on this machine.'));
  beforeAll(() => {
    home = mkdtempSync(path.join(tmpdir(), 'pilvi-cli-'));
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  const aws = (...args: string[]) =>
    JSON.parse(execFileSync('aws', [...args, '--output', 'json'], { env: account.env({ HOME: home }) }).toString() || 'null');

  test('ACCESS-009 IAM’s operations are commands, with their options', () => {
    const { User: user } = aws('iam', 'create-user', '--user-name', 'cli', '--path', '/tools/', '--tags', 'Key=team,Value=web');
    expect(user).toMatchObject({ Arn: `arn:aws:iam::${account.id}:user/tools/cli`, Tags: [{ Key: 'team', Value: 'web' }] });
    aws(
      'iam',
      'put-user-policy',
      '--user-name',
      'cli',
      '--policy-name',
      'p',
      '--policy-document',
      '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:List*","Resource":"*"}]}',
    );
    const { PolicyDocument: document } = aws('iam', 'get-user-policy', '--user-name', 'cli', '--policy-name', 'p');
    expect(document.Statement[0].Action).toBe('iam:List*');
    const failed = spawnSync('aws', ['iam', 'delete-user', '--user-name', 'cli'], { env: account.env({ HOME: home }) });
    // 255 in version 1 of the CLI, 254 in version 2.
    expect([254, 255]).toContain(failed.status);
    expect(failed.stderr.toString()).toContain(
      'An error occurred (DeleteConflict) when calling the DeleteUser operation: Cannot delete entity, must delete policies first.',
    );
  });

  test('ACCESS-010 a script makes ten users, waits for them and deletes them, unattended', () => {
    const script = path.join(home, 'script.sh');
    writeFileSync(
      script,
      `set -eu
for n in 1 2 3 4 5 6 7 8 9 10; do
  aws iam create-user --user-name "batch-$n" --query User.Arn --output text
done
aws iam wait user-exists --user-name batch-10
test "$(aws iam list-users --query "length(Users[?starts_with(UserName, 'batch-')])" --output json)" = 10
for n in $(aws iam list-users --query "Users[?starts_with(UserName, 'batch-')].UserName" --output text); do
  aws iam delete-user --user-name "$n"
done
test "$(aws iam list-users --query "length(Users[?starts_with(UserName, 'batch-')])" --output json)" = 0
`,
    );
    const done = spawnSync('sh', [script], { env: account.env({ HOME: home }) });
    expect({ status: done.status, stderr: done.stderr.toString() }).toEqual({ status: 0, stderr: '' });
    expect(done.stdout.toString().trim().split('\n')).toHaveLength(10);
  });

  test('ACCESS-011 aws configure stores the key where CLI and SDKs find it', () => {
    aws('iam', 'create-user', '--user-name', 'configured');
    const { AccessKey: key } = aws('iam', 'create-access-key', '--user-name', 'configured');
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      AWS_ENDPOINT_URL: inject('endpoint'),
      AWS_EC2_METADATA_DISABLED: 'true',
    };
    const configured = spawnSync('aws', ['configure'], {
      env,
      input: `${key.AccessKeyId}\n${key.SecretAccessKey}\neu-north-1\njson\n`,
    });
    expect(configured.status).toBe(0);
    expect(readFileSync(path.join(home, '.aws/credentials'), 'utf8')).toContain(key.AccessKeyId);
    expect(readFileSync(path.join(home, '.aws/config'), 'utf8')).toContain('eu-north-1');
    const whoami = () => spawnSync('aws', ['sts', 'get-caller-identity'], { env });
    expect(JSON.parse(whoami().stdout.toString()).Arn).toBe(`arn:aws:iam::${account.id}:user/configured`);
    const program = 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])';
    const sdk = () => spawnSync('python3', ['-c', program], { env });
    if (boto) expect(sdk().stdout.toString().trim()).toBe(`arn:aws:iam::${account.id}:user/configured`);
    rmSync(path.join(home, '.aws'), { recursive: true });
    Object.assign(env, { AWS_DEFAULT_REGION: 'eu-north-1' });
    expect(whoami().stderr.toString()).toContain('Unable to locate credentials');
    if (boto) expect(sdk().stderr.toString()).toContain('Unable to locate credentials');
  });
});

test('ACCESS-012 an SDK of another language gets the same results with the same key', { timeout: 60_000 }, (context) => {
  context.skip(!boto, 'There is no boto3 on this machine.');
  const account = freshAccount();
  const program = `
import json, boto3, botocore
iam = boto3.client("iam")
iam.create_user(UserName="py", Tags=[{"Key": "lang", "Value": "python"}])
key = iam.create_access_key(UserName="py")["AccessKey"]
mine = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])
who = mine.client("sts").get_caller_identity()["Arn"]
try:
    mine.client("iam").list_users()
    denied = None
except botocore.exceptions.ClientError as error:
    denied = error.response["Error"]["Code"]
pages = [user["UserName"] for page in iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1}) for user in page["Users"]]
print(json.dumps([who, denied, pages]))
`;
  const output = execFileSync('python3', ['-c', program], { env: account.env() }).toString();
  expect(JSON.parse(output)).toEqual([`arn:aws:iam::${account.id}:user/py`, 'AccessDenied', ['py']]);
});
