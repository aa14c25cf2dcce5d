/**
 * Service-linked roles: made for one service, changed by nobody but it ("Using service-linked roles"). Known are the services below; their
 * policies are AWS's, attached by ARN.
 */
import type { DeletionTaskStatusType, IAM } from '@aws-sdk/client-iam';
import { AwsError } from '../../kernel/errors.ts';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { defineTable } from '../../store/tables.ts';
import { policyArn, roleArn } from './arns.ts';
import { onRole } from './authorise.ts';
import { invalidInput, noSuchEntity, quotaExceeded } from './errors.ts';
import { describeRole, requireRole, sessionSeconds } from './roles.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import { type RoleRow, Roles } from './state.ts';

interface Linked {
  role: string;
  policy: string;
  /** Whether several roles with a suffix each may be made. */
  suffix?: boolean;
}

/** Roles by the service's name ("AWS services that work with IAM", each service's page on its service-linked role). */
const linkedRoles: Readonly<Record<string, Linked>> = {
  'autoscaling.amazonaws.com': { role: 'AWSServiceRoleForAutoScaling', policy: 'AutoScalingServiceRolePolicy', suffix: true },
  'cloudtrail.amazonaws.com': { role: 'AWSServiceRoleForCloudTrail', policy: 'CloudTrailServiceRolePolicy' },
  'ecs.amazonaws.com': { role: 'AWSServiceRoleForECS', policy: 'AmazonECSServiceRolePolicy' },
  'eks.amazonaws.com': { role: 'AWSServiceRoleForAmazonEKS', policy: 'AmazonEKSServiceRolePolicy' },
  'elasticache.amazonaws.com': { role: 'AWSServiceRoleForElastiCache', policy: 'ElastiCacheServiceRolePolicy' },
  'elasticfilesystem.amazonaws.com': {
    role: 'AWSServiceRoleForAmazonElasticFileSystem',
    policy: 'AmazonElasticFileSystemServiceRolePolicy',
  },
  'elasticloadbalancing.amazonaws.com': {
    role: 'AWSServiceRoleForElasticLoadBalancing',
    policy: 'AWSElasticLoadBalancingServiceRolePolicy',
  },
  'ops.apigateway.amazonaws.com': { role: 'AWSServiceRoleForAPIGateway', policy: 'APIGatewayServiceRolePolicy' },
  'organizations.amazonaws.com': { role: 'AWSServiceRoleForOrganizations', policy: 'AWSOrganizationsServiceTrustPolicy' },
  'rds.amazonaws.com': { role: 'AWSServiceRoleForRDS', policy: 'AmazonRDSServiceRolePolicy' },
  'spot.amazonaws.com': { role: 'AWSServiceRoleForEC2Spot', policy: 'AWSEC2SpotServiceRolePolicy' },
  'spotfleet.amazonaws.com': { role: 'AWSServiceRoleForEC2SpotFleet', policy: 'AWSEC2SpotFleetServiceRolePolicy' },
};

export interface DeletionRow {
  id: string;
  status: DeletionTaskStatusType;
}

/** Deletions that were asked for. */
export const RoleDeletions = defineTable<DeletionRow>()({ name: 'iam.roleDeletions', scope: 'account', key: (row) => [row.id] });

function trustIn(service: string): string {
  const statement = { Effect: 'Allow', Principal: { Service: service }, Action: 'sts:AssumeRole' };
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
}

const nameOf = (linked: Linked, suffix: string | undefined): string =>
  suffix === undefined ? linked.role : `${linked.role}_${suffix}`;

export const serviceLinkedRoleHandlers: HandlersOf<IAM> = {
  /** Throws InvalidInput for services that have none, for a role that exists, and for a suffix where there can be but one. */
  async CreateServiceLinkedRole({ AWSServiceName: service = '', Description: description, CustomSuffix: suffix }, ctx) {
    new RequestCheck()
      .length('aWSServiceName', service, 1, 128)
      .length('description', description, 0, 1000)
      .name('customSuffix', suffix, 64)
      .done();
    const linked = Object.hasOwn(linkedRoles, service) ? linkedRoles[service] : undefined;
    if (linked === undefined) throw invalidInput(`Service role for ${service} cannot be found.`);
    if (suffix !== undefined && linked.suffix !== true) throw invalidInput(`Custom suffix is not allowed for ${service}`);
    const name = nameOf(linked, suffix);
    const row: RoleRow = {
      name,
      path: `/aws-service-role/${service}/`,
      id: ctx.id('role'),
      created: ctx.now,
      description,
      maxSessionDuration: sessionSeconds.default,
      trust: trustIn(service),
      trusted: {},
      inline: {},
      attached: [policyArn('aws', { path: '/aws-service-role/', name: linked.policy })],
      tags: {},
      serviceLinked: service,
    };
    await ctx.transact(async (tx) => {
      const roles = tx.table(Roles);
      if ((await roles.get(name.toLowerCase())) !== undefined) {
        throw invalidInput(`Service role name ${name} has been taken in this account, please try a different suffix.`);
      }
      if ((await roles.count()) >= quotas.RolesPerAccount) throw quotaExceeded('RolesPerAccount', quotas.RolesPerAccount);
      await roles.put(row);
    });
    return { Role: await describeRole(ctx, ctx.account, row) };
  },

  /** Refused for roles of other kinds. Whether the service still needs the role is the service's to say; none of this cloud objects yet. */
  async DeleteServiceLinkedRole({ RoleName: name }, ctx) {
    new RequestCheck().name('roleName', name, sizes.roleName).done();
    const token = ctx.uuid();
    return ctx.transact(async (tx) => {
      const row = await requireRole(tx, name);
      if (row.serviceLinked === undefined) throw new AwsError('InvalidInput', `Role ${row.name} is not a service-linked role.`);
      const id = `task/aws-service-role/${row.serviceLinked}/${row.name}/${token}`;
      await tx.table(Roles).delete(row.name.toLowerCase());
      await tx.table(RoleDeletions).put({ id, status: 'SUCCEEDED' });
      return { DeletionTaskId: id };
    });
  },

  async GetServiceLinkedRoleDeletionStatus({ DeletionTaskId: id = '' }, ctx) {
    new RequestCheck().length('deletionTaskId', id, 1, 1000).done();
    const row = await ctx.table(RoleDeletions).get(id);
    if (row === undefined) throw noSuchEntity(`Deletion task ${id} cannot be found.`);
    return { Status: row.status };
  },
};

export const serviceLinkedRoleChecks: AuthorisationsOf<IAM> = {
  CreateServiceLinkedRole({ AWSServiceName: service = '', CustomSuffix: suffix }, ctx) {
    const linked = Object.hasOwn(linkedRoles, service) ? linkedRoles[service] : undefined;
    const name = linked === undefined ? '*' : nameOf(linked, suffix);
    const resource = roleArn(ctx.account, { path: `/aws-service-role/${service}/`, name });
    return [{ resource, conditions: { 'iam:AWSServiceName': service } }];
  },
  DeleteServiceLinkedRole: onRole,
  GetServiceLinkedRoleDeletionStatus({ DeletionTaskId: id = '' }, ctx) {
    const [, , service = '', name = ''] = id.split('/');
    return [{ resource: roleArn(ctx.account, { path: `/aws-service-role/${service}/`, name }) }];
  },
};
