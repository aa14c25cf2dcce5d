/** What the actions of command documents do on an instance. */
import type { Context } from '../../../kernel/context.ts';
import type { AgentFacts } from '../../ec2/api.ts';
import { readOutput, startInGuest, waitInGuest } from '../agent/guest.ts';
import type { Step } from '../documents/content.ts';
import { gatherInventory } from '../inventory/gather.ts';

const workingDirectoryDefault = '/usr/bin';

export interface StepRun {
  facts: AgentFacts;
  step: Step;
  /** Of its output on the instance. */
  folder: string;
}

export interface StepOutcome {
  /** Exit status. */
  code: number;
  stdout: string;
  stderr: string;
}

/** Carries out a step. Throws when the machine does not run, or the action fails. */
export async function perform(ctx: Context, { facts, step, folder }: StepRun): Promise<StepOutcome> {
  if (step.action === 'aws:softwareInventory') {
    const count = await gatherInventory(ctx, { instance: facts.id, machine: facts.machine }, step.inputs);
    return { code: 0, stdout: `Inventory policy has been successfully applied: ${count} entries.\n`, stderr: '' };
  }
  const workingDirectory = String(step.inputs['workingDirectory'] ?? '') || workingDirectoryDefault;
  const lines = step.inputs['runCommand'];
  const script = `${(Array.isArray(lines) ? lines : [lines ?? '']).map(String).join('\n')}\n`;
  await startInGuest(ctx, facts.machine, { folder, workingDirectory, script });
  const code = await waitInGuest(ctx, facts.machine, folder);
  const stdout = await readOutput(ctx, facts.machine, folder, 'stdout');
  return { code, stdout, stderr: await readOutput(ctx, facts.machine, folder, 'stderr') };
}
