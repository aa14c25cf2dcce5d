/** Instance profiles of instances that exist already: given, looked at, exchanged, taken away. Credentials inside follow at once. */
import type { EC2, IamInstanceProfileAssociation, IamInstanceProfileSpecification } from '@aws-sdk/client-ec2';
import type { Context } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../../kernel/service.ts';
import type { IamApi } from '../../iam/api.ts';
import { parseArn } from '../../../base/arn.ts';
import { missingParameter } from '../errors.ts';
import { applyFilters } from '../filters.ts';
import { requireRow } from '../lookup.ts';
import { page } from '../paging.ts';
import { checkTagged } from '../tags.ts';
import { type ProfileUse, requireProfile } from './profiles.ts';
import { type InstanceRow, Instances } from './state.ts';

function notAssociated(id: string): AwsError {
  return new AwsError('NoSuchAssociation', `An invalid association-id of '${id}' was given`);
}

async function findAssociated(source: Pick<Context, 'table'>, associationId: string): Promise<InstanceRow> {
  const row = (await source.table(Instances).list()).find(
    (one) => one.profileAssociationId === associationId && one.state !== 'terminated',
  );
  if (row === undefined) throw notAssociated(associationId);
  return row;
}

async function requireNamedProfile(ctx: Context, wanted: IamInstanceProfileSpecification | undefined): Promise<ProfileUse> {
  const profile = await requireProfile(ctx, wanted);
  if (profile === undefined) throw missingParameter('IamInstanceProfile');
  return profile;
}

type State = NonNullable<IamInstanceProfileAssociation['State']>;

function describe(row: InstanceRow, profileId: string | undefined, state: State): IamInstanceProfileAssociation {
  return {
    AssociationId: row.profileAssociationId,
    InstanceId: row.id,
    IamInstanceProfile: { Arn: row.profileArn, Id: profileId },
    State: state,
  };
}

async function profileIdOf(ctx: Context, row: InstanceRow): Promise<string | undefined> {
  const iam = await ctx.internal<IamApi>('iam');
  return (
    await iam.findInstanceProfile(
      ctx.account,
      parseArn(row.profileArn ?? '')
        ?.resource.split('/')
        .at(-1) ?? '',
    )
  )?.id;
}

export const profileAssociationHandlers: HandlersOf<EC2> = {
  /** Throws IncorrectState for an instance that has a profile or is neither running nor stopped. */
  async AssociateIamInstanceProfile(input, ctx) {
    const profile = await requireNamedProfile(ctx, input.IamInstanceProfile);
    const row = await ctx.transact(async (tx) => {
      const instance = await requireRow(tx, Instances, 'instance', input.InstanceId);
      if (!['pending', 'running', 'stopping', 'stopped'].includes(instance.state))
        throw new AwsError('IncorrectInstanceState', `The instance '${instance.id}' is not in a valid state for this operation.`);
      if (instance.profileArn !== undefined)
        throw new AwsError('IncorrectState', `There is an existing association for instance ${instance.id}`);
      const changed = { ...instance, profileArn: profile.arn, profileAssociationId: ctx.id('profileAssociation') };
      await tx.table(Instances).put(changed);
      return changed;
    });
    return { IamInstanceProfileAssociation: describe(row, profile.id, 'associating') };
  },

  async DescribeIamInstanceProfileAssociations(input, ctx) {
    const rows = (await ctx.table(Instances).list()).filter((row) => row.profileArn !== undefined && row.state !== 'terminated');
    const missing = input.AssociationIds?.find((id) => !rows.some((row) => row.profileAssociationId === id));
    if (missing !== undefined) throw notAssociated(missing);
    const named = rows.filter(
      (row) => !input.AssociationIds?.length || input.AssociationIds.includes(row.profileAssociationId ?? ''),
    );
    const passing = applyFilters(named, input.Filters, { 'instance-id': (row) => row.id, state: () => 'associated' });
    const found = page('DescribeIamInstanceProfileAssociations', passing, (row) => row.profileAssociationId ?? '', input, {
      ids: input.AssociationIds,
    });
    return {
      IamInstanceProfileAssociations: await Promise.all(
        found.rows.map(async (row) => describe(row, await profileIdOf(ctx, row), 'associated')),
      ),
      NextToken: found.nextToken,
    };
  },

  async DisassociateIamInstanceProfile(input, ctx) {
    const id = input.AssociationId ?? '';
    const profileId = await profileIdOf(ctx, await findAssociated(ctx, id));
    const row = await ctx.transact(async (tx) => {
      const instance = await findAssociated(tx, id);
      await tx.table(Instances).put({ ...instance, profileArn: undefined, profileAssociationId: undefined });
      return instance;
    });
    return { IamInstanceProfileAssociation: describe(row, profileId, 'disassociating') };
  },

  async ReplaceIamInstanceProfileAssociation(input, ctx) {
    const profile = await requireNamedProfile(ctx, input.IamInstanceProfile);
    const row = await ctx.transact(async (tx) => {
      const instance = await findAssociated(tx, input.AssociationId ?? '');
      const changed = { ...instance, profileArn: profile.arn, profileAssociationId: ctx.id('profileAssociation') };
      await tx.table(Instances).put(changed);
      return changed;
    });
    return { IamInstanceProfileAssociation: describe(row, profile.id, 'associating') };
  },
};

/** Handing a role to an instance needs iam:PassRole, as at launch. */
async function checkPass(
  ctx: Context,
  instanceId: string | undefined,
  wanted: IamInstanceProfileSpecification | undefined,
): Promise<Check[]> {
  const profile = await requireProfile(ctx, wanted).catch(() => undefined);
  return [
    ...(await checkTagged([instanceId ?? ''], ctx, { 'ec2:NewInstanceProfile': profile?.arn })),
    ...(profile === undefined
      ? []
      : [{ action: 'iam:PassRole', resource: profile.roleArn, conditions: { 'iam:PassedToService': 'ec2.amazonaws.com' } }]),
  ];
}

async function instanceOf(ctx: Context, associationId: string | undefined): Promise<string> {
  return (await findAssociated(ctx, associationId ?? '').catch(() => undefined))?.id ?? '*';
}

export const profileAssociationAuthorisations: AuthorisationsOf<EC2> = {
  AssociateIamInstanceProfile: (input, ctx) => checkPass(ctx, input.InstanceId, input.IamInstanceProfile),
  DisassociateIamInstanceProfile: async (input, ctx) => checkTagged([await instanceOf(ctx, input.AssociationId)], ctx),
  ReplaceIamInstanceProfileAssociation: async (input, ctx) =>
    checkPass(ctx, await instanceOf(ctx, input.AssociationId), input.IamInstanceProfile),
};
