import type { Role } from '@taskmaster/contracts';

/** Who may do what: the roles that each route admits. `open` needs no key. A route that is not here is refused to everybody. */
type Rule = 'open' | readonly Role[];

const READ: Rule = ['viewer', 'operator', 'developer', 'admin'];
const OPERATE: Rule = ['operator', 'developer', 'admin'];
const START: Rule = ['operator', 'developer', 'admin'];
const ADMINISTER: Rule = ['admin'];

/** The role matrix. It drives the guard, the generated API document and the spec that walks the running application's routes. */
export const ROLE_MATRIX: Readonly<Record<string, Rule>> = {
  'GET /livez': 'open',
  'GET /readyz': 'open',
  'GET /startupz': 'open',
  'GET /api/health': 'open',
  'GET /api/docs': 'open',
  'GET /api/docs/openapi.json': 'open',
  'GET /api/docs/:asset': 'open',
  'GET /api/metrics': READ,
  'GET /api/workflows': READ,
  'GET /api/workflows/:id': READ,
  'GET /api/workflows/:id/history': READ,
  'GET /api/workflows/:id/events': READ,
  'GET /api/events': READ,
  'GET /api/agents': READ,
  'POST /api/workflows/execute': START,
  'POST /api/requirements/parse': START,
  'DELETE /api/workflows/:id': OPERATE,
  'PUT /api/workflows/:id/pause': OPERATE,
  'PUT /api/workflows/:id/resume': OPERATE,
  'PUT /api/workflows/:id/escalation': OPERATE,
  'POST /api/audit/verify': ADMINISTER,
};

export const ruleOf = (method: string, pattern: string): Rule | undefined =>
  ROLE_MATRIX[`${method === 'HEAD' ? 'GET' : method} ${pattern}`];
export const isOpen = (rule: Rule | undefined): boolean => rule === 'open';
export const admits = (rule: Rule | undefined, role: Role): boolean => rule !== undefined && (rule === 'open' || rule.includes(role));
