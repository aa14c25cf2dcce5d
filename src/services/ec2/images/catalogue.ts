/**
 * The provider's images and those of the Marketplace: names that users and templates know, all of them booting the userland of this host, because
 * nothing is downloaded (design, section 7). An id is derived from the name and the Region, so that it is the same in every cloud and restart.
 */
import { createHash } from 'node:crypto';

export interface CatalogueImage {
  id: string;
  name: string;
  description: string;
  architecture: 'x86_64' | 'arm64';
  rootDeviceName: string;
  rootSizeGiB: number;
  rootType: 'gp2' | 'gp3';
  planeImage: string;
  user: string;
  created: string;
  ownerAlias: string;
  ownerId: string;
  /** Instances from it ask for IMDSv2 unless their launch says otherwise ("ImdsSupport v2.0"). */
  imdsV2: boolean;
  /** Of another operating system than Linux; it is known by name and does not boot here. */
  platform?: 'windows' | undefined;
  /** Its root would be a local disk of the host; it is known by name and does not boot here. */
  instanceStore?: true | undefined;
  /** Of a Marketplace product, which wants a subscription. */
  productCode?: string | undefined;
  /** Public parameters of Systems Manager whose value is this image's id. */
  parameters: readonly string[];
}

type Entry = Omit<CatalogueImage, 'id' | 'architecture' | 'rootSizeGiB' | 'planeImage'>;

/** Architecture of the host: an image of another one could not start. */
const architecture = process.arch === 'arm64' ? 'arm64' : 'x86_64';
const debianArchitecture = architecture === 'arm64' ? 'arm64' : 'amd64';

const amazon = { ownerAlias: 'amazon', ownerId: '137112412989', rootDeviceName: '/dev/xvda', user: 'ec2-user' };
const canonical = { ownerAlias: 'amazon', ownerId: '099720109477', rootDeviceName: '/dev/sda1', user: 'ubuntu', imdsV2: false };
const debian = { ownerAlias: 'amazon', ownerId: '136693071363', rootDeviceName: '/dev/xvda', user: 'admin', imdsV2: false };
const marketplace = { ownerAlias: 'aws-marketplace', ownerId: '679593333241', rootDeviceName: '/dev/xvda', imdsV2: false };

const amazonParameter = (name: string) => `/aws/service/ami-amazon-linux-latest/${name}`;
const ubuntuParameters = (releases: readonly string[], type: string) =>
  releases.map((one) => `/aws/service/canonical/ubuntu/server/${one}/stable/current/${debianArchitecture}/hvm/${type}/ami-id`);

/** The first is the default image. */
const entries: readonly Entry[] = [
  {
    ...amazon,
    name: `al2023-ami-2023.6.20250115.0-kernel-6.1-${architecture}`,
    description: `Amazon Linux 2023 AMI 2023.6.20250115.0 ${architecture} HVM kernel-6.1, as the userland of this host`,
    rootType: 'gp3',
    imdsV2: true,
    created: '2025-01-15T00:00:00.000Z',
    parameters: [`al2023-ami-kernel-default-${architecture}`, `al2023-ami-kernel-6.1-${architecture}`].map(amazonParameter),
  },
  {
    ...amazon,
    name: `al2023-ami-minimal-2023.6.20250115.0-kernel-6.1-${architecture}`,
    description: `Amazon Linux 2023 AMI 2023.6.20250115.0 ${architecture} Minimal HVM kernel-6.1, as the userland of this host`,
    rootType: 'gp3',
    imdsV2: true,
    created: '2025-01-15T00:00:00.000Z',
    parameters: [`al2023-ami-minimal-kernel-default-${architecture}`, `al2023-ami-minimal-kernel-6.1-${architecture}`].map(
      amazonParameter,
    ),
  },
  {
    ...amazon,
    name: `amzn2-ami-kernel-5.10-hvm-2.0.20250116.0-${architecture}-gp2`,
    description: `Amazon Linux 2 Kernel 5.10 AMI 2.0.20250116.0 ${architecture} HVM gp2, as the userland of this host`,
    rootType: 'gp2',
    imdsV2: false,
    created: '2025-01-16T00:00:00.000Z',
    parameters: [`amzn2-ami-hvm-${architecture}-gp2`, `amzn2-ami-kernel-5.10-hvm-${architecture}-gp2`].map(amazonParameter),
  },
  {
    ...canonical,
    name: `ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-${debianArchitecture}-server-20250115`,
    description: `Canonical, Ubuntu, 24.04, ${debianArchitecture} noble image, as the userland of this host`,
    rootType: 'gp3',
    created: '2025-01-15T00:00:00.000Z',
    parameters: ubuntuParameters(['24.04', 'noble'], 'ebs-gp3'),
  },
  {
    ...canonical,
    name: `ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-${debianArchitecture}-server-20250112`,
    description: `Canonical, Ubuntu, 22.04 LTS, ${debianArchitecture} jammy image, as the userland of this host`,
    rootType: 'gp2',
    created: '2025-01-12T00:00:00.000Z',
    parameters: ubuntuParameters(['22.04', 'jammy'], 'ebs-gp2'),
  },
  {
    ...debian,
    name: `debian-12-${debianArchitecture}-20250115-1993`,
    description: 'Debian 12 (20250115-1993), as the userland of this host',
    rootType: 'gp3',
    created: '2025-01-15T12:00:00.000Z',
    parameters: [`/aws/service/debian/release/12/latest/${debianArchitecture}`],
  },
  {
    ...amazon,
    ownerId: '801119661308',
    rootDeviceName: '/dev/sda1',
    user: 'Administrator',
    name: 'Windows_Server-2022-English-Full-Base-2025.01.15',
    description: 'Microsoft Windows Server 2022 Full Locale English AMI provided by Amazon, which this host cannot boot',
    rootType: 'gp2',
    imdsV2: false,
    platform: 'windows',
    created: '2025-01-15T00:00:00.000Z',
    parameters: ['/aws/service/ami-windows-latest/Windows_Server-2022-English-Full-Base'],
  },
  {
    ...amazon,
    name: `amzn-ami-hvm-2018.03.0.20231218.0-${architecture}-s3`,
    description: `Amazon Linux AMI 2018.03.0.20231218.0 ${architecture} HVM instance-store, which this host cannot boot`,
    rootType: 'gp2',
    imdsV2: false,
    instanceStore: true,
    created: '2023-12-18T00:00:00.000Z',
    parameters: [`amzn-ami-hvm-${architecture}-s3`].map((name) => `/aws/service/ami-amazon-linux-latest/${name}`),
  },
  {
    ...marketplace,
    user: 'bitnami',
    name: `bitnami-wordpress-6.7.1-1-linux-debian-12-${architecture}-hvm-ebs-7d426cb7-9522-4dd7-a56b-55dd8cc1c8d0`,
    description: 'WordPress of the Marketplace, as the userland of this host',
    rootType: 'gp3',
    created: '2025-01-10T00:00:00.000Z',
    productCode: '7d426cb7-9522-4dd7-a56b-55dd8cc1c8d0',
    parameters: [],
  },
];

/** What does not boot here is listed last, so that whoever takes the first image of a list gets one that does. */
function idOf(region: string, { name, platform, instanceStore }: Entry): string {
  const digest = createHash('sha256').update(`${region} ${name}`).digest('hex');
  const boots = platform === undefined && instanceStore !== true;
  return `ami-${(boots ? digest : `fff${digest}`).slice(0, 17)}`;
}

/** The provider's and the Marketplace's images in a Region. */
export function catalogueImages(region: string): CatalogueImage[] {
  return entries.map((entry) => ({
    ...entry,
    id: idOf(region, entry),
    architecture,
    rootSizeGiB: entry.platform === 'windows' ? 30 : 8,
    planeImage: 'host',
  }));
}
