import { defineService } from '../../kernel/service.ts';
import { domainHandlers } from './domains.ts';
import { registrationHandlers } from './registrations.ts';
import { DomainNames, Domains, Operations } from './state.ts';
import { carryOut, domainReconciler, expire, forgetDomainsOf } from './tasks.ts';

export default defineService({
  name: 'route-53-domains',
  global: true,
  uses: ['route-53'],
  tables: [Domains, DomainNames, Operations],
  handlers: { ...registrationHandlers, ...domainHandlers },
  reconcilers: { domains: domainReconciler },
  tasks: { carryOut, expire },
  onReset: forgetDomainsOf,
});
