import { defineService } from '../../kernel/service.ts';
import { act } from './alarm-actions.ts';
import { alarmHandlers } from './alarms.ts';
import { composite, evaluate } from './alarm-state.ts';
import { createApi } from './api.ts';
import { authorisations } from './authorise.ts';
import { dashboardHandlers } from './dashboards.ts';
import { dataHandlers } from './data.ts';
import { metricHandlers } from './metrics.ts';
import { AlarmHistory, Alarms, Chunks, Dashboards, Metrics } from './state.ts';
import { tagHandlers } from './tags.ts';

export default defineService({
  name: 'cloudwatch',
  dataOperations: ['GetMetricData', 'GetMetricStatistics', 'ListMetrics', 'PutMetricData'],
  uses: ['application-auto-scaling', 'auto-scaling', 'ec2', 'lambda', 'sns'],
  tables: [Metrics, Chunks, Alarms, AlarmHistory, Dashboards],
  handlers: { ...metricHandlers, ...dataHandlers, ...alarmHandlers, ...dashboardHandlers, ...tagHandlers },
  authorise: authorisations,
  watches: ['evaluate'],
  tasks: { evaluate, composite, act },
  api: createApi,
});
