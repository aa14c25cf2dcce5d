/** Makes the call of a task by the execution's role, and puts what comes back into the forms that AWS's integrations give it. */
import { AwsError } from '../../../kernel/errors.ts';
import type { Context } from '../../../kernel/context.ts';
import { loadModel } from '../../../model/wire.ts';
import type { OperationModel } from '../../../model/service-model.ts';
import type { Json, Shape } from '../../../model/types.ts';
import { StateError } from '../asl/errors.ts';
import { isObject, jsonText, memberOf } from '../asl/values.ts';
import { actBy } from '../lookup.ts';
import type { Resource } from '../resources.ts';
import { type Optimised, optimisedOf, sdkCallOf } from './catalogue.ts';
import { invokeApi, invokeHttp } from './http.ts';
import { ParameterError, toInput, toResult } from './convert.ts';

export interface TaskCall {
  resource: Exclude<Resource, { kind: 'activity' }>;
  parameters: Json;
  roleArn: string;
  /** ARN of the state machine, on which HTTP requests are asked for. */
  machineArn: string;
}

/** Makes a task's call. Throws StateError with the error name that AWS's integration would give. */
export async function callTask(ctx: Context, call: TaskCall): Promise<Json> {
  const { resource } = call;
  const acting = await actingBy(ctx, call.roleArn);
  if (resource.kind === 'lambda') {
    const parameters = { FunctionName: resource.arn, Payload: call.parameters };
    return memberOf(await invokeFunction(acting, parameters), 'Payload') ?? null;
  }
  if (resource.sdk) return callSdk(acting, resource, call.parameters);
  if (resource.service === 'http') return invokeHttp(ctx, acting, call.machineArn, call.parameters);
  if (resource.service === 'apigateway') return invokeApi(ctx, call.parameters);
  const optimised = optimisedOf(resource);
  if (optimised === undefined)
    throw new StateError('States.Runtime', `The resource ${resource.service}:${resource.action} is not supported.`);
  if (optimised.service === 'lambda') return invokeFunction(acting, call.parameters);
  const operation = await operationOf(optimised.service, optimised.operation);
  const result = await perform(acting, optimised.service, operation, call.parameters, firstGeneration(ctx, optimised));
  return optimised.service === 'eventbridge' ? eventsResult(ctx, result) : withMetadata(ctx, result);
}

async function actingBy(ctx: Context, roleArn: string): Promise<Context> {
  try {
    return await actBy(ctx, roleArn);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw new StateError('States.TaskFailed', `Step Functions is not authorized to assume the role ${roleArn}: ${error.message}`);
  }
}

async function operationOf(service: string, name: string): Promise<OperationModel> {
  const operation = (await loadModel(service)).operation(name);
  if (operation === undefined) throw new Error(`The model of ${service} has no operation ${name}.`);
  return operation;
}

/** PutEvents succeeds also when entries fail; the integration does not ("EventBridge.FailedEntry"). */
function eventsResult(ctx: Context, result: Json): Json {
  const failed = memberOf(result, 'FailedEntryCount');
  if (typeof failed === 'number' && failed > 0) throw new StateError('EventBridge.FailedEntry', jsonText(result));
  return withMetadata(ctx, result);
}

type Failing = (error: AwsError) => StateError;

async function perform(
  ctx: Context,
  service: Optimised['service'],
  operation: OperationModel,
  parameters: Json,
  failing: Failing,
): Promise<Json> {
  let input: Shape;
  try {
    input = toInput(operation.input, parameters);
  } catch (error) {
    if (!(error instanceof ParameterError)) throw error;
    throw new StateError(
      'States.Runtime',
      `The Parameters '${jsonText(parameters)}' could not be used to start the Task: [${error.message}]`,
    );
  }
  const missing = operation.requiredMembers.filter((name) => input[name] === undefined);
  if (missing.length > 0) {
    const [name = ''] = missing;
    throw failing(
      new AwsError(
        'ValidationException',
        `1 validation error detected: Value null at '${name.charAt(0).toLowerCase()}${name.slice(1)}' failed to satisfy constraint: Member must not be null`,
      ),
    );
  }
  const client = ctx.call(service) as unknown as Record<string, (input: Shape) => Promise<Shape>>;
  const method = `${operation.name.charAt(0).toLowerCase()}${operation.name.slice(1)}`;
  try {
    const output = await client[method]?.(input);
    return await toResult(operation.output, output ?? {});
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw failing(error);
  }
}

async function callSdk(ctx: Context, resource: { service: string; action: string }, parameters: Json): Promise<Json> {
  const found = await sdkCallOf(resource);
  if (found === undefined)
    throw new StateError('States.Runtime', `The resource aws-sdk:${resource.service}:${resource.action} is not supported.`);
  const { service, operation, client } = found;
  return perform(ctx, service, operation, parameters, (error) => {
    const modelled = operation.errors.has(error.code);
    const name = modelled ? (error.code.endsWith('Exception') ? error.code : `${error.code}Exception`) : `${client}Exception`;
    const extended = client === 'S3' ? `, Extended Request ID: ${ctx.uuid()}` : '';
    return new StateError(
      `${client}.${name}`,
      `${error.message} (Service: ${client}, Status Code: ${error.status}, Request ID: ${ctx.uuid()}${extended})`,
    );
  });
}

/** Errors of optimised integrations, which AWS built on the first SDK for Java. */
function firstGeneration(ctx: Context, { errors, client, service }: Optimised): Failing {
  return (error) => {
    const known =
      service === 'dynamodb' || service === 'sfn' || service === 'lambda'
        ? generic.test(error.code)
        : !/NotFound|DoesNotExist|NonExistent/.test(error.code);
    const name = known ? `${client}Exception` : error.code.endsWith('Exception') ? error.code : `${error.code}Exception`;
    return new StateError(
      `${errors}.${name}`,
      `${error.message} (Service: ${client}; Status Code: ${error.status}; Error Code: ${error.code}; Request ID: ${ctx.uuid()}; Proxy: null)`,
    );
  };
}

/** Codes without a class of their own. */
const generic =
  /^(AccessDenied|AccessDeniedException|ValidationException|ValidationError|InternalFailure|NotImplemented|MissingParameter|InvalidParameterValue)$/;

/** What optimised integrations add to a result of the first SDK. */
function withMetadata(ctx: Context, result: Json, status = 200): Json {
  const id = ctx.uuid();
  return {
    ...(isObject(result) ? result : {}),
    SdkHttpMetadata: {
      AllHttpHeaders: { 'x-amzn-RequestId': [id] },
      HttpHeaders: { 'x-amzn-RequestId': id },
      HttpStatusCode: status,
    },
    SdkResponseMetadata: { RequestId: id },
  };
}

/** `lambda:invoke`, and a function as the resource itself. A function's own error is the task's. */
async function invokeFunction(ctx: Context, parameters: Json): Promise<Json> {
  const failing = firstGeneration(ctx, {
    service: 'lambda',
    operation: 'Invoke',
    errors: 'Lambda',
    client: 'AWSLambda',
    patterns: [],
  });
  const payload = memberOf(parameters, 'Payload');
  const operation = await operationOf('lambda', 'Invoke');
  const input = { ...(isObject(parameters) ? parameters : {}), ...(payload === undefined ? {} : { Payload: jsonText(payload) }) };
  const result = await perform(ctx, 'lambda', operation, input, failing);
  const text = memberOf(result, 'Payload');
  const body = typeof text === 'string' && text !== '' ? parsed(text) : {};
  if (memberOf(result, 'FunctionError') !== undefined) {
    const type = memberOf(body, 'errorType');
    throw new StateError(typeof type === 'string' && type !== '' ? type : 'Lambda.Unknown', jsonText(body));
  }
  const { Payload: _payload, ...rest } = isObject(result) ? result : {};
  return withMetadata(ctx, { ...rest, Payload: body });
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
