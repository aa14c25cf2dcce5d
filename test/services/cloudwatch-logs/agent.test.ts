/** The CloudWatch agent on instances: what is written to their log files is in CloudWatch Logs. */
import { spawnSync } from 'node:child_process';
import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  DescribeLogStreamsCommand,
  GetLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { type Instance, RebootInstancesCommand } from '@aws-sdk/client-ec2';
import {
  AddRoleToInstanceProfileCommand,
  AttachRolePolicyCommand,
  CreateInstanceProfileCommand,
  CreateRoleCommand,
  DeleteRolePolicyCommand,
  IAMClient,
  PutRolePolicyCommand,
} from '@aws-sdk/client-iam';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, machinesRefused } from '../../support/cloud.ts';
import { agentScript, Lab } from '../ec2/support.ts';

const slow = 90_000;
const lab = new Lab();
const iam = new IAMClient(lab.account.config());
const logs = new CloudWatchLogsClient(lab.account.config());
const control = '/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl';
const ownLog = '/opt/aws/amazon-cloudwatch-agent/logs/amazon-cloudwatch-agent.log';

const help = spawnSync('curl', ['--help', 'all'], { encoding: 'utf8' });
const skipped =
  machinesRefused() ?? (String(help.stdout).includes('--aws-sigv4') ? undefined : 'there is no curl here that can sign');
beforeEach((context) => context.skip(skipped !== undefined, skipped));

const configuration = (...files: Record<string, unknown>[]) =>
  JSON.stringify({
    agent: { metrics_collection_interval: 60, run_as_user: 'root' },
    logs: { force_flush_interval: 1, logs_collected: { files: { collect_list: files } } },
  });

const deny = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Action: 'logs:PutLogEvents', Resource: '*' }],
});

/** The messages of a stream, oldest first. */
async function messages(group: string, stream: string): Promise<string[]> {
  const found = await logs.send(new GetLogEventsCommand({ logGroupName: group, logStreamName: stream, startFromHead: true }));
  return found.events!.map(({ message }) => message!);
}

const arrives = (group: string, stream: string, expected: readonly string[]) =>
  eventually(async () => expect(await messages(group, stream)).toEqual(expected), {
    why: `the lines are in ${group}`,
    timeoutMs: 30_000,
  });

describe('on an instance whose role has CloudWatchAgentServerPolicy', () => {
  let it: Instance;
  let id = '';
  const run = (command: string) => lab.run(it.PublicIpAddress!, command);

  beforeAll(async () => {
    if (skipped !== undefined) return;
    const net = await lab.network('10.37');
    const Statement = [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }];
    const trust = JSON.stringify({ Version: '2012-10-17', Statement });
    const PolicyArn = 'arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy';
    await iam.send(new CreateRoleCommand({ RoleName: 'shipper', AssumeRolePolicyDocument: trust }));
    await iam.send(new AttachRolePolicyCommand({ RoleName: 'shipper', PolicyArn }));
    await iam.send(new CreateInstanceProfileCommand({ InstanceProfileName: 'shipper' }));
    await iam.send(new AddRoleToInstanceProfileCommand({ InstanceProfileName: 'shipper', RoleName: 'shipper' }));
    const first = configuration(
      {
        file_path: '/var/log/messages',
        log_group_name: '/fleet/messages',
        log_stream_name: '{instance_id}',
        retention_in_days: 7,
      },
      { file_path: '/var/log/app/access_log.*', log_stream_name: '{instance_id}-{ip_address}', timezone: 'UTC' },
    );
    const script = `${agentScript}
cat > /tmp/agent.json <<'END'
${first}
END
echo 'first line' >> /var/log/messages
${control} -a fetch-config -m ec2 -s -c file:/tmp/agent.json > /tmp/ctl.out 2>&1
echo 'second line' >> /var/log/messages
`;
    it = await lab.launchAgent(
      { SubnetId: net.subnetId, SecurityGroupIds: [net.groupId], IamInstanceProfile: { Name: 'shipper' } },
      script,
    );
    id = it.InstanceId!;
  }, slow);

  test(
    'LOGS-007 what is appended to /var/log/messages arrives in the stream of the instance, as it was written, across a rotation',
    async () => {
      const expected = ['first line', 'second line'];
      await eventually(async () => expect(await run('cat /tmp/ctl.out')).toContain('Configuration validation succeeded'), {
        why: 'the agent is configured',
      });
      await arrives('/fleet/messages', id, expected).catch(async (error: unknown) => {
        throw new Error(
          `${String(error)}\n${await run(`cat /tmp/ctl.out ${ownLog} /var/log/units/amazon* 2>&1; ls -la /var/log`)}`,
        );
      });
      const streams = await logs.send(new DescribeLogStreamsCommand({ logGroupName: '/fleet/messages' }));
      expect(streams.logStreams!.map(({ logStreamName }) => logStreamName)).toEqual([id]);
      expect(streams.logStreams![0]!.lastEventTimestamp).toBeGreaterThan(0);
      const odd = [
        'say "no" to C:\\new\\table',
        '{"json": "\\n"}',
        'tab\there, bell \u0007 and [\u001b[31mred\u001b[0m]',
        'Grüße 東京 🚀',
        "it's 100% $HOME `x`",
      ];
      await run(`echo ${Buffer.from(`${odd.join('\n')}\n\nno end yet`).toString('base64')} | base64 -d >> /var/log/messages`);
      expected.push(...odd);
      await arrives('/fleet/messages', id, expected);
      // The open file is renamed and written to once more; another takes its name.
      await run(
        "cd /var/log; mv messages messages.1; echo ' but now' >> messages.1; echo 'last of the old' >> messages.1; echo 'first of the new' > messages",
      );
      expected.push('no end yet but now', 'last of the old', 'first of the new');
      await arrives('/fleet/messages', id, expected);
      const groups = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: '/fleet/messages' }));
      expect(groups.logGroups).toMatchObject([{ logGroupName: '/fleet/messages', retentionInDays: 7 }]);
    },
    slow,
  );

  test(
    'a pattern follows the newest file, into a group named after it, and long lines are cut at 256 KB',
    async () => {
      await run('mkdir -p /var/log/app; echo one > /var/log/app/access_log.1');
      const stream = `${id}-${it.PrivateIpAddress}`;
      await arrives('/var/log/app/access_log', stream, ['one']);
      await run(
        "head -c 300000 /dev/zero | tr '\\0' x > /var/log/app/new; (echo; echo two) >> /var/log/app/new; mv /var/log/app/new /var/log/app/access_log.2",
      );
      const shown = await eventually(
        async () => {
          const found = await messages('/var/log/app/access_log', stream);
          expect(found).toHaveLength(3);
          return found;
        },
        { why: 'the second file is read', timeoutMs: 30_000 },
      );
      expect([shown[0], shown[2]]).toEqual(['one', 'two']);
      expect(shown[1]).toMatch(/^x+\[Truncated\.\.\.\]$/);
      expect(shown[1]).toHaveLength(262_144 - 26);
    },
    slow,
  );

  test(
    'refused by its role it ships nothing and says why, and once the policy allows it goes on where it was',
    async () => {
      const before = await messages('/fleet/messages', id);
      await iam.send(new PutRolePolicyCommand({ RoleName: 'shipper', PolicyName: 'quiet', PolicyDocument: deny }));
      await run('echo held back >> /var/log/messages; echo and this >> /var/log/messages');
      await eventually(async () => expect(await run(`cat ${ownLog}`)).toMatch(/E! \/var\/log\/messages to .*AccessDenied/), {
        why: 'the agent says that it was refused',
      });
      expect(await messages('/fleet/messages', id)).toEqual(before);
      await iam.send(new DeleteRolePolicyCommand({ RoleName: 'shipper', PolicyName: 'quiet' }));
      await arrives('/fleet/messages', id, [...before, 'held back', 'and this']);
    },
    slow,
  );

  test('what it does not follow is refused by name, and the configuration in use stays', async () => {
    const refusal = async (json: unknown, words = '-a fetch-config -m ec2 -c file:/tmp/other.json') => {
      await run(
        `echo ${Buffer.from(typeof json === 'string' ? json : JSON.stringify(json)).toString('base64')} | base64 -d > /tmp/other.json`,
      );
      return run(`${control} ${words} && echo taken || echo "ended with $?"`);
    };
    const files = { collect_list: [{ file_path: '/var/log/messages', timestamp_format: '%H:%M', log_stream_name: '{date}' }] };
    const answer = await refusal({ metrics: { namespace: 'x' }, logs: { logs_collected: { files } } });
    expect(answer).toContain('metrics.namespace: is not supported by this agent');
    expect(answer).toContain('logs.logs_collected.files.collect_list[0].timestamp_format: is not supported by this agent');
    expect(answer).toContain('logs.logs_collected.files.collect_list[0].log_stream_name: {date} is not supported by this agent');
    expect(answer).toMatch(/ended with 1$/);
    expect(await refusal({})).toContain('logs.logs_collected.files.collect_list: must name at least one file');
    const twice = { collect_list: [{ file_path: '/var/log/a' }, { file_path: '/var/log/a' }] };
    expect(await refusal({ logs: { logs_collected: { files: twice } } })).toContain('collect_list[1]: is listed twice');
    expect(await refusal('{"logs": ')).toContain('not valid JSON');
    expect(await refusal('', '-a append-config -c file:/tmp/agent.json')).toContain(
      '-a append-config is not supported by this agent',
    );
    expect(await refusal('', '-a fetch-config -c default')).toContain('-c default is not supported by this agent');
    expect(await refusal('', '-a fetch-config -m onPremise')).toContain('-m onPremise is not supported by this agent');
    expect(await refusal('', '-a fetch-config -c ssm:AmazonCloudWatch-absent')).toContain('ParameterNotFound');
    expect(await refusal('', '-a fetch-config -c ssm:absent')).toContain('AccessDeniedException');
    expect(JSON.parse(await run(`${control} -a status`))).toMatchObject({ configstatus: 'configured' });
  });

  test(
    'it is stopped and started like any service, remembers how far it came, takes its configuration from a parameter, and starts at boot',
    async () => {
      const before = await messages('/fleet/messages', id);
      expect(JSON.parse(await run(`${control} -m ec2 -a status`))).toMatchObject({
        status: 'running',
        starttime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
        configstatus: 'configured',
      });
      expect(await run('systemctl is-enabled amazon-cloudwatch-agent')).toBe('enabled');
      await run(
        `${control} -a stop; echo while stopped >> /var/log/messages; mv /var/log/messages /var/log/messages.2; echo newer > /var/log/messages`,
      );
      expect(JSON.parse(await run(`${control} -a status`))).toMatchObject({ status: 'stopped', starttime: '' });
      const Value = configuration({ file_path: '/var/log/messages', log_group_name: '/fleet/messages' });
      await new SSMClient(lab.account.config()).send(
        new PutParameterCommand({ Name: 'AmazonCloudWatch-fleet', Type: 'String', Value }),
      );
      // Its output ends with it: the agent that it leaves running does not hold it.
      expect(await run(`${control} -a fetch-config -m ec2 -s -c ssm:AmazonCloudWatch-fleet`)).toContain('validation succeeded');
      await arrives('/fleet/messages', id, [...before, 'while stopped', 'newer']);
      await run(`systemctl stop amazon-cloudwatch-agent; echo for the next boot >> /var/log/messages`);
      expect(await run("pgrep -fx '/bin/sh /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent' 2>&1; true")).toBe('');
      await lab.ec2.send(new RebootInstancesCommand({ InstanceIds: [id] }));
      await arrives('/fleet/messages', id, [...before, 'while stopped', 'newer', 'for the next boot']);
    },
    slow,
  );
});
