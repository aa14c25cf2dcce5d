/** Rows of traffic mirroring: targets, filters with their rules, and sessions. */
import { defineTable } from '../../../store/tables.ts';
import type { TagMap } from '../vpc/state.ts';

export interface MirrorTargetRow {
  id: string;
  interfaceId: string;
  description?: string | undefined;
  tags: TagMap;
}

export const MirrorTargets = defineTable<MirrorTargetRow>()({
  name: 'ec2.mirrorTargets',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byInterface: (row) => [row.interfaceId] },
});

export interface MirrorRule {
  id: string;
  direction: 'ingress' | 'egress';
  number: number;
  accept: boolean;
  protocol?: number | undefined;
  sourceCidr: string;
  destinationCidr: string;
  sourcePorts?: readonly [number, number] | undefined;
  destinationPorts?: readonly [number, number] | undefined;
  description?: string | undefined;
}

export interface MirrorFilterRow {
  id: string;
  description?: string | undefined;
  rules: readonly MirrorRule[];
  tags: TagMap;
}

export const MirrorFilters = defineTable<MirrorFilterRow>()({
  name: 'ec2.mirrorFilters',
  scope: 'region',
  key: (row) => [row.id],
});

export interface MirrorSessionRow {
  id: string;
  targetId: string;
  filterId: string;
  interfaceId: string;
  /** Both ends lie in it. */
  vpcId: string;
  number: number;
  virtualNetworkId: number;
  description?: string | undefined;
  tags: TagMap;
}

export const MirrorSessions = defineTable<MirrorSessionRow>()({
  name: 'ec2.mirrorSessions',
  scope: 'region',
  key: (row) => [row.id],
  indexes: { byVpc: (row) => [row.vpcId], byFilter: (row) => [row.filterId], byTarget: (row) => [row.targetId] },
});
