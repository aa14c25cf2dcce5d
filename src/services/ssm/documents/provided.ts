/**
 * Documents that the provider owns and that do something here. Names, parameters and defaults are those that clients know ("Systems Manager Command
 * document reference", "Automation runbook reference"); their texts are our own.
 */
import type { Content, ParameterSpec } from './content.ts';

export interface ProvidedDocument {
  name: string;
  type: 'Command' | 'Automation';
  platforms: readonly ('Linux' | 'Windows' | 'MacOS')[];
  content: Content;
}

const working: ParameterSpec = { type: 'String', default: '', description: 'Folder in which the commands run.' };
const timeout: ParameterSpec = {
  type: 'String',
  default: '3600',
  description: 'Seconds that the commands may take.',
  allowedPattern: '^([1-9][0-9]{0,4}|1[0-6][0-9]{4}|17[0-1][0-9]{3}|172[0-7][0-9]{2}|172800)$|^\\{\\{.*\\}\\}$',
};
const commands: ParameterSpec = { type: 'StringList', description: 'Commands to run, one after the other.' };

function script(name: string, action: string, platforms: ProvidedDocument['platforms'], description: string): ProvidedDocument {
  const inputs = {
    runCommand: '{{ commands }}',
    workingDirectory: '{{ workingDirectory }}',
    timeoutSeconds: '{{ executionTimeout }}',
  };
  return {
    name,
    type: 'Command',
    platforms,
    content: {
      schemaVersion: '1.2',
      description,
      parameters: { commands, workingDirectory: working, executionTimeout: timeout },
      steps: [{ name: action, action, inputs, rest: {} }],
      outputs: [],
    },
  };
}

const gathered = ['applications', 'networkConfig', 'instanceDetailedInformation', 'windowsUpdates', 'windowsRoles'];
const onOff = (subject: string): ParameterSpec => ({
  type: 'String',
  default: 'Enabled',
  description: `Whether ${subject} is collected.`,
  allowedValues: ['Enabled', 'Disabled'],
});

export const providedDocuments: readonly ProvidedDocument[] = [
  {
    name: 'AWS-GatherSoftwareInventory',
    type: 'Command',
    platforms: ['Linux', 'MacOS', 'Windows'],
    content: {
      schemaVersion: '2.0',
      description: 'Collects software inventory.',
      parameters: Object.fromEntries(gathered.map((name) => [name, onOff(name)])),
      steps: [
        {
          name: 'collectSoftwareInventoryItems',
          action: 'aws:softwareInventory',
          inputs: Object.fromEntries(gathered.map((name) => [name, `{{ ${name} }}`])),
          rest: {},
        },
      ],
      outputs: [],
    },
  },
  script('AWS-RunPowerShellScript', 'aws:runPowerShellScript', ['Windows'], 'Runs PowerShell commands.'),
  script('AWS-RunShellScript', 'aws:runShellScript', ['Linux', 'MacOS'], 'Runs shell commands.'),
];
