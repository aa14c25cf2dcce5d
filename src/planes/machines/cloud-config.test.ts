import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { planCloudConfig } from './cloud-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'pilvi-cloud-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs what a document compiles to. */
function run(text: string): string {
  const { script, notes } = planCloudConfig(text);
  expect(notes).toEqual([]);
  const { status, stdout, stderr } = spawnSync('sh', [], { input: script ?? '', encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

describe('#cloud-config', () => {
  test('runcmd: text for the shell, lists word by word', () => {
    expect(run(`runcmd:\n - echo $((1 + 2))\n - [echo, "it's", "$HOME"]\n`)).toBe("3\nit's $HOME\n");
  });

  test('write_files: permissions, appending, encodings, missing folders', () => {
    const path = join(folder, 'deep/er/file');
    const packed = gzipSync('packed\n').toString('base64');
    run(`write_files:
  - {path: ${path}, content: "one'\\n", permissions: 0640}
  - {path: ${path}, content: two, append: true, permissions: '0640'}
  - {path: ${path}.packed, content: ${packed}, encoding: gz+b64}
`);
    expect(readFileSync(path, 'utf8')).toBe("one'\ntwo");
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(readFileSync(`${path}.packed`, 'utf8')).toBe('packed\n');
  });

  test('files come before commands, whatever the order of keys', () => {
    const path = join(folder, 'first');
    expect(run(`runcmd: [cat ${path}]\nwrite_files: [{path: ${path}, content: there}]\n`)).toBe('there');
  });

  test('bootcmd is apart, because it runs at every boot', () => {
    expect(planCloudConfig('bootcmd: [echo again]')).toEqual({
      bootScript: '#!/bin/sh\necho again\n',
      script: undefined,
      notes: [],
    });
  });

  test('packages ask the machine’s package manager', () => {
    const { script } = planCloudConfig('package_update: true\npackages: [httpd, "a b"]\n');
    expect(script).toMatch(/install_packages update\ninstall_packages install 'httpd' 'a b'\n$/);
    expect(planCloudConfig('runcmd: [x]').script).not.toContain('install_packages');
  });

  test('what is not supported, or wrong, is named', () => {
    expect(planCloudConfig('snap: {}\nruncmd: [true]').notes).toEqual([
      'The #cloud-config key snap is not supported and was skipped.',
    ]);
    expect(planCloudConfig('write_files: [{content: x}]').notes[0]).toContain('no path');
    expect(planCloudConfig('timezone: "x; rm"').notes[0]).toContain('no time zone');
    expect(planCloudConfig('a: [').notes[0]).toContain('cannot be read');
    expect(planCloudConfig('just text').notes[0]).toContain('not a list of keys');
  });
});
