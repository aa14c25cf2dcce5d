/**
 * The seven policy operations that users, groups and roles have alike, and the two on boundaries. Each noun says how its entity is named, checked and
 * found; the names of the operations and of their members are all that differs.
 */
import type { Context, Transaction } from '../../kernel/context.ts';
import { checkBoundary } from './boundaries.ts';
import {
  attachPolicy,
  checkAttachMembers,
  checkInlineMembers,
  deleteInlinePolicy,
  detachPolicy,
  type EntitySort,
  pageAttachedPolicies,
  pageInlinePolicies,
  putInlinePolicy,
  readInlinePolicy,
} from './entity-policies.ts';
import type { PageInput } from './paging.ts';
import { RequestCheck, sizes } from './rules.ts';
import type { IdentityRow, PrincipalRow, Reading } from './state.ts';

type NameMember = 'UserName' | 'GroupName' | 'RoleName';

/** A sort of entity, and how requests name one. */
export interface PolicyHolder<Row extends PrincipalRow, Member extends NameMember> extends EntitySort<Row> {
  member: Member;
  /** Longest name that a request may carry. */
  nameMax: number;
  /** Finds the entity to read it. Throws NoSuchEntity. */
  find(reading: Reading, name: string | undefined): Promise<Row>;
  /** Finds the entity to change it; also refuses those that may not be changed. */
  findOwn(reading: Transaction, name: string | undefined): Promise<Row>;
}

type Named<Member extends NameMember> = { [Name in Member]: string | undefined };

const checkName = <Member extends NameMember>(member: Member, name: string | undefined, max: number): RequestCheck =>
  new RequestCheck().name(member.charAt(0).toLowerCase() + member.slice(1), name, max);

/** Handlers of the operations on inline and attached policies. */
export function policyOperations<Row extends PrincipalRow, Member extends NameMember>(holder: PolicyHolder<Row, Member>) {
  const { member, nameMax } = holder;
  const check = (input: Named<Member>) => checkName(member, input[member], nameMax);
  const change = async (
    input: Named<Member>,
    ctx: Context,
    body: (tx: Transaction, row: Row) => Promise<void>,
  ): Promise<Record<string, never>> => {
    await ctx.transact(async (tx) => body(tx, await holder.findOwn(tx, input[member])));
    return {};
  };
  type Policy = Named<Member> & { PolicyName: string | undefined };
  type Attachment = Named<Member> & { PolicyArn: string | undefined };
  return {
    async put(input: Policy & { PolicyDocument: string | undefined }, ctx: Context) {
      const { PolicyName = '', PolicyDocument = '' } = input;
      checkInlineMembers(check(input), PolicyName, PolicyDocument);
      return change(input, ctx, (tx, row) => putInlinePolicy(tx, holder, row, PolicyName, PolicyDocument));
    },

    async get(input: Policy, ctx: Context) {
      const { PolicyName = '' } = input;
      check(input).name('policyName', PolicyName, sizes.policyName).done();
      const row = await holder.find(ctx, input[member]);
      return { [member]: row.name, PolicyName, PolicyDocument: readInlinePolicy(holder, row, PolicyName) } as Record<
        Member | 'PolicyName' | 'PolicyDocument',
        string
      >;
    },

    async remove(input: Policy, ctx: Context) {
      const { PolicyName = '' } = input;
      check(input).name('policyName', PolicyName, sizes.policyName).done();
      return change(input, ctx, (tx, row) => deleteInlinePolicy(tx, holder, row, PolicyName));
    },

    async list(input: Named<Member> & PageInput, ctx: Context) {
      check(input).paging(input).done();
      return pageInlinePolicies(await holder.find(ctx, input[member]), input);
    },

    async attach(input: Attachment, ctx: Context) {
      const arn = checkAttachMembers(check(input), input.PolicyArn);
      return change(input, ctx, (tx, row) => attachPolicy(tx, ctx.account, holder, row, arn));
    },

    async detach(input: Attachment, ctx: Context) {
      const arn = checkAttachMembers(check(input), input.PolicyArn);
      return change(input, ctx, (tx, row) => detachPolicy(tx, holder, row, arn));
    },

    async listAttached(input: Named<Member> & PageInput & { PathPrefix?: string | undefined }, ctx: Context) {
      check(input).policyPath('pathPrefix', input.PathPrefix).paging(input).done();
      return pageAttachedPolicies(await holder.find(ctx, input[member]), input);
    },
  };
}

/** Handlers of the operations on permissions boundaries, which users and roles have. */
export function boundaryOperations<Row extends IdentityRow, Member extends NameMember>(
  holder: PolicyHolder<Row, Member>,
  nameMax: number,
) {
  const { member } = holder;
  const change = async (name: string | undefined, ctx: Context, boundary: string | undefined): Promise<Record<string, never>> => {
    checkName(member, name, nameMax).done();
    await ctx.transact(async (tx) => {
      const row = await holder.findOwn(tx, name);
      if (boundary !== undefined) await checkBoundary(tx, ctx.account, boundary);
      await tx.table(holder.table).put({ ...row, boundary });
    });
    return {};
  };
  return {
    put: (input: Named<Member> & { PermissionsBoundary: string | undefined }, ctx: Context) =>
      change(input[member], ctx, input.PermissionsBoundary ?? ''),

    /** Also succeeds when there is none: the identity ends without a boundary either way. */
    remove: (input: Named<Member>, ctx: Context) => change(input[member], ctx, undefined),
  };
}
