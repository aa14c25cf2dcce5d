/** Groups of schedules, and tags, which only groups have ("Managing a schedule group"). */
import type { Scheduler, Tag } from '@aws-sdk/client-scheduler';
import { pageOf } from '../../base/paging.ts';
import type { Context, Scope, Transaction } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf, Task } from '../../kernel/service.ts';
import { conflict, groupNotFound, quotaExceeded, validation } from './errors.ts';
import { type GroupRow, Groups, Schedules, type TagMap } from './state.ts';

export const defaultGroup = 'default';
const groupsMax = 500;
const tagsMax = 200;
const perPageMax = 100;
export const nameForm = /^[0-9a-zA-Z-_.]{1,64}$/;
export const namePattern = '[0-9a-zA-Z-_.]+';

function groupArn({ account, region }: Scope, name: string): string {
  return `arn:aws:scheduler:${region}:${account}:schedule-group/${name}`;
}

function readTags(tags: readonly Tag[] = []): TagMap {
  const read = Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]));
  if (Object.keys(read).some((key) => key.startsWith('aws:'))) throw validation('Tag keys starting with aws: are reserved.');
  return read;
}

/** The group; the default one is always there. Throws ResourceNotFoundException. */
export async function requireGroup(source: Pick<Context | Transaction, 'table'>, name: string): Promise<GroupRow> {
  const row = await source.table(Groups).get(name);
  if (row === undefined && name !== defaultGroup) throw groupNotFound(name);
  return row ?? { name, created: 0, modified: 0, tags: {} };
}

function describe(ctx: Scope, row: GroupRow) {
  return {
    Arn: groupArn(ctx, row.name),
    Name: row.name,
    State: row.deleting === true ? ('DELETING' as const) : ('ACTIVE' as const),
    CreationDate: new Date(row.created),
    LastModificationDate: new Date(row.modified),
  };
}

/** The schedules of a deleted group go, then the group ("Deleting a schedule group": it is DELETING meanwhile). */
export const emptyGroup: Task = async ({ key: name }, ctx) => {
  await ctx.transact(async (tx) => {
    for (const row of await tx.table(Schedules).list({ prefix: [name] })) {
      await tx.table(Schedules).delete(row.group, row.name);
      await tx.unschedule('invoke', `${row.group}/${row.name}`);
    }
    await tx.table(Groups).delete(name);
  });
};

export const groupHandlers: HandlersOf<Scheduler> = {
  async CreateScheduleGroup({ Name = '', Tags, ClientToken }, ctx) {
    new RequestCheck().pattern('name', Name, nameForm, namePattern).count('tags', Tags, 0, tagsMax).done();
    await ctx.transact(async (tx) => {
      const known = await tx.table(Groups).get(Name);
      if (known !== undefined && known.token === ClientToken && ClientToken !== undefined) return;
      if (known !== undefined || Name === defaultGroup) throw conflict('Schedule group', Name);
      if ((await tx.table(Groups).count()) >= groupsMax) throw quotaExceeded('schedule groups');
      await tx.table(Groups).put({ name: Name, created: ctx.now, modified: ctx.now, tags: readTags(Tags), token: ClientToken });
    });
    return { ScheduleGroupArn: groupArn(ctx, Name) };
  },

  async DeleteScheduleGroup({ Name = '' }, ctx) {
    if (Name === defaultGroup) throw validation('The default schedule group cannot be deleted.');
    await ctx.transact(async (tx) => {
      const row = await requireGroup(tx, Name);
      await tx.table(Groups).put({ ...row, deleting: true, modified: ctx.now });
      await tx.schedule({ task: 'emptyGroup', key: Name, due: ctx.now });
    });
    return {};
  },

  async GetScheduleGroup({ Name = '' }, ctx) {
    return describe(ctx, await requireGroup(ctx, Name));
  },

  async ListScheduleGroups({ NamePrefix = '', NextToken, MaxResults }, ctx) {
    new RequestCheck().range('maxResults', MaxResults, 1, perPageMax).done();
    const rows = (await ctx.table(Groups).list()).filter(({ name }) => name !== defaultGroup);
    const all = [await requireGroup(ctx, defaultGroup), ...rows]
      .filter(({ name }) => name.startsWith(NamePrefix))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const page = pageOf(all, ({ name }) => [name], {
      scope: `ListScheduleGroups ${NamePrefix}`,
      token: NextToken,
      limit: MaxResults ?? perPageMax,
    });
    if (page === undefined) throw validation('Invalid NextToken.');
    return { ScheduleGroups: page.items.map((row) => describe(ctx, row)), NextToken: page.nextToken };
  },

  async TagResource({ ResourceArn, Tags }, ctx) {
    new RequestCheck().count('tags', Tags, 0, tagsMax).done();
    await changeTags(ctx, ResourceArn, (tags) => ({ ...tags, ...readTags(Tags) }));
    return {};
  },

  async UntagResource({ ResourceArn, TagKeys = [] }, ctx) {
    await changeTags(ctx, ResourceArn, (tags) =>
      Object.fromEntries(Object.entries(tags).filter(([key]) => !TagKeys.includes(key))),
    );
    return {};
  },

  async ListTagsForResource({ ResourceArn }, ctx) {
    const { tags } = await requireGroup(ctx, nameOf(ResourceArn));
    return { Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
  },
};

/** Name in a group's ARN. Throws ValidationException for ARNs of anything else. */
function nameOf(arn = ''): string {
  const [, name] = /^arn:aws:scheduler:[^:]+:\d{12}:schedule-group\/([^/]+)$/.exec(arn) ?? [];
  if (name === undefined) throw validation(`Invalid resource ARN ${arn}.`);
  return name;
}

function changeTags(ctx: Context, arn: string | undefined, change: (tags: TagMap) => TagMap): Promise<void> {
  return ctx.transact(async (tx) => {
    const row = await requireGroup(tx, nameOf(arn));
    const tags = change(row.tags);
    if (Object.keys(tags).length > tagsMax) throw quotaExceeded('tags');
    await tx.table(Groups).put({ ...row, tags });
  });
}

const onGroup = ({ Name = '' }: { Name?: string | undefined }, ctx: Context) => [{ resource: groupArn(ctx, Name) }];
const onArn = ({ ResourceArn = '*' }: { ResourceArn?: string | undefined }) => [{ resource: ResourceArn }];

export const groupChecks: AuthorisationsOf<Scheduler> = {
  CreateScheduleGroup: onGroup,
  DeleteScheduleGroup: onGroup,
  GetScheduleGroup: onGroup,
  TagResource: onArn,
  UntagResource: onArn,
  ListTagsForResource: onArn,
};
