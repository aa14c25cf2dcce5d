/**
 * Services that clients of different ages and languages address in different protocols. The official JavaScript client is made to speak each of
 * them: CBOR (Go, botocore), the former query protocol (older clients of SQS and CloudWatch), both versions of JSON.
 */
import { AwsJson1_0Protocol, AwsJson1_1Protocol, AwsQueryProtocol, AwsSmithyRpcV2CborProtocol } from '@aws-sdk/core/protocols';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Protocol } from '../../src/model/types.ts';
import { loadIndex, loadModel } from '../../src/model/wire.ts';
import { loadClient, proveService } from './official-clients.ts';
import { startWireServer, type WireServer } from './wire-server.ts';

let server: WireServer;

beforeAll(async () => {
  server = await startWireServer(await loadIndex());
});

afterAll(() => server.close());

const cases: readonly (readonly [string, Protocol, unknown])[] = [
  ['cloudwatch', 'rpcv2Cbor', AwsSmithyRpcV2CborProtocol],
  ['compute-optimizer', 'rpcv2Cbor', AwsSmithyRpcV2CborProtocol],
  ['dynamodb', 'rpcv2Cbor', AwsSmithyRpcV2CborProtocol],
  ['kms', 'rpcv2Cbor', AwsSmithyRpcV2CborProtocol],
  ['sqs', 'rpcv2Cbor', AwsSmithyRpcV2CborProtocol],
  ['cloudwatch', 'awsQuery', AwsQueryProtocol],
  ['sqs', 'awsQuery', AwsQueryProtocol],
  ['cloudwatch', 'awsJson1_1', AwsJson1_1Protocol],
  ['kms', 'awsJson1_0', AwsJson1_0Protocol],
];

describe('a service answers in each protocol that a client speaks to it', () => {
  test.each(cases)('%s in %s', { timeout: 120_000 }, async (service, name, use) => {
    const { entry, operationNames } = await loadModel(service);
    const settings = {
      defaultNamespace: entry.namespace,
      errorTypeRegistries: loadClient(service).module['errorTypeRegistries'],
      serviceTarget: entry.targetPrefix,
      version: entry.apiVersion,
      xmlNamespace: entry.xmlNamespace,
      ...(entry.queryCompatible === true && { awsQueryCompatible: true }),
    };
    const { operations, problems } = await proveService({ service, server, protocol: { use, name, settings } });
    expect(problems).toEqual([]);
    expect(operations).toBe(operationNames.length);
  });
});
