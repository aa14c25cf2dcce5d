/**
 * The OCI runtime configuration of a machine: what the container runtime is told. Pure: a function from a spec to the JSON of config.json
 * (OCI runtime specification 1.0.2, config.md and config-linux.md).
 *
 * The machine's namespaces are its own (pid, mount, ipc, uts, cgroup, and time where the host can; the network one exists before). It has the
 * rights a root user of a virtual machine uses daily, and none that reach the host's kernel: no CAP_SYS_ADMIN (mounting could undo the read-only
 * parts of /proc and reach control groups), no CAP_SYS_BOOT (kexec), no CAP_DAC_READ_SEARCH (files by handle, past the mount namespace), no
 * CAP_SYS_MODULE, CAP_SYS_TIME, CAP_SYSLOG. Device nodes can be made, and opened only if they are the usual harmless ones.
 */

export interface OciMount {
  destination: string;
  type?: string;
  source: string;
  options: readonly string[];
}

export interface ContainerSpec {
  hostname: string;
  argv: readonly string[];
  environment: Readonly<Record<string, string>>;
  /** Folder that the root is mounted on when the runtime starts. */
  rootFolder: string;
  /** Mounts that complete the root. */
  trees: readonly OciMount[];
  /** Single files and folders shown read-only inside: path inside to path outside. */
  binds: ReadonlyMap<string, string>;
  /** Path of the network namespace. */
  network: string;
  /** Group and limits; undefined without control groups. */
  limits?: ContainerLimits | undefined;
  /** Names of the folders in /proc/sys, as the host has them. */
  sysctlFolders: readonly string[];
  /** Numeric id of the group that owns terminals, 5 by convention; undefined where that number does not exist (user namespaces). */
  terminalGroup?: number | undefined;
  /** Open files that this process may grant to another: its own hard limit. */
  openFilesGrant: number;
  /** Block devices that are there from the first moment. */
  devices?: readonly ContainerDevice[] | undefined;
}

export interface ContainerDevice {
  /** Path inside, as `/dev/nvme1n1`. */
  path: string;
  /** As `7:5`. */
  number: string;
}

export interface ContainerLimits {
  /** Path of the control group below the hierarchy's root, as `/pilvi-x/m1`. */
  cgroup: string;
  memoryBytes: number;
  /** Processors it may use, as `0,2`; undefined: any. */
  cpus?: string | undefined;
  /** Processor time in hundredths of a processor; undefined: no bound but `cpus`. */
  cpuPercent?: number | undefined;
  /** Relative weight against other machines when processors are short; 1024 is one processor's worth. */
  cpuShares: number;
  /** Whether swap can be bounded (it is set to none). */
  swap: boolean;
}

/** Processes and threads in one machine; keeps a fork bomb from taking the host with it. */
const machineProcessesMax = 8192;
/** Open files of one process: what it begins with, and what it may raise that to, where this process may grant as much. */
const openFilesDefault = 65_535;
const openFilesMax = 1_048_576;

const capabilities = [
  ...[
    'CAP_CHOWN',
    'CAP_DAC_OVERRIDE',
    'CAP_FOWNER',
    'CAP_FSETID',
    'CAP_KILL',
    'CAP_SETGID',
    'CAP_SETUID',
    'CAP_SETPCAP',
    'CAP_SETFCAP',
  ],
  ...[
    'CAP_NET_BIND_SERVICE',
    'CAP_NET_BROADCAST',
    'CAP_NET_ADMIN',
    'CAP_NET_RAW',
    'CAP_SYS_CHROOT',
    'CAP_SYS_PTRACE',
    'CAP_MKNOD',
  ],
  ...['CAP_AUDIT_WRITE', 'CAP_IPC_LOCK', 'CAP_IPC_OWNER', 'CAP_LEASE'],
];
/** Nothing may be seen there: memory and keys of the kernel, firmware, and whatever is not divided by namespaces. */
export const maskedPaths = [
  ...[
    '/proc/acpi',
    '/proc/asound',
    '/proc/kcore',
    '/proc/keys',
    '/proc/key-users',
    '/proc/kmsg',
    '/proc/latency_stats',
    '/proc/partitions',
    '/proc/sched_debug',
  ],
  ...[
    '/proc/scsi',
    '/proc/sysrq-trigger',
    '/proc/timer_list',
    '/proc/timer_stats',
    '/sys/firmware',
    '/sys/devices/virtual/powercap',
  ],
];
/** Parts of /proc that change the host's kernel. Of /proc/sys, net belongs to the machine's own network and stays writable. */
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq'];

/** Makes the content of config.json. */
export function planContainer(spec: ContainerSpec): Record<string, unknown> {
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: spec.argv,
      env: Object.entries(spec.environment).map(([name, value]) => `${name}=${value}`),
      cwd: '/',
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [
        {
          type: 'RLIMIT_NOFILE',
          soft: Math.min(openFilesDefault, spec.openFilesGrant),
          hard: Math.min(openFilesMax, spec.openFilesGrant),
        },
      ],
      noNewPrivileges: false,
    },
    root: { path: spec.rootFolder, readonly: false },
    hostname: spec.hostname,
    mounts: [...spec.trees, ...planKernelMounts(spec.terminalGroup), ...planBinds(spec.binds)],
    linux: {
      ...planLimits(spec.limits, spec.devices ?? []),
      devices: (spec.devices ?? []).map(({ path, number }) => ({
        path,
        type: 'b',
        ...parseNumber(number),
        fileMode: 0o660,
        uid: 0,
        gid: 6,
      })),
      namespaces: [
        ...['pid', 'ipc', 'uts', 'mount', 'cgroup'].map((type) => ({ type })),
        { type: 'network', path: spec.network },
      ],
      maskedPaths,
      readonlyPaths: [
        ...readonlyPaths,
        ...spec.sysctlFolders.filter((name) => name !== 'net').map((name) => `/proc/sys/${name}`),
      ],
    },
  };
}

function planKernelMounts(terminalGroup: number | undefined): OciMount[] {
  const quiet = ['nosuid', 'noexec', 'nodev'];
  const terminals = ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: quiet },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: terminalGroup === undefined ? terminals : [...terminals, `gid=${terminalGroup}`],
    },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...quiet, 'mode=1777'] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: quiet },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...quiet, 'ro'] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...quiet, 'ro'] },
    { destination: '/run', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=755'] },
  ];
}

function planBinds(binds: ReadonlyMap<string, string>): OciMount[] {
  return [...binds].map(([destination, source]) => ({ destination, source, options: ['bind', 'ro', 'nosuid', 'nodev'] }));
}

function planLimits(limits: ContainerLimits | undefined, devices: readonly ContainerDevice[]): Record<string, unknown> {
  if (limits === undefined) return {};
  const period = 100_000;
  return {
    cgroupsPath: limits.cgroup,
    resources: {
      devices: [
        { allow: false, access: 'rwm' },
        ...devices.map(({ number }) => ({ allow: true, type: 'b', ...parseNumber(number), access: 'rwm' })),
      ],
      memory: { limit: limits.memoryBytes, ...(limits.swap ? { swap: limits.memoryBytes } : {}) },
      pids: { limit: machineProcessesMax },
      cpu: {
        shares: limits.cpuShares,
        ...(limits.cpus === undefined ? {} : { cpus: limits.cpus }),
        ...(limits.cpuPercent === undefined ? {} : { quota: (limits.cpuPercent * period) / 100, period }),
      },
    },
  };
}

function parseNumber(number: string): { major: number; minor: number } {
  const [major = 0, minor = 0] = number.split(':').map(Number);
  return { major, minor };
}
