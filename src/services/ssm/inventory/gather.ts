/**
 * Gathering inventory: the agent reads what is installed from the instance's own package database. Source: User Guide, "Metadata collected by inventory".
 */
import type { Context } from '../../../kernel/context.ts';
import { execIn } from '../agent/guest.ts';
import { agentVersion } from '../agent/information.ts';
import { Nodes } from '../agent/state.ts';
import { type Entry, Inventory, type InventoryRow } from './state.ts';

/** Fields of a package, one line each, with tabs between them. */
const packagesScript = `
if command -v dpkg-query >/dev/null; then
  exec dpkg-query -W -f '\${db:Status-Abbrev}\\t\${Package}\\t\${Version}\\t\${Architecture}\\t\${Maintainer}\\t\${Homepage}\\t\${Section}\\t\${binary:Summary}\\n'
fi
exec rpm -qa --qf 'ii \\t%{NAME}\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{VENDOR}\\t%{URL}\\t%{GROUP}\\t%{SUMMARY}\\n'
`;
const networkScript = `ip -4 -o addr show scope global | awk '{ print $2 "\\t" $4 }'`;

const enabled = (inputs: Readonly<Record<string, unknown>>, name: string): boolean => inputs[name] === 'Enabled';

function packagesOf(text: string): Entry[] {
  const lines = text.split('\n').map((line) => line.split('\t'));
  return lines
    .filter(([state = '']) => state.startsWith('ii'))
    .map(([, Name = '', Version = '', Architecture = '', Publisher = '', URL = '', ApplicationType = '', Summary = '']) => ({
      Name,
      Version,
      Architecture,
      Publisher,
      URL,
      ApplicationType,
      Summary,
      PackageId: `${Name}_${Version}_${Architecture}`,
    }));
}

/** Reads what the step asks for and writes it to the inventory. Returns how many entries there are. Throws when the machine does not run. */
export async function gatherInventory(
  ctx: Context,
  { instance, machine }: { instance: string; machine: string },
  inputs: Readonly<Record<string, unknown>>,
): Promise<number> {
  const captureTime = new Date(ctx.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  const rows: InventoryRow[] = [];
  const add = (type: string, schemaVersion: string, entries: readonly Entry[]) =>
    rows.push({ instance, type, schemaVersion, captureTime, entries });
  const node = await ctx.table(Nodes).get(instance);
  if (node !== undefined && enabled(inputs, 'instanceDetailedInformation'))
    add('AWS:InstanceInformation', '1.0', [
      {
        AgentType: 'amazon-ssm-agent',
        AgentVersion: agentVersion,
        ComputerName: node.computerName,
        InstanceId: instance,
        InstanceStatus: 'Active',
        IpAddress: node.address,
        PlatformName: node.platformName,
        PlatformType: 'Linux',
        PlatformVersion: node.platformVersion,
        ResourceType: 'EC2Instance',
      },
    ]);
  if (enabled(inputs, 'applications')) {
    const { status, stdout, stderr } = await execIn(ctx, machine, ['sh', '-c', packagesScript]);
    if (status !== 0) throw new Error(`The package database could not be read: ${stderr}`);
    add('AWS:Application', '1.1', packagesOf(stdout));
  }
  if (enabled(inputs, 'networkConfig')) {
    const { stdout } = await execIn(ctx, machine, ['sh', '-c', networkScript]);
    const lines = stdout.split('\n').filter((line) => line !== '');
    const entries = lines
      .map((line) => line.split('\t'))
      .map(([Name = '', address = '']) => ({ Name, IPV4: address.replace(/\/.*/, '') }));
    add('AWS:Network', '1.0', entries);
  }
  await ctx.transact(async (tx) => {
    for (const row of rows) await tx.table(Inventory).put(row);
  });
  return rows.reduce((sum, { entries }) => sum + entries.length, 0);
}
