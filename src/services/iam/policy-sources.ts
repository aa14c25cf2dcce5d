/** The policies behind an identity with their names and owners: what the simulator, access reports and ListPoliciesGrantingServiceAccess tell. */
import { groupArn, parseEntityArn, roleArn, userArn } from './arns.ts';
import { invalidArn, noSuchEntity } from './errors.ts';
import { groupsOf } from './groups.ts';
import { documentInForce } from './managed-policies.ts';
import { Groups, type IdentityRow, type PrincipalRow, type Reading, Roles, type UserRow, Users } from './state.ts';

export type EntityKind = 'user' | 'group' | 'role';

/** An entity that policies are given to. */
export interface Entity {
  kind: EntityKind;
  arn: string;
  row: PrincipalRow;
}

/** One policy of an entity. */
export interface NamedPolicy {
  entity: Entity;
  name: string;
  /** Of a managed policy. */
  arn?: string | undefined;
  document: string;
}

/** The user, group or role of this ARN. Throws InvalidInput, NoSuchEntity. */
export async function requireEntity(reading: Reading, account: string, arn: string): Promise<Entity> {
  for (const kind of ['user', 'group', 'role'] as const) {
    const parsed = parseEntityArn(kind, arn);
    if (parsed === undefined) continue;
    const key = parsed.name.toLowerCase();
    const row: PrincipalRow | undefined =
      kind === 'user'
        ? await reading.table(Users).get(key)
        : kind === 'group'
          ? await reading.table(Groups).get(key)
          : await reading.table(Roles).get(key);
    if (parsed.account !== account || row === undefined || row.path !== parsed.path)
      throw noSuchEntity(`ARN ${arn} does not exist.`);
    return { kind, arn, row };
  }
  throw invalidArn(arn);
}

/** The entity and, of a user, its groups. */
export async function withGroups(reading: Reading, account: string, entity: Entity): Promise<Entity[]> {
  if (entity.kind !== 'user') return [entity];
  const groups = await groupsOf(reading, (entity.row as UserRow).groups);
  return [entity, ...groups.map((row): Entity => ({ kind: 'group', arn: groupArn(account, row), row }))];
}

/** Policies of entities, inline ones first. */
export async function policiesOf(reading: Reading, account: string, entities: readonly Entity[]): Promise<NamedPolicy[]> {
  const policies: NamedPolicy[] = [];
  for (const entity of entities) {
    const { inline, attached } = entity.row;
    for (const [name, document] of Object.entries(inline)) policies.push({ entity, name, document });
    for (const arn of attached) {
      const document = await documentInForce(reading, account, arn);
      if (document !== undefined) policies.push({ entity, name: parseEntityArn('policy', arn)?.name ?? '', arn, document });
    }
  }
  return policies;
}

/** All users and roles that an access report may be about. */
export async function allIdentities(reading: Reading, account: string): Promise<Entity[]> {
  const users = (await reading.table(Users).list()).map((row): Entity => ({ kind: 'user', arn: userArn(account, row), row }));
  const roles = (await reading.table(Roles).list()).map((row): Entity => ({ kind: 'role', arn: roleArn(account, row), row }));
  return [...users, ...roles];
}

/** The document that bounds a user or role; undefined for groups and without a boundary. */
export async function boundaryOf(reading: Reading, account: string, entity: Entity): Promise<string | undefined> {
  const { boundary } = entity.row as Partial<IdentityRow>;
  return boundary === undefined ? undefined : documentInForce(reading, account, boundary);
}
