/** What functions get of their sources: the forms of records, and which of them they want ("Control which events Lambda sends to your function"). */
import type { _Record as StreamRecord } from '@aws-sdk/client-dynamodb-streams';
import type { _Record as KinesisRecord } from '@aws-sdk/client-kinesis';
import type { Message } from '@aws-sdk/client-sqs';
import { compilePattern } from '../../../base/event-pattern.ts';

/** The record of a queue's message ("Using Lambda with Amazon SQS"). */
export function queueRecord(message: Message, sourceArn: string) {
  const attributes = Object.entries(message.MessageAttributes ?? {}).map(([name, value]) => [
    name,
    {
      ...(value.StringValue === undefined ? {} : { stringValue: value.StringValue }),
      ...(value.BinaryValue === undefined ? {} : { binaryValue: Buffer.from(value.BinaryValue).toString('base64') }),
      stringListValues: [],
      binaryListValues: [],
      dataType: value.DataType,
    },
  ]);
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: message.Attributes ?? {},
    messageAttributes: Object.fromEntries(attributes) as Record<string, unknown>,
    ...(message.MD5OfMessageAttributes === undefined ? {} : { md5OfMessageAttributes: message.MD5OfMessageAttributes }),
    md5OfBody: message.MD5OfBody,
    eventSource: 'aws:sqs',
    eventSourceARN: sourceArn,
    awsRegion: sourceArn.split(':')[3],
  };
}

/** The record of a stream ("Using Lambda with Kinesis"). */
export function kinesisRecord(record: KinesisRecord, shard: string, sourceArn: string, role: string) {
  return {
    kinesis: {
      kinesisSchemaVersion: '1.0',
      partitionKey: record.PartitionKey,
      sequenceNumber: record.SequenceNumber,
      data: Buffer.from(record.Data ?? new Uint8Array()).toString('base64'),
      approximateArrivalTimestamp: (record.ApproximateArrivalTimestamp?.getTime() ?? 0) / 1000,
    },
    eventSource: 'aws:kinesis',
    eventVersion: '1.0',
    eventID: `${shard}:${record.SequenceNumber}`,
    eventName: 'aws:kinesis:record',
    invokeIdentityArn: role,
    awsRegion: sourceArn.split(':')[3],
    eventSourceARN: sourceArn,
  };
}

/** The record of a table's stream ("Using Lambda with DynamoDB"); binary values become base64. */
export function tableRecord({ dynamodb, ...record }: StreamRecord, sourceArn: string) {
  const { ApproximateCreationDateTime: created, ...change } = dynamodb ?? {};
  return {
    eventID: record.eventID,
    eventName: record.eventName,
    eventVersion: record.eventVersion ?? '1.1',
    eventSource: 'aws:dynamodb',
    awsRegion: record.awsRegion,
    dynamodb: { ApproximateCreationDateTime: Math.floor((created?.getTime() ?? 0) / 1000), ...(plain(change) as object) },
    ...(record.userIdentity === undefined
      ? {}
      : { userIdentity: { principalId: record.userIdentity.PrincipalId, type: record.userIdentity.Type } }),
    eventSourceARN: sourceArn,
  };
}

/** A value with bytes as base64. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

/** Whether a record passes any of the filters; with none all do. Bodies and data that are JSON are looked into. */
export function filterOf(patterns: readonly string[]): (record: object) => boolean {
  if (patterns.length === 0) return () => true;
  const compiled = patterns.map((pattern) => compilePattern(pattern));
  return (record) => compiled.some((matches) => matches(opened(record)));
}

function opened(record: object): unknown {
  const { body, kinesis } = record as { body?: unknown; kinesis?: { data: string } };
  if (typeof body === 'string') return { ...record, body: parsed(body) };
  if (kinesis === undefined) return record;
  return { ...record, data: parsed(Buffer.from(kinesis.data, 'base64').toString('utf8')) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
