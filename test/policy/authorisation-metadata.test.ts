/**
 * Every implemented operation says which resources it is authorised on, where AWS's service authorisation data knows any: checked on `*` instead, a
 * deny that names a resource would never match.
 */
import { expect, test } from 'vitest';
import { resourcePatterns } from '../../src/kernel/policy/authorisation.ts';
import { actionOf } from '../../src/kernel/policy/operations.ts';
import type { ServiceDefinition } from '../../src/kernel/service.ts';
import { services } from '../../src/services/index.ts';

test.each(services.map((entry) => [entry.name, entry] as const))('%s: operations on resources name them', async (name, entry) => {
  const definition = (await entry.load()).default as ServiceDefinition;
  const told = new Set(Object.keys(definition.authorise ?? {}));
  const silent: string[] = [];
  for (const operation of Object.keys(definition.handlers)) {
    if (!told.has(operation) && (await resourcePatterns(actionOf(name, operation))).length > 0) silent.push(operation);
  }
  expect(silent).toEqual([]);
});
