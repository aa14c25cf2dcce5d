/** Cost Explorer: what services say was used, at list price. So far S3, EC2's instances, EBS, Network Load Balancers and Route 53's name servers say so; what nobody says costs nothing here. */
import { defineService } from '../../kernel/service.ts';
import { costChecks, costHandlers } from './cost-and-usage.ts';
import { Usage } from '../../kernel/usage.ts';

export default defineService({
  name: 'cost-explorer',
  global: true,
  tables: [Usage],
  handlers: costHandlers,
  authorise: costChecks,
});
