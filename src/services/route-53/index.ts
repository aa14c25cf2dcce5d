import { defineService } from '../../kernel/service.ts';
import { authorisations } from './authorise.ts';
import { createApi, loadPlaces } from './api.ts';
import { cidrHandlers } from './cidr-collections.ts';
import { delegationHandlers } from './delegation-sets.ts';
import { healthHandlers } from './health-checks.ts';
import { checkReconciler, onAlarm, probeTask } from './health-watch.ts';
import { HealthChecks, HealthStates } from './health-state.ts';
import { keepQueryLogs, queryLogHandlers } from './query-logging.ts';
import { LoggedZones, QueryLogs } from './query-log-state.ts';
import { meterQueries } from './metering.ts';
import { nameServerNames } from './name-servers.ts';
import { recordSetHandlers } from './record-sets.ts';
import { zoneReconciler } from './serve.ts';
import { Changes, CidrCollections, DelegationSets, Places, RecordSets, Tags, ZoneOwners, Zones } from './state.ts';
import { tagHandlers } from './tags.ts';
import { trafficHandlers } from './traffic-policies.ts';
import { TrafficInstances, TrafficPolicies } from './traffic-state.ts';
import { vpcHandlers } from './vpcs.ts';
import { forgetZonesOf } from './zone-lookup.ts';
import { zoneHandlers } from './zones.ts';

export default defineService({
  name: 'route-53',
  global: true,
  uses: ['cloudwatch', 'cloudwatch-logs', 'ec2'],
  tables: [
    ...[Zones, ZoneOwners, RecordSets, Changes, DelegationSets, Tags, CidrCollections, Places, HealthChecks, HealthStates],
    ...[QueryLogs, LoggedZones, TrafficPolicies, TrafficInstances],
  ],
  handlers: {
    ...zoneHandlers,
    ...vpcHandlers,
    ...recordSetHandlers,
    ...delegationHandlers,
    ...healthHandlers,
    ...cidrHandlers,
    ...tagHandlers,
    ...queryLogHandlers,
    ...trafficHandlers,
  },
  authorise: authorisations,
  reconcilers: { zones: zoneReconciler, checks: checkReconciler },
  watches: ['probe'],
  tasks: { probe: probeTask },
  events: { 'aws.cloudwatch:CloudWatch Alarm State Change': onAlarm },
  api: createApi,
  start: async (ctx) => {
    await loadPlaces(ctx);
    if (ctx.part('fabric').hostAddress !== undefined) await ctx.part('dns').serveRegistry();
    const forget = ctx.part('dns').register(nameServerNames);
    const stopLogs = keepQueryLogs(ctx);
    const stopMeter = meterQueries(ctx);
    return async () => {
      forget();
      await stopLogs();
      await stopMeter();
    };
  },
  onReset: forgetZonesOf,
});
