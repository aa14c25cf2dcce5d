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

const role: ParameterSpec = { type: 'String', default: '', description: 'Role by which the runbook acts.' };
const instances: ParameterSpec = { type: 'StringList', description: 'Ids of instances.' };

function runbook(
  name: string,
  description: string,
  steps: Content['steps'],
  parameters: Content['parameters'] = {},
): ProvidedDocument {
  return {
    name,
    type: 'Automation',
    platforms: ['Linux', 'Windows', 'MacOS'],
    content: {
      schemaVersion: '0.3',
      description,
      assumeRole: '{{ AutomationAssumeRole }}',
      parameters: { InstanceId: instances, AutomationAssumeRole: role, ...parameters },
      steps,
      outputs: steps.flatMap((step) =>
        step.action === 'aws:createImage' ? [`${step.name}.ImageId`] : [`${step.name}.InstanceStates`],
      ),
    },
  };
}

function changeState(name: string, DesiredState: string): Content['steps'][number] {
  return { name, action: 'aws:changeInstanceState', inputs: { InstanceIds: '{{ InstanceId }}', DesiredState }, rest: {} };
}

const imageInputs = {
  InstanceId: '{{ InstanceId }}',
  ImageName: '{{ InstanceId }}_{{ global:DATE_TIME }}',
  NoReboot: '{{ NoReboot }}',
};

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
  runbook(
    'AWS-CreateImage',
    'Makes an image of an instance.',
    [{ name: 'createImage', action: 'aws:createImage', inputs: imageInputs, rest: {} }],
    {
      InstanceId: { type: 'String', description: 'Id of the instance.' },
      NoReboot: { type: 'Boolean', default: false, description: 'Whether the instance stays up meanwhile.' },
    },
  ),
  runbook('AWS-RestartEC2Instance', 'Stops and starts instances.', [
    changeState('stopInstances', 'stopped'),
    changeState('startInstances', 'running'),
  ]),
  script('AWS-RunPowerShellScript', 'aws:runPowerShellScript', ['Windows'], 'Runs PowerShell commands.'),
  script('AWS-RunShellScript', 'aws:runShellScript', ['Linux', 'MacOS'], 'Runs shell commands.'),
  runbook('AWS-StartEC2Instance', 'Starts instances.', [changeState('startInstances', 'running')]),
  runbook('AWS-StopEC2Instance', 'Stops instances.', [changeState('stopInstances', 'stopped')]),
];
