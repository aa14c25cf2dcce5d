/** Output of commands in buckets and log groups, put there by the instance's role. Source: User Guide, "Configuring … output", SendCommand. */
import { AwsError } from '../../../kernel/errors.ts';
import type { Context } from '../../../kernel/context.ts';
import type { AgentFacts } from '../../ec2/api.ts';
import { agentIdentity } from '../agent/nodes.ts';
import { outputFolder } from './rules.ts';
import type { CommandRow, InvocationRow, PluginRow } from './state.ts';

/** Events of one PutLogEvents call, well below its limit. */
const linesPerCall = 1000;

interface Output {
  facts: AgentFacts;
  plugin: PluginRow;
  stdout: string;
  stderr: string;
}

/** Puts both streams where the command says. What the role may not do does not fail the command, as with AWS's agent. */
export async function deliverOutput(ctx: Context, command: CommandRow, invocation: InvocationRow, output: Output): Promise<void> {
  if (command.bucket === undefined && command.logGroup === undefined) return;
  const agent = await agentIdentity(ctx, output.facts);
  if (agent === undefined) return;
  const as = ctx.asIdentity(agent.identity);
  for (const stream of ['stdout', 'stderr'] as const) {
    if (output[stream] === '') continue;
    const base = `${command.id}/${invocation.instance}`;
    try {
      if (command.bucket !== undefined) {
        const path = `${base}/${outputFolder(output.plugin.name, output.plugin.action)}/${stream}`;
        const Key = command.bucket.prefix === '' ? path : `${command.bucket.prefix}/${path}`;
        await as.call('s3').putObject({ Bucket: command.bucket.name, Key, Body: output[stream] });
      }
      if (command.logGroup !== undefined)
        await log(as, command.logGroup, `${base}/${logName(output.plugin)}/${stream}`, output[stream]);
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      ctx.trace(`The output of ${command.id} was not delivered: ${error.message}`);
    }
  }
}

/** `aws-runShellScript`, or the name of the step. */
function logName({ name, action }: PluginRow): string {
  return name === action ? action.replaceAll(':', '-') : name;
}

async function log(as: Context, logGroupName: string, logStreamName: string, text: string): Promise<void> {
  const logs = as.call('cloudwatch-logs');
  const unlessThere = (error: unknown) => {
    if (!(error instanceof AwsError) || error.code !== 'ResourceAlreadyExistsException') throw error;
  };
  await logs.createLogGroup({ logGroupName }).catch(unlessThere);
  await logs.createLogStream({ logGroupName, logStreamName }).catch(unlessThere);
  const timestamp = as.clock.now();
  const lines = text
    .replace(/\n$/, '')
    .split('\n')
    .filter((line) => line !== '');
  for (let at = 0; at < lines.length; at += linesPerCall) {
    const logEvents = lines.slice(at, at + linesPerCall).map((message) => ({ timestamp, message }));
    await logs.putLogEvents({ logGroupName, logStreamName, logEvents });
  }
}
