/**
 * AWS managed keys: the keys behind `alias/aws/<service>`, one for each service in an account and Region, made on first use. Their policy lets
 * everybody in the account use them, through that service only. Source: AWS KMS Developer Guide, "AWS managed keys" and their key policies.
 */
import type { Context } from '../../kernel/context.ts';
import { materialRow } from './material.ts';
import { specRules } from './rules.ts';
import { Aliases, type KeyRow, Keys, Materials } from './state.ts';

const aliasPrefix = 'alias/aws/';

/** Service of the alias, and the name under which it calls KMS where that is another. */
const callers: Readonly<Record<string, string>> = {
  acm: 'acm',
  backup: 'backup',
  dynamodb: 'dynamodb',
  ebs: 'ec2',
  ecr: 'ecr',
  elasticfilesystem: 'elasticfilesystem',
  es: 'es',
  fsx: 'fsx',
  glue: 'glue',
  kinesis: 'kinesis',
  kinesisvideo: 'kinesisvideo',
  lambda: 'lambda',
  lightsail: 'lightsail',
  rds: 'rds',
  redshift: 'redshift',
  s3: 's3',
  secretsmanager: 'secretsmanager',
  ses: 'ses',
  sns: 'sns',
  sqs: 'sqs',
  ssm: 'ssm',
  workspaces: 'workspaces',
  xray: 'xray',
};

/** The service of an alias that AWS keeps for itself and makes a key for; undefined for all other names. */
export function awsAliasService(alias: string | undefined): string | undefined {
  const service = alias?.startsWith(aliasPrefix) ? alias.slice(aliasPrefix.length) : '';
  return Object.hasOwn(callers, service) ? service : undefined;
}

function managedPolicy(account: string, region: string, service: string): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Id: `auto-${service}-1`,
    Statement: [
      {
        Sid: `Allow access through ${service} for all principals in the account that are authorized to use ${service}`,
        Effect: 'Allow',
        Principal: { AWS: '*' },
        Action: ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:CreateGrant', 'kms:DescribeKey'],
        Resource: '*',
        Condition: {
          StringEquals: { 'kms:CallerAccount': account, 'kms:ViaService': `${callers[service]}.${region}.amazonaws.com` },
        },
      },
      {
        Sid: 'Allow direct access to key metadata to the account',
        Effect: 'Allow',
        Principal: { AWS: `arn:aws:iam::${account}:root` },
        Action: ['kms:Describe*', 'kms:Get*', 'kms:List*', 'kms:RevokeGrant'],
        Resource: '*',
      },
    ],
  });
}

/** Id of the key behind `alias/aws/<service>`; made now when it is not there. Throws Error for a service that has none: a bug of the caller. */
export async function ensureManagedKey(ctx: Context, service: string): Promise<string> {
  const alias = aliasPrefix + service;
  if (awsAliasService(alias) === undefined) throw new Error(`There is no AWS managed key for ${service}.`);
  const found = await ctx.table(Aliases).get(alias);
  if (found !== undefined) return found.key;
  const { material } = specRules('SYMMETRIC_DEFAULT');
  const secret = ctx.bytes(material.kind === 'bytes' ? material.length : 0);
  const row: KeyRow = {
    id: ctx.uuid(),
    created: ctx.now,
    description: `Default key that protects my ${service} data when no other key is defined`,
    spec: 'SYMMETRIC_DEFAULT',
    usage: 'ENCRYPT_DECRYPT',
    origin: 'AWS_KMS',
    manager: 'AWS',
    state: 'Enabled',
    policy: managedPolicy(ctx.account, ctx.region, service),
    tags: {},
    current: 1,
  };
  return ctx.transact(async (tx) => {
    const aliases = tx.table(Aliases);
    const other = await aliases.get(alias);
    if (other !== undefined) return other.key;
    await tx.table(Keys).put(row);
    await tx.table(Materials).put(materialRow(ctx, ctx, row.id, 1, { secret }));
    await aliases.put({ name: alias, key: row.id, created: ctx.now, updated: ctx.now });
    return row.id;
  });
}
