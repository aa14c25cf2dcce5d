import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { planUserData } from './user-data.ts';

const script = '#!/bin/sh\necho hello\n';

function texts(userData: string | Uint8Array): string[] {
  return planUserData(Buffer.from(userData)).parts.map((part) => Buffer.from(part.content).toString());
}

describe('user data', () => {
  test('none is nothing to do', () => {
    expect(planUserData(undefined)).toEqual({ parts: [], notes: [] });
    expect(planUserData(new Uint8Array())).toEqual({ parts: [], notes: [] });
  });

  test('a script is taken as it is, compressed or not', () => {
    expect(texts(script)).toEqual([script]);
    expect(texts(gzipSync(script))).toEqual([script]);
  });

  test('what is not understood is named, not run', () => {
    const plan = planUserData(Buffer.from('echo no shebang\n'));
    expect(plan.parts).toEqual([]);
    expect(plan.notes[0]).toContain('"echo no shebang"');
    expect(planUserData(Buffer.from([0x1f, 0x8b, 1, 2, 3])).notes[0]).toContain('cannot be read');
  });

  test('multipart: each part by its type, in order', () => {
    const lines = [
      'Content-Type: multipart/mixed; boundary="==B=="',
      'MIME-Version: 1.0',
      '',
      '--==B==',
      'Content-Type: text/cloud-config; charset="us-ascii"',
      '',
      'runcmd: [echo one]',
      '--==B==',
      'Content-Type: text/x-shellscript; charset="utf-8"',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(script).toString('base64'),
      '--==B==',
      'Content-Type: text/part-handler',
      '',
      'def handle(): pass',
      '--==B==--',
      '',
    ];
    for (const end of ['\n', '\r\n']) {
      const plan = planUserData(Buffer.from(lines.join(end)));
      expect(plan.parts.map((part) => part.name)).toEqual(['part-001-cloud-config', 'part-002']);
      expect(Buffer.from(plan.parts[1]?.content ?? '').toString()).toBe(script);
      expect(plan.notes).toEqual([expect.stringContaining('def handle')]);
    }
  });
});
