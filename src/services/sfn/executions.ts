/** Executions: started, watched, stopped, redriven, listed. Source: API reference, "StartExecution" and its neighbours. */
import type { DescribeExecutionOutput, ExecutionListItem, SFN } from '@aws-sdk/client-sfn';
import type { Context } from '../../kernel/context.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { StateError } from './asl/errors.ts';
import { syntaxProblem } from './asl/validate.ts';
import { endExecution } from './engine/ending.ts';
import { engineOf } from './engine/engine.ts';
import { executionExists, executionNotFound, invalidInput, notRedrivable, validation, wrongType } from './errors.ts';
import { indexPage, onExecution, onMachine, requireExecution, requireMachine, requireTarget, type Target } from './lookup.ts';
import { checkName, executionArn, machineArn, pageSize, payloadBytesMax, readMachineArn, redriveMillisMax } from './rules.ts';
import { Executions, type ExecutionRow } from './state.ts';

/** The input as it will be read. Throws InvalidExecutionInput. */
export function checkInput(input: string): void {
  new RequestCheck().size('input', input, 0, payloadBytesMax).done();
  if (Buffer.byteLength(input) > payloadBytesMax) throw invalidInput('Input size exceeds the maximum number of bytes.');
  if (input.trim() === '') throw invalidInput('Invalid execution input.');
  try {
    JSON.parse(input);
  } catch {
    throw invalidInput(syntaxProblem(input).reason);
  }
}

interface StartRequest {
  input: string;
  name: string | undefined;
  traceHeader?: string | undefined;
}

function newExecution(ctx: Context, target: Target, { input, name = ctx.uuid(), traceHeader }: StartRequest): ExecutionRow {
  const { machine, definition, roleArn, logging, revision, version, alias } = target;
  return {
    machine: machine.name,
    // Names of express executions need not be unique: an id of their own makes them so.
    name: machine.type === 'EXPRESS' ? `${name}:${ctx.uuid()}` : name,
    type: machine.type,
    status: 'RUNNING',
    definition,
    roleArn,
    logging,
    revision,
    version,
    alias,
    traceHeader,
    input,
    start: ctx.clock.now(),
    lastEvent: 0,
    nextFrame: 0,
    redrives: 0,
  };
}

const dataIncluded = { included: true };

function describe(ctx: Context, row: ExecutionRow): Omit<DescribeExecutionOutput, '$metadata'> {
  const [machine = ''] = row.machine.split('/');
  const qualified = (qualifier: string | number): string => `${machineArn(ctx, machine)}:${qualifier}`;
  return {
    executionArn: executionArn(ctx, row),
    stateMachineArn: machineArn(ctx, row.machine),
    name: row.name,
    status: row.status,
    startDate: new Date(row.start),
    stopDate: row.stop === undefined ? undefined : new Date(row.stop),
    input: row.input,
    inputDetails: dataIncluded,
    ...(row.output === undefined ? {} : { output: row.output, outputDetails: dataIncluded }),
    error: row.error,
    cause: row.cause,
    traceHeader: row.traceHeader,
    mapRunArn: row.mapRun,
    stateMachineVersionArn: row.version === undefined ? undefined : qualified(row.version),
    stateMachineAliasArn: row.alias === undefined ? undefined : qualified(row.alias),
    redriveCount: row.redrives,
    redriveDate: row.redriven === undefined ? undefined : new Date(row.redriven),
    ...redriveStatus(ctx, row),
  };
}

function redriveStatus(
  ctx: Context,
  { status, stop = 0, mapRun }: ExecutionRow,
): Pick<DescribeExecutionOutput, 'redriveStatus' | 'redriveStatusReason'> {
  if (status === 'RUNNING' || status === 'SUCCEEDED')
    return { redriveStatus: 'NOT_REDRIVABLE', redriveStatusReason: `Execution is ${status} and cannot be redriven` };
  if (mapRun !== undefined) return { redriveStatus: 'REDRIVABLE_BY_MAP_RUN' };
  if (stop + redriveMillisMax < ctx.clock.now())
    return { redriveStatus: 'NOT_REDRIVABLE', redriveStatusReason: 'Execution has exceeded its redrivable period' };
  return { redriveStatus: 'REDRIVABLE' };
}

function listItem(ctx: Context, row: ExecutionRow): ExecutionListItem {
  const {
    executionArn: arn,
    stateMachineArn,
    stateMachineVersionArn,
    stateMachineAliasArn,
    mapRunArn,
    redriveDate,
  } = describe(ctx, row);
  return {
    executionArn: arn,
    stateMachineArn,
    name: row.name,
    status: row.status,
    startDate: new Date(row.start),
    stopDate: row.stop === undefined ? undefined : new Date(row.stop),
    mapRunArn,
    itemCount: row.mapRun === undefined ? undefined : 1,
    stateMachineVersionArn,
    stateMachineAliasArn,
    ...(row.redrives === 0 ? {} : { redriveCount: row.redrives, redriveDate }),
  };
}

export const executionHandlers: HandlersOf<SFN> = {
  /** The same name and input again, while it runs, is the same execution ("StartExecution is idempotent for STANDARD workflows"). */
  async StartExecution({ stateMachineArn = '', name, input = '{}', traceHeader }, ctx) {
    if (name !== undefined) checkName(name);
    const target = await requireTarget(ctx, stateMachineArn);
    checkInput(input);
    const row = newExecution(ctx, target, { input, name, traceHeader });
    const answer = (known: ExecutionRow) => {
      if (known.status !== 'RUNNING' || known.input !== input) throw executionExists(executionArn(ctx, known));
      return { executionArn: executionArn(ctx, known), startDate: new Date(known.start) };
    };
    const find = async () => (name === undefined ? undefined : ctx.table(Executions).get(row.machine, row.name));
    const known = await find();
    if (known !== undefined) return answer(known);
    if (row.type === 'EXPRESS') await engineOf(ctx).beginExpress(ctx, row);
    else if (!(await engineOf(ctx).begin(ctx, row))) return answer((await find()) ?? row);
    return { executionArn: executionArn(ctx, row), startDate: new Date(row.start) };
  },

  async StartSyncExecution({ stateMachineArn = '', name, input = '{}', traceHeader, includedData }, ctx) {
    if (name !== undefined) checkName(name);
    new RequestCheck().oneOf('includedData', includedData, ['ALL_DATA', 'METADATA_ONLY']).done();
    const target = await requireTarget(ctx, stateMachineArn);
    if (target.machine.type !== 'EXPRESS') throw wrongType();
    checkInput(input);
    const row = newExecution(ctx, target, { input, name, traceHeader });
    const engine = engineOf(ctx);
    const ended = new Promise<ExecutionRow>((resolve) => engine.watch(executionArn(ctx, row), resolve));
    await engine.begin(ctx, row);
    const { status, output, error, cause, stop = row.start } = await ended;
    const duration = stop - row.start;
    return {
      executionArn: executionArn(ctx, row),
      stateMachineArn: machineArn(ctx, row.machine),
      name: row.name.split(':')[0],
      startDate: new Date(row.start),
      stopDate: new Date(stop),
      status: status === 'SUCCEEDED' || status === 'TIMED_OUT' ? status : 'FAILED',
      ...(includedData === 'METADATA_ONLY'
        ? { inputDetails: { included: false }, ...(output === undefined ? {} : { outputDetails: { included: false } }) }
        : { input, inputDetails: dataIncluded, ...(output === undefined ? {} : { output, outputDetails: dataIncluded }) }),
      error,
      cause,
      traceHeader,
      // Billed by 100 ms and 64 MB ("AWS Step Functions pricing").
      billingDetails: { billedMemoryUsedInMB: 64, billedDurationInMilliseconds: Math.max(100, Math.ceil(duration / 100) * 100) },
    };
  },

  async StopExecution({ executionArn: arn = '', error, cause }, ctx) {
    new RequestCheck().size('error', error, 0, 256).size('cause', cause, 0, 32_768).done();
    if (/:express:/.test(arn)) throw wrongType();
    const row = await requireExecution(ctx, arn);
    if (row.type === 'EXPRESS') throw wrongType();
    await engineOf(ctx).post(ctx, row.machine, row.name, (run) => endExecution(run, 'ABORTED', new StateError(error, cause)));
    const after = await requireExecution(ctx, arn);
    return { stopDate: new Date(after.stop ?? ctx.now) };
  },

  async DescribeExecution({ executionArn: arn = '', includedData }, ctx) {
    if (/:express:/.test(arn)) throw wrongType();
    const described = describe(ctx, await requireExecution(ctx, arn));
    if (includedData !== 'METADATA_ONLY') return described;
    const { input: _input, output: _output, ...metadata } = described;
    return { ...metadata, inputDetails: { included: false } };
  },

  async ListExecutions(input, ctx) {
    const { stateMachineArn, mapRunArn, statusFilter, maxResults, nextToken, redriveFilter } = input;
    if ((stateMachineArn === undefined) === (mapRunArn === undefined))
      throw validation('Either stateMachineArn or mapRunArn must be provided, but not both.');
    new RequestCheck()
      .oneOf('statusFilter', statusFilter, ['RUNNING', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'ABORTED', 'PENDING_REDRIVE'])
      .done();
    const options = {
      scope: `ListExecutions ${stateMachineArn} ${mapRunArn} ${statusFilter} ${redriveFilter}`,
      token: nextToken,
      limit: pageSize(maxResults),
      reverse: true,
    };
    const wanted = (row: ExecutionRow): boolean =>
      redriveFilter === undefined || row.redrives > 0 === (redriveFilter === 'REDRIVEN');
    if (mapRunArn !== undefined) {
      const page = await indexPage(ctx, Executions, 'byMapRun', [mapRunArn], options);
      const rows = page.rows.filter((row) => (statusFilter === undefined || row.status === statusFilter) && wanted(row));
      return { executions: rows.map((row) => listItem(ctx, row)), nextToken: page.nextToken };
    }
    const { name, qualifier } = readMachineArn(stateMachineArn ?? '');
    const machine = await requireMachine(ctx, name, stateMachineArn ?? '');
    if (machine.type === 'EXPRESS') throw wrongType();
    const page =
      statusFilter === undefined
        ? await indexPage(ctx, Executions, 'byStart', [name], options)
        : await indexPage(ctx, Executions, 'byStatus', [name, statusFilter], options);
    const rows = page.rows.filter((row) => {
      const own = qualifier === undefined || String(row.version) === qualifier || row.alias === qualifier;
      return own && wanted(row);
    });
    return { executions: rows.map((row) => listItem(ctx, row)), nextToken: page.nextToken };
  },

  /** Continues from the states that did not succeed ("Restarting state machine executions with redrive"). */
  async RedriveExecution({ executionArn: arn = '' }, ctx) {
    if (/:express:/.test(arn)) throw executionNotFound(arn);
    const row = await requireExecution(ctx, arn);
    const { redriveStatus: status, redriveStatusReason } = redriveStatus(ctx, row);
    if (status === 'NOT_REDRIVABLE') throw notRedrivable(redriveStatusReason ?? '');
    if (status !== 'REDRIVABLE') throw notRedrivable('Execution is redrivable by its Map Run only');
    const at = await engineOf(ctx).redrive(ctx, row);
    return { redriveDate: new Date(at) };
  },
};

export const executionChecks: AuthorisationsOf<SFN> = {
  StartExecution: ({ stateMachineArn }, ctx) => onMachine(stateMachineArn, ctx),
  StartSyncExecution: ({ stateMachineArn }, ctx) => onMachine(stateMachineArn, ctx),
  ListExecutions: async ({ stateMachineArn, mapRunArn }, ctx) =>
    mapRunArn === undefined ? onMachine(stateMachineArn, ctx) : [{ resource: mapRunArn }],
  StopExecution: ({ executionArn: arn }) => onExecution(arn),
  DescribeExecution: ({ executionArn: arn }) => onExecution(arn),
  RedriveExecution: ({ executionArn: arn }) => onExecution(arn),
};
