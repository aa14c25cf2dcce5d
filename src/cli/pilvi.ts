/** The pilvi command. Each subcommand is a module of its own, loaded when it is asked for, so that `start` loads no more than it needs. */
import { PilviError } from '../base/errors.ts';

/** A subcommand: takes its arguments, resolves with the exit status. */
export type Command = (args: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import('./start.ts')).start,
  stop: async () => (await import('./stop.ts')).stop,
  status: async () => (await import('./commands.ts')).status,
  services: async () => (await import('./commands.ts')).services,
  doctor: async () => (await import('./doctor.ts')).doctor,
  clock: async () => (await import('./commands.ts')).clock,
  chaos: async () => (await import('./commands.ts')).chaos,
  trace: async () => (await import('./commands.ts')).trace,
  inspect: async () => (await import('./commands.ts')).inspect,
  reset: async () => (await import('./commands.ts')).reset,
  shell: async () => (await import('./shell.ts')).shell,
  demo: async () => (await import('./demo/demo.ts')).demo,
  publish: async () => (await import('./publish.ts')).publish,
  /** What `start` runs inside the namespaces; not for users. */
  inside: async () => (await import('./inside.ts')).inside,
  /** What runs as each node of a load balancer; not for users. */
  'cache-node': async () => (await import('./cache-node.ts')).cacheNode,
  'dial-node': async () => (await import('./dial-node.ts')).dialNode,
  'proxy-node': async () => (await import('./proxy-node.ts')).proxyNode,
};

const usage = `pilvi start [--port 4566] [--data FOLDER] [--detach]   run a cloud; several side by side on ports and folders of their own
      [--dns-port 4553]                                where public zones are answered by DNS; a cloud on another port than 4566 takes any that is free
      [--strict-images]                                refuse image ids of the real cloud, which otherwise boot the default image
      [--new-accounts]                                 refuse what accounts made today are refused: launch configurations
      [--blobs s3://BUCKET/PREFIX?endpoint=URL]        bytes of objects in a store elsewhere; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY open it
pilvi stop | status                                  end it in good order; is it there
pilvi services [NAME]                                what is implemented
pilvi doctor                                         what this host can do, and what to install
pilvi clock [advance 30d | speed 60 | freeze | resume]
pilvi chaos [region us-east-1 down | zone us-east-1a down | volume vol-… down | instance i-… down | interface eni-… down | path i-… i-… down | host, rack or datacenter i-… down | … up | clear]
pilvi trace REQUEST-ID                               the stages of one request
pilvi inspect [PREFIX]                               rows, waiting work, sizes
pilvi shell [INSTANCE-ID] [-- COMMAND]               enter the cloud's internet, or an instance
pilvi publish ADDRESS:PORT [HOST-PORT]               an inside address on a port of this host's loopback
pilvi demo whatisthetime [--until STEP]               build a site step by step and watch its traffic
pilvi reset [ACCOUNT]                                empty the cloud, or one account

Every command takes --port or --data to say which cloud, and --json.`;

async function main(): Promise<void> {
  const [name = 'help', ...args] = process.argv.slice(2);
  const load = commands[name];
  if (load === undefined) {
    const wanted = ['help', '--help', '-h'].includes(name);
    (wanted ? console.log : console.error)(wanted ? usage : `pilvi: there is no command ${name}.\n\n${usage}`);
    process.exitCode = wanted ? 0 : 2;
    return;
  }
  try {
    process.exitCode = await (await load())(args);
  } catch (error) {
    if (!(error instanceof PilviError)) throw error;
    console.error(`pilvi ${name}: ${error.message}${error.cause instanceof Error ? ` (${error.cause.message})` : ''}`);
    process.exitCode = 1;
  }
}

void main();
