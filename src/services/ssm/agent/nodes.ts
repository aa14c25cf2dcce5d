/**
 * Managed nodes. An instance's agent reports when the instance runs and every five minutes: for real, because it reports only when the instance's role
 * may call ssm:UpdateInstanceInformation and the machine itself reaches the service's endpoint through its network. Which instances have an agent: all
 * Linux ones, because all images boot the host's userland. Sources: User Guide, "Managed node availability", "Checking SSM Agent status".
 */
import { parseArn } from '../../../base/arn.ts';
import { PilviError } from '../../../base/errors.ts';
import type { Identity } from '../../../kernel/caller.ts';
import type { Context, DomainEvent } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import type { Task } from '../../../kernel/service.ts';
import type { AgentFacts, Ec2Api } from '../../ec2/api.ts';
import type { IamApi } from '../../iam/api.ts';
import type { StsApi } from '../../sts/api.ts';
import { Invocations } from '../commands/state.ts';
import { execIn } from './guest.ts';
import { type NodeRow, Nodes } from './state.ts';

const pingMillis = 300_000;
/** An instance with a role that has not reported is tried again sooner, and then ever later up to the above: its role may just have been made. */
const retryMillis = 30_000;

/** Fails when $1 does not answer on port 443; else says what system it is. */
const reportScript = `
timeout 3 bash -c ': </dev/tcp/$0/443' "$1" 2>/dev/null || exit 7
. /etc/os-release
printf '%s\\n' "$NAME" "$VERSION_ID" "$(hostname)"
`;

export function instanceArn(ctx: Context, id: string): string {
  return `arn:aws:ec2:${ctx.region}:${ctx.account}:instance/${id}`;
}

export async function factsOf(ctx: Context, id: string): Promise<AgentFacts | undefined> {
  return (await ctx.internal<Ec2Api>('ec2')).agentFacts(id);
}

/** The identity by which the agent on an instance acts: its role's session, named by the instance; undefined without a role that EC2 may take. */
export async function agentIdentity(
  ctx: Context,
  facts: AgentFacts,
): Promise<{ roleArn: string; identity: Identity } | undefined> {
  const profileName = parseArn(facts.profileArn ?? '')
    ?.resource.split('/')
    .at(-1);
  if (profileName === undefined) return undefined;
  const iam = await ctx.internal<IamApi>('iam');
  const profile = await iam.findInstanceProfile(ctx.account, profileName);
  const role = profile && (await iam.roleOf(ctx.account, profile));
  if (role === undefined) return undefined;
  const roleArn = iam.roleArn(ctx.account, role);
  const sts = await ctx.internal<StsApi>('sts');
  try {
    return { roleArn, identity: await sts.roleIdentity({ roleArn, sessionName: facts.id, service: 'ec2' }) };
  } catch (error) {
    if (error instanceof AwsError) return undefined;
    throw error;
  }
}

/** What the agent reports now; undefined when it cannot report. */
async function report(ctx: Context, facts: AgentFacts): Promise<Omit<NodeRow, 'registered' | 'status'> | undefined> {
  const agent = await agentIdentity(ctx, facts);
  if (agent === undefined) return undefined;
  try {
    await ctx
      .asIdentity(agent.identity)
      .permit({ action: 'ssm:UpdateInstanceInformation', resource: instanceArn(ctx, facts.id) });
    const endpoint = `ssm.${ctx.region}.amazonaws.com`;
    const { status, stdout } = await execIn(ctx, facts.machine, ['sh', '-c', reportScript, 'sh', endpoint]);
    if (status !== 0) return undefined;
    const [platformName = '', platformVersion = '', computerName = ''] = stdout.split('\n');
    const { id, address } = facts;
    return { id, address, platformName, platformVersion, computerName, role: agent.roleArn, lastPing: ctx.clock.now() };
  } catch (error) {
    // No right, or no machine any more: the agent is silent.
    if (error instanceof AwsError || error instanceof PilviError) return undefined;
    throw error;
  }
}

/** A node that is there again gets what waits for it. */
export const agentPing: Task = async ({ key: id, payload }, ctx) => {
  const facts = await factsOf(ctx, id);
  if (facts?.state !== 'running') return;
  const told = await report(ctx, facts);
  await ctx.transact(async (tx) => {
    const old = await tx.table(Nodes).get(id);
    const now = ctx.clock.now();
    const failures = told === undefined ? Number(payload ?? 0) + 1 : 0;
    const retries = told === undefined && facts.profileArn !== undefined;
    const pause = retries ? Math.min(retryMillis * failures, pingMillis) : pingMillis;
    await tx.schedule({ task: 'agentPing', key: id, due: now + pause, payload: failures });
    if (told === undefined) {
      if (old !== undefined) await tx.table(Nodes).put({ ...old, status: 'ConnectionLost' });
      return;
    }
    await tx.table(Nodes).put({ ...told, status: 'Online', registered: old?.registered ?? now });
    if (old === undefined) await tx.schedule({ task: 'associationsOfNode', key: id, due: now });
    for (const { command, status } of await tx.table(Invocations).byIndex('byInstance', [id]))
      if (status === 'Pending') await tx.schedule({ task: 'dispatchCommand', key: command, due: now });
  });
};

/** An instance runs, or does not any more. */
export async function onInstanceState(event: DomainEvent, ctx: Context): Promise<void> {
  const detail = event.detail as { 'instance-id': string; state: string };
  const id = detail['instance-id'];
  await ctx.transact(async (tx) => {
    if (detail.state === 'running') return tx.schedule({ task: 'agentPing', key: id, due: ctx.clock.now() });
    await tx.unschedule('agentPing', id);
    const old = await tx.table(Nodes).get(id);
    if (old === undefined) return;
    if (detail.state === 'terminated') await tx.table(Nodes).delete(id);
    else await tx.table(Nodes).put({ ...old, status: 'ConnectionLost' });
  });
}
