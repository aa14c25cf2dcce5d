/** Which integrations there are: the optimised ones of this cloud, and every operation of every service's model. Source: "Integrating services". */
import type { OperationModel } from '../../../model/service-model.ts';
import { loadIndex, loadModel } from '../../../model/wire.ts';
import type { ServiceClients } from '../../../kernel/clients.generated.ts';
import type { Pattern, Resource } from '../resources.ts';

export interface Optimised {
  /** Pilvi's name of the service called. */
  service: keyof ServiceClients;
  operation: string;
  /** Before the dot of error names, and the service in their causes. */
  errors: string;
  client: string;
  patterns: readonly Pattern[];
}

const callback: readonly Pattern[] = ['response', 'token'];
const dynamo = (operation: string): Optimised => ({
  service: 'dynamodb',
  operation,
  errors: 'DynamoDB',
  client: 'AmazonDynamoDB',
  patterns: ['response'],
});

const optimised: Readonly<Record<string, Optimised>> = {
  'lambda:invoke': { service: 'lambda', operation: 'Invoke', errors: 'Lambda', client: 'AWSLambda', patterns: callback },
  'sqs:sendMessage': { service: 'sqs', operation: 'SendMessage', errors: 'SQS', client: 'AmazonSQS', patterns: callback },
  'sns:publish': { service: 'sns', operation: 'Publish', errors: 'SNS', client: 'AmazonSNS', patterns: callback },
  'dynamodb:getItem': dynamo('GetItem'),
  'dynamodb:putItem': dynamo('PutItem'),
  'dynamodb:updateItem': dynamo('UpdateItem'),
  'dynamodb:deleteItem': dynamo('DeleteItem'),
  'events:putEvents': {
    service: 'eventbridge',
    operation: 'PutEvents',
    errors: 'EventBridge',
    client: 'AmazonEventBridge',
    patterns: callback,
  },
  'states:startExecution': {
    service: 'sfn',
    operation: 'StartExecution',
    errors: 'StepFunctions',
    client: 'AWSStepFunctions',
    patterns: ['response', 'sync', 'sync:2', 'token'],
  },
};

/** The optimised integration of a resource; undefined when there is none. */
export function optimisedOf({ sdk, service, action }: Extract<Resource, { kind: 'service' }>): Optimised | undefined {
  const key = `${service}:${action}`;
  return !sdk && Object.hasOwn(optimised, key) ? optimised[key] : undefined;
}

/** What an SDK integration calls. */
export interface SdkCall {
  service: keyof ServiceClients;
  /** The service in error names, as the SDK for Java spells it: `DynamoDb`. */
  client: string;
  operation: OperationModel;
}

/** Service names as SDK integrations spell them, to Pilvi's: rebuilt from the index of models. */
const namesCache = new Map<string, { name: string; client: string }>();

async function serviceNames(): Promise<ReadonlyMap<string, { name: string; client: string }>> {
  if (namesCache.size > 0) return namesCache;
  const { entries } = await loadIndex();
  // Services that share an endpoint come after the one that answers.
  for (const { name, serviceId } of entries) {
    const spelled = serviceId.replace(/[^A-Za-z0-9]/g, '').toLowerCase();
    if (!namesCache.has(spelled)) namesCache.set(spelled, { name, client: javaName(serviceId) });
  }
  return namesCache;
}

/** `DynamoDB` → `DynamoDb`, `CloudWatch Logs` → `CloudWatchLogs`, `EC2` → `Ec2`. */
function javaName(serviceId: string): string {
  const words = serviceId.match(/[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z]+[0-9]*|[0-9]+/g) ?? [];
  return words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1).toLowerCase()}`).join('');
}

/** What `aws-sdk:service:action` calls; undefined when no model has it. */
export async function sdkCallOf({ service, action }: { service: string; action: string }): Promise<SdkCall | undefined> {
  const found = (await serviceNames()).get(service);
  if (found === undefined || !/^[a-z]/.test(action)) return undefined;
  const model = await loadModel(found.name);
  const operation = model.operation(`${action.charAt(0).toUpperCase()}${action.slice(1)}`);
  if (operation === undefined || operation.isEventStream) return undefined;
  return { service: found.name as keyof ServiceClients, client: found.client, operation };
}
