import { Lambda } from '@aws-sdk/client-lambda';
import { expect, test } from 'vitest';
import { freshAccount, machinesRefused, refused } from '../../support/cloud.ts';
import { ask, serverless } from './support.ts';
import { zipOf } from '../../support/zip.ts';

test('layers are shown at /opt, the last one on top, and found by imports', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const { account, lambda, make, call, settled } = await serverless();
  const publish = async (LayerName: string, files: Record<string, string>) => {
    const made = await lambda.publishLayerVersion({
      LayerName,
      Content: { ZipFile: zipOf(files) },
      CompatibleRuntimes: ['nodejs20.x'],
    });
    return { arn: made.LayerVersionArn ?? '', made };
  };
  const low = await publish('low', { 'nodejs/node_modules/thing/index.js': 'module.exports = "low";', 'both.txt': 'low' });
  const high = await publish('high', { 'both.txt': 'high', 'python/snake.py': 'word = "snake"\n' });
  expect(low.arn).toBe(`arn:aws:lambda:us-east-1:${account.id}:layer:low:1`);
  expect((await publish('low', { x: 'y' })).made.Version).toBe(2);
  const source =
    "import fs from 'node:fs'; import { createRequire } from 'node:module'; export const handler = async () => [createRequire(import.meta.url)('thing'), fs.readFileSync('/opt/both.txt', 'utf8')];";
  await make('layered', source, { Layers: [low.arn, high.arn] });
  expect((await call('layered')).body).toEqual(['low', 'high']);
  await lambda.updateFunctionConfiguration({ FunctionName: 'layered', Layers: [high.arn, low.arn] });
  await settled('layered');
  expect((await call('layered')).body).toEqual(['low', 'low']);
  await make('snake', 'from snake import word\ndef handler(event, context):\n    return word\n', {
    Runtime: 'python3.12',
    Layers: [high.arn],
  });
  expect((await call('snake')).body).toBe('snake');
  const { Content } = await lambda.getLayerVersion({ LayerName: 'low', VersionNumber: 1 });
  expect((await ask(Content?.Location ?? '')).headers['content-length']).toBe(String(Content?.CodeSize));
  expect(
    (await lambda.listLayers({})).Layers?.map(({ LayerName, LatestMatchingVersion }) => [
      LayerName,
      LatestMatchingVersion?.Version,
    ]),
  ).toEqual([
    ['high', 1],
    ['low', 2],
  ]);
  const other = freshAccount();
  const stranger = new Lambda(other.config());
  await refused(
    stranger.getLayerVersionByArn({ Arn: high.arn }),
    'AccessDeniedException',
    /no resource-based policy allows the lambda:GetLayerVersion action/,
  );
  await lambda.addLayerVersionPermission({
    LayerName: 'high',
    VersionNumber: 1,
    StatementId: 'all',
    Action: 'lambda:GetLayerVersion',
    Principal: '*',
  });
  expect((await stranger.getLayerVersionByArn({ Arn: high.arn })).Version).toBe(1);
  const invalid = 'InvalidParameterValueException';
  const layers = (Layers: string[]) => lambda.updateFunctionConfiguration({ FunctionName: 'layered', Layers });
  await refused(layers([`${low.arn}9`]), invalid, `Layer version ${low.arn}9 does not exist.`);
  await refused(layers(Array.from({ length: 6 }, () => low.arn)), invalid, 'Function can have at most 5 layers.');
  await refused(
    lambda.getLayerVersion({ LayerName: 'none', VersionNumber: 1 }),
    'ResourceNotFoundException',
    'The resource you requested does not exist.',
    404,
  );
});

/** An extension that registers late, and says so in /tmp before it asks for events. */
const late = `#!/usr/bin/env node
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
const base = \`http://\${process.env.AWS_LAMBDA_RUNTIME_API}/2020-01-01/extension\`;
await pause(500);
const registered = await fetch(base + '/register', {
  method: 'POST',
  headers: { 'Lambda-Extension-Name': 'late.mjs' },
  body: JSON.stringify({ events: ['INVOKE'] }),
});
writeFileSync('/tmp/registered', String(registered.status));
const headers = { 'Lambda-Extension-Identifier': registered.headers.get('lambda-extension-identifier') };
for (;;) await (await fetch(base + '/event/next', { headers })).text();
`;

test('the first call waits for the extensions of the layers; one that ends instead is what the call fails with', async (context) => {
  context.skip(machinesRefused() !== undefined, machinesRefused());
  const { lambda, make, call } = await serverless();
  const layer = async (LayerName: string, file: string, text: string) => {
    const ZipFile = zipOf(
      { [`extensions/${file}`]: text, 'extensions/read.me': 'no program' },
      { [`extensions/${file}`]: 0o100755 },
    );
    return (await lambda.publishLayerVersion({ LayerName, Content: { ZipFile } })).LayerVersionArn ?? '';
  };
  const source = "import fs from 'node:fs'; export const handler = async () => fs.readFileSync('/tmp/registered', 'utf8');";
  await make('observed', source, { Layers: [await layer('late', 'late.mjs', late)], MemorySize: 512 });
  expect((await call('observed')).body).toBe('200');
  expect((await call('observed')).body).toBe('200');
  await make('broken', source, { Layers: [await layer('broken', 'broken.sh', '#!/bin/sh\nexit 3\n')], MemorySize: 512 });
  const { error, body } = await call('broken');
  expect({ error, body }).toMatchObject({
    error: 'Unhandled',
    body: { errorType: 'Extension.Crash', errorMessage: expect.stringMatching(/Error: exit status 3$/) },
  });
});
