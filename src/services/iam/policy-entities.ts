/** Who uses a managed policy: ListEntitiesForPolicy. */
import type { IAM } from '@aws-sdk/client-iam';
import type { HandlersOf } from '../../kernel/service.ts';
import { policyNotFound } from './errors.ts';
import { checkPolicyArn, findPolicy } from './managed-policies.ts';
import { byKey, pageItems } from './paging.ts';
import { RequestCheck } from './rules.ts';
import { Groups, type Reading, Roles, Users } from './state.ts';

type Sort = 'Group' | 'Role' | 'User';

interface Entity {
  sort: Sort;
  name: string;
  id: string;
  path: string;
}

const entityFilters = ['User', 'Role', 'Group', 'LocalManagedPolicy', 'AWSManagedPolicy'];

/** Entities that have the policy attached, are bounded by it, or either when no use is given. Each comes once. */
async function entitiesOf(reading: Reading, arn: string, use: string | undefined): Promise<Entity[]> {
  const found = new Map<string, Entity>();
  const add = (sort: Sort, rows: readonly Omit<Entity, 'sort'>[]): void => {
    for (const { name, id, path } of rows) found.set(id, { sort, name, id, path });
  };
  if (use !== 'PermissionsBoundary') {
    add('Group', await reading.table(Groups).byIndex('byPolicy', [arn]));
    add('Role', await reading.table(Roles).byIndex('byPolicy', [arn]));
    add('User', await reading.table(Users).byIndex('byPolicy', [arn]));
  }
  if (use !== 'PermissionsPolicy') {
    add('Role', await reading.table(Roles).byIndex('byBoundary', [arn]));
    add('User', await reading.table(Users).byIndex('byBoundary', [arn]));
  }
  return [...found.values()];
}

const sortKey = ({ sort, name }: Entity): string => `${sort} ${name.toLowerCase()}`;

export const policyEntityHandlers: HandlersOf<IAM> = {
  /** Pages run over groups, then roles, then users. */
  async ListEntitiesForPolicy(input, ctx) {
    const { EntityFilter: filter, PathPrefix: prefix = '/', PolicyUsageFilter: use } = input;
    new RequestCheck()
      .oneOf('entityFilter', filter, entityFilters)
      .path('pathPrefix', prefix)
      .oneOf('policyUsageFilter', use, ['PermissionsPolicy', 'PermissionsBoundary'])
      .paging(input)
      .done();
    const arn = checkPolicyArn(input.PolicyArn);
    if ((await findPolicy(ctx, ctx.account, arn)) === undefined) throw policyNotFound(arn);
    const entities = (await entitiesOf(ctx, arn, use))
      .filter((entity) => entity.path.startsWith(prefix) && (filter === undefined || filter === entity.sort))
      .sort(byKey(sortKey));
    const scope = `ListEntitiesForPolicy ${arn} ${filter ?? ''} ${prefix} ${use ?? ''}`;
    const { items, page } = pageItems(scope, entities, (entity) => [sortKey(entity)], input);
    const of = (sort: Sort): Entity[] => items.filter((entity) => entity.sort === sort);
    return {
      PolicyGroups: of('Group').map(({ name, id }) => ({ GroupName: name, GroupId: id })),
      PolicyRoles: of('Role').map(({ name, id }) => ({ RoleName: name, RoleId: id })),
      PolicyUsers: of('User').map(({ name, id }) => ({ UserName: name, UserId: id })),
      ...page,
    };
  },
};
