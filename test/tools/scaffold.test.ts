import { expect, test } from 'vitest';
import { SourceFile } from '../../tools/check/tree.ts';
import {
  addHandler,
  addToIndex,
  addToList,
  fileOf,
  handlersSource,
  type NewOperation,
  serviceSource,
  testSource,
} from '../../tools/new/scaffold.ts';

const send: NewOperation = {
  service: 'sqs',
  operation: 'SendMessage',
  client: 'SQS',
  required: ['QueueUrl', 'MessageBody'],
  optional: ['DelaySeconds'],
};

test.each([
  ['SendMessage', 'messages'],
  ['CreateAccessKey', 'access-keys'],
  ['DeletePolicy', 'policies'],
  ['CreateVPNGateway', 'vpn-gateways'],
  ['DescribeInstances', 'instances'],
  ['ModifyAddress', 'addresses'],
])('%s goes into %s', (operation, file) => {
  expect(fileOf(operation)).toBe(file);
});

test('a service goes into the list, once', () => {
  const list =
    "export const services: readonly ServiceEntry[] = [\n  { name: 'iam', load: () => import('./iam/index.ts') },\n];\n";
  const added = addToList(list, 'sqs');
  expect(added).toContain("  { name: 'sqs', load: () => import('./sqs/index.ts') },\n];");
  expect(addToList(added, 'sqs')).toBe(added);
});

test('handlers: refuse what is not implemented, and fail until written', () => {
  const text = addHandler(handlersSource(send, 'messages'), send);
  expect(new SourceFile('src/services/sqs/messages.ts', text).broken).toBeUndefined();
  expect(text).toContain('export const messageHandlers: HandlersOf<SQS> = {');
  expect(text).toContain("throw parameterNotImplemented('SendMessage', parameter)");
  expect(text).toContain("throw new Error('SendMessage is not written.')");
  expect(text).toContain("import { parameterNotImplemented } from '../../kernel/errors.ts';");
  const plain = addHandler(handlersSource(send, 'messages'), { ...send, optional: [] });
  expect(plain).not.toContain('parameterNotImplemented');
  expect(addHandler(plain, { ...send, operation: 'ReadMessage' })).toContain('import { parameterNotImplemented }');
  const both = addHandler(text, { ...send, operation: 'DeleteMessage' });
  expect(both.indexOf('async DeleteMessage')).toBeGreaterThan(both.indexOf('async SendMessage'));
  expect(() => addHandler(both, send)).toThrow('SendMessage is there already');
});

test('the service takes the handlers of each file once', () => {
  const one = addToIndex(serviceSource('sqs'), 'messages');
  const two = addToIndex(addToIndex(one, 'access/queue-policies'), 'messages');
  expect(new SourceFile('src/services/sqs/index.ts', two).broken).toBeUndefined();
  expect(two).toContain("import { queuePolicyHandlers } from './access/queue-policies.ts';");
  expect(two).toMatch(/handlers: \{\n {4}\.\.\.messageHandlers,\n {4}\.\.\.queuePolicyHandlers,\n {2}\},/);
});

test('the tests are TypeScript', () => {
  const text = testSource(send, 'messages', true) + testSource({ ...send, operation: 'DeleteMessage' }, 'messages', false);
  expect(new SourceFile('test/services/sqs/messages.test.ts', text).broken).toBeUndefined();
  expect(text.match(/import \{ SQS \}/g)).toHaveLength(1);
  expect(text.match(/^test\(/gm)).toHaveLength(4);
});
