/** StartAutomationExecution and its kin. Source: API Reference; User Guide, "AWS Systems Manager Automation". */
import type { AutomationExecution, AutomationExecutionFilter, SSM, StepExecution } from '@aws-sdk/client-ssm';
import { pageOf } from '../../../base/paging.ts';
import type { Identity } from '../../../kernel/caller.ts';
import type { Context } from '../../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../../kernel/errors.ts';
import { RequestCheck } from '../../../kernel/request-check.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../../kernel/service.ts';
import type { StsApi } from '../../sts/api.ts';
import { type Content, readParameters, substitute } from '../documents/content.ts';
import { requireDocument } from '../documents/documents.ts';
import { documentArn } from '../documents/names.ts';
import { invalidFilter, invalidNextToken } from '../errors.ts';
import { beginAutomation, conclude } from './engine.ts';
import { type AutomationRow, Automations, type StepRow } from './state.ts';

const pageItemsMax = 50;

function notFound(id: string): AwsError {
  return new AwsError('AutomationExecutionNotFoundException', `Automation execution ${id} does not exist.`);
}

/** Whose rights an execution has. Throws InvalidAutomationExecutionParametersException for a role that Systems Manager may not take. */
async function identityFor(
  ctx: Context,
  content: Content,
  values: Readonly<Record<string, unknown>>,
  id: string,
): Promise<Identity> {
  const role = String(substitute(content.assumeRole ?? '', (name) => values[name]) ?? '');
  if (role === '') {
    const { kind, account, arn, userId, userName, principal, tags, session } = ctx.caller;
    return JSON.parse(JSON.stringify({ kind, account, arn, userId, userName, principal, tags, session })) as Identity;
  }
  const sts = await ctx.internal<StsApi>('sts');
  try {
    return await sts.roleIdentity({ roleArn: role, sessionName: `Automation-${id}`, service: 'ssm' });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw new AwsError('InvalidAutomationExecutionParametersException', 'The defined assume role is unable to be assumed.');
  }
}

const mutable = (values: Readonly<Record<string, readonly string[]>>): Record<string, string[]> =>
  Object.fromEntries(Object.entries(values).map(([name, list]) => [name, [...list]]));

function describeStep(step: StepRow): StepExecution {
  return {
    StepName: step.name,
    Action: step.action,
    StepStatus: step.status,
    StepExecutionId: step.id,
    ExecutionStartTime: step.started === undefined ? undefined : new Date(step.started),
    ExecutionEndTime: step.ended === undefined ? undefined : new Date(step.ended),
    Inputs: { ...step.inputs },
    Outputs: mutable(step.outputs),
    FailureMessage: step.failure,
  };
}

/** What GetAutomationExecution and DescribeAutomationExecutions show alike. `outputs` names those of the document. */
function describe(row: AutomationRow, outputs: readonly string[]) {
  const shown = outputs.map((name) => {
    const [step, ...rest] = name.split('.');
    return [
      name,
      [
        ...(row.steps.find((one) => one.name === step)?.outputs[rest.join('.')] ?? [
          'No output available yet because the step is not successfully executed',
        ]),
      ],
    ];
  });
  return {
    AutomationExecutionId: row.id,
    DocumentName: row.document,
    DocumentVersion: row.documentVersion,
    AutomationExecutionStatus: row.status,
    ExecutionStartTime: new Date(row.started),
    ExecutionEndTime: row.ended === undefined ? undefined : new Date(row.ended),
    ExecutedBy: row.executedBy,
    Mode: 'Auto' as const,
    CurrentStepName: row.current,
    CurrentAction: row.steps.find(({ name }) => name === row.current)?.action,
    FailureMessage: row.failure,
    Outputs: Object.fromEntries(shown) as Record<string, string[]>,
  };
}

function passes(row: AutomationRow, filters: readonly AutomationExecutionFilter[] | undefined): boolean {
  return (filters ?? []).every(({ Key: key = '', Values: values = [] }) => {
    if (key === 'DocumentNamePrefix') return values.some((value) => row.document.startsWith(value));
    if (key === 'ExecutionStatus') return values.includes(row.status);
    if (key === 'ExecutionId') return values.includes(row.id);
    if (key === 'CurrentAction') return values.includes(row.steps.find(({ name }) => name === row.current)?.action ?? '');
    throw invalidFilter(key);
  });
}

const left = [
  'ClientToken',
  'TargetParameterName',
  'Targets',
  'TargetMaps',
  'MaxConcurrency',
  'MaxErrors',
  'TargetLocations',
  'TargetLocationsURL',
  'Tags',
  'AlarmConfiguration',
] as const;

export const automationHandlers: HandlersOf<SSM> = {
  async StartAutomationExecution(input, ctx) {
    for (const name of left) if (input[name] !== undefined) throw parameterNotImplemented('StartAutomationExecution', name);
    if (input.Mode === 'Interactive') throw parameterNotImplemented('StartAutomationExecution', 'Mode Interactive');
    const document = await requireDocument(ctx, input.DocumentName, input.DocumentVersion).catch((error: unknown) => {
      if (!(error instanceof AwsError) || error.code !== 'InvalidDocument') throw error;
      throw new AwsError('AutomationDefinitionNotFoundException', `Automation definition ${input.DocumentName} not found.`);
    });
    if (document.type !== 'Automation')
      throw new AwsError('AutomationDefinitionNotFoundException', `Document ${document.name} is not of type Automation.`);
    let values: Record<string, unknown>;
    try {
      values = readParameters(document.content, input.Parameters);
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      throw new AwsError('InvalidAutomationExecutionParametersException', error.message);
    }
    const id = ctx.uuid();
    const row: AutomationRow = {
      id,
      document: document.name,
      documentVersion: document.version,
      parameters: input.Parameters ?? {},
      identity: await identityFor(ctx, document.content, values, id),
      executedBy: ctx.caller.arn,
      status: 'InProgress',
      steps: document.content.steps.map(({ name, action }) => ({
        id: ctx.uuid(),
        name,
        action,
        status: 'Pending',
        attempts: 0,
        inputs: {},
        outputs: {},
      })),
      started: ctx.now,
    };
    await ctx.transact((tx) => beginAutomation(ctx, tx, row, document.content));
    return { AutomationExecutionId: id };
  },

  async GetAutomationExecution({ AutomationExecutionId: id = '' }, ctx) {
    const row = await ctx.table(Automations).get(id);
    if (row === undefined) throw notFound(id);
    const { content } = await requireDocument(ctx, row.document, row.documentVersion);
    const AutomationExecution: AutomationExecution = {
      ...describe(row, content.outputs),
      Parameters: mutable(row.parameters),
      StepExecutions: row.steps.map(describeStep),
      StepExecutionsTruncated: false,
    };
    return { AutomationExecution };
  },

  async DescribeAutomationExecutions(input, ctx) {
    new RequestCheck().range('maxResults', input.MaxResults, 1, pageItemsMax).done();
    const rows = (await ctx.table(Automations).list()).filter((row) => passes(row, input.Filters));
    rows.sort((a, b) => b.started - a.started || Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
    const page = pageOf(rows, ({ started, id }) => [-started, id], {
      scope: 'DescribeAutomationExecutions',
      token: input.NextToken,
      limit: input.MaxResults ?? pageItemsMax,
    });
    if (page === undefined) throw invalidNextToken();
    return { AutomationExecutionMetadataList: page.items.map((row) => describe(row, [])), NextToken: page.nextToken };
  },

  async StopAutomationExecution(input, ctx) {
    const id = input.AutomationExecutionId ?? '';
    if (input.Type === 'Complete') throw parameterNotImplemented('StopAutomationExecution', 'Type Complete');
    await ctx.transact(async (tx) => {
      const row = await tx.table(Automations).get(id);
      if (row === undefined) throw notFound(id);
      if (row.status !== 'InProgress') return;
      const steps = row.steps.map((one) =>
        one.status === 'InProgress' ? { ...one, status: 'Cancelled' as const, ended: ctx.now } : one,
      );
      await conclude(ctx, tx, { ...row, steps }, 'Cancelled');
    });
    return {};
  },
};

export const automationChecks: AuthorisationsOf<SSM> = {
  /** Who gives a role must be allowed to pass it. */
  StartAutomationExecution({ DocumentName = '', Parameters }, ctx) {
    const role = Parameters?.['AutomationAssumeRole']?.[0];
    const start: Check = { resource: documentArn(ctx, DocumentName), resourceAccount: ctx.account };
    if (role === undefined || role === '') return [start];
    return [start, { action: 'iam:PassRole', resource: role, conditions: { 'iam:PassedToService': 'ssm.amazonaws.com' } }];
  },
  GetAutomationExecution: ({ AutomationExecutionId = '' }, ctx) => [
    { resource: `arn:aws:ssm:${ctx.region}:${ctx.account}:automation-execution/${AutomationExecutionId}` },
  ],
  StopAutomationExecution: ({ AutomationExecutionId = '' }, ctx) => [
    { resource: `arn:aws:ssm:${ctx.region}:${ctx.account}:automation-execution/${AutomationExecutionId}` },
  ],
};
