/**
 * The provider's images: names that users and templates know, all of them booting the userland of this host, because nothing is
 * downloaded (design, section 7). An id is derived from the name and the Region, so that it is the same in every cloud and restart.
 */
import { createHash } from 'node:crypto';

export interface CatalogueImage {
  id: string;
  name: string;
  description: string;
  architecture: 'x86_64' | 'arm64';
  rootDeviceName: string;
  rootSizeGiB: number;
  planeImage: string;
  user: string;
  created: string;
  ownerAlias: string;
  ownerId: string;
}

const provider = { ownerAlias: 'amazon', ownerId: '137112412989' };
const canonical = { ownerAlias: 'amazon', ownerId: '099720109477' };

/** Architecture of the host: an image of another one could not start. */
const architecture = process.arch === 'arm64' ? 'arm64' : 'x86_64';
const ubuntuArchitecture = architecture === 'arm64' ? 'arm64' : 'amd64';

const images = [
  {
    ...provider,
    name: `al2023-ami-2023.6.20250115.0-kernel-6.1-${architecture}`,
    description: `Amazon Linux 2023 AMI 2023.6.20250115.0 ${architecture} HVM kernel-6.1, as the userland of this host`,
    rootDeviceName: '/dev/xvda',
    created: '2025-01-15T00:00:00.000Z',
  },
  {
    ...provider,
    name: `amzn2-ami-kernel-5.10-hvm-2.0.20250116.0-${architecture}-gp2`,
    description: `Amazon Linux 2 Kernel 5.10 AMI 2.0.20250116.0 ${architecture} HVM gp2, as the userland of this host`,
    rootDeviceName: '/dev/xvda',
    created: '2025-01-16T00:00:00.000Z',
  },
  {
    ...canonical,
    name: `ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-${ubuntuArchitecture}-server-20250115`,
    description: `Canonical, Ubuntu, 24.04, ${ubuntuArchitecture} noble image, as the userland of this host`,
    rootDeviceName: '/dev/sda1',
    created: '2025-01-15T00:00:00.000Z',
  },
] as const;

/** The provider's images in a Region. */
export function catalogueImages(region: string): CatalogueImage[] {
  return images.map((image) => ({
    ...image,
    id: `ami-${createHash('sha256').update(`${region} ${image.name}`).digest('hex').slice(0, 17)}`,
    architecture,
    rootSizeGiB: 8,
    planeImage: 'host',
    user: 'ec2-user',
  }));
}
