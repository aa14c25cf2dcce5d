import { describe, expect, test } from 'vitest';
import { layers } from '../../tools/check/layers.ts';
import { findingsOf } from './rules.ts';

const manifest = JSON.stringify({ dependencies: { lmdb: '1', 'fast-xml': '1' } });

function findings(path: string, text: string): Promise<string[]> {
  return findingsOf(layers, { [path]: text, 'package.json': manifest });
}

describe('imports that are right', () => {
  test.each([
    ['downwards', 'src/kernel/a.ts', "import { b } from '../planes/fabric/b.ts';"],
    ['inside a layer', 'src/kernel/a.ts', "import { b } from './policy/b.ts';"],
    ['inside a service', 'src/services/ec2/vpc/a.ts', "import { b } from '../rules.ts';"],
    ['the list of services', 'src/services/index.ts', "import ec2 from './ec2/index.ts';"],
    ['types of another service from its api.ts', 'src/services/iam/a.ts', "import type { B } from '../sts/api.ts';"],
    ['the command starts the program', 'src/cli/pilvi.ts', "import { boot } from '../boot.ts';"],
    ['boot knows the driver of the store', 'src/boot.ts', "import { open } from './store/lmdb/open.ts';"],
    ['a test of the kernel on a real store', 'src/kernel/a.test.ts', "import { open } from '../store/lmdb/open.ts';"],
    ['a package that ships', 'src/base/a.ts', "import x from 'fast-xml/parser';"],
    ['the driver in its home', 'src/store/lmdb/a.ts', "import { open } from 'lmdb';"],
    ['types of a package that does not ship', 'src/services/sts/a.ts', "import type { X } from '@aws-sdk/client-sts';"],
    ['anything in a test beside the source', 'src/base/a.test.ts', "import { test } from 'vitest';"],
    ['support in a behaviour test', 'test/services/iam/a.test.ts', "import { cloud } from '../../support/cloud.ts';"],
  ])('%s', async (_, path, text) => {
    expect(await findings(path, text)).toEqual([]);
  });
});

describe('imports that are wrong', () => {
  test.each([
    ['upwards', 'src/base/a.ts', "import { b } from '../kernel/b.ts';", 'base must not import kernel'],
    ['upwards as a type', 'src/planes/a.ts', "import type { B } from '../kernel/b.ts';", 'planes must not import kernel'],
    ['between layers of one rank', 'src/store/a.ts', "import { b } from '../model/b.ts';", 'store must not import model'],
    [
      'the gateway knows no service',
      'src/gateway/a.ts',
      "import { b } from '../services/iam/b.ts';",
      'gateway must not import services',
    ],
    [
      'a service and the machine',
      'src/services/ec2/a.ts',
      "import { b } from '../../machine/nft.ts';",
      'never touches the machine',
    ],
    [
      'a service and the driver',
      'src/services/ec2/a.ts',
      "import { b } from '../../store/lmdb/b.ts';",
      'only boot knows the driver',
    ],
    ['another service', 'src/services/iam/a.ts', "import { b } from '../sts/tokens.ts';", "use context.call('sts')"],
    ['values from its api.ts', 'src/services/iam/a.ts', "import { b } from '../sts/api.ts';", "use context.call('sts')"],
    ['a dynamic import is an import', 'src/services/iam/a.ts', "await import('../sts/tokens.ts');", "use context.call('sts')"],
    ['the list from a service', 'src/services/iam/a.ts', "import { b } from '../index.ts';", 'not the other way'],
    ['the command from below', 'src/kernel/a.ts', "import { b } from '../cli/b.ts';", 'kernel must not import cli'],
    ['an unknown layer', 'src/kernel/a.ts', "import { b } from '../helpers/b.ts';", 'no known layer'],
    ['tools from src', 'src/kernel/a.ts', "import { b } from '../../tools/b.ts';", 'nothing outside src/'],
    ['a package that does not ship', 'src/base/a.ts', "import { parse } from 'yaml';", 'yaml does not ship'],
    [
      'a scoped package that does not ship',
      'src/base/a.ts',
      "import { C } from '@aws-sdk/client-s3';",
      '@aws-sdk/client-s3 does not ship',
    ],
    ['the driver outside its home', 'src/kernel/a.ts', "import { open } from 'lmdb';", 'lmdb belongs to src/store/lmdb'],
    ['src in a behaviour test', 'test/scenarios/a.test.ts', "import { b } from '../../src/base/b.ts';", 'black box'],
  ])('%s', async (_, path, text, message) => {
    const found = await findings(path, text);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`${path}:1 `);
    expect(found[0]).toContain(message);
  });
});

describe('words of the planes', () => {
  test('an ARN, a host name of AWS and the ARN helper are found', async () => {
    const found = await findings(
      'src/planes/a.ts',
      "import { arnOf } from '../base/arn.ts';\nexport const a = `arn:aws:x`;\nexport const b = 'x.amazonaws.com';",
    );
    expect(found.map((line) => line.split(' ')[0]).sort()).toEqual([
      'src/planes/a.ts:1',
      'src/planes/a.ts:2',
      'src/planes/a.ts:3',
    ]);
  });

  test('comments may say what a thing is called above', async () => {
    expect(await findings('src/planes/a.ts', "// AWS calls this an arn:aws:…\nexport const warn = 'learn:';")).toEqual([]);
  });
});

test('a suite that tests run may import what does not ship', async () => {
  const text = "import { test } from 'vitest';\nimport fc from 'fast-check';";
  expect(await findings('src/store/store-suite.ts', text)).toEqual([]);
});
