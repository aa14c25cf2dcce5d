/**
 * The OCI runtime configuration of a function's sandbox (OCI runtime specification 1.0.2). Pure. Other than a machine (runtime-config.ts) it is no
 * system of its own: one program as an ordinary user, no capability at all, nothing writable but /tmp, no device but the harmless ones.
 */
import { maskedPaths, type OciMount } from './runtime-config.ts';

export interface SandboxSpec {
  hostname: string;
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  folder: string;
  rootFolder: string;
  /** Shown read-only: path inside to path outside. Outer paths come before those below them. */
  binds: ReadonlyMap<string, string>;
  /** Mounts of other kinds. */
  mounts: readonly OciMount[];
  /** Path of the network namespace. */
  network: string;
  user: number;
  group: number;
  openFilesMax: number;
  processesMax: number;
  /** Group and bound of memory; undefined without control groups. */
  limits?: { cgroup: string; memoryBytes: number; swap: boolean } | undefined;
}

const quiet = ['nosuid', 'noexec', 'nodev'];
const kernelMounts: readonly OciMount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: quiet },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
];

/** Makes the content of config.json. */
export function planSandbox(spec: SandboxSpec): Record<string, unknown> {
  const { limits } = spec;
  const none: readonly string[] = [];
  const bound = (type: string, value: number) => ({ type, soft: value, hard: value });
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: spec.user, gid: spec.group },
      args: spec.argv,
      env: Object.entries(spec.environment).map(([name, value]) => `${name}=${value}`),
      cwd: spec.folder,
      capabilities: { bounding: none, effective: none, permitted: none, inheritable: none, ambient: none },
      rlimits: [bound('RLIMIT_NOFILE', spec.openFilesMax), bound('RLIMIT_CORE', 0)],
      noNewPrivileges: true,
    },
    root: { path: spec.rootFolder, readonly: true },
    hostname: spec.hostname,
    mounts: [
      ...kernelMounts,
      ...[...spec.binds].map(([destination, source]) => ({
        destination,
        source,
        options: ['rbind', 'ro', 'nosuid', 'nodev'],
      })),
      ...spec.mounts,
    ],
    linux: {
      ...(limits === undefined
        ? {}
        : {
            cgroupsPath: limits.cgroup,
            resources: {
              devices: [{ allow: false, access: 'rwm' }],
              memory: { limit: limits.memoryBytes, ...(limits.swap ? { swap: limits.memoryBytes } : {}) },
              pids: { limit: spec.processesMax },
            },
          }),
      namespaces: [
        ...['pid', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })),
        { type: 'network', path: spec.network },
      ],
      maskedPaths,
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  };
}
