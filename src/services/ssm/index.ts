/** Systems Manager: Parameter Store, documents, managed nodes, commands on them, associations, inventory and automation. Its other capabilities answer 501. */
import { defineService } from '../../kernel/service.ts';
import { informationHandlers } from './agent/information.ts';
import { agentPing, onInstanceState } from './agent/nodes.ts';
import { Nodes } from './agent/state.ts';
import {
  associationChecks,
  associationDue,
  associationHandlers,
  associationOnce,
  associationsOfNode,
} from './associations/associations.ts';
import { Associations } from './associations/state.ts';
import { automationChecks, automationHandlers } from './automation/automation.ts';
import { automationStep } from './automation/engine.ts';
import { Automations } from './automation/state.ts';
import { readingCommandHandlers } from './commands/reading.ts';
import {
  cancelInvocation,
  commandExpiry,
  dispatchCommand,
  forgetCommand,
  runInvocation,
  settleInterrupted,
  stepTimeout,
} from './commands/run.ts';
import { sendChecks, sendHandlers } from './commands/send.ts';
import { Commands, Invocations } from './commands/state.ts';
import { documentChecks, documentHandlers } from './documents/documents.ts';
import { sharingHandlers } from './documents/sharing.ts';
import { Documents } from './documents/state.ts';
import { inventoryChecks, inventoryHandlers } from './inventory/inventory.ts';
import { Inventory } from './inventory/state.ts';
import { parameterChecks } from './parameters/authorise.ts';
import { listingHandlers } from './parameters/listing.ts';
import { parameterPolicy } from './parameters/policies.ts';
import { readingHandlers } from './parameters/reading.ts';
import { Parameters, Versions } from './parameters/state.ts';
import { writingHandlers } from './parameters/writing.ts';

export default defineService({
  name: 'ssm',
  uses: ['cloudwatch-logs', 'ec2', 'iam', 'kms', 's3', 'secrets-manager', 'sts'],
  tables: [Parameters, Versions, Nodes, Documents, Commands, Invocations, Associations, Inventory, Automations],
  handlers: {
    ...readingHandlers,
    ...writingHandlers,
    ...listingHandlers,
    ...documentHandlers,
    ...sharingHandlers,
    ...informationHandlers,
    ...sendHandlers,
    ...readingCommandHandlers,
    ...associationHandlers,
    ...inventoryHandlers,
    ...automationHandlers,
  },
  authorise: {
    ...parameterChecks,
    ...documentChecks,
    ...sendChecks,
    ...associationChecks,
    ...inventoryChecks,
    ...automationChecks,
  },
  watches: ['agentPing'],
  tasks: {
    parameterPolicy,
    agentPing,
    dispatchCommand,
    runInvocation,
    stepTimeout,
    cancelInvocation,
    commandExpiry,
    forgetCommand,
    associationDue,
    associationOnce,
    associationsOfNode,
    automationStep,
  },
  events: { 'aws.ec2:EC2 Instance State-change Notification': onInstanceState },
  async start(ctx) {
    await settleInterrupted(ctx);
    return async () => {};
  },
});
