/** Resource policies: who else may call a function, statement by statement ("Working with resource-based IAM policies in Lambda"). */
import type { AddPermissionRequest, Lambda } from '@aws-sdk/client-lambda';
import type { Context } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { conflict, functionNotFound, invalidParameter, notFound, preconditionFailed } from './errors.ts';
import { onFunction, policyOf, requireTarget } from './lookup.ts';
import { type FunctionRef, functionArn, latest, readFunction } from './names.ts';
import { Functions, Policies } from './state.ts';

const actionForm = /^(lambda:[*]|lambda:[a-zA-Z]+|[*])$/;
const statementForm = /^[a-zA-Z0-9-_]+$/;

/** The statement that a permission becomes. */
function statementOf(input: AddPermissionRequest, ref: FunctionRef): string {
  const { Principal = '', SourceArn, SourceAccount, PrincipalOrgID, FunctionUrlAuthType, EventSourceToken } = input;
  const conditions: Record<string, Record<string, string>> = {};
  const add = (operator: string, key: string, value: string | undefined): void => {
    if (value !== undefined) conditions[operator] = { ...conditions[operator], [key]: value };
  };
  add('StringEquals', 'lambda:FunctionUrlAuthType', FunctionUrlAuthType);
  add(
    'Bool',
    'lambda:InvokedViaFunctionUrl',
    input.InvokedViaFunctionUrl === undefined ? undefined : String(input.InvokedViaFunctionUrl),
  );
  add('StringEquals', 'AWS:SourceAccount', SourceAccount);
  add('StringEquals', 'aws:PrincipalOrgID', PrincipalOrgID);
  add('StringEquals', 'lambda:EventSourceToken', EventSourceToken);
  add('ArnLike', 'AWS:SourceArn', SourceArn);
  return JSON.stringify({
    Sid: input.StatementId,
    Effect: 'Allow',
    Principal: principalOf(Principal),
    Action: input.Action,
    Resource: functionArn(ref),
    ...(Object.keys(conditions).length === 0 ? {} : { Condition: conditions }),
  });
}

function principalOf(principal: string): unknown {
  if (principal === '*') return '*';
  if (/^\d{12}$/.test(principal)) return { AWS: `arn:aws:iam::${principal}:root` };
  if (principal.startsWith('arn:')) return { AWS: principal };
  if (/^[a-z0-9.-]+\.amazonaws\.com$/.test(principal)) return { Service: principal };
  throw invalidParameter('The provided principal was invalid. Please check the principal and try again.');
}

function readRef(ctx: Context, input: { FunctionName?: string | undefined; Qualifier?: string | undefined }): FunctionRef {
  const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
  if (ref.qualifier === latest) throw invalidParameter('We currently do not support adding policies for $LATEST.');
  return ref;
}

export const permissionHandlers: HandlersOf<Lambda> = {
  async AddPermission(input, ctx) {
    const ref = readRef(ctx, input);
    new RequestCheck()
      .length('statementId', input.StatementId, 1, 100)
      .pattern('statementId', input.StatementId, statementForm, '([a-zA-Z0-9-_]+)')
      .pattern('action', input.Action, actionForm, '(lambda:[*]|lambda:[a-zA-Z]+|[*])')
      .pattern('sourceAccount', input.SourceAccount, /^\d{12}$/, '\\d{12}')
      .oneOf('functionUrlAuthType', input.FunctionUrlAuthType, ['NONE', 'AWS_IAM'])
      .done();
    if (input.FunctionUrlAuthType !== undefined && input.Action !== 'lambda:InvokeFunctionUrl')
      throw invalidParameter('FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action');
    await requireTarget(ctx, ref);
    const { name, qualifier = '' } = ref;
    const statement = statementOf(input, ref);
    await ctx.transact(async (tx) => {
      if ((await tx.table(Functions).get(name)) === undefined) throw functionNotFound(functionArn(ref));
      const row = await tx.table(Policies).get(name, qualifier);
      if (input.RevisionId !== undefined && input.RevisionId !== row?.revision) throw preconditionFailed();
      const statements = row?.statements ?? [];
      if (statements.some((text) => sidOf(text) === input.StatementId))
        throw conflict(
          `The statement id (${input.StatementId}) provided already exists. Please provide a new statement id, or remove the existing statement.`,
        );
      await tx.table(Policies).put({ function: name, qualifier, statements: [...statements, statement], revision: ctx.uuid() });
    });
    return { Statement: statement };
  },

  async RemovePermission(input, ctx) {
    const ref = readRef(ctx, input);
    await requireTarget(ctx, ref);
    const { name, qualifier = '' } = ref;
    await ctx.transact(async (tx) => {
      const row = await tx.table(Policies).get(name, qualifier);
      if (row === undefined) throw notFound('No policy is associated with the given resource.');
      if (input.RevisionId !== undefined && input.RevisionId !== row.revision) throw preconditionFailed();
      const statements = row.statements.filter((text) => sidOf(text) !== input.StatementId);
      if (statements.length === row.statements.length)
        throw notFound(`Statement ${input.StatementId} is not found in resource policy.`);
      if (statements.length === 0) await tx.table(Policies).delete(name, qualifier);
      else await tx.table(Policies).put({ ...row, statements, revision: ctx.uuid() });
    });
    return {};
  },

  async GetPolicy(input, ctx) {
    const ref = readFunction(ctx, input.FunctionName, input.Qualifier);
    await requireTarget(ctx, ref);
    const Policy = await policyOf(ctx, ref);
    const qualifier = ref.qualifier === latest ? '' : (ref.qualifier ?? '');
    const row = await ctx.table(Policies).get(ref.name, qualifier);
    if (Policy === undefined) throw notFound('The resource you requested does not exist.');
    return { Policy, RevisionId: row?.revision };
  },
};

function sidOf(statement: string): string {
  return (JSON.parse(statement) as { Sid: string }).Sid;
}

export const permissionChecks: AuthorisationsOf<Lambda> = {
  AddPermission: onFunction,
  RemovePermission: onFunction,
  GetPolicy: onFunction,
};
