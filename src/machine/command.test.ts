import { expect, test } from 'vitest';
import { PilviError } from '../base/errors.ts';
import { CommandFailure, formatCommandLine, runCommand, tryCommand } from './command.ts';

async function failureOf(running: Promise<unknown>): Promise<PilviError> {
  const error = await running.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PilviError);
  return error as PilviError;
}

test('gives what a program printed, and its input', async () => {
  const { status, stdout, stdoutBytes } = await runCommand(['cat'], { input: 'häl' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: 'häl' });
  expect(stdoutBytes).toHaveLength(4);
});

test('a failure carries command line, status and both outputs', async () => {
  const error = await failureOf(runCommand(['sh', '-c', 'echo out; echo bad luck >&2; exit 3']));
  expect(error.code).toBe('CommandFailed');
  expect(error.message).toContain('ended with status 3: bad luck');
  const cause = error.cause as CommandFailure;
  expect(cause).toBeInstanceOf(CommandFailure);
  expect(cause).toMatchObject({ status: 3, signal: null, stdout: 'out\n', stderr: 'bad luck\n' });
  expect(cause.argv[0]).toBe('sh');
  expect((await tryCommand(['false'])).status).toBe(1);
});

test('a program that takes too long or prints too much is ended', async () => {
  const slow = await failureOf(tryCommand(['sleep', '10'], { timeoutMs: 30 }));
  expect(slow.message).toContain('took longer than 30 ms');
  const loud = await failureOf(tryCommand(['yes'], { outputBytesMax: 1000 }));
  expect(loud.message).toContain('printed more than 1000 bytes');
  expect((loud.cause as CommandFailure).signal).toBe('SIGKILL');
});

test('a program that is missing has its own code', async () => {
  expect((await failureOf(runCommand(['pilvi-no-such-program']))).code).toBe('ProgramMissing');
  expect((await failureOf(runCommand(['/nowhere/program']))).code).toBe('ProgramMissing');
});

test('a program that does not read its input is no error', async () => {
  expect((await runCommand(['true'], { input: 'x'.repeat(1_000_000) })).status).toBe(0);
});

test('programs do not see this process’s environment, only what they are given', async () => {
  const { stdout } = await runCommand(['env'], { env: { GIVEN: 'yes' } });
  expect(stdout).toContain('GIVEN=yes\n');
  expect(stdout).not.toContain('VITEST');
});

test('command lines are shown as one would type them', () => {
  expect(formatCommandLine(['ip', 'link', 'a b', "it's"])).toBe("ip link 'a b' 'it'\\''s'");
});
