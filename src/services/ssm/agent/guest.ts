/**
 * The agent's hands: scripts that run on an instance as root, as the agent of the provider's images does, with its folders ("Understanding command
 * outputs", /var/lib/amazon/ssm). The platform enters the machine by the machines plane, never over the network. A script is started apart from
 * whoever waits, so that it lives on when nobody does, and its output lies in files, so that no amount of it harms the cloud.
 */
import type { Context } from '../../../kernel/context.ts';

/** Characters of output that GetCommandInvocation keeps ("first 24,000 characters", "first 8,000 characters"). */
export const stdoutCharsMax = 24_000;
export const stderrCharsMax = 8_000;
/** Bytes of one stream that go to a bucket or a log group. */
const deliveredBytesMax = 2_500_000;

/** Puts the script of standard input into folder $1 and runs it in folder $2, in a session of its own. */
const startScript = `
(umask 077; mkdir -p "$1" && cat >"$1/_script.sh" && chmod 700 "$1/_script.sh") || exit 1
cd "$2" 2>"$1/stderr" || { echo 1 >"$1/status"; exit 0; }
setsid sh -c 'echo $$ >"$0/pid"; sh -c "$0/_script.sh" >"$0/stdout" 2>"$0/stderr" </dev/null; echo $? >"$0/status.new"; mv "$0/status.new" "$0/status"' "$1" >/dev/null 2>&1 </dev/null &
`;
/** Prints the exit status of the script in folder $1 once it has ended; exits with 75 when it still runs after nine minutes, 76 when it was killed. */
const waitScript = `
i=0
while [ ! -e "$1/status" ]; do
  [ $i -lt 1100 ] || exit 75
  if [ -e "$1/pid" ] && ! kill -0 "$(cat "$1/pid")" 2>/dev/null && [ ! -e "$1/status" ]; then exit 76; fi
  [ $i -lt 20 ] && sleep 0.05 || sleep 0.5
  i=$((i + 1))
done
cat "$1/status"
`;
const stillRuns = 75;
/** What the shell says of a command that SIGKILL ended. */
const killedStatus = 137;

const decoder = new TextDecoder();

/** Runs argv in the machine of an instance. Throws PilviError when it does not run. */
export async function execIn(ctx: Context, machine: string, argv: readonly string[], input?: Uint8Array) {
  const { status, stdout, stderr } = await ctx.part('machines').exec(machine, argv, input);
  return { status, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Starts a script in its folder. Throws when the machine does not run, or has no room. */
export async function startInGuest(
  ctx: Context,
  machine: string,
  { folder, workingDirectory, script }: { folder: string; workingDirectory: string; script: string },
): Promise<void> {
  const started = await execIn(ctx, machine, ['sh', '-c', startScript, 'sh', folder, workingDirectory], Buffer.from(script));
  if (started.status !== 0) throw new Error(`The script could not be started: ${started.stderr}`);
}

/** Resolves with the exit status once a script has ended. Throws when the machine does not run any more. */
export async function waitInGuest(ctx: Context, machine: string, folder: string): Promise<number> {
  for (;;) {
    const { status, stdout } = await execIn(ctx, machine, ['sh', '-c', waitScript, 'sh', folder]);
    if (status === stillRuns) continue;
    return status === 0 ? Number(stdout.trim()) : killedStatus;
  }
}

/** Kills a script with all that it started. Safe to repeat. */
export async function killInGuest(ctx: Context, machine: string, folder: string): Promise<void> {
  await execIn(ctx, machine, ['sh', '-c', '[ -e "$1/pid" ] && kill -KILL "-$(cat "$1/pid")"; true', 'sh', folder]);
}

/** The beginning of one of a script's two streams, at most so many bytes. */
export async function readOutput(
  ctx: Context,
  machine: string,
  folder: string,
  stream: 'stdout' | 'stderr',
  bytesMax: number = deliveredBytesMax,
): Promise<string> {
  const argv = ['head', '-c', String(bytesMax), `${folder}/${stream}`];
  const { status, stdout } = await execIn(ctx, machine, argv);
  return status === 0 ? stdout : '';
}
