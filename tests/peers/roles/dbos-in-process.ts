import { launchDbos, type DbosInput } from './dbos.js';
import { drive, roleInput } from './role.js';

drive(await launchDbos(roleInput<DbosInput>()));
