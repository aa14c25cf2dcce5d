/**
 * Parameters that AWS publishes: the newest images, from EC2's catalogue, and the Regions, zones and services of the cloud. They belong to no account
 * and are read only. Source: Systems Manager User Guide, "Working with public parameters".
 */
import { isServiceOffered, regions } from '../../../base/regions.ts';
import type { Context } from '../../../kernel/context.ts';
import { serviceNames } from '../../../kernel/policy/authorisation.ts';
import type { Ec2Api } from '../../ec2/api.ts';

export const publicPrefix = '/aws/service/';
const infrastructure = '/aws/service/global-infrastructure';

export interface PublicParameter {
  name: string;
  value: string;
  dataType: 'text' | 'aws:ec2:image';
}

/** Names by which an image of the catalogue is published; its own name says what it is. */
function namesOfImage(name: string): string[] {
  const architecture = /arm64/.test(name) ? 'arm64' : 'x86_64';
  const latest = (kind: string) => `/aws/service/ami-amazon-linux-latest/${kind}`;
  if (name.startsWith('al2023-ami-'))
    return ['kernel-default', 'kernel-6.1'].map((kernel) => latest(`al2023-ami-${kernel}-${architecture}`));
  if (name.startsWith('amzn2-ami-'))
    return [
      latest(`amzn2-ami-hvm-${architecture}-gp2`),
      latest(`amzn2-ami-kernel-5.10-hvm-${architecture}-gp2`),
      latest(`amzn2-ami-hvm-${architecture}-ebs`),
    ];
  const ubuntu = /ubuntu-[a-z]+-(\d\d\.\d\d)-(amd64|arm64)/.exec(name);
  if (ubuntu === null) return [];
  return ['ebs-gp3', 'ebs-gp2'].map(
    (disk) => `/aws/service/canonical/ubuntu/server/${ubuntu[1]}/stable/current/${ubuntu[2]}/hvm/${disk}/ami-id`,
  );
}

async function imageParameters(ctx: Context): Promise<PublicParameter[]> {
  const ec2 = await ctx.internal<Ec2Api>('ec2');
  return ec2
    .latestImages(ctx.region)
    .flatMap(({ id, name }) => namesOfImage(name).map((path) => ({ name: path, value: id, dataType: 'aws:ec2:image' as const })));
}

const text = (name: string, value: string): PublicParameter => ({ name: `${infrastructure}/${name}`, value, dataType: 'text' });

async function infrastructureParameters(): Promise<PublicParameter[]> {
  const services = [...(await serviceNames())];
  const made: PublicParameter[] = [text('version', '1.0')];
  for (const { name, longName, zones } of regions) {
    made.push(
      text(`regions/${name}`, name),
      text(`regions/${name}/longName`, longName),
      text(`regions/${name}/partition`, 'aws'),
    );
    made.push(text(`regions/${name}/domain`, 'amazonaws.com'));
    for (const zone of zones) {
      const path = {
        'availability-zone': 'availability-zones',
        'local-zone': 'local-zones',
        'wavelength-zone': 'wavelength-zones',
      }[zone.type];
      made.push(text(`${path}/${zone.id}`, zone.id), text(`regions/${name}/${path}/${zone.id}`, zone.id));
    }
    for (const [service] of services) {
      if (!isServiceOffered(service, name)) continue;
      made.push(text(`regions/${name}/services/${service}`, service), text(`services/${service}/regions/${name}`, name));
    }
  }
  for (const [service, longName] of services)
    made.push(text(`services/${service}`, service), text(`services/${service}/longName`, longName));
  return made;
}

/** Public parameters whose names begin with `prefix`, in order of their names. */
export async function publicParameters(ctx: Context, prefix: string): Promise<PublicParameter[]> {
  const wantsInfrastructure = infrastructure.startsWith(prefix) || prefix.startsWith(infrastructure);
  const all = [...(await imageParameters(ctx)), ...(wantsInfrastructure ? await infrastructureParameters() : [])];
  return all
    .filter(({ name }) => name.startsWith(prefix))
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}
