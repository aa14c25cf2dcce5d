/** The packed authorisation data is what the package says, and the tool notices when it is not. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { generateIam } from '../../tools/generate-iam/generate-iam.ts';

describe('generateIam', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('finds the committed files fresh', async () => {
    const errors = vi.spyOn(console, 'error').mockReturnValue();
    expect(await generateIam(['--check'])).toBe(0);
    expect(errors).not.toHaveBeenCalled();
  });

  it('finds changed, missing and superfluous files, and puts them right', async () => {
    const errors = vi.spyOn(console, 'error').mockReturnValue();
    vi.spyOn(console, 'log').mockReturnValue();
    const root = await mkdtemp(join(tmpdir(), 'pilvi-iam-'));
    const file = (name: string): string => join(root, 'models', 'iam', name);
    try {
      expect(await generateIam([], root)).toBe(0);
      const names = await readdir(file('.'));
      const sqs = await readFile(file('sqs.json'), 'utf8');
      await writeFile(file('sqs.json'), sqs.replace('Write', 'Read'));
      await rm(file('sns.json'));
      await writeFile(file('nosuchservice.json'), '{}');
      expect(await generateIam(['--check'], root)).toBe(1);
      const said = errors.mock.calls.flat().join('\n');
      for (const name of ['sqs.json', 'sns.json', 'nosuchservice.json']) expect(said).toContain(name);
      expect(errors).toHaveBeenCalledTimes(3);
      expect(await generateIam([], root)).toBe(0);
      expect(await generateIam(['--check'], root)).toBe(0);
      expect(await readdir(file('.'))).toEqual(names);
      expect(await readFile(file('sqs.json'), 'utf8')).toBe(sqs);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
