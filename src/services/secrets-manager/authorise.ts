/** What each operation of Secrets Manager is authorised on: the secret, its resource policy and its tags ("Condition keys for AWS Secrets Manager"). */
import type { RotateSecretRequest, SecretsManager, Tag } from '@aws-sdk/client-secrets-manager';
import type { Authorisation, AuthorisationsOf, Check } from '../../kernel/service.ts';
import { lookUp, readSecretId } from './secret-ids.ts';

type Conditions = NonNullable<Check['conditions']>;
type Named = { SecretId?: string | undefined };

const text = (value: string | number | boolean | undefined): string | undefined =>
  value === undefined ? undefined : String(value);

function requestTags(tags: readonly Tag[] | undefined): Conditions {
  if (tags === undefined || tags.length === 0) return {};
  return {
    'aws:TagKeys': tags.map(({ Key = '' }) => Key),
    ...Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
  };
}

/** A secret that is not there is asked about by its name, so that who may not see it learns no more. */
function onSecret<Input extends Named>(conditionsOf: (input: Input) => Conditions = () => ({})): Authorisation<Input> {
  return async (input, ctx) => {
    const id = input.SecretId ?? '';
    const found = await lookUp(ctx, id);
    const { scope, text: name } = readSecretId(ctx, id);
    const tags = Object.entries(found?.row.tags ?? {});
    return [
      {
        resource: found?.arn ?? `arn:aws:secretsmanager:${scope.region}:${scope.account}:secret:${name}`,
        resourceAccount: scope.account,
        resourcePolicy: found?.row.policy,
        conditions: {
          'secretsmanager:SecretId': found?.arn ?? id,
          'secretsmanager:SecretPrimaryRegion': found?.row.primaryRegion ?? ctx.region,
          ...Object.fromEntries(
            tags.flatMap(([key, value]) => [
              [`aws:ResourceTag/${key}`, value],
              [`secretsmanager:ResourceTag/${key}`, value],
            ]),
          ),
          ...conditionsOf(input),
        },
      },
    ];
  };
}

export const secretChecks: AuthorisationsOf<SecretsManager> = {
  CreateSecret(input, ctx) {
    const resource = `arn:aws:secretsmanager:${ctx.region}:${ctx.account}:secret:${input.Name}-??????`;
    const conditions = {
      'secretsmanager:Name': input.Name,
      'secretsmanager:Description': input.Description,
      'secretsmanager:KmsKeyId': input.KmsKeyId,
      'secretsmanager:AddReplicaRegions': input.AddReplicaRegions?.map(({ Region = '' }) => Region),
      'secretsmanager:ForceOverwriteReplicaSecret': text(input.ForceOverwriteReplicaSecret),
      ...requestTags(input.Tags),
    };
    const create: Check = { resource, conditions };
    return (input.Tags ?? []).length === 0 ? [create] : [create, { ...create, action: 'secretsmanager:TagResource' }];
  },
  DescribeSecret: onSecret(),
  UpdateSecret: onSecret((input) => ({
    'secretsmanager:Description': input.Description,
    'secretsmanager:KmsKeyId': input.KmsKeyId,
  })),
  DeleteSecret: onSecret((input) => ({
    'secretsmanager:RecoveryWindowInDays': text(input.RecoveryWindowInDays),
    'secretsmanager:ForceDeleteWithoutRecovery': text(input.ForceDeleteWithoutRecovery),
  })),
  RestoreSecret: onSecret(),
  TagResource: onSecret((input) => requestTags(input.Tags)),
  UntagResource: onSecret((input) => ({ 'aws:TagKeys': input.TagKeys })),
  PutSecretValue: onSecret(),
  GetSecretValue: onSecret((input) => ({
    'secretsmanager:VersionId': input.VersionId,
    'secretsmanager:VersionStage': input.VersionStage ?? (input.VersionId === undefined ? 'AWSCURRENT' : undefined),
  })),
  ListSecretVersionIds: onSecret(),
  UpdateSecretVersionStage: onSecret((input) => ({ 'secretsmanager:VersionStage': input.VersionStage })),
  PutResourcePolicy: onSecret((input) => ({ 'secretsmanager:BlockPublicPolicy': text(input.BlockPublicPolicy) })),
  GetResourcePolicy: onSecret(),
  DeleteResourcePolicy: onSecret(),
  async ValidateResourcePolicy(input, ctx) {
    const check = onSecret<Named>();
    return input.SecretId === undefined || typeof check === 'string' ? [{ resource: '*' }] : check(input, ctx);
  },
  ReplicateSecretToRegions: onSecret((input) => ({
    'secretsmanager:AddReplicaRegions': input.AddReplicaRegions?.map(({ Region = '' }) => Region),
    'secretsmanager:ForceOverwriteReplicaSecret': text(input.ForceOverwriteReplicaSecret),
  })),
  RemoveRegionsFromReplication: onSecret(),
  /** Who sets a function must be allowed to call it ("RotateSecret", required permissions). */
  async RotateSecret(input, ctx) {
    const lambda = input.RotationLambdaARN;
    const own = onSecret<RotateSecretRequest>(() => ({ 'secretsmanager:RotationLambdaARN': lambda }));
    const checks = typeof own === 'string' ? [] : await own(input, ctx);
    return lambda === undefined ? checks : [...checks, { action: 'lambda:InvokeFunction', resource: lambda }];
  },
  CancelRotateSecret: onSecret(),
  StopReplicationToReplica: onSecret(),
};
