import { launchDbos, type DbosInput } from './dbos.js';
import { serveWork } from './plain-http.js';
import { announce, roleInput } from './role.js';

const input = roleInput<DbosInput & { readonly port: number }>();
await serveWork(input.port, await launchDbos(input));
announce();
