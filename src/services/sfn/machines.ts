/** State machines: made, changed, described, deleted, checked. Source: API reference, "CreateStateMachine" and its neighbours. */
import type {
  CreateStateMachineInput,
  LoggingConfiguration,
  SFN,
  TracingConfiguration,
  EncryptionConfiguration,
} from '@aws-sdk/client-sfn';
import type { Context, Transaction } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { Json } from '../../model/types.ts';
import { RequestCheck } from '../../kernel/request-check.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { definitionCharsMax, findingsText, findProblems, repeatedStates } from './asl/validate.ts';
import { isList, isObject, memberOf } from './asl/values.ts';
import { invalidDefinition, invalidLogging, machineExists, machineNotFound, validation } from './errors.ts';
import { resourceProblem } from './integrations/check.ts';
import {
  checkRole,
  onMachine,
  passRole,
  requireExecution,
  requireMachine,
  requireTarget,
  tablePage,
  tagConditions,
} from './lookup.ts';
import { checkName, machineArn, pageSize, readMachineArn, tagsMax } from './rules.ts';
import {
  Aliases,
  Executions,
  type Logging,
  type MachineRow,
  Machines,
  type MachineType,
  type TagMap,
  Versions,
} from './state.ts';
import { engineOf } from './engine/engine.ts';
import { endExecution } from './engine/ending.ts';
import { StateError } from './asl/errors.ts';

/** Throws InvalidDefinition. Returns nothing: what passed can be run. */
async function checkDefinition(operation: string, definition: string, type: MachineType): Promise<void> {
  new RequestCheck().length('definition', definition, 1, definitionCharsMax).done();
  const findings = await findProblems(definition, type, resourceProblem);
  if (findings.length > 0) throw invalidDefinition(findingsText(findings));
  const [repeated] = repeatedStates(definition);
  if (repeated !== undefined)
    throw invalidDefinition(`INVALID_JSON_DESCRIPTION: Duplicate field '${repeated}' at [Source: (String)]`);
  const missing = missingPart(JSON.parse(definition) as Json);
  if (missing !== undefined) throw parameterNotImplemented(operation, `definition (${missing})`);
}

/** What a definition asks for that is right in AWS and that this cloud has not. */
function missingPart(workflow: Json | undefined): string | undefined {
  const states = memberOf(workflow, 'States');
  for (const state of isObject(states) ? Object.values(states) : []) {
    if (memberOf(state, 'Credentials') !== undefined) return 'Credentials of a Task';
    if (memberOf(memberOf(memberOf(state, 'ItemReader'), 'ReaderConfig'), 'InputType') === 'MANIFEST')
      return 'MANIFEST of an ItemReader';
    const auth = memberOf(memberOf(state, 'Parameters') ?? memberOf(state, 'Arguments'), 'AuthType');
    const resource = memberOf(state, 'Resource');
    if (typeof resource === 'string' && resource.includes(':::apigateway:') && auth !== undefined && auth !== 'NO_AUTH')
      return 'AuthType of apigateway:invoke';
    const branches = memberOf(state, 'Branches');
    const inner = [memberOf(state, 'ItemProcessor'), memberOf(state, 'Iterator'), ...(isList(branches) ? branches : [])];
    const found = inner.map(missingPart).find((part) => part !== undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

function readLogging(operation: string, given: LoggingConfiguration | undefined): Logging {
  const level = given?.level ?? 'OFF';
  const group = given?.destinations?.[0]?.cloudWatchLogsLogGroup?.logGroupArn;
  if ((given?.destinations?.length ?? 0) > 1) throw invalidLogging('Must specify exactly one Log Destination.');
  if (level !== 'OFF' && group === undefined) throw invalidLogging('Must specify exactly one Log Destination.');
  if (group !== undefined && !/^arn:aws[a-z-]*:logs:[^:]+:\d{12}:log-group:[^:]+:\*$/.test(group))
    throw invalidLogging(`Log Destination '${group}' is invalid.`);
  if (!['ALL', 'ERROR', 'FATAL', 'OFF'].includes(level)) throw parameterNotImplemented(operation, 'loggingConfiguration.level');
  return { level, includeExecutionData: given?.includeExecutionData ?? false, group };
}

function describeLogging({ level, includeExecutionData, group }: Logging): LoggingConfiguration {
  const destinations = group === undefined ? undefined : [{ cloudWatchLogsLogGroup: { logGroupArn: group } }];
  return { level, includeExecutionData, ...(destinations === undefined ? {} : { destinations }) };
}

/** What this cloud has not: traces, and keys of the user's own. */
function refuseExtras(
  operation: string,
  tracing: TracingConfiguration | undefined,
  encryption: EncryptionConfiguration | undefined,
): void {
  if (tracing?.enabled === true) throw parameterNotImplemented(operation, 'tracingConfiguration.enabled');
  if (encryption !== undefined && encryption.type !== 'AWS_OWNED_KEY')
    throw parameterNotImplemented(operation, 'encryptionConfiguration');
}

export function readTags(tags: readonly { key?: string | undefined; value?: string | undefined }[] | undefined): TagMap {
  if ((tags?.length ?? 0) > tagsMax) throw validation(`Tag limit exceeded: a resource may have at most ${tagsMax} tags.`);
  return Object.fromEntries((tags ?? []).map(({ key = '', value = '' }) => [key, value]));
}

/** Publishes what a machine is now as its next version, unless its newest one is the same already. */
export async function publish(
  tx: Transaction,
  ctx: Context,
  machine: MachineRow,
  description: string | undefined,
): Promise<number> {
  const newest = machine.lastVersion === 0 ? undefined : await tx.table(Versions).get(machine.name, machine.lastVersion);
  const { definition, roleArn, logging, revision } = machine;
  if (newest !== undefined && newest.revision === revision) return newest.version;
  const version = machine.lastVersion + 1;
  await tx.table(Machines).put({ ...machine, lastVersion: version });
  await tx
    .table(Versions)
    .put({ machine: machine.name, version, description, definition, roleArn, logging, revision, created: ctx.now });
  return version;
}

async function create(input: CreateStateMachineInput, ctx: Context) {
  const { name = '', definition = '', roleArn = '', type = 'STANDARD', publish: publishes = false } = input;
  checkName(name);
  new RequestCheck().oneOf('type', type, ['STANDARD', 'EXPRESS']).done();
  if (input.versionDescription !== undefined && !publishes)
    throw validation('Version description can only be set when publish is true');
  refuseExtras('CreateStateMachine', input.tracingConfiguration, input.encryptionConfiguration);
  const logging = readLogging('CreateStateMachine', input.loggingConfiguration);
  const tags = readTags(input.tags);
  await checkDefinition('CreateStateMachine', definition, type);
  await checkRole(ctx, roleArn);
  const arn = machineArn(ctx, name);
  const row: MachineRow = { name, type, definition, roleArn, logging, tags, created: ctx.now, lastVersion: 0 };
  return ctx.transact(async (tx) => {
    const known = await tx.table(Machines).get(name);
    // "CreateStateMachine is an idempotent API": the same again is answered, anything else refused.
    if (known !== undefined && !isSame(known, row)) throw machineExists(arn);
    const machine = known ?? row;
    if (known === undefined) await tx.table(Machines).put(row);
    const version = publishes ? await publish(tx, ctx, machine, input.versionDescription) : undefined;
    return {
      stateMachineArn: arn,
      creationDate: new Date(machine.created),
      ...(version === undefined ? {} : { stateMachineVersionArn: `${arn}:${version}` }),
    };
  });
}

function isSame(a: MachineRow, b: MachineRow): boolean {
  const facts = ({ definition, type, logging, roleArn }: MachineRow): string =>
    JSON.stringify([definition, type, roleArn, logging.level, logging.includeExecutionData, logging.group]);
  return facts(a) === facts(b);
}

export const machineHandlers: HandlersOf<SFN> = {
  CreateStateMachine: create,

  async UpdateStateMachine(input, ctx) {
    const { stateMachineArn = '', definition, roleArn, publish: publishes = false } = input;
    const { name, qualifier } = readMachineArn(stateMachineArn);
    const machine = await requireMachine(ctx, name, stateMachineArn);
    if (qualifier !== undefined) throw machineNotFound(stateMachineArn);
    if (definition === undefined && roleArn === undefined && input.loggingConfiguration === undefined && !publishes)
      throw new AwsError(
        'MissingRequiredParameter',
        'Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified',
      );
    if (input.versionDescription !== undefined && !publishes)
      throw validation('Version description can only be set when publish is true');
    refuseExtras('UpdateStateMachine', input.tracingConfiguration, input.encryptionConfiguration);
    if (definition !== undefined) await checkDefinition('UpdateStateMachine', definition, machine.type);
    if (roleArn !== undefined) await checkRole(ctx, roleArn);
    const logging =
      input.loggingConfiguration === undefined ? undefined : readLogging('UpdateStateMachine', input.loggingConfiguration);
    const revision = ctx.uuid();
    return ctx.transact(async (tx) => {
      const old = await requireMachine(tx, name, stateMachineArn);
      const row: MachineRow = {
        ...old,
        definition: definition ?? old.definition,
        roleArn: roleArn ?? old.roleArn,
        logging: logging ?? old.logging,
        updated: ctx.now,
        revision,
      };
      await tx.table(Machines).put(row);
      const version = publishes ? await publish(tx, ctx, row, input.versionDescription) : undefined;
      return {
        updateDate: new Date(ctx.now),
        revisionId: revision,
        ...(version === undefined ? {} : { stateMachineVersionArn: `${stateMachineArn}:${version}` }),
      };
    });
  },

  /** Deleting what is not there is no error. Executions that run are aborted; versions and aliases go along. */
  async DeleteStateMachine({ stateMachineArn = '' }, ctx) {
    const { name, qualifier } = readMachineArn(stateMachineArn);
    if (qualifier !== undefined) throw validation('You must not use a version or alias ARN to delete a state machine.');
    const engine = engineOf(ctx);
    for (const { name: execution } of await ctx.table(Executions).byIndex('byStatus', [name, 'RUNNING']))
      await engine.post(ctx, name, execution, (run) => endExecution(run, 'ABORTED', new StateError(undefined)));
    await ctx.transact(async (tx) => {
      await tx.table(Machines).delete(name);
      for (const { version } of await tx.table(Versions).list({ prefix: [name] })) await tx.table(Versions).delete(name, version);
      for (const alias of await tx.table(Aliases).list({ prefix: [name] })) await tx.table(Aliases).delete(name, alias.name);
    });
    return {};
  },

  async DescribeStateMachine({ stateMachineArn = '', includedData }, ctx) {
    const target = await requireTarget(ctx, stateMachineArn);
    const { machine, roleArn, definition, logging, revision, version, description, created } = target;
    new RequestCheck().oneOf('includedData', includedData, ['ALL_DATA', 'METADATA_ONLY']).done();
    return {
      stateMachineArn: version === undefined ? machineArn(ctx, machine.name) : `${machineArn(ctx, machine.name)}:${version}`,
      name: machine.name,
      status: 'ACTIVE',
      definition: includedData === 'METADATA_ONLY' ? '' : definition,
      roleArn,
      type: machine.type,
      creationDate: new Date(created),
      loggingConfiguration: describeLogging(logging),
      tracingConfiguration: { enabled: false },
      ...(revision === undefined ? {} : { revisionId: revision }),
      ...(description === undefined ? {} : { description }),
    };
  },

  async DescribeStateMachineForExecution({ executionArn, includedData }, ctx) {
    const row = await requireExecution(ctx, executionArn);
    const [name = ''] = row.machine.split('/');
    const machine = await ctx.table(Machines).get(name);
    return {
      stateMachineArn: machineArn(ctx, name),
      name,
      definition: includedData === 'METADATA_ONLY' ? '' : row.definition,
      roleArn: row.roleArn,
      updateDate: new Date(machine?.updated ?? machine?.created ?? row.start),
      loggingConfiguration: describeLogging(row.logging),
      tracingConfiguration: { enabled: false },
      ...(row.revision === undefined ? {} : { revisionId: row.revision }),
      ...(row.mapRun === undefined ? {} : { mapRunArn: row.mapRun, label: row.machine.split('/')[1] }),
    };
  },

  async ListStateMachines({ maxResults, nextToken }, ctx) {
    const options = { scope: 'ListStateMachines', token: nextToken, limit: pageSize(maxResults) };
    const page = await tablePage(ctx, Machines, [], options);
    return {
      stateMachines: page.rows.map(({ name, type, created }) => ({
        stateMachineArn: machineArn(ctx, name),
        name,
        type,
        creationDate: new Date(created),
      })),
      nextToken: page.nextToken,
    };
  },

  /** Findings rather than errors; severity below ERROR is for style and this cloud has none. */
  async ValidateStateMachineDefinition({ definition = '', type = 'STANDARD', severity, maxResults = 100 }) {
    const check = new RequestCheck().oneOf('type', type, ['STANDARD', 'EXPRESS']).range('maxResults', maxResults, 0, 100);
    check.oneOf('severity', severity, ['ERROR', 'WARNING']).done();
    const findings = await findProblems(definition, type, resourceProblem);
    const limit = maxResults === 0 ? 100 : maxResults;
    return {
      result: findings.length === 0 ? 'OK' : 'FAIL',
      diagnostics: findings.slice(0, limit).map((finding) => ({ severity: 'ERROR', ...finding })),
      truncated: findings.length > limit,
    };
  },
};

export const machineChecks: AuthorisationsOf<SFN> = {
  CreateStateMachine: ({ name = '', roleArn, tags = [] }, ctx) => [
    {
      resource: machineArn(ctx, name === '' ? '*' : name),
      conditions: { ...tagConditions('Request', readTags(tags)), 'aws:TagKeys': tags.map(({ key = '' }) => key) },
    },
    ...passRole(roleArn),
  ],
  UpdateStateMachine: async ({ stateMachineArn, roleArn }, ctx) => [
    ...(await onMachine(stateMachineArn, ctx)),
    ...passRole(roleArn),
  ],
  DeleteStateMachine: ({ stateMachineArn }, ctx) => onMachine(stateMachineArn, ctx),
  DescribeStateMachine: ({ stateMachineArn }, ctx) => onMachine(stateMachineArn, ctx),
  DescribeStateMachineForExecution: ({ executionArn }) => [{ resource: executionArn || '*' }],
};
