/** First-class integrations of HTTP APIs: one action of a service each, with its parameters by name ("Integration subtype reference"). */

export interface Subtype {
  service: string;
  operation: string;
  required: readonly string[];
  /** The operation's input from the parameters' values. */
  input: (values: Readonly<Record<string, string>>) => Record<string, unknown>;
}

const json = (text: string | undefined): unknown => (text === undefined ? undefined : JSON.parse(text));
const numeric = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));

/** By name, as `SQS-SendMessage`. */
export const subtypes: Readonly<Record<string, Subtype>> = {
  'EventBridge-PutEvents': {
    service: 'eventbridge',
    operation: 'putEvents',
    required: ['Detail', 'DetailType', 'Source'],
    input: ({ Detail, DetailType, Source, Time, EventBusName, Resources, TraceHeader }) => ({
      Entries: [
        {
          ...{ Detail, DetailType, Source, EventBusName, TraceHeader },
          Time: Time === undefined ? undefined : new Date(Time),
          Resources: json(Resources),
        },
      ],
    }),
  },
  'SQS-SendMessage': {
    service: 'sqs',
    operation: 'sendMessage',
    required: ['QueueUrl', 'MessageBody'],
    input: ({ DelaySeconds, MessageAttributes, MessageSystemAttributes, Region: _region, ...rest }) => ({
      ...rest,
      DelaySeconds: numeric(DelaySeconds),
      MessageAttributes: json(MessageAttributes),
      MessageSystemAttributes: json(MessageSystemAttributes),
    }),
  },
  'SQS-ReceiveMessage': {
    service: 'sqs',
    operation: 'receiveMessage',
    required: ['QueueUrl'],
    input: ({
      QueueUrl,
      MaxNumberOfMessages,
      VisibilityTimeout,
      WaitTimeSeconds,
      AttributeNames,
      MessageAttributeNames,
      ReceiveRequestAttemptId,
    }) => ({
      ...{ QueueUrl, ReceiveRequestAttemptId },
      MaxNumberOfMessages: numeric(MaxNumberOfMessages),
      VisibilityTimeout: numeric(VisibilityTimeout),
      WaitTimeSeconds: numeric(WaitTimeSeconds),
      AttributeNames: json(AttributeNames),
      MessageAttributeNames: json(MessageAttributeNames),
    }),
  },
  'SQS-DeleteMessage': {
    service: 'sqs',
    operation: 'deleteMessage',
    required: ['QueueUrl', 'ReceiptHandle'],
    input: ({ QueueUrl, ReceiptHandle }) => ({ QueueUrl, ReceiptHandle }),
  },
  'SQS-PurgeQueue': {
    service: 'sqs',
    operation: 'purgeQueue',
    required: ['QueueUrl'],
    input: ({ QueueUrl }) => ({ QueueUrl }),
  },
  'Kinesis-PutRecord': {
    service: 'kinesis',
    operation: 'putRecord',
    required: ['StreamName', 'Data', 'PartitionKey'],
    input: ({ Data = '', Region: _region, ...rest }) => ({ ...rest, Data: Buffer.from(Data, 'utf8') }),
  },
  'StepFunctions-StartExecution': {
    service: 'sfn',
    operation: 'startExecution',
    required: ['StateMachineArn'],
    input: ({ StateMachineArn, Name, Input }) => ({ stateMachineArn: StateMachineArn, name: Name, input: Input }),
  },
  'StepFunctions-StartSyncExecution': {
    service: 'sfn',
    operation: 'startSyncExecution',
    required: ['StateMachineArn'],
    input: ({ StateMachineArn, Name, Input }) => ({ stateMachineArn: StateMachineArn, name: Name, input: Input }),
  },
  'StepFunctions-StopExecution': {
    service: 'sfn',
    operation: 'stopExecution',
    required: ['ExecutionArn'],
    input: ({ ExecutionArn, Cause, Error: error }) => ({ executionArn: ExecutionArn, cause: Cause, error }),
  },
};
